/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The filter without rsync: what it answered to the patterns that are easy to get wrong
 * (tests/system/test_filter_rsync.py asks the real one), lists and files, the wire.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "model/filter.h"
#include "model/glob.h"

static void filter_cleanup(struct filter **filter)
{
	filter_free(*filter);
}

#define AUTO_FILTER AUTO(filter_cleanup) struct filter

static void add(struct filter *filter, enum filter_kind kind, const char *pattern)
{
	assert_int_equal(filter_add(filter, kind, pattern, "test", NULL), 0);
}

/* Whether one exclude pattern excludes; a path that ends with '/' is a folder. */
static bool excluded_by(const char *pattern, const char *path)
{
	AUTO_FILTER *filter = filter_new();
	AUTO_BUF name = BUF_INIT;
	size_t len = strlen(path);
	bool is_dir = path[len - 1] == '/';

	add(filter, FILTER_EXCLUDE, pattern);
	buf_add(&name, path, len - is_dir);
	return filter_excludes(filter, buf_cstr(&name), is_dir);
}

struct example {
	const char *pattern;
	const char *matched; /* paths, blank between */
	const char *others;
};

static const struct example examples[] = {
	{ "foo", "foo foo/ d/foo d/e/foo/", "foot Foo d/foot foo.o" },
	{ "/foo", "foo foo/", "d/foo" },
	{ "foo/", "foo/ d/foo/", "foo d/foo" },
	{ "d/foo", "d/foo e/d/foo", "foo xd/foo d/x/foo" },
	{ "/d/foo", "d/foo", "e/d/foo" },
	{ "/", "", "a a/ a/b" },
	{ "d//foo", "", "d/foo foo" },
	{ "*.o", "a.o .o d/a.o a.o/", "a.c a.o.c" },
	{ "d/*", "d/a e/d/a", "d/ d/a/b" },
	{ "/*/a", "d/a", "a d/e/a" },
	{ "?", "a d/a", "aa \303\251" },
	{ "??", "aa \303\251", "a" },
	{ "**foo", "foo d/foo d/xfoo", "foo.o" },
	{ "**/foo", "foo d/foo", "xfoo d/xfoo" },
	{ "/**/foo", "d/foo d/e/foo", "foo" },
	{ "d/**/foo", "d/x/foo d/x/y/foo e/d/x/foo", "d/foo" },
	{ "d/**", "d/a d/a/b e/d/a", "d/ xd/a" },
	{ "d/***", "d/ d/a d/a/b e/d/", "d xd/ xd/a" },
	{ "d/***/", "d/ d/a/", "d d/a" },
	{ "*/***", "a/ a/b", "a" },
	{ "/***", "a a/ a/b", "" },
	{ "d**y", "dy d/x/y e/dxy/y", "xdy" },
	{ "a\\b", "a\\b d/a\\b", "ab" },
	{ "a\\b*", "ab abc", "a\\b a\\bc" },
	{ "a\\*b", "a*b", "axb a\\*b" },
	{ "*\\", "", "a a\\" },
	{ "x[", "", "x[ x" },
	{ "x[]]", "x]", "x[ x" },
	{ "x[!]a]", "xb x^", "x] xa x" },
	{ "x[^a]", "xb x^", "xa" },
	{ "x[a^]", "xa x^", "xb" },
	{ "x[c-a]", "xc", "xa xb x-" },
	{ "x[a-]", "xa x-", "xb" },
	{ "x[a\\]b]", "xa x] xb", "x\\" },
	{ "x[[:digit:][:upper:]_]", "x0 xA x_", "xa x: xd" },
	{ "x[[:nope:]a]", "", "xa xn x:" },
	{ "x[[:alpha]", "xa x: x[", "xb x]" },
	{ "[/x]b", "", "xb d/xb" },
	{ "/[/x]b", "xb", "d/xb" },
	{ "/d[/x]a", "dxa", "d/a" },
	{ "**[!a]b", "xb d/xb", "ab d/ab b d/b" },
};

