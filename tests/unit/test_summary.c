/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said at the end of a batch, and its exit code. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "batch/summary.h"
#include "run/report.h"

static const struct summary_row rows[] = {
	{ "home", 0, true, 1, 300, "" },
	{ "a\nb", 69, true, 3, 125900, "no route" },
	{ "late", 0, false, 0, 0, "" },
	{ "cut", 1, false, 1, 59999, "stopped by signal 15" },
};

static void people_get_a_table(void **state)
{
	AUTO_BUF text = BUF_INIT;

	summary_add_text(&text, rows, 4, false);
	assert_string_equal(
		buf_cstr(&text),
		"  home  in sync                 1 try    0.3 s\n"
		"  a\\nb  target not reachable    3 tries  2 min 5 s no route\n"
		"  late  not begun               0 tries  0.0 s\n"
		"  cut   not finished            1 try    59.9 s    stopped by signal 15\n"
		"1 of 4 profiles in sync\n");
}

static void programs_get_an_object_for_each(void **state)
{
	AUTO_BUF text = BUF_INIT;

	summary_add_json(&text, rows, 3, 69, 1234);
	assert_string_equal(
		buf_cstr(&text),
		"{\"event\":\"profile\",\"profile\":\"home\",\"done\":true,\"exit\":0,\"tries\":1,"
		"\"busy_ms\":300}\n"
		"{\"event\":\"profile\",\"profile\":\"a\\u000ab\",\"done\":true,\"exit\":69,\"tries\":3,"
		"\"busy_ms\":125900,\"error\":\"no route\"}\n"
		"{\"event\":\"profile\",\"profile\":\"late\",\"done\":false,\"exit\":null,"
		"\"tries\":0,\"busy_ms\":0}\n"
		"{\"event\":\"batch\",\"exit\":69,\"profiles\":3,\"in_sync\":1,"
		"\"duration_ms\":1234}\n");
}

static void a_dry_run_brings_nothing_in_sync(void **state)
{
	AUTO_BUF text = BUF_INIT;

	summary_add_words(&text, EXIT_IN_SYNC, true);
	assert_string_equal(buf_cstr(&text), "only looked at");
	buf_reset(&text);
	summary_add_words(&text, EXIT_GUARD, true);
	assert_string_equal(buf_cstr(&text), "stopped by a guard");
}

static void every_exit_code_has_words(void **state)
{
	AUTO_BUF text = BUF_INIT;

	summary_add_words(&text, 128 + 9, false);
	buf_addch(&text, ';');
	summary_add_words(&text, 42, false);
	assert_string_equal(buf_cstr(&text), "ended by signal 9;exit code 42");
}

/* All pairs, from good to bad. */
static void of_two_codes_the_one_that_needs_a_person_more_counts(void **state)
{
	static const int order[] = { 0, 75, 2, 69, 1, 77, 78, 64, 3 };
	const int count = sizeof(order) / sizeof(order[0]);

	for (int i = 0; i < count; i++)
		for (int k = 0; k < count; k++)
			assert_int_equal(report_worse(order[i], order[k]), order[i > k ? i : k]);
	/* One that is not known has failed. */
	assert_int_equal(report_worse(69, 99), 99);
	assert_int_equal(report_worse(99, 69), 99);
	assert_int_equal(report_worse(99, 1), 99);
	assert_int_equal(report_worse(99, 77), 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(people_get_a_table),
		cmocka_unit_test(programs_get_an_object_for_each),
		cmocka_unit_test(a_dry_run_brings_nothing_in_sync),
		cmocka_unit_test(every_exit_code_has_words),
		cmocka_unit_test(of_two_codes_the_one_that_needs_a_person_more_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
