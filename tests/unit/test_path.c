/* SPDX-License-Identifier: BSD-2-Clause */
/* Paths: what is one, and the order that keeps a folder together. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"

static bool valid(const char *path)
{
	return path_valid(path, strlen(path));
}

static void paths_of_names_are_valid(void **state)
{
	static const char *const good[] = {
		"a", "a/b", "...", ".a", "..a", "a..", "a/...", " ", "\n", "\xff", "-", "a b/c\\d",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!valid(good[i]))
			fail_msg("'%s'", good[i]);
}

static void paths_that_lead_elsewhere_are_not(void **state)
{
	static const char *const bad[] = {
		"",    "/",    "/a",	"a/",	  "a//b", ".",	  "..",	    "./a", "../a",
		"a/.", "a/..", "a/./b", "a/../b", "//",	  "a/b/", "a/b/..", "/..", "a//",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (valid(bad[i]))
			fail_msg("'%s'", bad[i]);
	assert_false(path_valid("a\0b", 3));
	assert_false(path_valid("a\0", 2));
	assert_false(path_valid("\0", 1));
	/* Only the bytes told of count. */
	assert_true(path_valid("a/..", 1));
	assert_false(path_valid("a/..", 2));
}

static void names_and_paths_have_their_limits(void **state)
{
	static char path[PATH_BYTES_MAX + 2];

	memset(path, 'x', sizeof(path));
	assert_true(path_valid(path, PATH_NAME_MAX));
	assert_false(path_valid(path, PATH_NAME_MAX + 1));
	for (size_t i = PATH_NAME_MAX; i < sizeof(path); i += PATH_NAME_MAX + 1)
		path[i] = '/';
	path[PATH_BYTES_MAX] = 'x';
	assert_true(path_valid(path, PATH_BYTES_MAX));
	assert_false(path_valid(path, PATH_BYTES_MAX + 1));
	path[1] = '/';
	assert_true(path_valid(path, PATH_NAME_MAX));
}

static int sign(int order)
{
	return (order > 0) - (order < 0);
}

/* In order. '!' and '-' sort below '/' as bytes, but not as paths. */
static const char *const ordered[] = {
	"\x01",	   "A",	   "a",	  "a/\x01", "a/b",  "a/b/c", "a/b/c/d", "a/b!",
	"a/b-x/y", "a/bb", "a/c", "a\x01",  "a!",   "a!/z",  "a-",	"a.b",
	"aa",	   "aa/a", "b",	  "b/a",    "\x7f", "\x80",  "\xff",
};
enum { ORDERED = sizeof(ordered) / sizeof(ordered[0]) };

static void the_order_is_total(void **state)
{
	for (int i = 0; i < ORDERED; i++)
		for (int j = 0; j < ORDERED; j++)
			if (sign(path_cmp(ordered[i], ordered[j])) != sign(i - j))
				fail_msg("'%s' and '%s'", ordered[i], ordered[j]);
	assert_true(path_cmp("", "a") < 0);
	assert_int_equal(path_cmp("", ""), 0);
}

static void a_folder_is_followed_by_what_is_below_it(void **state)
{
	for (int i = 0; i < ORDERED; i++) {
		bool left = false;

		for (int j = i + 1; j < ORDERED; j++) {
			bool below = path_is_below(ordered[j], ordered[i]);

			assert_false(below && left);
			left = !below;
		}
	}
}

static void below_is_strictly_below(void **state)
{
	assert_true(path_is_below("a/b", "a"));
	assert_true(path_is_below("a/b/c", "a"));
	assert_true(path_is_below("a/b/c", "a/b"));
	assert_true(path_is_below("a", ""));
	assert_false(path_is_below("a", "a"));
	assert_false(path_is_below("", ""));
	assert_false(path_is_below("", "a"));
	assert_false(path_is_below("ab", "a"));
	assert_false(path_is_below("a", "a/b"));
	assert_false(path_is_below("a-/b", "a"));
}

static void the_parts_of_a_path(void **state)
{
	assert_int_equal(path_parent_len("a"), 0);
	assert_int_equal(path_parent_len("a/b"), 1);
	assert_int_equal(path_parent_len("a/bc/d"), 4);
	assert_string_equal(path_name("a"), "a");
	assert_string_equal(path_name("a/bc/d"), "d");
	assert_int_equal(path_top_len("abc"), 3);
	assert_int_equal(path_top_len("ab/c"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_of_names_are_valid),
		cmocka_unit_test(paths_that_lead_elsewhere_are_not),
		cmocka_unit_test(names_and_paths_have_their_limits),
		cmocka_unit_test(the_order_is_total),
		cmocka_unit_test(a_folder_is_followed_by_what_is_below_it),
		cmocka_unit_test(below_is_strictly_below),
		cmocka_unit_test(the_parts_of_a_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
