/* SPDX-License-Identifier: BSD-2-Clause */
/* Digests: known values, streams equal to the whole, and the text form. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/digest.h"

/* Published test vectors of XXH3 (the empty input, seed 0), as `xxhsum -H2` and -H3 print them. */
static void the_algorithm_is_xxh3(void **state)
{
	char hex[DIGEST_HEX_LEN + 1];
	struct digest empty = digest_of("", 0, 0);

	digest_hex(&empty, hex);
	assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
	assert_true(digest_checksum("", 0) == UINT64_C(0x2d06800538d394c2));
}

static void a_stream_equals_the_whole(void **state)
{
	AUTO_BUF data = BUF_INIT;

	for (int i = 0; i < 5000; i++)
		buf_addch(&data, i * 31 % 256);
	/* XXH3 changes its ways at 16, 128 and 240 bytes, and per block of 1024. */
	for (size_t len = 0; len < data.len; len += len < 300 ? 1 : 251) {
		struct digest_stream *stream = digest_stream_new(77);
		struct digest whole = digest_of(data.data, len, 77);
		struct digest got;

		for (size_t at = 0; at < len; at += 97)
			digest_stream_add(stream, data.data + at, len - at < 97 ? len - at : 97);
		got = digest_stream_value(stream);
		assert_true(digest_same(&got, &whole));
		digest_stream_free(stream);
	}
}

/* Bytes come in pieces as large as what is read at a time, and the way that is chosen for them is another. */
static void a_stream_in_large_pieces_equals_the_whole(void **state)
{
	static const size_t pieces[] = { 1024, 4999, 65536, 262144, 300001 };
	AUTO_BUF data = BUF_INIT;
	struct digest whole;

	for (size_t i = 0; i < 300001; i++)
		buf_addch(&data, (int)(i * i / 7 % 256));
	whole = digest_of(data.data, data.len, 78);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct digest_stream *stream = digest_stream_new(78);
		struct digest got;

		for (size_t at = 0, step = 0; at < data.len; at += step) {
			step = pieces[i] < data.len - at ? pieces[i] : data.len - at;
			digest_stream_add(stream, data.data + at, step);
		}
		got = digest_stream_value(stream);
		assert_true(digest_same(&got, &whole));
		digest_stream_free(stream);
	}
}

static void a_value_can_be_taken_on_the_way(void **state)
{
	struct digest_stream *stream = digest_stream_new(1);
	struct digest want = digest_of("abc", 3, 1);
	struct digest got;

	digest_stream_add(stream, "ab", 2);
	digest_stream_value(stream);
	digest_stream_add(stream, "c", 1);
	got = digest_stream_value(stream);
	assert_true(digest_same(&got, &want));
	digest_stream_free(stream);
}

static void holes_are_zeros(void **state)
{
	static const uint64_t lens[] = { 0, 1, 65535, 65536, 65537, 200000 };
	AUTO_FREE unsigned char *zeros = xcalloc(1, 200002);

	zeros[0] = 'x';
	for (size_t i = 0; i < 6; i++) {
		struct digest_stream *stream = digest_stream_new(5);
		struct digest want;
		struct digest got;

		digest_stream_add(stream, "x", 1);
		digest_stream_add_zeros(stream, lens[i]);
		got = digest_stream_value(stream);
		want = digest_of(zeros, (size_t)lens[i] + 1, 5);
		assert_true(digest_same(&got, &want));
		digest_stream_free(stream);
	}
}

static void seed_and_every_bit_matter(void **state)
{
	unsigned char data[100] = { 0 };
	struct digest first = digest_of(data, sizeof(data), 0);
	struct digest other = digest_of(data, sizeof(data), 1);

	assert_false(digest_same(&first, &other));
	for (size_t bit = 0; bit < 8 * sizeof(data); bit++) {
		data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		other = digest_of(data, sizeof(data), 0);
		assert_false(digest_same(&first, &other));
		data[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

static void sameness_looks_at_every_byte(void **state)
{
	struct digest a = digest_of("a", 1, 0);

	for (size_t i = 0; i < DIGEST_LEN; i++) {
		struct digest b = a;

		assert_true(digest_same(&a, &b));
		b.bytes[i] ^= 1;
		assert_false(digest_same(&a, &b));
	}
}

static void freeing_nothing_is_fine(void **state)
{
	digest_stream_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_algorithm_is_xxh3),
		cmocka_unit_test(a_stream_equals_the_whole),
		cmocka_unit_test(a_stream_in_large_pieces_equals_the_whole),
		cmocka_unit_test(a_value_can_be_taken_on_the_way),
		cmocka_unit_test(holes_are_zeros),
		cmocka_unit_test(seed_and_every_bit_matter),
		cmocka_unit_test(sameness_looks_at_every_byte),
		cmocka_unit_test(freeing_nothing_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
