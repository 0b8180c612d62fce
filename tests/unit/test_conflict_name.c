/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/text.h"
#include "model/conflict_name.h"

/* 2024-02-29 12:34:56 UTC */
static const int64_t when_ns = INT64_C(1709210096) * 1000000000;
static const struct digest version = { { 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0 } };
#define MARK ".conflict-20240229-123456-123456"

static char *name_of(const char *path, size_t digits)
{
	struct buf name = BUF_INIT;

	conflict_name(&name, path, when_ns, &version, digits);
	return buf_steal_cstr(&name);
}

static void check(const char *path, const char *expected)
{
	AUTO_FREE char *name = name_of(path, 6);

	assert_string_equal(name, expected);
}

static void test_mark_stands_before_the_extension(void **state)
{
	check("report.txt", "report" MARK ".txt");
	check("a/b.c/report.tar.gz", "a/b.c/report.tar" MARK ".gz");
	check("Makefile", "Makefile" MARK);
	check("d.x/Makefile", "d.x/Makefile" MARK);
	check(".bashrc", ".bashrc" MARK);
	check(".config.ini", ".config" MARK ".ini");
	check("end.", "end" MARK ".");
	check("...", ".." MARK ".");
}

static void test_long_tail_is_no_extension(void **state)
{
	check("a.b234567890123456789012345678901", "a" MARK ".b234567890123456789012345678901");
	check("a.b2345678901234567890123456789012", "a.b2345678901234567890123456789012" MARK);
}

static void test_copy_of_a_copy_is_another_name(void **state)
{
	check("a" MARK ".txt", "a" MARK MARK ".txt");
}

static void test_more_digits_where_asked(void **state)
{
	AUTO_FREE char *name = name_of("a.txt", DIGEST_HEX_LEN);

	assert_string_equal(name,
			    "a.conflict-20240229-123456-123456789abcdef00000000000000000.txt");
}

static void test_same_version_gets_the_same_name_and_others_do_not(void **state)
{
	AUTO_BUF one = BUF_INIT;
	AUTO_BUF two = BUF_INIT;
	struct digest other = { { 0x12, 0x34, 0x57 } };

	conflict_name(&one, "a", when_ns, &version, 6);
	conflict_name(&two, "a", when_ns + 999999999, &version, 6);
	assert_string_equal(buf_cstr(&one), buf_cstr(&two));
	buf_reset(&two);
	conflict_name(&two, "a", when_ns, &other, 6);
	assert_string_not_equal(buf_cstr(&one), buf_cstr(&two));
}

/* Every length of the name, every width of character, every number of digits: fits and is valid. */
static void check_fits(const char *character, size_t len, size_t digits, const char *extension)
{
	AUTO_BUF path = BUF_INIT;
	AUTO_FREE char *name = NULL;
	const char *mark = NULL;

	buf_addstr(&path, "d/");
	while (path.len - 2 + strlen(character) + strlen(extension) <= len)
		buf_addstr(&path, character);
	buf_addstr(&path, extension);
	name = name_of(buf_cstr(&path), digits);
	assert_true(path_valid(name, strlen(name)));
	mark = strstr(name, ".conflict-");
	assert_non_null(mark);
	assert_true(mark > name + 2);
	/* Cut at a border: whole characters only. */
	assert_int_equal((size_t)(mark - name - 2) % strlen(character), 0);
	assert_string_equal(name + strlen(name) - strlen(extension), extension);
}

static void test_long_names_are_cut_between_characters(void **state)
{
	static const char *const characters[] = { "x", "\xc3\xa9", "\xe2\x82\xac",
						  "\xf0\x9f\x98\x80" };

	for (size_t c = 0; c < 4; c++)
		for (size_t len = 40; len <= PATH_NAME_MAX; len++) {
			check_fits(characters[c], len, 6, "");
			check_fits(characters[c], len, 12, ".txt");
			check_fits(characters[c], len, DIGEST_HEX_LEN,
				   ".b234567890123456789012345678901");
		}
}

static void test_bytes_that_are_no_text_are_kept(void **state)
{
	AUTO_FREE char *name = name_of("\xff\xfe.bin", 6);

	assert_string_equal(name, "\xff\xfe" MARK ".bin");
}

static void test_any_time_makes_a_name(void **state)
{
	static const int64_t times[] = { INT64_MIN, -1, 0, INT64_MAX };

	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		AUTO_BUF name = BUF_INIT;

		conflict_name(&name, "a", times[i], &version, 6);
		assert_int_equal(strlen(buf_cstr(&name)), strlen("a" MARK));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mark_stands_before_the_extension),
		cmocka_unit_test(test_long_tail_is_no_extension),
		cmocka_unit_test(test_copy_of_a_copy_is_another_name),
		cmocka_unit_test(test_more_digits_where_asked),
		cmocka_unit_test(test_same_version_gets_the_same_name_and_others_do_not),
		cmocka_unit_test(test_long_names_are_cut_between_characters),
		cmocka_unit_test(test_bytes_that_are_no_text_are_kept),
		cmocka_unit_test(test_any_time_makes_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
