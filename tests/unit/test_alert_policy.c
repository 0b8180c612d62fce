/* SPDX-License-Identifier: BSD-2-Clause */
/* When somebody is told: runs every five minutes, day after day. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "alert/policy.h"
#include "config/mail.h"

enum { MINUTE = 60, HOUR = 3600, DAY = 24 * HOUR, PERIOD = 5 * MINUTE };

/* A job that somebody looks after. */
struct life {
	struct policy_rules rules;
	struct policy_memory memory;
	struct policy_verdict last;
	int64_t now_s;
	int told; /* mails, of any sort */
	int recovered;
};

static struct life life_new(void)
{
	struct life life = {
		.rules = { .on = MAIL_ON_ERROR | MAIL_ON_WARNING | MAIL_ON_CONFLICT |
				 MAIL_ON_RECOVERY,
			   .repeat_s = DAY,
			   .locked_s = 2 * HOUR,
			   .offline_s = DAY },
		.now_s = 1800000000,
	};

	return life;
}

/* One run, five minutes after the last; whether it was told. */
static bool run(struct life *life, struct policy_found found)
{
	life->now_s += PERIOD;
	policy_note(&life->memory, &life->rules, &found, life->now_s);
	life->last = policy_judge(&life->memory, &life->rules, &found, life->now_s);
	if (!life->last.tell)
		return false;
	life->told++;
	life->recovered += life->last.recovered;
	policy_told(&life->memory, &found, &life->last, life->now_s);
	return true;
}

static struct policy_found good(void)
{
	return (struct policy_found){ .finished = true };
}

static struct policy_found bad(enum trouble_kind kind, uint64_t id)
{
	return (struct policy_found){ .items = { { .kind = kind, .id = id } }, .count = 1 };
}

static struct policy_found paths(uint64_t digits)
{
	struct policy_found found = bad(TROUBLE_PATHS, digits);

	found.finished = true;
	return found;
}

static struct policy_found look(uint64_t id, bool conflict)
{
	return (struct policy_found){
		.items = { { .kind = TROUBLE_LOOK, .id = id, .looks = 1, .conflict = conflict } },
		.count = 1,
		.finished = true,
	};
}

static void repeat(struct life *life, struct policy_found found, int64_t span_s)
{
	for (int64_t end_s = life->now_s + span_s; life->now_s < end_s;)
		run(life, found);
}

static void test_good_runs_are_silent_and_leave_no_memory(void **state)
{
	struct life life = life_new();

	repeat(&life, good(), 3 * DAY);
	assert_int_equal(life.told, 0);
	assert_int_equal(life.memory.count, 0);
}

static void test_trouble_is_told_at_once_and_then_once_a_day(void **state)
{
	static const enum trouble_kind kinds[] = { TROUBLE_FAILED, TROUBLE_GUARD, TROUBLE_DENIED,
						   TROUBLE_SETUP };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct life life = life_new();

		assert_true(run(&life, bad(kinds[i], 7)));
		repeat(&life, bad(kinds[i], 7), 3 * DAY - HOUR);
		assert_int_equal(life.told, 3);
		assert_int_equal(life.memory.count, 1);
	}
}

static void test_the_end_is_told_once(void **state)
{
	struct life life = life_new();

	repeat(&life, bad(TROUBLE_GUARD, 1), HOUR);
	assert_true(run(&life, good()));
	assert_true(life.last.recovered);
	repeat(&life, good(), 2 * DAY);
	assert_int_equal(life.told, 2);
	assert_int_equal(life.memory.count, 0);
}

static void test_the_end_of_what_was_not_told_is_not_told(void **state)
{
	struct life life = life_new();

	repeat(&life, bad(TROUBLE_UNREACHABLE, 0), 5 * HOUR);
	repeat(&life, good(), DAY);
	assert_int_equal(life.told, 0);
}

