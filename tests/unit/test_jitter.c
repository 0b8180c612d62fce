/* SPDX-License-Identifier: BSD-2-Clause */
/* Who waits before a run, and for how long. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/config.h"
#include "run/jitter.h"

static void only_a_run_that_nobody_waits_for_waits(void **state)
{
	struct config config = { .start_jitter_s = 60 };

	assert_int_equal(jitter_ms(&config, 12345), 0);
	config.from_cron = true;
	assert_int_equal(jitter_ms(&config, 12345), 12345);
	config.dry_run = true;
	assert_int_equal(jitter_ms(&config, 12345), 0);
}

static void it_is_less_than_what_was_asked_for(void **state)
{
	struct config config = { .start_jitter_s = 2, .from_cron = true };

	assert_int_equal(jitter_ms(&config, 0), 0);
	assert_int_equal(jitter_ms(&config, 1999), 1999);
	assert_int_equal(jitter_ms(&config, 2000), 0);
	assert_in_range(jitter_ms(&config, UINT64_MAX), 0, 1999);
	config.start_jitter_s = 0;
	assert_int_equal(jitter_ms(&config, UINT64_MAX), 0);
	/* A week, and more than 32 bits of milliseconds. */
	config.start_jitter_s = INT64_C(7) * 24 * 3600 * 10;
	assert_int_equal(jitter_ms(&config, UINT64_C(5000000000)), UINT64_C(5000000000));
}

/* Twenty machines, each tenth of the time: none of the tenths gets more than its share by far. */
static void starts_are_spread_over_all_of_it(void **state)
{
	struct config config = { .start_jitter_s = 10, .from_cron = true };
	int tenths[10] = { 0 };

	for (uint64_t i = 0; i < 1000; i++)
		tenths[jitter_ms(&config, i * UINT64_C(0x9e3779b97f4a7c15)) / 1000]++;
	for (int i = 0; i < 10; i++)
		assert_in_range(tenths[i], 50, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_run_that_nobody_waits_for_waits),
		cmocka_unit_test(it_is_less_than_what_was_asked_for),
		cmocka_unit_test(starts_are_spread_over_all_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
