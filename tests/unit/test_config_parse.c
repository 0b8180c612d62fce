/* SPDX-License-Identifier: BSD-2-Clause */
/* The grammar of configuration files: what is read, and what is refused with which line. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "config/parse.h"
#include "config/problems.h"

/* An environment of two names. */
static const char *get(void *context, const char *name)
{
	if (strcmp(name, "HOME") == 0)
		return context;
	return strcmp(name, "ENV") == 0 ? "from env" : NULL;
}

struct parsed {
	struct assignments all;
	struct problems problems;
	struct buf report;
};

static void parsed_release(struct parsed *parsed)
{
	assignments_release(&parsed->all);
	problems_release(&parsed->problems);
	buf_release(&parsed->report);
}

#define AUTO_PARSED AUTO(parsed_release) struct parsed

static struct parsed parse_bytes(const char *text, size_t len, const char *home)
{
	struct parsed parsed = { ASSIGNMENTS_INIT, PROBLEMS_INIT, BUF_INIT };
	AUTO_FREE char *context = home ? xstrdup(home) : NULL;
	struct parse_lookup lookup = { get, context };

	parse_text(text, len, "f", &lookup, &parsed.all, &parsed.problems);
	problems_report(&parsed.problems, &parsed.report);
	return parsed;
}

static struct parsed parse(const char *text)
{
	return parse_bytes(text, strlen(text), "/home/me");
}

/* The text is one assignment to K without a problem, of this value. */
static void assert_value(const char *text, const char *value)
{
	AUTO_PARSED parsed = parse(text);

	assert_string_equal(buf_cstr(&parsed.report), "");
	assert_int_equal(parsed.all.count, 1);
	assert_string_equal(parsed.all.items[0].key, "K");
	assert_string_equal(parsed.all.items[0].value, value);
	assert_false(parsed.all.items[0].broken);
}

/* The text has exactly one problem, which begins with this. */
static void assert_problem(const char *text, const char *start)
{
	AUTO_PARSED parsed = parse(text);

	if (parsed.problems.count != 1 ||
	    strncmp(buf_cstr(&parsed.report), start, strlen(start)) != 0)
		fail_msg("'%s' gives: %s", text, buf_cstr(&parsed.report));
}

static void test_values_are_put_together_from_words_and_quotes(void **state)
{
	assert_value("K=word", "word");
	assert_value("K=", "");
	assert_value("K=\"\"", "");
	assert_value("K=\"two words\"", "two words");
	assert_value("K='it is $HOME `x` \\'", "it is $HOME `x` \\");
	assert_value("K=a'b c'\"d e\"f", "ab cd ef");
	assert_value("K=a=b=c", "a=b=c");
	assert_value("K=a\\ b\\;", "a b;");
	assert_value("K=*.tmp?{a,b}[x]!", "*.tmp?{a,b}[x]!");
	assert_value("K=';'", ";");
	assert_value("K=\";\"", ";");
	assert_value("K=ssh://me@host:22//dir/x", "ssh://me@host:22//dir/x");
	assert_value("K=\xc3\xa4\xff", "\xc3\xa4\xff");
}

static void test_a_backslash_between_double_quotes_escapes_four_characters(void **state)
{
	assert_value("K=\"a\\\"b\\\\c\\$d\\`e\"", "a\"b\\c$d`e");
	assert_value("K=\"a\\nb\\'\"", "a\\nb\\'");
	assert_value("K=\"ps aux | grep \\\"[o]sync\\\" || exit 0\"",
		     "ps aux | grep \"[o]sync\" || exit 0");
}

static void test_comments_need_a_blank_before_them(void **state)
{
	assert_value("K=a # b", "a");
	assert_value("K=a\t#", "a");
	assert_value("K=a#b", "a#b");
	assert_value("K=#a", "#a");
	assert_value("K=\"a # b\"   ", "a # b");
	assert_value("# K=b\n  # x\n\n \t\n#K=c\nK=a\n", "a");
	assert_value("#!/usr/bin/env bash\n###### x; $(y) `z`\nK=a", "a");
}