static void test_a_run_with_pending_paths_is_no_end(void **state)
{
	struct life life = life_new();

	run(&life, bad(TROUBLE_FAILED, 1));
	run(&life, paths(1));
	assert_int_equal(life.told, 2);
	assert_int_equal(life.recovered, 0);
	run(&life, good());
	assert_int_equal(life.recovered, 1);
	assert_int_equal(life.told, 3);
}

/* What comes and goes is told as often as what stays. */
static void test_trouble_that_comes_and_goes_does_not_shout(void **state)
{
	struct life life = life_new();

	for (int i = 0; i < 2 * DAY / (2 * PERIOD) - 1; i++) {
		run(&life, bad(TROUBLE_FAILED, 3));
		run(&life, good());
	}
	/* Two days: twice that it is there, twice that it is over. */
	assert_int_equal(life.told, 4);
	assert_int_equal(life.recovered, 2);
}

static void test_different_troubles_take_turns_without_shouting(void **state)
{
	struct life life = life_new();

	for (int i = 0; i < DAY / PERIOD - 1; i++)
		run(&life, bad(TROUBLE_FAILED, (uint64_t)(i % 3)));
	assert_int_equal(life.told, 3);
}

static void test_ever_new_reasons_are_told_a_few_times_a_day(void **state)
{
	struct life life = life_new();

	for (int i = 0; i < DAY / PERIOD - 1; i++)
		run(&life, bad(TROUBLE_FAILED, (uint64_t)i));
	assert_int_equal(life.told, POLICY_PER_KIND);
	assert_in_range(life.memory.count, 1, POLICY_ENTRIES);
}

static void test_more_paths_are_news_fewer_are_not(void **state)
{
	struct life life = life_new();

	assert_true(run(&life, paths(2)));
	assert_false(run(&life, paths(2)));
	assert_false(run(&life, paths(1)));
	assert_true(run(&life, paths(3)));
	assert_false(run(&life, paths(2)));
}

static void test_a_lock_is_told_when_it_has_lasted(void **state)
{
	struct life life = life_new();

	repeat(&life, bad(TROUBLE_LOCKED, 0), 2 * HOUR);
	assert_int_equal(life.told, 0);
	assert_true(run(&life, bad(TROUBLE_LOCKED, 0)));
	assert_true(run(&life, good()));
	assert_int_equal(life.recovered, 1);
	/* And the next one has all its time again, and waits for its repeat. */
	repeat(&life, bad(TROUBLE_LOCKED, 0), 3 * HOUR);
	assert_int_equal(life.told, 2);
}

static void test_short_locks_again_and_again_are_never_told(void **state)
{
	struct life life = life_new();

	for (int i = 0; i < 50; i++) {
		repeat(&life, bad(TROUBLE_LOCKED, 0), HOUR);
		run(&life, good());
	}
	assert_int_equal(life.told, 0);
}

static void test_a_laptop_that_slept_over_the_weekend_is_no_alarm(void **state)
{
	struct life life = life_new();

	run(&life, bad(TROUBLE_UNREACHABLE, 0));
	life.now_s += 3 * DAY;
	run(&life, bad(TROUBLE_UNREACHABLE, 0));
	run(&life, good());
	assert_int_equal(life.told, 0);
	/* It runs all the time, and nobody answers: that is one. */
	repeat(&life, bad(TROUBLE_UNREACHABLE, 0), DAY + HOUR);
	assert_int_equal(life.told, 1);
}

static void test_being_locked_out_shows_that_the_target_is_there(void **state)
{
	struct life life = life_new();

	for (int i = 0; i < 3 * DAY / (6 * HOUR); i++) {
		repeat(&life, bad(TROUBLE_UNREACHABLE, 0), 6 * HOUR - PERIOD);
		run(&life, bad(TROUBLE_LOCKED, 0));
	}
	for (size_t i = 0; i < life.memory.count; i++)
		assert_int_not_equal(life.memory.troubles[i].kind, TROUBLE_UNREACHABLE);
}

