/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tree/touched.h"

static struct touched_folder *get(struct touched *touched, const char *path)
{
	return touched_get(touched, path, strlen(path));
}

static void test_folders_are_found_again(void **state)
{
	struct touched touched = { .folders = NULL };
	char path[32];

	(void)state;
	for (uint64_t i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "d%u/e", (unsigned)i);
		get(&touched, path)->ino = i + 1;
	}
	for (uint64_t i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "d%u/e", (unsigned)i);
		assert_true(get(&touched, path)->ino == i + 1);
	}
	assert_int_equal(touched.count, 1000);
	assert_int_equal(touched_get(&touched, "d1/e/f", 4)->ino, 2);
	assert_int_equal(touched_get(&touched, "", 0)->ino, 0);
	touched_release(&touched);
}

static void test_each_dirty_one_is_given_out_once(void **state)
{
	struct touched touched = { .folders = NULL };

	(void)state;
	assert_true(touched_dirty(&touched, "a", 1));
	assert_false(touched_dirty(&touched, "a", 1));
	assert_true(touched_dirty(&touched, "b", 1));
	assert_non_null(touched_next_dirty(&touched));
	assert_non_null(touched_next_dirty(&touched));
	assert_null(touched_next_dirty(&touched));
	assert_true(touched_dirty(&touched, "a", 1));
	assert_string_equal(touched_next_dirty(&touched)->path, "a");
	touched_release(&touched);
}

static void test_moved_folders_keep_what_is_known(void **state)
{
	struct touched touched = { .folders = NULL };

	(void)state;
	get(&touched, "a")->ino = 1;
	get(&touched, "a/b")->ino = 2;
	get(&touched, "ab")->ino = 3;
	touched_dirty(&touched, "a/b", 3);
	touched_moved(&touched, "a", "x/y");
	assert_int_equal(get(&touched, "x/y")->ino, 1);
	assert_int_equal(get(&touched, "x/y/b")->ino, 2);
	assert_int_equal(get(&touched, "ab")->ino, 3);
	assert_int_equal(get(&touched, "a")->ino, 0);
	assert_string_equal(touched_next_dirty(&touched)->path, "x/y/b");
	touched_release(&touched);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_folders_are_found_again),
		cmocka_unit_test(test_each_dirty_one_is_given_out_once),
		cmocka_unit_test(test_moved_folders_keep_what_is_known),
	};

	return cmocka_run_group_tests_name("touched", tests, NULL, NULL);
}
