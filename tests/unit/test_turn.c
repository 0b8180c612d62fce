/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for a lock: order, those who sleep, and many machines over many periods.  Time is played: files
 * and locks are real, all in one process.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "box.h"
#include "store/queue.h"
#include "store/turn.h"

enum { TTL_MS = 900 * 1000 };

static const struct uuid this_boot = { { 1, 2, 3 } };

static struct turn *turn_of(const char *who, int64_t ttl_ms)
{
	const struct turn_request request = { .dirfd = box_dirfd(),
					      .name = "lock",
					      .mode = LOCK_HOLD,
					      .who = who,
					      .holder = who,
					      .ttl_ms = ttl_ms,
					      .boot = this_boot };

	return turn_new(&request);
}

static struct lock *try(struct turn *turn, enum turn_patience patience, int64_t now_ms)
{
	struct err err = ERR_INIT;
	struct lock *lock = turn_try(turn, patience, now_ms, &err);

	if (!lock)
		assert_int_equal(err.kind, ERR_LOCKED);
	else
		assert_false(err_is_set(&err));
	return lock;
}

static void a_free_lock_is_had_at_once_and_leaves_no_queue(void **state)
{
	struct turn *turn = turn_of("me", 0);
	struct lock *lock = try(turn, TURN_WAITS, 1);

	assert_non_null(lock);
	assert_false(box_exists("queue"));
	assert_string_equal(turn_seized_from(turn), "");
	lock_free(lock);
	turn_free(turn);
}

static void one_who_does_not_wait_leaves_nothing(void **state)
{
	struct turn *holder = turn_of("holder", 0);
	struct turn *turn = turn_of("me", 0);
	struct lock *lock = try(holder, TURN_NOW, 1);

	assert_null(try(turn, TURN_NOW, 1));
	assert_false(box_exists("queue"));
	lock_free(lock);
	turn_free(turn);
	turn_free(holder);
}

static void the_first_who_waits_is_the_next(void **state)
{
	struct turn *holder = turn_of("holder", 0);
	struct turn *first = turn_of("first", 0);
	struct turn *second = turn_of("second", 0);
	struct turn *third = turn_of("third", 0);
	struct lock *lock = try(holder, TURN_NOW, 1);

	assert_null(try(first, TURN_WAITS, 1));
	assert_null(try(second, TURN_WAITS, 1));
	lock_free(lock);
	/* Whoever asks before him, waiting or not, has to let him go first. */
	assert_null(try(second, TURN_WAITS, 2));
	assert_null(try(third, TURN_NOW, 2));
	assert_null(try(holder, TURN_WAITS, 2));
	lock = try(first, TURN_WAITS, 3);
	assert_non_null(lock);
	lock_free(lock);
	assert_null(try(holder, TURN_WAITS, 4));
	lock = try(second, TURN_WAITS, 4);
	assert_non_null(lock);
	lock_free(lock);
	lock = try(holder, TURN_WAITS, 5);
	assert_non_null(lock);
	lock_free(lock);
	turn_free(first);
	turn_free(second);
	turn_free(third);
	turn_free(holder);
}

/* What is his of the last time would put him in front of others the next time, or lie there for ever. */
static void one_who_comes_back_and_is_served_at_once_leaves_nothing(void **state)
{
	struct turn *holder = turn_of("holder", 0);
	struct turn *turn = turn_of("me", 0);
	struct turn *other = turn_of("me too", 0);
	struct lock *lock = try(holder, TURN_NOW, 1);

	assert_null(try(turn, TURN_WAITS, 1));
	assert_null(try(other, TURN_WAITS, 1));
	turn_free(turn);
	turn_free(other);
	lock_free(lock);
	turn = turn_of("me", 0);
	lock = try(turn, TURN_WAITS, 2);
	assert_non_null(lock);
	assert_false(box_exists("queue/0000000000000001.me"));
	assert_true(box_exists("queue/0000000000000002.me too"));
	lock_free(lock);
	turn_free(turn);
	turn_free(holder);
}