static void test_patience_may_be_switched_off(void **state)
{
	struct life life = life_new();

	life.rules.offline_s = 0;
	assert_true(run(&life, bad(TROUBLE_UNREACHABLE, 0)));
	assert_false(run(&life, bad(TROUBLE_UNREACHABLE, 0)));
}

static void test_runs_that_are_always_ended_are_told(void **state)
{
	struct life life = life_new();

	repeat(&life, bad(TROUBLE_STOPPED, 0), 3 * HOUR);
	assert_int_equal(life.told, 1);
}

static void test_what_wants_a_look_is_told_at_once(void **state)
{
	struct life life = life_new();

	assert_true(run(&life, look(1, true)));
	assert_true(life.last.found[0]);
	repeat(&life, good(), DAY);
	assert_int_equal(life.told, 1);
	assert_int_equal(life.recovered, 0);
}

/* Each is said by one run only: none may get lost, and yet not every run is to be told. */
static void test_many_looks_are_told_hourly_and_none_is_dropped(void **state)
{
	struct life life = life_new();
	uint64_t told = 0;

	for (int i = 0; i < 60; i++) {
		uint64_t before = life.memory.looks;

		if (run(&life, look((uint64_t)i, true)))
			told += before + 1;
	}
	assert_int_equal(life.told, 5);
	repeat(&life, good(), HOUR + PERIOD);
	assert_int_equal(life.told, 6);
	assert_true(life.last.tell == false);
	assert_int_equal(life.memory.looks, 0);
	assert_in_range(told, 48, 60);
}

/* CONFLICT_POLICY=skip says the same in every run. */
static void test_the_same_look_in_every_run_is_told_once_a_day(void **state)
{
	struct life life = life_new();

	repeat(&life, look(1, true), 2 * DAY - HOUR);
	assert_int_equal(life.told, 2);
}

/* A command that fails in every run, and a conflict among them. */
static void test_a_look_that_was_told_is_not_owed_when_it_comes_again(void **state)
{
	struct life life = life_new();

	for (int i = 0; i < 40; i++) {
		run(&life, look(1, false));
		run(&life, good());
	}
	assert_int_equal(life.told, 1);
	assert_int_equal(life.memory.looks, 0);
}

static void test_only_what_is_wanted_is_told(void **state)
{
	struct life life = life_new();

	life.rules.on = MAIL_ON_CONFLICT;
	assert_false(run(&life, bad(TROUBLE_FAILED, 1)));
	assert_false(run(&life, look(1, false)));
	assert_true(run(&life, look(2, true)));
	life = life_new();
	life.rules.on = MAIL_ON_ERROR;
	assert_false(run(&life, look(2, true)));
	assert_true(run(&life, bad(TROUBLE_FAILED, 1)));
	assert_false(run(&life, good()));
	life.rules.on = MAIL_ON_SUCCESS;
	assert_true(run(&life, good()));
	assert_true(run(&life, look(3, true)));
	assert_false(run(&life, paths(1)));
}

/* A recovery that nobody wanted to hear of is not owed when that changes. */
static void test_what_is_owed_is_forgotten_with_the_wish(void **state)
{
	struct life life = life_new();

	run(&life, bad(TROUBLE_FAILED, 1));
	life.rules.on = MAIL_ON_ERROR;
	run(&life, good());
	life.rules.on |= MAIL_ON_RECOVERY;
	assert_false(run(&life, good()));
}

static void test_what_could_not_be_told_is_still_due(void **state)
{
	struct life life = life_new();
	struct policy_found found = bad(TROUBLE_GUARD, 1);

	for (int i = 0; i < 3; i++) {
		life.now_s += PERIOD;
		policy_note(&life.memory, &life.rules, &found, life.now_s);
		life.last = policy_judge(&life.memory, &life.rules, &found, life.now_s);
		assert_true(life.last.tell);
	}
	assert_true(run(&life, found));
	assert_false(run(&life, found));
}

