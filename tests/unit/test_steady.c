/* SPDX-License-Identifier: BSD-2-Clause */
/* Ages by a clock that may jump: too young, never too old. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "box.h"
#include "store/steady.h"

#define DAY   STEADY_DAY_NS
#define START (20000 * DAY)

static const struct uuid boot = { { 1 } };
static const struct uuid other_boot = { { 2 } };

static int64_t days_ms(int64_t days)
{
	return days * DAY / NS_PER_MS;
}

/* The clock after `days` of looking once a day. */
static struct steady after(int days)
{
	struct steady steady = { .known = false };

	for (int64_t day = 0; day <= days; day++)
		steady = steady_step(&steady, START + day * DAY, days_ms(day), &boot);
	return steady;
}

static void a_steady_clock_tells_ages(void **state)
{
	struct steady steady = after(40);

	assert_int_equal(steady.since_ns, 0);
	assert_int_equal(steady_age_ns(&steady, START), 40 * DAY);
	assert_int_equal(steady_age_ns(&steady, START - 100 * DAY), 140 * DAY);
	assert_int_equal(steady_age_ns(&steady, START + 40 * DAY), 0);
	assert_int_equal(steady_age_ns(&steady, START + 60 * DAY), 0);
}

static void i63_after_a_jump_forward_nothing_is_old(void **state)
{
	struct steady steady = after(3);
	int64_t jumped = START + 3660 * DAY;

	steady = steady_step(&steady, jumped, days_ms(4), &boot);
	assert_int_equal(steady_age_ns(&steady, START), 0);
	/* From then on it counts, and no more than that. */
	steady = steady_step(&steady, jumped + 5 * DAY, days_ms(9), &boot);
	assert_int_equal(steady_age_ns(&steady, START), 5 * DAY);
	/* Put right again: another jump, and what was made meanwhile is as old as that. */
	steady = steady_step(&steady, START + 10 * DAY, days_ms(10), &boot);
	assert_int_equal(steady_age_ns(&steady, START), 0);
	steady = steady_step(&steady, START + 17 * DAY, days_ms(17), &boot);
	assert_int_equal(steady_age_ns(&steady, START), 7 * DAY);
	assert_int_equal(steady_age_ns(&steady, jumped), 7 * DAY);
	assert_int_equal(steady_age_ns(&steady, START + 16 * DAY), DAY);
}

static void i63_a_jump_at_a_start_is_seen_where_it_is_long(void **state)
{
	struct steady steady = after(3);
	struct steady month = steady_step(&steady, START + 33 * DAY, 1000, &other_boot);
	struct steady years = steady_step(&steady, START + 333 * DAY, 1000, &other_boot);
	struct steady back = steady_step(&steady, START - 333 * DAY, 1000, &other_boot);

	/* Switched off for a month, or run once a month. */
	assert_int_equal(steady_age_ns(&month, START), 33 * DAY);
	assert_int_equal(steady_age_ns(&years, START), 0);
	assert_int_equal(steady_age_ns(&back, START - 400 * DAY), 0);
}

static void small_corrections_are_no_jump(void **state)
{
	struct steady steady = after(3);

	steady = steady_step(&steady, START + 4 * DAY - DAY / 2, days_ms(4), &boot);
	steady = steady_step(&steady, START + 5 * DAY + DAY / 3, days_ms(5), &boot);
	assert_int_equal(steady.since_ns, 0);
}

static void it_is_kept_and_a_damaged_file_is_none(void **state)
{
	struct steady steady = after(3);
	struct steady got = { .known = true };

	steady_load(box_dirfd(), &got);
	assert_false(got.known);
	steady.since_ns = START;
	steady_save(box_dirfd(), &steady);
	steady_load(box_dirfd(), &got);
	assert_true(got.known);
	assert_int_equal(got.since_ns, START);
	assert_int_equal(got.seen_ns, steady.seen_ns);
	assert_int_equal(got.started_ms, steady.started_ms);
	assert_true(uuid_same(&got.boot, &boot));
	assert_int_equal(truncate("trash-clock", 20), 0);
	steady_load(box_dirfd(), &got);
	assert_false(got.known);
	assert_true(steady_started_ms() > 0);
}

#define BOXED(test) cmocka_unit_test_setup_teardown(test, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_steady_clock_tells_ages),
		cmocka_unit_test(i63_after_a_jump_forward_nothing_is_old),
		cmocka_unit_test(i63_a_jump_at_a_start_is_seen_where_it_is_long),
		cmocka_unit_test(small_corrections_are_no_jump),
		BOXED(it_is_kept_and_a_damaged_file_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
