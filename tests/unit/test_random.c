/* SPDX-License-Identifier: BSD-2-Clause */
/* Random bytes and the identifiers made of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "base/random.h"

static void every_byte_is_filled(void **state)
{
	static const size_t lens[] = { 0, 1, 7, 256, 257, 100000 };

	for (size_t i = 0; i < 6; i++) {
		AUTO_FREE unsigned char *bytes = xcalloc(1, lens[i] + 1);
		AUTO_FREE unsigned char *seen = xcalloc(1, lens[i] + 1);

		/* A byte stays zero in one of 256 rounds: in 40 it does not happen. */
		for (int round = 0; round < 40; round++) {
			random_bytes(bytes, lens[i]);
			for (size_t b = 0; b < lens[i]; b++)
				seen[b] |= bytes[b];
		}
		assert_null(memchr(seen, 0, lens[i]));
		assert_int_equal(bytes[lens[i]], 0);
	}
}

static void numbers_differ(void **state)
{
	assert_true(random_u64() != random_u64());
}

static void uuids_are_version_4(void **state)
{
	for (int i = 0; i < 100; i++) {
		struct uuid uuid = uuid_new();
		struct uuid other = uuid_new();
		char text[UUID_TEXT_LEN + 1];

		uuid_text(&uuid, text);
		assert_int_equal(strlen(text), UUID_TEXT_LEN);
		assert_int_equal(text[14], '4');
		assert_non_null(strchr("89ab", text[19]));
		assert_false(uuid_is_none(&uuid));
		assert_true(uuid_same(&uuid, &uuid));
		assert_false(uuid_same(&uuid, &other));
	}
}

static void uuids_come_back_from_text(void **state)
{
	static const char text[] = "01234567-89ab-cdef-0011-22334455ff66";
	char again[UUID_TEXT_LEN + 1];
	struct uuid uuid;

	assert_int_equal(uuid_parse(text, &uuid), 0);
	assert_int_equal(uuid.bytes[0], 0x01);
	assert_int_equal(uuid.bytes[15], 0x66);
	uuid_text(&uuid, again);
	assert_string_equal(again, text);
	/* What follows is the caller's. */
	assert_int_equal(uuid_parse("01234567-89ab-cdef-0011-22334455ff66\nmore", &uuid), 0);
}

static void what_is_no_uuid_is_refused(void **state)
{
	static const char good[] = "01234567-89ab-cdef-0011-22334455ff66";
	struct uuid uuid;

	for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
		char text[UUID_TEXT_LEN + 1];

		memcpy(text, good, sizeof(text));
		text[i] = 'g';
		assert_int_equal(uuid_parse(text, &uuid), -1);
		text[i] = good[i] == '-' ? '0' : '-';
		assert_int_equal(uuid_parse(text, &uuid), -1);
		text[i] = '\0';
		assert_int_equal(uuid_parse(text, &uuid), -1);
	}
	assert_int_equal(uuid_parse("01234567-89AB-cdef-0011-22334455ff66", &uuid), -1);
}

static void none_is_all_zero(void **state)
{
	struct uuid uuid = { { 0 } };

	assert_true(uuid_is_none(&uuid));
	for (size_t i = 0; i < sizeof(uuid.bytes); i++) {
		uuid.bytes[i] = 1;
		assert_false(uuid_is_none(&uuid));
		uuid.bytes[i] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_is_filled),
		cmocka_unit_test(numbers_differ),
		cmocka_unit_test(uuids_are_version_4),
		cmocka_unit_test(uuids_come_back_from_text),
		cmocka_unit_test(what_is_no_uuid_is_refused),
		cmocka_unit_test(none_is_all_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
