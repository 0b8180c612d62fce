/* SPDX-License-Identifier: BSD-2-Clause */
/* Which profile of a batch runs next, and which once more. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "batch/schedule.h"
#include "run/report.h"

enum { MANY = 12 };

/* Items with equal letters clash; '-' clashes with none. */
static bool by_letter(void *arg, size_t one, size_t other)
{
	const char *letters = arg;

	return letters[one] != '-' && letters[one] == letters[other];
}

static struct schedule_limits limits(unsigned jobs, unsigned tries)
{
	return (struct schedule_limits){
		.jobs = jobs, .tries = tries, .deadline_ms = INT64_MAX, .wait_ms = 1000
	};
}

static size_t next(struct schedule_item *items, size_t count, unsigned jobs, int64_t now_ms,
		   const char *letters)
{
	struct schedule_limits these = limits(jobs, 0);
	size_t i =
		schedule_next(items, count, &these, now_ms, by_letter, (void *)(uintptr_t)letters);

	if (i < count) {
		items[i].state = SCHEDULE_RUNNING;
		items[i].tries++;
	}
	return i;
}

static void one_after_the_other_in_the_order_given(void **state)
{
	struct schedule_item items[3] = { 0 };

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(next(items, 3, 1, 5, "---"), i);
		assert_int_equal(next(items, 3, 1, 5, "---"), 3);
		items[i].state = SCHEDULE_OVER;
	}
	assert_int_equal(next(items, 3, 1, 5, "---"), 3);
}

static void so_many_at_once_as_asked_for(void **state)
{
	struct schedule_item items[3] = { 0 };

	assert_int_equal(next(items, 3, 2, 0, "---"), 0);
	assert_int_equal(next(items, 3, 2, 0, "---"), 1);
	assert_int_equal(next(items, 3, 2, 0, "---"), 3);
	items[0].state = SCHEDULE_OVER;
	assert_int_equal(next(items, 3, 2, 0, "---"), 2);
}

static void two_that_clash_never_run_together_and_keep_nobody_waiting(void **state)
{
	struct schedule_item items[4] = { 0 };

	assert_int_equal(next(items, 4, 4, 0, "aaab"), 0);
	assert_int_equal(next(items, 4, 4, 0, "aaab"), 3);
	assert_int_equal(next(items, 4, 4, 0, "aaab"), 4);
	items[0].state = SCHEDULE_OVER;
	assert_int_equal(next(items, 4, 4, 0, "aaab"), 1);
	assert_int_equal(next(items, 4, 4, 0, "aaab"), 4);
}

static void who_is_due_for_longest_is_first(void **state)
{
	struct schedule_item items[3] = { { SCHEDULE_WAITING, 1, 30 },
					  { SCHEDULE_WAITING, 1, 20 },
					  { SCHEDULE_WAITING, 0, 0 } };

	assert_int_equal(next(items, 3, 3, 25, "---"), 2);
	assert_int_equal(next(items, 3, 3, 25, "---"), 1);
	assert_int_equal(next(items, 3, 3, 25, "---"), 3);
	assert_int_equal(schedule_wait_ms(items, 3, 25), 5);
	assert_int_equal(next(items, 3, 3, 30, "---"), 0);
	assert_int_equal(schedule_wait_ms(items, 3, 30), -1);
}

static void what_is_due_and_blocked_is_not_waited_for_by_the_clock(void **state)
{
	struct schedule_item items[3] = { { SCHEDULE_RUNNING, 1, 0 },
					  { SCHEDULE_WAITING, 0, 0 },
					  { SCHEDULE_WAITING, 1, 70 } };

	assert_int_equal(schedule_wait_ms(items, 3, 10), 60);
	items[2].state = SCHEDULE_OVER;
	assert_int_equal(schedule_wait_ms(items, 3, 10), -1);
}

