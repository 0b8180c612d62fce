/* SPDX-License-Identifier: BSD-2-Clause */
/* Times: nanoseconds and back, at the edges too. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static void nanoseconds_come_back(void **state)
{
	static const int64_t times[] = {
		0,
		1,
		-1,
		NS_PER_SEC - 1,
		NS_PER_SEC,
		-NS_PER_SEC,
		-NS_PER_SEC - 1,
		1700000000123456789,
		INT64_MAX,
		INT64_MAX - 1,
		INT64_MIN,
		INT64_MIN + 1,
		/* In the lowest second that is there only in part. */
		INT64_MIN + 700000000,
		INT64_MIN + NS_PER_SEC,
	};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct timespec ts = clock_to_timespec(times[i]);

		assert_true(ts.tv_nsec >= 0 && ts.tv_nsec < NS_PER_SEC);
		if (clock_from_timespec(ts) != times[i])
			fail_msg("%lld", (long long)times[i]);
	}
}

static void nonsense_is_as_far_as_it_can_be(void **state)
{
	static const int64_t far[] = { INT64_MAX, INT64_MAX / NS_PER_SEC + 1, 1000000000000 };

	for (size_t i = 0; i < 3; i++) {
		struct timespec ts = { .tv_sec = far[i], .tv_nsec = 999999999 };

		assert_true(clock_from_timespec(ts) == INT64_MAX);
		ts.tv_sec = -far[i] - 1;
		assert_true(clock_from_timespec(ts) == INT64_MIN);
		ts.tv_nsec = 0;
		assert_true(clock_from_timespec(ts) == INT64_MIN);
	}
	assert_true(clock_from_timespec((struct timespec){ .tv_sec = INT64_MIN }) == INT64_MIN);
	assert_true(clock_from_timespec((struct timespec){ .tv_sec = INT64_MAX / NS_PER_SEC,
							   .tv_nsec = 999999999 }) == INT64_MAX);
}

static void stamps_are_utc(void **state)
{
	char stamp[16];

	setenv("TZ", "Asia/Tokyo", 1);
	tzset();
	clock_stamp(INT64_C(1700000000) * NS_PER_SEC + 5, stamp);
	assert_string_equal(stamp, "20231114-221320");
	clock_stamp(0, stamp);
	assert_string_equal(stamp, "19700101-000000");
	clock_stamp(-1, stamp);
	assert_string_equal(stamp, "19691231-235959");
	clock_stamp(INT64_MAX, stamp);
	assert_int_equal(strlen(stamp), 15);
	clock_stamp(INT64_MIN, stamp);
	assert_int_equal(strlen(stamp), 15);
	unsetenv("TZ");
	tzset();
}

static void clocks_agree_with_the_system(void **state)
{
	int64_t before = (int64_t)time(NULL) - 1;
	int64_t now = clock_realtime_ns() / NS_PER_SEC;
	int64_t file = clock_file_ns() / NS_PER_SEC;
	int64_t after = (int64_t)time(NULL) + 1;

	assert_true(before <= now && now <= after);
	assert_true(before <= file && file <= after);
}

static void on_alarm(int signal)
{
	(void)signal;
}

static void sleeping_is_not_cut_short_by_signals(void **state)
{
	int64_t start = clock_monotonic_ms();
	struct sigaction action = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &action, NULL);
	ualarm(5000, 5000);
	clock_sleep_ms(50);
	ualarm(0, 0);
	signal(SIGALRM, SIG_DFL);
	/* The monotonic clock is cut down to milliseconds. */
	assert_true(clock_monotonic_ms() - start >= 49);
	clock_sleep_ms(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nanoseconds_come_back),
		cmocka_unit_test(nonsense_is_as_far_as_it_can_be),
		cmocka_unit_test(stamps_are_utc),
		cmocka_unit_test(clocks_agree_with_the_system),
		cmocka_unit_test(sleeping_is_not_cut_short_by_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
