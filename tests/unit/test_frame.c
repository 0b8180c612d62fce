/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames in a stream: cut out whole or not at all, wherever the stream happens to be cut. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "peer/frame.h"
#include "peer/protocol.h"

static size_t add_frame(struct buf *out, uint8_t type, const char *payload)
{
	size_t start = frame_begin(out, type);

	buf_addstr(out, payload);
	return frame_end(out, start);
}

/* The first bytes of a frame that says it has this length. */
static void add_head(struct buf *out, uint32_t length)
{
	enc_le32(out, length);
	enc_u8(out, PEER_DATA);
}

static int parse(const struct buf *stream, size_t from, struct frame *frame, size_t *size)
{
	struct err err = ERR_INIT;
	int got = frame_parse(stream->data + from, stream->len - from, frame, size, &err);

	assert_int_equal(err.kind, got < 0 ? ERR_PROTOCOL : ERR_NONE);
	return got;
}

static void test_layout_is_that_of_the_protocol(void **state)
{
	static const unsigned char expected[] = { 4, 0, 0, 0, PEER_DATA, 'a', 'b', 'c' };
	AUTO_BUF out = BUF_INIT;

	buf_addstr(&out, "..");
	assert_int_equal(add_frame(&out, PEER_DATA, "abc"), sizeof(expected));
	assert_int_equal(out.len, 2 + sizeof(expected));
	assert_memory_equal(out.data + 2, expected, sizeof(expected));
}

static void test_frames_come_out_as_they_went_in(void **state)
{
	static const char *const payloads[] = { "first", "", "third" };
	AUTO_BUF stream = BUF_INIT;
	size_t at = 0;

	for (uint8_t i = 0; i < 3; i++)
		add_frame(&stream, (uint8_t)(PEER_HELLO + i), payloads[i]);
	for (uint8_t i = 0; i < 3; i++) {
		struct frame frame = { 0 };
		size_t size = 0;

		assert_int_equal(parse(&stream, at, &frame, &size), 1);
		assert_int_equal(frame.type, PEER_HELLO + i);
		assert_int_equal(frame.len, strlen(payloads[i]));
		assert_memory_equal(frame.data, payloads[i], frame.len);
		assert_int_equal(size, FRAME_HEAD + frame.len);
		at += size;
	}
	assert_int_equal(at, stream.len);
}

static void test_a_part_of_a_frame_is_not_yet_one(void **state)
{
	AUTO_BUF whole = BUF_INIT;
	size_t size = add_frame(&whole, PEER_LIST, "some payload");

	for (size_t len = 0; len < size; len++) {
		/* Of its own, so that a byte read too many is found. */
		unsigned char *part = xmalloc(len + 1);
		struct frame frame = { 0 };
		struct err err = ERR_INIT;
		size_t used = 0;

		memcpy(part, whole.data, len);
		assert_int_equal(frame_parse(part, len, &frame, &used, &err), 0);
		assert_int_equal(err.kind, ERR_NONE);
		cleanup_free(&part);
	}
}

static void test_a_length_of_nothing_is_refused(void **state)
{
	AUTO_BUF stream = BUF_INIT;
	struct frame frame = { 0 };
	size_t size = 0;

	add_head(&stream, 0);
	assert_int_equal(parse(&stream, 0, &frame, &size), -1);
}

static void test_the_longest_frame_is_taken_and_a_longer_one_refused(void **state)
{
	static const uint32_t refused[] = { PEER_FRAME_MAX + 1, 1U << 31, UINT32_MAX };
	AUTO_BUF longest = BUF_INIT;
	struct frame frame = { 0 };
	size_t size = 0;

	add_head(&longest, PEER_FRAME_MAX);
	memset(buf_extend(&longest, PEER_FRAME_MAX - 1), 'x', PEER_FRAME_MAX - 1);
	assert_int_equal(parse(&longest, 0, &frame, &size), 1);
	assert_int_equal(size, 4 + PEER_FRAME_MAX);
	assert_int_equal(frame.len, PEER_FRAME_MAX - 1);
	longest.len--;
	assert_int_equal(parse(&longest, 0, &frame, &size), 0);

	/* Refused at once, not after waiting for bytes that need not come. */
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		AUTO_BUF stream = BUF_INIT;

		add_head(&stream, refused[i]);
		assert_int_equal(parse(&stream, 0, &frame, &size), -1);
	}
}

static void test_only_what_carries_content_counts_as_bulk(void **state)
{
	for (unsigned type = 0; type <= UINT8_MAX; type++)
		assert_int_equal(frame_is_bulk((uint8_t)type),
				 type == PEER_LIST || type == PEER_DATA || type == PEER_SUMS ||
					 type == PEER_COPY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout_is_that_of_the_protocol),
		cmocka_unit_test(test_frames_come_out_as_they_went_in),
		cmocka_unit_test(test_a_part_of_a_frame_is_not_yet_one),
		cmocka_unit_test(test_a_length_of_nothing_is_refused),
		cmocka_unit_test(test_the_longest_frame_is_taken_and_a_longer_one_refused),
		cmocka_unit_test(test_only_what_carries_content_counts_as_bulk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