static void test_sections_carriage_returns_and_a_byte_order_mark_are_decoration(void **state)
{
	assert_value("[GENERAL]\nK=a", "a");
	assert_value(" [ANY THING; AT ALL]  # x\nK=a", "a");
	assert_value("K=a\r\n", "a");
	assert_value("[X]\r\nK=\"a\"\r", "a");
	assert_value("\xef\xbb\xbfK=a", "a");
	assert_problem("[GENERAL", "f:1: expected [SECTION]");
	assert_problem("[GENERAL] x", "f:1: expected [SECTION]");
}

static void test_names_are_expanded_from_the_environment(void **state)
{
	assert_value("K=\"${HOME}/x\"", "/home/me/x");
	assert_value("K=\"$HOME/x\"", "/home/me/x");
	assert_value("K=$HOME/x", "/home/me/x");
	assert_value("K=$ENV", "from env");
	assert_value("K=a$", "a$");
	assert_value("K=\"$ $/ $.\"", "$ $/ $.");
	assert_value("K='${HOME}'", "${HOME}");
	assert_value("K=\"\\${HOME}\"", "${HOME}");
	assert_problem("K=$NOWHERE", "f:1: NOWHERE is not set");
	assert_problem("K=\"${NOWHERE}/x\"", "f:1: NOWHERE is not set");
}

static void test_a_leading_tilde_is_home(void **state)
{
	assert_value("K=~", "/home/me");
	assert_value("K=~ # x", "/home/me");
	assert_value("K=~/.ssh/id_rsa", "/home/me/.ssh/id_rsa");
	assert_value("K=a~/b", "a~/b");
	assert_value("K=\"~/b\"", "~/b");
	assert_value("K='~'", "~");
	assert_problem("K=~joe/x", "f:1: '~USER'");
}

static void test_without_home_a_tilde_is_refused(void **state)
{
	static const char text[] = "A=~/x\nB=$HOME\n";
	AUTO_PARSED parsed = parse_bytes(text, strlen(text), NULL);

	assert_int_equal(parsed.problems.count, 2);
	assert_true(parsed.all.items[0].broken && parsed.all.items[1].broken);
}

static void test_names_are_expanded_from_earlier_keys(void **state)
{
	AUTO_PARSED parsed = parse("A=one\nENV=two\nB=\"$A-${ENV}\"\nA=three\nC=$A$B\n");

	assert_int_equal(parsed.all.count, 5);
	/* The environment comes first. */
	assert_string_equal(parsed.all.items[2].value, "one-from env");
	assert_string_equal(parsed.all.items[4].value, "threeone-from env");
	assert_true(parsed.all.items[0].used);
	assert_false(parsed.all.items[4].used);
	assert_string_equal(buf_cstr(&parsed.report),
			    "f:4: warning: A is set on line 1 already; this line counts\n");
}

static void test_what_bash_would_execute_is_refused(void **state)
{
	static const char *const texts[] = {
		"K=a;b",
		"K=a;",
		"K=a&",
		"K=a|b",
		"K=a<b",
		"K=a>b",
		"K=a(b",
		"K=a)b",
		"K=$(date)",
		"K=\"$(date)\"",
		"K=`date`",
		"K=\"`date`\"",
		"K=${A:-b}",
		"K=\"${A:-b}\"",
		"K=${A#b}",
		"K=${#A}",
		"K=${!A}",
		"K=${A",
		"K=${}",
		"K=$1",
		"K=\"$@\"",
		"K=$$",
		"K=$?",
		"K=$((1+1))",
		"K=$[1+1]",
		"K=$'a'",
		"K=$\"a\"",
		"K=(a b)",
		"K=()",
		"K[0]=a",
		"K+=a",
		"export K=a",
		"export K",
		"declare K=a",
		"readonly K=a",
		"K=a b",
		"K=a K2=b",
		"K =a",
		"K = a",
		"K",
		"K: a",
		"K='a",
		"K=\"a",
		"K=\"a\\\"",
		"K=a\\",
		"if true",
		"1K=a",
		"K-2=a",
		"=a",
		"$K=a",
		"rm -rf /",
		"K=\"a\" b",
		"source other.conf",
		"K=a 'b'",
		"K.x=a",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		AUTO_FREE char *text = xasprintf("\n%s\n", texts[i]);

		assert_problem(text, "f:2: ");
	}
}