/* Every path of a list that has blanks between. */
static void each_path(const struct example *example, const char *paths, bool expected)
{
	AUTO_BUF copy = BUF_INIT;
	char *rest = NULL;

	buf_addstr(&copy, paths);
	for (char *path = strtok_r(buf_cstr(&copy), " ", &rest); path;
	     path = strtok_r(NULL, " ", &rest)) {
		if (excluded_by(example->pattern, path) != expected)
			fail_msg("'%s' %s '%s'", example->pattern,
				 expected ? "does not match" : "matches", path);
	}
}

static void test_patterns_match_what_they_match_for_rsync(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		each_path(&examples[i], examples[i].matched, true);
		each_path(&examples[i], examples[i].others, false);
	}
	assert_true(excluded_by(": foo", ": foo"));
	assert_false(excluded_by(": foo", "foo"));
}

static void test_the_first_rule_that_matches_decides(void **state)
{
	AUTO_FILTER *filter = filter_new();

	(void)state;
	add(filter, FILTER_INCLUDE, "keep.o");
	add(filter, FILTER_EXCLUDE, "*.o");
	add(filter, FILTER_INCLUDE, "late.o");
	assert_false(filter_excludes(filter, "keep.o", false));
	assert_true(filter_excludes(filter, "late.o", false));
	assert_false(filter_excludes(filter, "other", false));
}

static void test_prefixes_and_the_clearing_mark(void **state)
{
	AUTO_FILTER *filter = filter_new();

	(void)state;
	add(filter, FILTER_EXCLUDE, "gone");
	add(filter, FILTER_EXCLUDE, "!");
	add(filter, FILTER_EXCLUDE, "+ a");
	add(filter, FILTER_INCLUDE, "- *");
	assert_false(filter_excludes(filter, "a", false));
	assert_true(filter_excludes(filter, "gone", false));
	add(filter, FILTER_INCLUDE, "!");
	assert_false(filter_excludes(filter, "gone", false));
	add(filter, FILTER_EXCLUDE, "- !");
	assert_true(filter_excludes(filter, "!", false));
}

static void test_what_is_ours_is_always_out(void **state)
{
	AUTO_FILTER *filter = filter_new();

	(void)state;
	add(filter, FILTER_INCLUDE, "***");
	assert_true(filter_excludes(filter, ".osync_workdir", true));
	assert_true(filter_excludes(filter, "d/.osync_workdir", true));
	assert_true(filter_excludes(filter, ".osync_workdir", false));
	assert_true(filter_excludes(filter, "d/.osync_workdir/trash/a", false));
	assert_true(filter_excludes(filter, ".osync-update.push", true));
	assert_true(filter_excludes(filter, ".osync-update.push/a", true));
	assert_false(filter_excludes(filter, "d/.osync-update.push", true));
	assert_false(filter_excludes(filter, ".osync_workdir2", true));
	assert_false(filter_excludes(filter, "x.osync_workdir", true));
	assert_false(filter_excludes(filter, "d/x.osync_workdir/a", true));
}

static void test_lists_are_split_and_empty_parts_skipped(void **state)
{
	AUTO_FILTER *filter = filter_new();

	(void)state;
	assert_int_equal(filter_add_list(filter, FILTER_EXCLUDE, ";a;;b c;+ d;", ';', "x", NULL),
			 0);
	assert_int_equal(filter_add_list(filter, FILTER_EXCLUDE, "", ';', "x", NULL), 0);
	assert_true(filter_excludes(filter, "a", false));
	assert_true(filter_excludes(filter, "b c", false));
	assert_false(filter_excludes(filter, "b", false));
	assert_false(filter_excludes(filter, "d", false));
}

static void test_files_are_read_by_lines(void **state)
{
	AUTO_FILTER *filter = filter_new();
	const char text[] = "gone\r\n!\r\n# a\n;b\n\n c\r\rd\n+ e\n- *#";

	(void)state;
	assert_int_equal(filter_add_text(filter, FILTER_EXCLUDE, text, strlen(text), "f", NULL), 0);
	assert_false(filter_excludes(filter, "gone", false));
	assert_false(filter_excludes(filter, "a", false));
	assert_false(filter_excludes(filter, "b", false));
	assert_true(filter_excludes(filter, " c", false));
	assert_false(filter_excludes(filter, "c", false));
	assert_true(filter_excludes(filter, "d", false));
	assert_true(filter_excludes(filter, "x#", false));
}