/* Two jobs of one name: what the other one holds stays his. */
static void a_place_that_is_held_is_not_given_up_by_another(void **state)
{
	struct turn *holder = turn_of("holder", 0);
	struct turn *waits = turn_of("me", 0);
	struct turn *turn = turn_of("me", 0);
	struct lock *lock = try(holder, TURN_NOW, 1);

	assert_null(try(waits, TURN_WAITS, 1));
	lock_free(lock);
	assert_null(try(turn, TURN_NOW, 2));
	/* The first does not take it: it is everybody's. */
	lock = try(turn, TURN_NOW, 2 + TURN_STUCK_MS);
	assert_non_null(lock);
	assert_true(box_exists("queue/0000000000000001.me"));
	lock_free(lock);
	turn_free(turn);
	turn_free(waits);
	turn_free(holder);
}

/* He has come back in the next period, where the other one was first. */
static void one_who_was_turned_away_comes_first_the_next_time(void **state)
{
	struct turn *holder = turn_of("holder", 0);
	struct turn *away = turn_of("away", 0);
	struct turn *fast = turn_of("fast", 0);
	struct lock *lock = try(holder, TURN_NOW, 1);

	assert_null(try(away, TURN_WAITS, 1));
	turn_free(away);
	assert_null(try(fast, TURN_WAITS, 2));
	away = turn_of("away", 0);
	assert_null(try(away, TURN_WAITS, 3));
	lock_free(lock);
	assert_null(try(fast, TURN_WAITS, 4));
	lock = try(away, TURN_WAITS, 4);
	assert_non_null(lock);
	lock_free(lock);
	lock = try(fast, TURN_WAITS, 5);
	assert_non_null(lock);
	lock_free(lock);
	turn_free(away);
	turn_free(fast);
	turn_free(holder);
}

static void one_who_sleeps_in_the_queue_does_not_hold_up_the_others(void **state)
{
	struct turn *holder = turn_of("holder", 0);
	struct turn *asleep = turn_of("asleep", 0);
	struct turn *me = turn_of("me", 0);
	struct lock *lock = try(holder, TURN_NOW, 1);

	assert_null(try(asleep, TURN_WAITS, 1));
	assert_null(try(me, TURN_WAITS, 1));
	lock_free(lock);
	assert_null(try(me, TURN_WAITS, 1000));
	assert_null(try(me, TURN_WAITS, 1000 + TURN_STUCK_MS - 1));
	lock = try(me, TURN_WAITS, 1000 + TURN_STUCK_MS);
	assert_non_null(lock);
	lock_free(lock);
	/* Awake, he is the first again. */
	lock = try(asleep, TURN_WAITS, 9000);
	assert_non_null(lock);
	lock_free(lock);
	turn_free(asleep);
	turn_free(me);
	turn_free(holder);
}

static void a_dry_run_stands_in_no_queue(void **state)
{
	struct turn *holder = turn_of("holder", 0);
	struct turn *waits = turn_of("waits", 0);
	const struct turn_request request = {
		.dirfd = box_dirfd(), .name = "lock", .mode = LOCK_PEEK, .who = "dry", .holder = ""
	};
	struct turn *dry = turn_new(&request);
	struct lock *lock = try(holder, TURN_NOW, 1);

	assert_null(try(waits, TURN_WAITS, 1));
	assert_null(try(dry, TURN_WAITS, 1));
	assert_int_equal(queue_length(box_dirfd()), 1);
	lock_free(lock);
	lock = try(dry, TURN_WAITS, 1);
	assert_non_null(lock);
	lock_free(lock);
	turn_free(dry);
	turn_free(waits);
	turn_free(holder);
}