static void test_the_reason_of_a_refusal_says_what_to_do(void **state)
{
	assert_problem("K=a;b", "f:1: ';' needs quotes around the value\n");
	assert_problem("export K=a", "f:1: 'export' is not known here; write KEY=VALUE alone\n");
	assert_problem("K=(a b)", "f:1: arrays are not known here\n");
	assert_problem("K+=a", "f:1: '+=' is not known here; write the whole value (K=...)\n");
	assert_problem("K = a", "f:1: no blanks may stand before the '=' (K=...)\n");
	assert_problem("K= a", "f:1: a value with blanks needs quotes");
	assert_problem("K=\"a", "f:1: the double quote does not end on this line\n");
	assert_problem("K='a", "f:1: the single quote does not end on this line\n");
}

static void test_all_problems_are_told_with_their_lines(void **state)
{
	AUTO_PARSED parsed = parse("A=$(x)\nB=ok\nexport C=1\n D=2\n\nE='x\nB=again\n");

	assert_string_equal(buf_cstr(&parsed.report),
			    "f:1: $( is refused: this file is read, never executed\n"
			    "f:3: 'export' is not known here; write KEY=VALUE alone\n"
			    "f:6: the single quote does not end on this line\n"
			    "f:4: warning: D stands after blanks\n"
			    "f:7: warning: B is set on line 2 already; this line counts\n");
	/* A refused line is known to have meant its key. */
	assert_true(parsed.all.items[0].broken);
	assert_string_equal(parsed.all.items[0].value, "");
}

static void test_binary_files_are_refused(void **state)
{
	AUTO_PARSED parsed = parse_bytes("K=a\0b\nL=b\n", 10, "/");

	assert_string_equal(buf_cstr(&parsed.report), "f:1: a NUL byte; is this a text file?\n");
	assert_int_equal(parsed.all.count, 1);
}

static void test_expansion_is_bounded(void **state)
{
	AUTO_BUF text = BUF_INIT;

	buf_addstr(&text, "A=aaaaaaaaaaaaaaaa\n");
	for (int i = 0; i < 200; i++)
		buf_addstr(&text, "A=\"$A$A\"\n");
	{
		AUTO_PARSED parsed = parse_bytes(buf_cstr(&text), text.len, "/");

		assert_true(problems_stop(&parsed.problems));
		assert_true(parsed.all.bytes <= PARSE_TOTAL_MAX);
	}
}

static void test_the_number_of_problems_kept_is_bounded(void **state)
{
	AUTO_BUF text = BUF_INIT;

	for (int i = 0; i < 3000; i++)
		buf_addstr(&text, i < 1500 ? " K=a\n" : "x\n");
	{
		AUTO_PARSED parsed = parse_bytes(buf_cstr(&text), text.len, "/");

		/* Errors are kept even behind a thousand warnings. */
		assert_int_equal(parsed.problems.count, PROBLEMS_MAX);
		assert_true(problems_stop(&parsed.problems));
		assert_non_null(strstr(buf_cstr(&parsed.report), " more problems\n"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_put_together_from_words_and_quotes),
		cmocka_unit_test(test_a_backslash_between_double_quotes_escapes_four_characters),
		cmocka_unit_test(test_comments_need_a_blank_before_them),
		cmocka_unit_test(
			test_sections_carriage_returns_and_a_byte_order_mark_are_decoration),
		cmocka_unit_test(test_names_are_expanded_from_the_environment),
		cmocka_unit_test(test_a_leading_tilde_is_home),
		cmocka_unit_test(test_without_home_a_tilde_is_refused),
		cmocka_unit_test(test_names_are_expanded_from_earlier_keys),
		cmocka_unit_test(test_what_bash_would_execute_is_refused),
		cmocka_unit_test(test_the_reason_of_a_refusal_says_what_to_do),
		cmocka_unit_test(test_all_problems_are_told_with_their_lines),
		cmocka_unit_test(test_binary_files_are_refused),
		cmocka_unit_test(test_expansion_is_bounded),
		cmocka_unit_test(test_the_number_of_problems_kept_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