static void expect_refused(const char *text, size_t len, const char *message)
{
	AUTO_FILTER *filter = filter_new();
	struct err err = ERR_INIT;

	assert_int_equal(filter_add_text(filter, FILTER_INCLUDE, text, len, "f", &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_string_equal(err.msg, message);
}

static void test_errors_say_what_and_where(void **state)
{
	AUTO_FILTER *filter = filter_new();
	struct err err = ERR_INIT;
	char text[4100];

	(void)state;
	assert_int_equal(filter_add(filter, FILTER_EXCLUDE, "", "osync.conf:12", &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_string_equal(err.msg, "osync.conf:12: empty pattern");
	memset(text, 'a', sizeof(text));
	assert_int_equal(filter_add_text(filter, FILTER_EXCLUDE, text, 4096, "f", NULL), 0);
	expect_refused(text, 4097, "f:1: pattern of more than 4096 bytes");
	expect_refused("\r\n\ra\n+ ", 7, "f:4: no pattern behind '+ '");
	expect_refused("#\0\na\0b", 6, "f:2: NUL byte in a pattern (is the file UTF-16?)");
}

static void test_rules_are_counted(void **state)
{
	AUTO_FILTER *filter = filter_new();
	struct err err = ERR_INIT;

	(void)state;
	for (int i = 0; i < FILTER_RULES_MAX; i++)
		add(filter, FILTER_EXCLUDE, "a");
	assert_int_equal(filter_add(filter, FILTER_EXCLUDE, "a", "x", &err), -1);
	assert_string_equal(err.msg, "x: more than 10000 patterns in all");
	add(filter, FILTER_EXCLUDE, "!");
	add(filter, FILTER_EXCLUDE, "a");
}

static struct filter *rewired(const struct filter *filter)
{
	AUTO_BUF wire = BUF_INIT;
	struct dec dec;
	struct filter *copy = NULL;

	filter_encode(&wire, filter);
	dec_init(&dec, wire.data, wire.len);
	copy = filter_decode(&dec);
	assert_non_null(copy);
	assert_true(dec_done(&dec));
	return copy;
}

static void test_the_wire_keeps_rules_as_they_are(void **state)
{
	AUTO_FILTER *filter = filter_new();
	AUTO_FILTER *copy = NULL;

	(void)state;
	add(filter, FILTER_INCLUDE, "/d/***");
	/* These would mean something else if their prefix were looked for again. */
	add(filter, FILTER_EXCLUDE, "- !");
	add(filter, FILTER_EXCLUDE, "- + x");
	add(filter, FILTER_EXCLUDE, "\xff*/");
	copy = rewired(filter);
	assert_true(filter_checksum(copy) == filter_checksum(filter));
	assert_true(filter_excludes(copy, "!", false));
	assert_true(filter_excludes(copy, "+ x", false));
	assert_true(filter_excludes(copy, "\xff\xfe", true));
	assert_false(filter_excludes(copy, "\xff\xfe", false));
}

static void test_the_checksum_tells_rules_and_order_apart(void **state)
{
	AUTO_FILTER *empty = filter_new();
	AUTO_FILTER *one = filter_new();
	AUTO_FILTER *other = filter_new();

	(void)state;
	add(one, FILTER_EXCLUDE, "a");
	add(one, FILTER_EXCLUDE, "b");
	add(other, FILTER_EXCLUDE, "b");
	add(other, FILTER_EXCLUDE, "a");
	assert_true(filter_checksum(one) != filter_checksum(other));
	assert_true(filter_checksum(one) != filter_checksum(empty));
	add(other, FILTER_EXCLUDE, "!");
	assert_true(filter_checksum(other) == filter_checksum(empty));
	add(other, FILTER_INCLUDE, "- a");
	add(other, FILTER_INCLUDE, "b");
	assert_true(filter_checksum(one) != filter_checksum(other));
	add(other, FILTER_INCLUDE, "!");
	add(other, FILTER_INCLUDE, "- a");
	add(other, FILTER_EXCLUDE, "b");
	assert_true(filter_checksum(one) == filter_checksum(other));
	/* Stored by initiators of other versions: it must not change. */
	assert_true(filter_checksum(one) == UINT64_C(0x07cedac04a5f34b4));
}

static void expect_bad(const void *wire, size_t len)
{
	struct dec dec;

	dec_init(&dec, wire, len);
	assert_null(filter_decode(&dec));
	assert_true(dec.bad);
}

static void test_nonsense_from_the_wire_is_refused(void **state)
{
	AUTO_BUF many = BUF_INIT;
	AUTO_BUF large = BUF_INIT;

	(void)state;
	expect_bad("", 0);
	expect_bad("\1", 1);
	expect_bad("\1\2\1a", 4);     /* a kind that does not exist */
	expect_bad("\1\0\0", 3);      /* an empty pattern */
	expect_bad("\1\0\2a\0", 5);   /* a NUL in it */
	expect_bad("\2\0\1a\0\1", 6); /* cut short */
	enc_uint(&many, FILTER_RULES_MAX + 1);
	for (int i = 0; i <= FILTER_RULES_MAX; i++)
		buf_add(&many, "\0\1a", 3);
	expect_bad(many.data, many.len);
	enc_uint(&large, 1);
	enc_u8(&large, FILTER_EXCLUDE);
	enc_uint(&large, GLOB_PATTERN_MAX + 1);
	memset(buf_extend(&large, GLOB_PATTERN_MAX + 1), 'a', GLOB_PATTERN_MAX + 1);
	expect_bad(large.data, large.len);
}

/* `piece` again and again, as long as a pattern may be. */
static void fill(struct buf *out, const char *piece, size_t max)
{
	while (out->len + strlen(piece) <= max)
		buf_addstr(out, piece);
}

static void test_no_pattern_costs_more_than_the_product_of_the_lengths(void **state)
{
	static const char *const pieces[] = {
		"a*", "**a", "*a**/", "[a]*", "?**", "a", "/", "**/*"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct arena arena = ARENA_INIT;
		AUTO_BUF pattern = BUF_INIT;
		AUTO_BUF path = BUF_INIT;
		size_t steps = 0;
		struct glob *glob = NULL;

		fill(&pattern, pieces[i], 1000);
		fill(&path, "aaaaaa/", 1000);
		buf_addstr(&path, "b");
		buf_addstr(&pattern, "[b]");
		glob = glob_compile(&arena, buf_cstr(&pattern), pattern.len);
		glob_match(glob, buf_cstr(&path), GLOB_TAIL, &steps);
		assert_in_range(steps, 1, (path.len + 3) * (pattern.len + 1));
		arena_release(&arena);
	}
}

static void test_a_pattern_of_the_greatest_length_is_matched_to_its_end(void **state)
{
	struct arena arena = ARENA_INIT;
	AUTO_BUF text = BUF_INIT;
	struct glob *glob = NULL;

	(void)state;
	fill(&text, "?", GLOB_PATTERN_MAX);
	glob = glob_compile(&arena, buf_cstr(&text), text.len);
	assert_true(glob_match(glob, buf_cstr(&text), 0, NULL));
	buf_addch(&text, 'x');
	assert_false(glob_match(glob, buf_cstr(&text), 0, NULL));
	glob = glob_compile(&arena, "", 0);
	assert_true(glob_match(glob, "", 0, NULL));
	assert_false(glob_match(glob, "a", 0, NULL));
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns_match_what_they_match_for_rsync),
		cmocka_unit_test(test_the_first_rule_that_matches_decides),
		cmocka_unit_test(test_prefixes_and_the_clearing_mark),
		cmocka_unit_test(test_what_is_ours_is_always_out),
		cmocka_unit_test(test_lists_are_split_and_empty_parts_skipped),
		cmocka_unit_test(test_files_are_read_by_lines),
		cmocka_unit_test(test_errors_say_what_and_where),
		cmocka_unit_test(test_rules_are_counted),
		cmocka_unit_test(test_the_wire_keeps_rules_as_they_are),
		cmocka_unit_test(test_the_checksum_tells_rules_and_order_apart),
		cmocka_unit_test(test_nonsense_from_the_wire_is_refused),
		cmocka_unit_test(test_no_pattern_costs_more_than_the_product_of_the_lengths),
		cmocka_unit_test(test_a_pattern_of_the_greatest_length_is_matched_to_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
