/* SPDX-License-Identifier: BSD-2-Clause */
/* What is encoded is decoded, and nothing else is. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"

static const uint64_t numbers[] = {
	0,
	1,
	127,
	128,
	16383,
	16384,
	UINT32_MAX - 1,
	UINT32_MAX,
	(uint64_t)UINT32_MAX + 1,
	INT64_MAX,
	(uint64_t)INT64_MAX + 1,
	UINT64_MAX - 1,
	UINT64_MAX,
};
enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

static void numbers_come_back(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct dec dec;

	for (size_t i = 0; i < NUMBERS; i++) {
		enc_uint(&out, numbers[i]);
		enc_int(&out, (int64_t)numbers[i]);
		enc_le64(&out, numbers[i]);
		enc_le32(&out, (uint32_t)numbers[i]);
		enc_u8(&out, numbers[i] & 0xff);
	}
	dec_init(&dec, out.data, out.len);
	for (size_t i = 0; i < NUMBERS; i++) {
		assert_true(dec_uint(&dec) == numbers[i]);
		assert_true(dec_int(&dec) == (int64_t)numbers[i]);
		assert_true(dec_le64(&dec) == numbers[i]);
		assert_true(dec_le32(&dec) == (uint32_t)numbers[i]);
		assert_true(dec_u8(&dec) == (numbers[i] & 0xff));
	}
	assert_true(dec_done(&dec));
}

static void numbers_are_as_short_as_they_can_be(void **state)
{
	for (unsigned bits = 0; bits < 64; bits++) {
		AUTO_BUF out = BUF_INIT;

		enc_uint(&out, UINT64_C(1) << bits);
		assert_int_equal(out.len, bits / 7 + 1);
	}
	for (int value = -64; value < 64; value++) {
		AUTO_BUF out = BUF_INIT;

		enc_int(&out, value);
		assert_int_equal(out.len, 1);
	}
}

/* The bytes are a format: they may not change. */
static void the_bytes_are_what_they_always_were(void **state)
{
	static const unsigned char want[] = { 0xac, 0x02, 0x03, 3,    'a',  'b',
					      'c',  0x04, 0x03, 0x02, 0x01, 'r' };
	AUTO_BUF out = BUF_INIT;

	enc_uint(&out, 300);
	enc_int(&out, -2);
	enc_str(&out, "abc");
	enc_le32(&out, 0x01020304);
	enc_raw(&out, "r", 1);
	assert_int_equal(out.len, sizeof(want));
	assert_memory_equal(out.data, want, sizeof(want));
}

static void a_number_cut_short_is_bad(void **state)
{
	AUTO_BUF out = BUF_INIT;

	enc_uint(&out, UINT64_MAX);
	for (size_t len = 0; len < out.len; len++) {
		struct dec dec;

		dec_init(&dec, out.data, len);
		assert_int_equal(dec_uint(&dec), 0);
		assert_true(dec.bad);
		assert_int_equal(dec_left(&dec), 0);
		assert_false(dec_done(&dec));
	}
}

static void a_number_of_more_than_64_bits_is_bad(void **state)
{
	unsigned char bytes[11];
	struct dec dec;

	memset(bytes, 0xff, sizeof(bytes));
	bytes[9] = 1;
	dec_init(&dec, bytes, 10);
	assert_true(dec_uint(&dec) == UINT64_MAX && dec_done(&dec));
	bytes[9] = 2;
	dec_init(&dec, bytes, 10);
	assert_true(dec_uint(&dec) == 0 && dec.bad);
	bytes[9] = 0x81;
	bytes[10] = 0;
	dec_init(&dec, bytes, 11);
	assert_true(dec_uint(&dec) == 0 && dec.bad);
}

static void a_number_of_more_than_32_bits_is_bad_where_32_are_meant(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct dec dec;

	enc_uint(&out, UINT32_MAX);
	enc_uint(&out, (uint64_t)UINT32_MAX + 1);
	dec_init(&dec, out.data, out.len);
	assert_true(dec_u32(&dec) == UINT32_MAX && !dec.bad);
	assert_true(dec_u32(&dec) == 0 && dec.bad);
}

static void bytes_point_into_the_input(void **state)
{
	AUTO_BUF out = BUF_INIT;
	const unsigned char *data = NULL;
	size_t len = 9;
	struct dec dec;

	enc_bytes(&out, "x\0y", 3);
	enc_bytes(&out, NULL, 0);
	dec_init(&dec, out.data, out.len);
	data = dec_bytes(&dec, 3, &len);
	assert_ptr_equal(data, out.data + 1);
	assert_int_equal(len, 3);
	assert_non_null(dec_bytes(&dec, 0, &len));
	assert_int_equal(len, 0);
	assert_true(dec_done(&dec));
}