/* He could not be put into the queue: he waits all the same, and takes what is free. */
static void without_a_queue_a_lock_can_be_had(void **state)
{
	struct turn *holder = turn_of("holder", 0);
	struct turn *me = turn_of("me", 0);
	struct lock *lock = try(holder, TURN_NOW, 1);

	box_write("queue", "no folder", 9);
	assert_null(try(me, TURN_WAITS, 1));
	lock_free(lock);
	lock = try(me, TURN_WAITS, 2);
	assert_non_null(lock);
	lock_free(lock);
	turn_free(me);
	turn_free(holder);
}

/* What will not be better in a moment: nobody takes a place to wait for it. */
static void a_lock_that_cannot_be_is_an_error_and_not_waited_for(void **state)
{
	const struct turn_request peek = {
		.dirfd = box_dirfd(), .name = "lock", .mode = LOCK_PEEK, .who = "dry", .holder = ""
	};
	struct turn *turns[] = { turn_of("me", TTL_MS), turn_new(&peek) };

	assert_int_equal(mkfifo("lock", 0600), 0);
	for (size_t i = 0; i < 2; i++) {
		struct err err = ERR_INIT;

		assert_null(turn_try(turns[i], TURN_WAITS, 1, &err));
		assert_int_equal(err.kind, ERR_SYSTEM);
		assert_null(turn_try(turns[i], TURN_WAITS, 1, NULL));
		turn_free(turns[i]);
	}
	assert_false(box_exists("queue"));
	assert_false(box_exists("lock.silent"));
}

/* Silence --------------------------------------------------------------------- */

static void i42_a_lock_is_taken_over_when_it_was_seen_silent_for_long(void **state)
{
	struct turn *old = turn_of("old", 0);
	struct turn *turn = turn_of("me", TTL_MS);
	struct lock *held = try(old, TURN_NOW, 1);
	struct lock *lock = NULL;
	AUTO_BUF line = BUF_INIT;

	assert_true(box_read("lock", &line));
	assert_int_equal(strncmp(buf_cstr(&line), "old since ", 10), 0);
	assert_null(try(turn, TURN_WAITS, 5000));
	assert_null(try(turn, TURN_WAITS, 5000 + TTL_MS - 1));
	lock = try(turn, TURN_WAITS, 5000 + TTL_MS);
	assert_non_null(lock);
	/* All of the line but its end, and nothing behind it. */
	assert_int_equal(strlen(turn_seized_from(turn)), line.len - 1);
	assert_int_equal(strncmp(turn_seized_from(turn), buf_cstr(&line), line.len - 1), 0);
	assert_int_equal(lock_check(lock, NULL), 0);
	assert_int_equal(lock_check(held, NULL), -1);
	assert_int_equal(queue_length(box_dirfd()), 0);
	assert_false(box_exists("lock.silent"));
	lock_free(held);
	lock_free(lock);
	turn_free(turn);
	turn_free(old);
}

static void i42_a_heartbeat_begins_the_time_anew(void **state)
{
	struct turn *old = turn_of("old", 0);
	struct turn *turn = turn_of("me", TTL_MS);
	struct lock *held = try(old, TURN_NOW, 1);

	for (int64_t now_ms = 0; now_ms < 10 * (int64_t)TTL_MS; now_ms += TTL_MS - 1) {
		assert_null(try(turn, TURN_WAITS, now_ms));
		clock_sleep_ms(15);
		lock_beat(held);
	}
	assert_int_equal(lock_check(held, NULL), 0);
	lock_free(held);
	turn_free(turn);
	turn_free(old);
}

static void i42_without_a_ttl_nothing_is_taken_over(void **state)
{
	struct turn *old = turn_of("old", 0);
	struct turn *turn = turn_of("me", 0);
	struct lock *held = try(old, TURN_NOW, 1);

	assert_null(try(turn, TURN_WAITS, 0));
	assert_null(try(turn, TURN_WAITS, INT64_C(1) << 50));
	/* Told so later, it begins to look. */
	turn_set_ttl(turn, TTL_MS);
	assert_null(try(turn, TURN_WAITS, INT64_C(1) << 50));
	lock_free(held);
	turn_free(turn);
	turn_free(old);
}