static void only_what_passes_by_itself_is_tried_again(void **state)
{
	static const struct {
		struct schedule_try end;
		bool passes;
	} cases[] = {
		{ { EXIT_IN_SYNC, true }, false },
		{ { EXIT_FAILED, true }, true },
		{ { EXIT_FAILED, false }, false },
		{ { EXIT_LOOK, true }, false },
		{ { EXIT_GUARD, false }, false },
		{ { EXIT_BAD_USAGE, false }, false },
		{ { EXIT_UNREACHABLE, false }, true },
		{ { EXIT_LOCKED, false }, true },
		{ { EXIT_DENIED, false }, false },
		{ { EXIT_BAD_CONFIG, false }, false },
		{ { 127, false }, false },
		{ { 128 + 15, false }, false },
		{ { 128 + 9, false }, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct schedule_limits these = limits(1, 0);
		struct schedule_item item = { SCHEDULE_RUNNING, 1, 0 };

		assert_int_equal(schedule_passes(&cases[i].end), cases[i].passes);
		schedule_tried(&item, &these, &cases[i].end, 100, 0);
		assert_int_equal(item.state, cases[i].passes ? SCHEDULE_WAITING : SCHEDULE_OVER);
	}
}

static void each_wait_is_twice_the_one_before_up_to_a_limit(void **state)
{
	struct schedule_limits these = limits(1, 0);

	assert_int_equal(schedule_backoff_ms(&these, 1, 0), 1000);
	assert_int_equal(schedule_backoff_ms(&these, 2, 0), 2000);
	assert_int_equal(schedule_backoff_ms(&these, 3, 0), 4000);
	assert_int_equal(schedule_backoff_ms(&these, 10, 0), 512000);
	assert_int_equal(schedule_backoff_ms(&these, 11, 0), SCHEDULE_WAIT_MAX_MS);
	assert_int_equal(schedule_backoff_ms(&these, UINT32_MAX, 0), SCHEDULE_WAIT_MAX_MS);
	these.wait_ms = INT64_C(86400) * 1000;
	assert_int_equal(schedule_backoff_ms(&these, 7, 0), these.wait_ms);
	these.wait_ms = 0;
	assert_int_equal(schedule_backoff_ms(&these, 7, UINT64_MAX), 0);
}

static void a_random_part_takes_off_at_most_half(void **state)
{
	struct schedule_limits these = limits(1, 0);
	int64_t least = INT64_MAX;
	int64_t most = 0;

	for (uint64_t i = 0; i < 1000; i++) {
		int64_t wait = schedule_backoff_ms(&these, 2, i * UINT64_C(0x9e3779b97f4a7c15));

		assert_in_range(wait, 1000, 2000);
		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
	}
	assert_in_range(least, 1000, 1100);
	assert_in_range(most, 1900, 2000);
	assert_int_equal(schedule_backoff_ms(&these, 2, 1000), 1000);
	assert_int_equal(schedule_backoff_ms(&these, 2, 1001), 2000);
}

static void the_number_of_tries_ends_it(void **state)
{
	const struct schedule_try lost = { EXIT_UNREACHABLE, false };
	struct schedule_limits these = limits(1, 2);
	struct schedule_item item = { SCHEDULE_RUNNING, 1, 0 };

	schedule_tried(&item, &these, &lost, 500, 0);
	assert_int_equal(item.state, SCHEDULE_WAITING);
	assert_int_equal(item.due_ms, 1500);
	item = (struct schedule_item){ SCHEDULE_RUNNING, 2, 0 };
	schedule_tried(&item, &these, &lost, 1600, 0);
	assert_int_equal(item.state, SCHEDULE_OVER);
}

static void nothing_waits_for_a_time_behind_the_deadline(void **state)
{
	const struct schedule_try lost = { EXIT_UNREACHABLE, false };
	struct schedule_limits these = limits(1, 0);
	struct schedule_item item = { SCHEDULE_RUNNING, 1, 0 };

	these.deadline_ms = 1500;
	schedule_tried(&item, &these, &lost, 500, 0);
	assert_int_equal(item.state, SCHEDULE_WAITING);
	item.state = SCHEDULE_RUNNING;
	schedule_tried(&item, &these, &lost, 501, 0);
	assert_int_equal(item.state, SCHEDULE_OVER);
}

/* It had been due in time, but others were running. */
static void behind_the_deadline_only_first_tries_begin(void **state)
{
	struct schedule_limits these = limits(1, 0);
	struct schedule_item items[4] = { { SCHEDULE_WAITING, 0, 0 },
					  { SCHEDULE_WAITING, 1, 50 },
					  { SCHEDULE_RUNNING, 1, 0 },
					  { SCHEDULE_OVER, 3, 0 } };

	these.deadline_ms = 100;
	assert_int_equal(schedule_expire(items, 4, &these, 100), 0);
	assert_int_equal(schedule_expire(items, 4, &these, 101), 1);
	assert_int_equal(items[0].state, SCHEDULE_WAITING);
	assert_int_equal(items[1].state, SCHEDULE_OVER);
	assert_int_equal(items[2].state, SCHEDULE_RUNNING);
}

static uint64_t dice(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Of the items with these letters one runs that clashes with no other that runs, and not too many. */
static void check_running(const struct schedule_item *items, const char *letters, unsigned jobs)
{
	unsigned running = 0;

	for (size_t i = 0; i < MANY; i++) {
		running += items[i].state == SCHEDULE_RUNNING;
		for (size_t k = 0; k < i; k++)
			if (items[i].state == SCHEDULE_RUNNING &&
			    items[k].state == SCHEDULE_RUNNING)
				assert_false(by_letter((void *)(uintptr_t)letters, i, k));
	}
	assert_in_range(running, 0, jobs);
}

static void end_one(struct schedule_item *items, const struct schedule_limits *these,
		    int64_t now_ms, uint64_t *seed)
{
	static const int codes[] = { EXIT_IN_SYNC, EXIT_UNREACHABLE, EXIT_LOCKED, EXIT_GUARD };
	size_t at = dice(seed) % MANY;

	for (size_t i = 0; i < MANY; i++, at = (at + 1) % MANY)
		if (items[at].state == SCHEDULE_RUNNING) {
			struct schedule_try end = { codes[dice(seed) % 4], false };

			schedule_tried(&items[at], these, &end, now_ms, dice(seed));
			return;
		}
}

/* However it goes: everybody gets a try, nobody too many, and it comes to an end. */
static void any_batch_comes_to_its_end(void **state)
{
	uint64_t seed = 42;

	for (int round = 0; round < 2000; round++) {
		struct schedule_limits these = limits(1 + (unsigned)(dice(&seed) % 4), 3);
		struct schedule_item items[MANY] = { 0 };
		char letters[MANY];
		int64_t now_ms = 0;
		int steps = 0;

		these.deadline_ms = (int64_t)(dice(&seed) % 8000);
		for (size_t i = 0; i < MANY; i++)
			letters[i] = "-abc"[dice(&seed) % 4];
		for (bool busy = true; busy; assert_in_range(++steps, 1, 1000)) {
			int64_t wait = 0;
			size_t i = 0;

			schedule_expire(items, MANY, &these, now_ms);
			while ((i = schedule_next(items, MANY, &these, now_ms, by_letter,
						  letters)) < MANY) {
				items[i].state = SCHEDULE_RUNNING;
				items[i].tries++;
			}
			check_running(items, letters, these.jobs);
			wait = schedule_wait_ms(items, MANY, now_ms);
			busy = wait >= 0;
			for (i = 0; i < MANY; i++)
				busy = busy || items[i].state == SCHEDULE_RUNNING;
			now_ms += wait >= 0 ? wait : 100;
			end_one(items, &these, now_ms, &seed);
		}
		for (size_t i = 0; i < MANY; i++) {
			assert_int_equal(items[i].state, SCHEDULE_OVER);
			assert_in_range(items[i].tries, 1, 3);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_after_the_other_in_the_order_given),
		cmocka_unit_test(so_many_at_once_as_asked_for),
		cmocka_unit_test(two_that_clash_never_run_together_and_keep_nobody_waiting),
		cmocka_unit_test(who_is_due_for_longest_is_first),
		cmocka_unit_test(what_is_due_and_blocked_is_not_waited_for_by_the_clock),
		cmocka_unit_test(only_what_passes_by_itself_is_tried_again),
		cmocka_unit_test(each_wait_is_twice_the_one_before_up_to_a_limit),
		cmocka_unit_test(a_random_part_takes_off_at_most_half),
		cmocka_unit_test(the_number_of_tries_ends_it),
		cmocka_unit_test(nothing_waits_for_a_time_behind_the_deadline),
		cmocka_unit_test(behind_the_deadline_only_first_tries_begin),
		cmocka_unit_test(any_batch_comes_to_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
