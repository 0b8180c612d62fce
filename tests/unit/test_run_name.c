/* SPDX-License-Identifier: BSD-2-Clause */
/* A run is known by its name: the trash of a run that cannot be told from other folders stays for ever. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "tree/run_name.h"

static void a_new_name_is_a_name_and_differs_from_others(void **state)
{
	char one[RUN_NAME_LEN + 1];
	char other[RUN_NAME_LEN + 1];

	run_name_make(one);
	assert_int_equal(strlen(one), RUN_NAME_LEN);
	assert_true(run_name_begins(one));
	run_name_make(other);
	assert_string_not_equal(one, other);
}

static void a_name_may_have_a_suffix_and_no_other_form(void **state)
{
	static const char good[] = "20201231-235959-09afaf.tar.zst";
	char bad[sizeof(good)];

	assert_true(run_name_begins(good));
	for (size_t i = 0; i < RUN_NAME_LEN; i++) {
		memcpy(bad, good, sizeof(good));
		bad[i] = 'g';
		assert_false(run_name_begins(bad));
		bad[i] = '\0';
		assert_false(run_name_begins(bad));
	}
	assert_false(run_name_begins("2020123a-235959-09afaf"));
	assert_false(run_name_begins(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_name_is_a_name_and_differs_from_others),
		cmocka_unit_test(a_name_may_have_a_suffix_and_no_other_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
