/* SPDX-License-Identifier: BSD-2-Clause */
/* FETCH and FETCHED as values. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "peer/frame.h"
#include "peer/msg.h"
#include "peer/protocol.h"

static const struct entry some_file = { .type = ENTRY_FILE,
					.flags = ENTRY_HAS_DIGEST | ENTRY_RACY,
					.size = UINT64_C(1) << 40,
					.digest = { { 1, 2, 3 } } };

static void test_what_is_to_be_read_is_as_it_was_said(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct arena arena = ARENA_INIT;
	struct entry entry = { 0 };
	struct dec dec;

	(void)state;
	msg_enc_read(&out, 300, "folder/file", &some_file, true);
	dec_init(&dec, out.data, out.len);
	assert_int_equal(dec_uint(&dec), 300);
	assert_string_equal(msg_dec_path(&dec, &arena), "folder/file");
	entry_decode(&dec, &arena, &entry);
	assert_true(entry_same_stat(&entry, &some_file));
	assert_int_equal(dec_u8(&dec), 1);
	assert_true(dec_done(&dec));
	arena_release(&arena);
}

static void put_fetched(struct buf *out, enum err_kind kind)
{
	struct msg_result result = { .id = 7, .entry = some_file, .attrs_len = 3 };

	result.attrs = (const unsigned char *)"\0\1\2";
	if (kind)
		err_set(&result.status, kind, "it is gone");
	if (kind)
		result.entry = (struct entry){ .type = ENTRY_ABSENT };
	msg_put_result(out, PEER_FETCHED, &result);
}

/* The attributes stay where they were read. */
static void test_what_was_fetched_is_said_without_attributes(void **state)
{
	for (int kind = ERR_NONE; kind <= ERR_CHANGED; kind += ERR_CHANGED) {
		AUTO_BUF out = BUF_INIT;
		struct arena arena = ARENA_INIT;
		struct msg_result result;
		struct frame frame;
		size_t size = 0;

		(void)state;
		put_fetched(&out, (enum err_kind)kind);
		assert_int_equal(frame_parse(out.data, out.len, &frame, &size, NULL), 1);
		assert_int_equal(frame.type, PEER_FETCHED);
		assert_int_equal(msg_get_result(&frame, &arena, &result, NULL), 0);
		assert_int_equal(result.id, 7);
		assert_int_equal(result.status.kind, kind);
		assert_int_equal(result.attrs_len, 0);
		assert_int_equal(result.entry.type, kind ? ENTRY_ABSENT : ENTRY_FILE);
		if (!kind)
			assert_true(digest_same(&result.entry.digest, &some_file.digest));
		arena_release(&arena);
	}
}

static void test_nothing_more_or_less_is_taken(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct arena arena = ARENA_INIT;
	struct msg_result result;
	struct frame frame;
	size_t size = 0;

	(void)state;
	put_fetched(&out, ERR_NONE);
	buf_addch(&out, 0);
	assert_int_equal(frame_parse(out.data, out.len, &frame, &size, NULL), 1);
	for (size_t len = 0; len < frame.len; len++) {
		struct frame cut = frame;

		cut.len = len;
		assert_int_equal(msg_get_result(&cut, &arena, &result, NULL), -1);
	}
	frame.len++;
	assert_int_equal(msg_get_result(&frame, &arena, &result, NULL), -1);
	arena_release(&arena);
}

/* Bulk frames need credit, of which neither has any need. */
static void test_no_credit_is_needed(void **state)
{
	(void)state;
	assert_false(frame_is_bulk(PEER_FETCH));
	assert_false(frame_is_bulk(PEER_FETCHED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_to_be_read_is_as_it_was_said),
		cmocka_unit_test(test_what_was_fetched_is_said_without_attributes),
		cmocka_unit_test(test_nothing_more_or_less_is_taken),
		cmocka_unit_test(test_no_credit_is_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