/*
 * One run every five minutes that does not wait: what one has seen, the next one knows.  The holder was
 * last heard of so many seconds from now, by a clock that may be another one.
 */
static void be_silent_over_runs(int seconds)
{
	struct turn *old = turn_of("old", 0);
	struct lock *held = try(old, TURN_NOW, 1);
	const struct timespec heard = { time(NULL) + seconds, 0 };
	const struct timespec times[2] = { heard, heard };
	struct lock *lock = NULL;

	assert_int_equal(utimensat(AT_FDCWD, "lock", times, 0), 0);
	for (int64_t now_ms = 0; now_ms <= TTL_MS; now_ms += 300 * 1000) {
		struct turn *turn = turn_of("me", TTL_MS);

		assert_null(lock);
		lock = try(turn, TURN_NOW, now_ms);
		turn_free(turn);
	}
	assert_non_null(lock);
	lock_free(lock);
	lock_free(held);
	turn_free(old);
}

static void i42_silence_is_remembered_between_runs(void **state)
{
	be_silent_over_runs(-3600);
}

static void i42_silence_is_remembered_where_clocks_differ(void **state)
{
	be_silent_over_runs(+3600);
}

/* Awake in the last moment, after it was seen silent and before its lock is replaced. */
static void i42_who_wakes_up_in_time_keeps_the_lock(void **state)
{
	struct turn *old = turn_of("old", 0);
	struct turn *me = turn_of("me", TTL_MS);
	struct lock *held = try(old, TURN_NOW, 1);

	assert_null(try(me, TURN_WAITS, 1));
	setenv("OSYNC_POINT", "before-seize=sleep 0.02; touch lock", 1);
	assert_null(try(me, TURN_WAITS, 1 + TTL_MS));
	unsetenv("OSYNC_POINT");
	assert_string_equal(turn_seized_from(me), "");
	assert_int_equal(lock_check(held, NULL), 0);
	/* His time begins anew. */
	assert_null(try(me, TURN_WAITS, 2 + TTL_MS));
	assert_null(try(me, TURN_WAITS, 1 + 2 * (int64_t)TTL_MS));
	lock_free(try(me, TURN_WAITS, 2 + 2 * (int64_t)TTL_MS));
	assert_int_equal(lock_check(held, NULL), -1);
	lock_free(held);
	turn_free(me);
	turn_free(old);
}

/* Gone or replaced by nothing in between: no harm, and the next try finds out. */
static void i42_a_lock_that_goes_in_between_is_not_taken_over(void **state)
{
	struct turn *old = turn_of("old", 0);
	struct turn *me = turn_of("me", TTL_MS);
	struct lock *held = try(old, TURN_NOW, 1);
	struct lock *lock = NULL;

	assert_null(try(me, TURN_WAITS, 1));
	setenv("OSYNC_POINT", "before-seize=rm lock", 1);
	assert_null(try(me, TURN_WAITS, 1 + TTL_MS));
	unsetenv("OSYNC_POINT");
	assert_string_equal(turn_seized_from(me), "");
	lock = try(me, TURN_WAITS, 2 + TTL_MS);
	assert_non_null(lock);
	assert_int_equal(lock_check(lock, NULL), 0);
	lock_free(lock);
	lock_free(held);
	turn_free(me);
	turn_free(old);
}

static void i42_on_a_full_disk_nothing_is_taken_over(void **state)
{
	struct turn *old = turn_of("old", 0);
	struct turn *me = turn_of("me", TTL_MS);
	struct lock *held = try(old, TURN_NOW, 1);
	struct err err = ERR_INIT;

	assert_null(try(me, TURN_WAITS, 1));
	/* The lock's file is there to be opened; another one cannot be made. */
	box_fault("fail:2+:%d", ENOSPC);
	assert_null(turn_try(me, TURN_WAITS, 1 + TTL_MS, &err));
	box_fault_off();
	assert_int_equal(err.sys, ENOSPC);
	assert_string_equal(turn_seized_from(me), "");
	assert_int_equal(lock_check(held, NULL), 0);
	lock_free(try(me, TURN_WAITS, 2 + TTL_MS));
	assert_int_equal(lock_check(held, NULL), -1);
	lock_free(held);
	turn_free(me);
	turn_free(old);
}