static void test_a_clock_that_was_wrong_neither_silences_nor_shouts(void **state)
{
	struct life life = life_new();

	life.now_s += 3650L * DAY;
	run(&life, bad(TROUBLE_FAILED, 1));
	life.now_s -= 3650L * DAY;
	assert_false(run(&life, bad(TROUBLE_FAILED, 1)));
	repeat(&life, bad(TROUBLE_FAILED, 1), DAY + HOUR);
	assert_int_equal(life.told, 2);
}

static void test_the_memory_does_not_grow(void **state)
{
	struct life life = life_new();

	for (int i = 0; i < 5000; i++) {
		run(&life, look((uint64_t)i, true));
		run(&life, bad((enum trouble_kind)(i % TROUBLE_KINDS), (uint64_t)i));
		assert_true(life.memory.count <= POLICY_ENTRIES);
	}
}

/* What is owed is not pushed out by what is over. */
static void test_a_full_memory_keeps_what_is_owed(void **state)
{
	struct life life = life_new();

	run(&life, bad(TROUBLE_GUARD, 99));
	for (int i = 0; i < 100; i++) {
		life.now_s += HOUR;
		struct policy_found found = look((uint64_t)i, true);

		found.finished = false;
		run(&life, found);
	}
	run(&life, good());
	assert_int_equal(life.recovered, 1);
}

static void test_a_server_that_is_down_is_told_when_a_lock_would_be(void **state)
{
	struct life life = life_new();

	repeat(&life, bad(TROUBLE_DOWN, 0), 2 * HOUR);
	assert_int_equal(life.told, 0);
	repeat(&life, bad(TROUBLE_DOWN, 0), HOUR);
	assert_int_equal(life.told, 1);
	/* Who is kept out by a lock has reached it. */
	run(&life, bad(TROUBLE_LOCKED, 0));
	assert_false(policy_find_trouble(&life.memory, TROUBLE_DOWN, 0)->lasts);
	assert_true(run(&life, good()));
	assert_int_equal(life.recovered, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_runs_are_silent_and_leave_no_memory),
		cmocka_unit_test(test_trouble_is_told_at_once_and_then_once_a_day),
		cmocka_unit_test(test_the_end_is_told_once),
		cmocka_unit_test(test_the_end_of_what_was_not_told_is_not_told),
		cmocka_unit_test(test_a_run_with_pending_paths_is_no_end),
		cmocka_unit_test(test_trouble_that_comes_and_goes_does_not_shout),
		cmocka_unit_test(test_different_troubles_take_turns_without_shouting),
		cmocka_unit_test(test_ever_new_reasons_are_told_a_few_times_a_day),
		cmocka_unit_test(test_more_paths_are_news_fewer_are_not),
		cmocka_unit_test(test_a_lock_is_told_when_it_has_lasted),
		cmocka_unit_test(test_short_locks_again_and_again_are_never_told),
		cmocka_unit_test(test_a_laptop_that_slept_over_the_weekend_is_no_alarm),
		cmocka_unit_test(test_being_locked_out_shows_that_the_target_is_there),
		cmocka_unit_test(test_patience_may_be_switched_off),
		cmocka_unit_test(test_runs_that_are_always_ended_are_told),
		cmocka_unit_test(test_what_wants_a_look_is_told_at_once),
		cmocka_unit_test(test_many_looks_are_told_hourly_and_none_is_dropped),
		cmocka_unit_test(test_the_same_look_in_every_run_is_told_once_a_day),
		cmocka_unit_test(test_a_look_that_was_told_is_not_owed_when_it_comes_again),
		cmocka_unit_test(test_only_what_is_wanted_is_told),
		cmocka_unit_test(test_what_is_owed_is_forgotten_with_the_wish),
		cmocka_unit_test(test_what_could_not_be_told_is_still_due),
		cmocka_unit_test(test_a_clock_that_was_wrong_neither_silences_nor_shouts),
		cmocka_unit_test(test_the_memory_does_not_grow),
		cmocka_unit_test(test_a_full_memory_keeps_what_is_owed),
		cmocka_unit_test(test_a_server_that_is_down_is_told_when_a_lock_would_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
