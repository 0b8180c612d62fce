/* SPDX-License-Identifier: BSD-2-Clause */
/* That a name is not there is believed only of a folder that was read to its end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "box.h"
#include "tree/spelling.h"

static void test_only_the_name_that_is_listed_counts(void **state)
{
	(void)state;
	box_write("Name", "x", 1);
	assert_true(spelling_is_listed(box_dirfd(), "Name"));
	assert_false(spelling_is_listed(box_dirfd(), "name"));
	assert_false(spelling_is_listed(box_dirfd(), "Nam"));
	/* Nobody takes these for others, so nobody looks. */
	assert_true(spelling_is_listed(box_dirfd(), "2024-01"));
}

static void test_i5_a_list_that_breaks_off_proves_nothing(void **state)
{
	unsigned failed = 0;

	(void)state;
	box_write("Name", "x", 1);
	for (;; failed++) {
		bool listed = false;

		box_fault("fail:%u:%d::look", failed + 1, EIO);
		listed = spelling_is_listed(box_dirfd(), "name");
		box_fault_off();
		if (!listed)
			break;
	}
	/* The folder, its list, its three names, and that there are no more. */
	assert_int_equal(failed, 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_only_the_name_that_is_listed_counts),
		TEST(test_i5_a_list_that_breaks_off_proves_nothing),
	};

	return cmocka_run_group_tests_name("spelling", tests, NULL, NULL);
}
