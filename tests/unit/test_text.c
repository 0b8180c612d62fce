/* SPDX-License-Identifier: BSD-2-Clause */
/* Names made printable: nothing steers the terminal, and every byte can be had back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

static size_t utf8(const char *str)
{
	return text_utf8_len(str, strlen(str));
}

static void well_formed_sequences_have_their_length(void **state)
{
	assert_int_equal(utf8("a"), 1);
	assert_int_equal(utf8("\x7f"), 1);
	assert_int_equal(utf8("\xc2\x80"), 2);
	assert_int_equal(utf8("\xdf\xbf"), 2);
	assert_int_equal(utf8("\xe0\xa0\x80"), 3);
	assert_int_equal(utf8("\xed\x9f\xbf"), 3);
	assert_int_equal(utf8("\xee\x80\x80"), 3);
	assert_int_equal(utf8("\xef\xbf\xbf"), 3);
	assert_int_equal(utf8("\xf0\x90\x80\x80"), 4);
	assert_int_equal(utf8("\xf4\x8f\xbf\xbf"), 4);
	assert_int_equal(utf8("\xc3\xa4rest"), 2);
	assert_int_equal(text_utf8_len("\0", 1), 1);
	assert_int_equal(text_utf8_len("a", 0), 0);
}

static void ill_formed_sequences_have_none(void **state)
{
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc3",
		"\xc3(",
		"\xe0\x9f\xbf",
		"\xe2\x82",
		"\xe2(\xa1",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf0\x8f\xbf\xbf",
		"\xf0\x90\x80",
		"\xf0\x90(\xbc",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80",
		"\xff",
		"\xfe",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (utf8(bad[i]) != 0)
			fail_msg("number %zu", i);
	/* Cut by the length, not by the bytes. */
	assert_int_equal(text_utf8_len("\xe2\x82\xac", 2), 0);
}

/* Decoded by the definition, all sequences of up to four bytes from the edges of the ranges. */
static long code_point(const unsigned char *s, size_t len)
{
	static const unsigned char first_mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	long value = s[0] & first_mask[len];

	for (size_t i = 1; i < len; i++)
		value = value << 6 | (s[i] & 0x3f);
	return value;
}

static void every_accepted_sequence_is_the_shortest_form(void **state)
{
	static const unsigned char edge[] = { 0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
					      0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xec, 0xed, 0xee,
					      0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff };
	static const long least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	enum { EDGES = sizeof(edge) };

	for (size_t n = 0; n < (size_t)EDGES * EDGES * EDGES * EDGES; n++) {
		unsigned char s[4] = { edge[n % EDGES], edge[n / EDGES % EDGES],
				       edge[n / EDGES / EDGES % EDGES],
				       edge[n / EDGES / EDGES / EDGES] };
		size_t len = text_utf8_len((const char *)s, 4);
		long value = len ? code_point(s, len) : 0;

		assert_true(len <= 4 && value >= least[len] && value <= 0x10ffff);
		assert_false(value >= 0xd800 && value <= 0xdfff);
	}
}

static void assert_escaped(const char *str, const char *want)
{
	AUTO_BUF out = BUF_INIT;

	text_add_escaped(&out, str);
	assert_string_equal(buf_cstr(&out), want);
}

static void assert_json(const char *str, const char *want)
{
	AUTO_BUF out = BUF_INIT;

	text_add_json(&out, str);
	assert_string_equal(buf_cstr(&out), want);
}

static void names_are_escaped_for_people(void **state)
{
	assert_escaped("", "");
	assert_escaped("plain name.txt", "plain name.txt");
	assert_escaped("gr\xc3\xbc\xc3\x9f"
		       "e \xe2\x82\xac \xf0\x9f\x8e\x89",
		       "gr\xc3\xbc\xc3\x9f"
		       "e \xe2\x82\xac \xf0\x9f\x8e\x89");
	assert_escaped("a\nb\tc\\d", "a\\nb\\tc\\\\d");
	assert_escaped("\x1b[31m\x7f\r", "\\x1b[31m\\x7f\\x0d");
	assert_escaped("\xff\xe2\x82", "\\xff\\xe2\\x82");
	/* U+009B is ESC [ in one. */
	assert_escaped("\xc2\x9b"
		       "31m\xc2\xa0",
		       "\\xc2\\x9b"
		       "31m\xc2\xa0");
}

static void names_are_escaped_for_json(void **state)
{
	assert_json("", "\"\"");
	assert_json("a\"b\\c", "\"a\\\"b\\\\c\"");
	assert_json("\n\x01\x7f", "\"\\u000a\\u0001\\u007f\"");
	assert_json("\xc3\xa4", "\"\xc3\xa4\"");
	assert_json("\xff\x80", "\"\\udcff\\udc80\"");
	/* A surrogate that is spelt out is bytes, not a character. */
	assert_json("\xed\xb3\xbf", "\"\\udced\\udcb3\\udcbf\"");
}

/* Undo text_add_escaped. */
static void unescape(const char *text, struct buf *out)
{
	while (*text) {
		if (*text != '\\') {
			buf_addch(out, *text++);
		} else if (text[1] == 'x') {
			char hex[3] = { text[2], text[3], '\0' };

			buf_addch(out, (int)strtoul(hex, NULL, 16));
			text += 4;
		} else {
			buf_addch(out, text[1] == 'n' ? '\n' : text[1] == 't' ? '\t' : '\\');
			text += 2;
		}
	}
}

static void escaping_can_be_undone(void **state)
{
	for (unsigned a = 1; a < 256; a++) {
		for (unsigned b = 1; b < 256; b++) {
			char name[6] = { (char)a, (char)b, 'x', (char)a, '\\', '\0' };
			AUTO_BUF text = BUF_INIT;
			AUTO_BUF back = BUF_INIT;

			text_add_escaped(&text, name);
			for (size_t i = 0; i < text.len; i++)
				assert_true(text.data[i] >= ' ' && text.data[i] != 0x7f);
			unescape(buf_cstr(&text), &back);
			assert_string_equal(buf_cstr(&back), name);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_formed_sequences_have_their_length),
		cmocka_unit_test(ill_formed_sequences_have_none),
		cmocka_unit_test(every_accepted_sequence_is_the_shortest_form),
		cmocka_unit_test(names_are_escaped_for_people),
		cmocka_unit_test(names_are_escaped_for_json),
		cmocka_unit_test(escaping_can_be_undone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