static void bytes_beyond_the_limit_or_the_end_are_bad(void **state)
{
	AUTO_BUF out = BUF_INIT;
	size_t len = 9;
	struct dec dec;

	enc_bytes(&out, "xyz", 3);
	dec_init(&dec, out.data, out.len);
	assert_null(dec_bytes(&dec, 2, &len));
	assert_int_equal(len, 0);
	assert_true(dec.bad);
	dec_init(&dec, out.data, out.len - 1);
	assert_null(dec_bytes(&dec, 100, &len));
	assert_true(dec.bad);
	buf_reset(&out);
	enc_uint(&out, UINT64_MAX);
	dec_init(&dec, out.data, out.len);
	assert_null(dec_bytes(&dec, SIZE_MAX, &len));
	assert_true(dec.bad);
}

static void strings_are_copied_and_hold_no_nul(void **state)
{
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	AUTO_BUF out = BUF_INIT;
	struct dec dec;

	enc_str(&out, "text");
	enc_str(&out, "");
	enc_bytes(&out, "a\0", 2);
	dec_init(&dec, out.data, out.len);
	assert_string_equal(dec_str(&dec, 4, &arena), "text");
	assert_string_equal(dec_str(&dec, 4, &arena), "");
	assert_false(dec.bad);
	assert_string_equal(dec_str(&dec, 4, &arena), "");
	assert_true(dec.bad);
	dec_init(&dec, out.data, out.len);
	assert_string_equal(dec_str(&dec, 3, &arena), "");
	assert_true(dec.bad);
}

static void after_something_bad_all_is_zero(void **state)
{
	static const unsigned char bytes[64] = { 1, 1, 1, 1, 1, 1 };
	AUTO(arena_release) struct arena arena = ARENA_INIT;
	unsigned char raw[4] = { 9, 9, 9, 9 };
	size_t len = 9;
	struct dec dec;

	dec_init(&dec, bytes, sizeof(bytes));
	dec.bad = true;
	assert_int_equal(dec_u8(&dec), 0);
	assert_int_equal(dec_uint(&dec), 0);
	assert_int_equal(dec_int(&dec), 0);
	assert_int_equal(dec_u32(&dec), 0);
	assert_int_equal(dec_le32(&dec), 0);
	assert_int_equal(dec_le64(&dec), 0);
	assert_null(dec_bytes(&dec, 10, &len));
	assert_int_equal(len, 0);
	assert_string_equal(dec_str(&dec, 10, &arena), "");
	dec_raw(&dec, raw, sizeof(raw));
	assert_memory_equal(raw, "\0\0\0\0", 4);
	assert_int_equal(dec_left(&dec), 0);
	assert_false(dec_done(&dec));
}

static void raw_bytes_are_all_or_nothing(void **state)
{
	unsigned char raw[4] = { 9, 9, 9, 9 };
	struct dec dec;

	dec_init(&dec, "abc", 3);
	dec_raw(&dec, raw, 4);
	assert_memory_equal(raw, "\0\0\0\0", 4);
	assert_true(dec.bad);
	dec_init(&dec, "abc", 3);
	dec_raw(&dec, raw, 3);
	assert_memory_equal(raw, "abc", 4);
	assert_true(dec_done(&dec));
}

static void nothing_can_be_decoded_too(void **state)
{
	struct dec dec;

	dec_init(&dec, NULL, 0);
	assert_true(dec_done(&dec));
	assert_int_equal(dec_left(&dec), 0);
	assert_int_equal(dec_u8(&dec), 0);
	assert_true(dec.bad);
}

static void what_is_left_over_is_not_done(void **state)
{
	struct dec dec;

	dec_init(&dec, "ab", 2);
	dec_u8(&dec);
	assert_int_equal(dec_left(&dec), 1);
	assert_false(dec_done(&dec));
	dec_u8(&dec);
	assert_true(dec_done(&dec));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_come_back),
		cmocka_unit_test(numbers_are_as_short_as_they_can_be),
		cmocka_unit_test(the_bytes_are_what_they_always_were),
		cmocka_unit_test(a_number_cut_short_is_bad),
		cmocka_unit_test(a_number_of_more_than_64_bits_is_bad),
		cmocka_unit_test(a_number_of_more_than_32_bits_is_bad_where_32_are_meant),
		cmocka_unit_test(bytes_point_into_the_input),
		cmocka_unit_test(bytes_beyond_the_limit_or_the_end_are_bad),
		cmocka_unit_test(strings_are_copied_and_hold_no_nul),
		cmocka_unit_test(after_something_bad_all_is_zero),
		cmocka_unit_test(raw_bytes_are_all_or_nothing),
		cmocka_unit_test(nothing_can_be_decoded_too),
		cmocka_unit_test(what_is_left_over_is_not_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