/* Whatever cannot be read in a try: a holder that has just shown life keeps its lock. */
static void i42_a_live_holder_keeps_its_lock_whatever_cannot_be_read(void **state)
{
	enum { CALLS = 40 /* more than there are */ };
	struct turn *old = turn_of("old", 0);
	struct turn *me = turn_of("me", TTL_MS);
	struct lock *held = try(old, TURN_NOW, 1);
	struct lock *lock = NULL;
	int64_t now_ms = 1;

	assert_null(try(me, TURN_WAITS, now_ms));
	for (unsigned n = 1; n < CALLS; n++) {
		struct err err = ERR_INIT;

		clock_sleep_ms(15);
		lock_beat(held);
		now_ms += TTL_MS;
		box_fault("fail:%u:%d::look", n, EIO);
		assert_null(turn_try(me, TURN_WAITS, now_ms, &err));
		box_fault_off();
		assert_true(err_is_set(&err));
		assert_int_equal(lock_check(held, NULL), 0);
	}
	/* And one that is silent loses it. */
	assert_null(try(me, TURN_WAITS, now_ms));
	lock = try(me, TURN_WAITS, now_ms + TTL_MS);
	assert_non_null(lock);
	lock_free(lock);
	lock_free(held);
	turn_free(me);
	turn_free(old);
}

/* Many machines ----------------------------------------------------------------- */

enum {
	MACHINES = 20,
	PERIODS = 24,
	PERIOD_S = 300,
	STEP_S = 2,
	WAIT_S = 240,  /* LOCK_WAIT */
	JITTER_S = 60, /* START_JITTER */
};

/* An initiator: what it does now, and until when. */
struct machine {
	char name[16];
	unsigned latency_s; /* until it has connected: a slow line */
	unsigned length_s;  /* of a run, at most; at least half of it */
	unsigned poll_s;    /* without the queue: how often it looks */
	unsigned arrives_s; /* in this period */
	struct turn *turn;
	unsigned waits_until_s;
	struct lock *lock;
	unsigned runs_until_s;
	bool synced[PERIODS];
};

/*
 * Twenty machines whose runs take longer than a period, all together.  The first one is always there
 * before all others, looks more often than they do, and is the quickest.
 */
static void set_up(struct machine machines[static MACHINES], unsigned *seed)
{
	for (unsigned i = 0; i < MACHINES; i++) {
		struct machine *machine = &machines[i];

		*machine = (struct machine){ .latency_s = 2 + box_random(seed, 20),
					     .length_s = 10 + box_random(seed, 30),
					     .poll_s = 2 + 2 * box_random(seed, 10) };
		snprintf(machine->name, sizeof(machine->name), "machine-%u", i);
	}
	machines[0].latency_s = 0;
	machines[0].poll_s = STEP_S;
	machines[0].length_s = 8;
}

static void start_period(struct machine machines[static MACHINES], unsigned now_s, unsigned *seed)
{
	for (unsigned i = 0; i < MACHINES; i++)
		machines[i].arrives_s =
			now_s + machines[i].latency_s + (i > 0 ? box_random(seed, JITTER_S) : 0);
}

static void step(struct machine *machine, unsigned now_s, bool queued, unsigned *seed)
{
	if (machine->lock && now_s >= machine->runs_until_s) {
		machine->synced[now_s / PERIOD_S] = true;
		lock_free(machine->lock);
		machine->lock = NULL;
	}
	/* A run that is still under way keeps the next one from starting. */
	if (!machine->lock && !machine->turn && now_s >= machine->arrives_s &&
	    machine->arrives_s > 0) {
		machine->turn = turn_of(machine->name, 0);
		machine->waits_until_s = now_s + WAIT_S;
		machine->arrives_s = 0;
	}
	if (!machine->turn || (!queued && now_s % machine->poll_s != 0))
		return;
	machine->lock = try(machine->turn, queued ? TURN_WAITS : TURN_NOW, now_s * 1000);
	if (machine->lock)
		machine->runs_until_s =
			now_s + machine->length_s / 2 + box_random(seed, machine->length_s / 2 + 1);
	if (machine->lock || now_s >= machine->waits_until_s) {
		turn_free(machine->turn);
		machine->turn = NULL;
	}
}

