/* SPDX-License-Identifier: BSD-2-Clause */
/* How far a root has come: found again by its profile, and nothing else is taken for it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "store/mark.h"

static void put(const char *text)
{
	box_write("mark-p", text, strlen(text));
}

static uint64_t found(const char *profile)
{
	uint64_t generation = 9;

	assert_int_equal(mark_read(box_dirfd(), profile, &generation, NULL), 0);
	return generation;
}

static void test_a_mark_is_found_again_by_its_profile(void **state)
{
	assert_true(found("one") == 0);
	assert_int_equal(mark_write(box_dirfd(), "one", UINT64_MAX, NULL), 0);
	assert_int_equal(mark_write(box_dirfd(), "two", 7, NULL), 0);
	assert_true(found("one") == UINT64_MAX);
	assert_true(found("two") == 7);
	assert_int_equal(mark_write(box_dirfd(), "one", 1, NULL), 0);
	assert_true(found("one") == 1);
}

static void test_what_is_no_mark_is_none(void **state)
{
	static const char *const texts[] = {
		"", "x", "12", "12\n3", "zz\n", "000000000000000000000000000000001\n"
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put(texts[i]);
		assert_true(found("p") == 0);
	}
	put("0000000000000005\n");
	assert_true(found("p") == 5);
	assert_int_equal(renameat(box_dirfd(), "mark-p", box_dirfd(), "elsewhere"), 0);
	assert_int_equal(symlinkat("elsewhere", box_dirfd(), "mark-p"), 0);
	assert_true(found("p") == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_mark_is_found_again_by_its_profile),
		TEST(test_what_is_no_mark_is_none),
	};

	return cmocka_run_group_tests_name("mark", tests, NULL, NULL);
}