/* The longest time, in periods, in which a machine never came to its end. */
static unsigned longest_gap(const struct machine machines[static MACHINES])
{
	unsigned longest = 0;

	for (unsigned i = 0; i < MACHINES; i++) {
		unsigned gap = 0;

		for (unsigned p = 0; p < PERIODS; p++) {
			gap = machines[i].synced[p] ? 0 : gap + 1;
			longest = gap > longest ? gap : longest;
		}
	}
	return longest;
}

static unsigned play(unsigned seed, bool queued)
{
	static struct machine machines[MACHINES];

	set_up(machines, &seed);
	for (unsigned now_s = 0; now_s < PERIODS * PERIOD_S; now_s += STEP_S) {
		unsigned from = box_random(&seed, MACHINES - 1);

		if (now_s % PERIOD_S == 0)
			start_period(machines, now_s, &seed);
		step(&machines[0], now_s, queued, &seed);
		for (unsigned i = 0; i < MACHINES - 1; i++)
			step(&machines[1 + (from + i) % (MACHINES - 1)], now_s, queued, &seed);
	}
	for (unsigned i = 0; i < MACHINES; i++) {
		turn_free(machines[i].turn);
		lock_free(machines[i].lock);
	}
	return longest_gap(machines);
}

static void of_twenty_machines_each_syncs_at_least_every_other_period(void **state)
{
	for (unsigned seed = 1; seed <= 3; seed++)
		assert_in_range(play(seed, true), 0, 1);
}

/* What the queue is for: where they only look now and then, somebody has bad luck for long. */
static void without_a_queue_some_would_starve(void **state)
{
	unsigned worst = 0;

	for (unsigned seed = 1; seed <= 3; seed++) {
		unsigned gap = play(seed, false);

		worst = gap > worst ? gap : worst;
	}
	assert_true(worst > 2);
}

#define BOXED(test) cmocka_unit_test_setup_teardown(test, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(a_free_lock_is_had_at_once_and_leaves_no_queue),
		BOXED(one_who_does_not_wait_leaves_nothing),
		BOXED(the_first_who_waits_is_the_next),
		BOXED(one_who_comes_back_and_is_served_at_once_leaves_nothing),
		BOXED(a_place_that_is_held_is_not_given_up_by_another),
		BOXED(one_who_was_turned_away_comes_first_the_next_time),
		BOXED(one_who_sleeps_in_the_queue_does_not_hold_up_the_others),
		BOXED(a_dry_run_stands_in_no_queue),
		BOXED(without_a_queue_a_lock_can_be_had),
		BOXED(a_lock_that_cannot_be_is_an_error_and_not_waited_for),
		BOXED(i42_a_lock_is_taken_over_when_it_was_seen_silent_for_long),
		BOXED(i42_a_heartbeat_begins_the_time_anew),
		BOXED(i42_without_a_ttl_nothing_is_taken_over),
		BOXED(i42_silence_is_remembered_between_runs),
		BOXED(i42_silence_is_remembered_where_clocks_differ),
		BOXED(i42_who_wakes_up_in_time_keeps_the_lock),
		BOXED(i42_a_lock_that_goes_in_between_is_not_taken_over),
		BOXED(i42_on_a_full_disk_nothing_is_taken_over),
		BOXED(i42_a_live_holder_keeps_its_lock_whatever_cannot_be_read),
		BOXED(of_twenty_machines_each_syncs_at_least_every_other_period),
		BOXED(without_a_queue_some_would_starve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
