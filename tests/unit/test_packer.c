/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames packed for the line and unpacked behind it, and what somebody may send instead. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <string.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/random.h"
#include "peer/frame.h"
#include "peer/packer.h"
#include "peer/protocol.h"
#include "peer/unpacker.h"

static void close_packer(struct packer **packer)
{
	packer_free(*packer);
}

static void close_unpacker(struct unpacker **unpacker)
{
	unpacker_free(*unpacker);
}

#define AUTO_PACKER   AUTO(close_packer) struct packer
#define AUTO_UNPACKER AUTO(close_unpacker) struct unpacker

static void add_frame(struct buf *out, size_t len, bool noise)
{
	size_t start = frame_begin(out, PEER_DATA);
	unsigned char *data = buf_extend(out, len);

	for (size_t i = 0; i < len; i++)
		data[i] = (unsigned char)(i / 64);
	for (size_t i = 0; noise && i + sizeof(uint64_t) <= len; i += sizeof(uint64_t)) {
		uint64_t bytes = random_u64();

		memcpy(data + i, &bytes, sizeof(bytes));
	}
	frame_end(out, start);
}

/* The frames of `wire`, with those that were packed in their places; how many were. */
static unsigned receive(struct unpacker *unpacker, struct buf *wire)
{
	unsigned packed = 0;
	size_t at = 0;

	while (at < wire->len) {
		struct frame frame;
		size_t size = 0;

		assert_int_equal(frame_parse(wire->data + at, wire->len - at, &frame, &size, NULL),
				 1);
		if (frame.type == PEER_PACKED) {
			assert_int_equal(unpacker_replace(unpacker, wire, at, size, &frame, NULL),
					 0);
			packed++;
			continue;
		}
		at += size;
	}
	return packed;
}

/* Send all of `out` in the pieces that the packer makes; the bytes on the wire. */
static size_t send_all(struct packer *packer, struct unpacker *unpacker, const struct buf *frames,
		       unsigned *packed)
{
	AUTO_BUF out = BUF_INIT;
	AUTO_BUF heard = BUF_INIT;
	size_t size = 0;

	buf_add(&out, frames->data, frames->len);
	*packed = 0;
	while (out.len > 0) {
		AUTO_BUF wire = BUF_INIT;

		packer_take(packer, &out, &wire);
		assert_true(wire.len > 0);
		size += wire.len;
		*packed += receive(unpacker, &wire);
		buf_add(&heard, wire.data, wire.len);
	}
	assert_int_equal(heard.len, frames->len);
	assert_memory_equal(heard.data, frames->data, frames->len);
	return size;
}

static void what_is_sent_arrives_whatever_becomes_packed(void **state)
{
	AUTO_PACKER *packer = packer_new(PACKER_ON);
	AUTO_UNPACKER *unpacker = unpacker_new();

	for (int round = 0; round < 60; round++) {
		AUTO_BUF frames = BUF_INIT;
		unsigned packed = 0;

		for (uint64_t left = random_u64() % 20; left > 0; left--)
			add_frame(&frames, random_u64() % 20000, random_u64() & 1);
		if (round % 10 == 0)
			add_frame(&frames, PEER_PACKED_MAX + 1, false);
		add_frame(&frames, 3, false);
		send_all(packer, unpacker, &frames, &packed);
	}
}

static void many_frames_become_one_and_small(void **state)
{
	AUTO_PACKER *packer = packer_new(PACKER_AUTO);
	AUTO_UNPACKER *unpacker = unpacker_new();
	AUTO_BUF frames = BUF_INIT;
	unsigned packed = 0;

	for (int i = 0; i < 1000; i++)
		add_frame(&frames, 100, false);
	assert_in_range(send_all(packer, unpacker, &frames, &packed), 1, frames.len / 20);
	assert_int_equal(packed, 1);
}

static void little_goes_as_it_is(void **state)
{
	AUTO_PACKER *packer = packer_new(PACKER_AUTO);
	AUTO_BUF frames = BUF_INIT;
	unsigned packed = 0;

	add_frame(&frames, 100, false);
	assert_int_equal(send_all(packer, NULL, &frames, &packed), frames.len);
	assert_int_equal(packed, 0);
}

static void nothing_is_packed_where_nobody_wants_it(void **state)
{
	AUTO_BUF frames = BUF_INIT;
	unsigned packed = 0;

	assert_null(packer_new(PACKER_OFF));
	add_frame(&frames, 100000, false);
	assert_int_equal(send_all(NULL, NULL, &frames, &packed), frames.len);
	packer_note(NULL, 0, 1, true);
}

/* What does not get smaller costs less and less, and is not given up. */
static void noise_is_tried_more_and_more_rarely(void **state)
{
	AUTO_PACKER *packer = packer_new(PACKER_AUTO);
	AUTO_UNPACKER *unpacker = unpacker_new();
	AUTO_BUF text = BUF_INIT;
	unsigned tried = 0;
	unsigned packed = 0;

	add_frame(&text, 100000, false);
	for (int i = 0; i < 300; i++) {
		AUTO_BUF noise = BUF_INIT;

		/* Other noise each time: what was there before gets smaller. */
		add_frame(&noise, 100000, true);
		send_all(packer, unpacker, &noise, &packed);
		tried += packed;
	}
	assert_in_range(tried, 5, 25);
	for (int i = 0; packed == 0 && i < 200; i++)
		send_all(packer, unpacker, &text, &packed);
	assert_int_equal(packed, 1);
	send_all(packer, unpacker, &text, &packed);
	assert_int_equal(packed, 1);
}

/* Speed ------------------------------------------------------------------------- */

/* A line of this many bytes a second, written to for so long. */
static void use_line(struct packer *packer, int64_t rate, int64_t ms, int64_t *now_ms)
{
	for (int64_t end_ms = *now_ms + ms; *now_ms < end_ms; *now_ms += 5)
		packer_note(packer, *now_ms, (size_t)(rate / 200), true);
}

static bool packs(struct packer *packer)
{
	AUTO_BUF out = BUF_INIT;
	AUTO_BUF wire = BUF_INIT;
	struct frame frame;
	size_t size = 0;

	/* So much that even a busy machine packs it sooner than such a line takes it. */
	add_frame(&out, 200000, false);
	packer_take(packer, &out, &wire);
	assert_int_equal(frame_parse(wire.data, wire.len, &frame, &size, NULL), 1);
	return frame.type == PEER_PACKED;
}

static void a_slow_line_is_packed_for_and_a_fast_one_not(void **state)
{
	AUTO_PACKER *packer = packer_new(PACKER_AUTO);
	int64_t now_ms = 1000;

	assert_true(packs(packer));
	use_line(packer, 2 * (int64_t)PACKER_FAST, 300, &now_ms);
	assert_false(packs(packer));
	use_line(packer, PACKER_FAST / 100, 300, &now_ms);
	assert_true(packs(packer));
	/* Idle time says nothing about a line. */
	packer_note(packer, now_ms, 100, false);
	now_ms += INT64_C(3600) * 1000;
	use_line(packer, 2 * (int64_t)PACKER_FAST, 300, &now_ms);
	assert_false(packs(packer));
	use_line(packer, 100, 3000, &now_ms);
	assert_true(packs(packer));
}

static void a_line_that_takes_all_is_fast(void **state)
{
	AUTO_PACKER *packer = packer_new(PACKER_AUTO);

	for (int64_t at = 0; at + 65536 < PACKER_PROBE; at += 65536)
		packer_note(packer, at / 65536 * 10, 65536, false);
	assert_true(packs(packer));
	packer_note(packer, 100000, 65536, false);
	assert_false(packs(packer));
}

static void packing_has_to_pay(void **state)
{
	const struct packer_speed unknown = { .rate = 0 };
	const struct packer_speed slow = { .rate = 1000 * 1000 };
	const struct packer_speed fast = { .rate = INT64_MAX };

	/* Half of 100 KB is 50 ms of such a line. */
	assert_true(packer_pays(&slow, 100000, 50000, 24000));
	assert_false(packer_pays(&slow, 100000, 50000, 26000));
	assert_false(packer_pays(&slow, 100000, 99000, 0));
	assert_true(packer_pays(&unknown, 100000, 50000, 1000000));
	assert_false(packer_pays(&unknown, 100000, 100100, 0));
	assert_false(packer_pays(&fast, 100000, 10, 1));
}

static void whoever_wants_it_packed_gets_it_packed(void **state)
{
	AUTO_PACKER *packer = packer_new(PACKER_ON);
	int64_t now_ms = 0;

	use_line(packer, 100 * (int64_t)PACKER_FAST, 300, &now_ms);
	assert_true(packs(packer));
}

/* What somebody else may send ----------------------------------------------------- */

static void add_packed(struct buf *out, uint64_t says, const void *data, size_t len)
{
	size_t start = frame_begin(out, PEER_PACKED);
	size_t room = ZSTD_compressBound(len);

	enc_uint(out, says);
	unsigned char *at = buf_extend(out, room);
	size_t packed = ZSTD_compress(at, room, data, len, 3);

	assert_false(ZSTD_isError(packed));
	out->len -= room - packed;
	frame_end(out, start);
}

static void refuses(struct unpacker *unpacker, struct buf *in)
{
	struct err err = ERR_INIT;
	struct frame frame;
	size_t size = 0;

	assert_int_equal(frame_parse(in->data, in->len, &frame, &size, NULL), 1);
	frame.from = "target";
	assert_int_equal(unpacker_replace(unpacker, in, 0, size, &frame, &err), -1);
	assert_int_equal(err.kind, ERR_PROTOCOL);
	assert_non_null(strstr(err.msg, "target"));
}

/* `len` bytes of whole frames, which say that they are `says`. */
static void refuse(size_t len, uint64_t says)
{
	AUTO_UNPACKER *unpacker = unpacker_new();
	AUTO_BUF frames = BUF_INIT;
	AUTO_BUF in = BUF_INIT;

	add_frame(&frames, len - FRAME_HEAD, false);
	add_packed(&in, says, frames.data, frames.len);
	refuses(unpacker, &in);
}

static void a_bomb_does_not_go_off(void **state)
{
	refuse(PEER_PACKED_MAX + 1, PEER_PACKED_MAX + 1);
	refuse(PEER_FRAME_MAX, PEER_PACKED_MAX);
	refuse(PEER_FRAME_MAX, UINT64_MAX);
	refuse(1000, 999);
	refuse(1000, 1001);
	refuse(1000, 0);
	refuse(1000, 1);
}

/* A window that would cost more memory than we have agreed on. */
static void a_large_window_is_refused(void **state)
{
	AUTO_UNPACKER *unpacker = unpacker_new();
	AUTO_BUF frames = BUF_INIT;
	AUTO_BUF in = BUF_INIT;
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	size_t start = frame_begin(&in, PEER_PACKED);

	add_frame(&frames, 1000, true);
	enc_uint(&in, frames.len);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, PEER_PACK_WINDOW_LOG + 1);
	unsigned char *at = buf_extend(&in, 4096);
	ZSTD_inBuffer from = { frames.data, frames.len, 0 };
	ZSTD_outBuffer to = { at, 4096, 0 };

	assert_int_equal(ZSTD_compressStream2(zstd, &to, &from, ZSTD_e_flush), 0);
	in.len -= 4096 - to.pos;
	frame_end(&in, start);
	refuses(unpacker, &in);
	ZSTD_freeCCtx(zstd);
}

static void what_holds_no_messages_is_refused(void **state)
{
	AUTO_UNPACKER *unpacker = unpacker_new();
	AUTO_BUF frames = BUF_INIT;
	AUTO_BUF inner = BUF_INIT;
	AUTO_BUF nested = BUF_INIT;
	AUTO_BUF half = BUF_INIT;

	add_frame(&frames, 100, false);
	add_packed(&half, frames.len - 1, frames.data, frames.len - 1);
	refuses(unpacker, &half);
	add_packed(&inner, frames.len, frames.data, frames.len);
	add_packed(&nested, inner.len, inner.data, inner.len);
	refuses(unpacker, &nested);
	refuses(NULL, &inner);
}

static void a_stream_cut_or_changed_anywhere_is_refused_or_says_something(void **state)
{
	AUTO_BUF frames = BUF_INIT;
	AUTO_BUF whole = BUF_INIT;

	add_frame(&frames, 400, true);
	add_packed(&whole, frames.len, frames.data, frames.len);
	for (size_t at = FRAME_HEAD; at < whole.len; at++) {
		AUTO_UNPACKER *unpacker = unpacker_new();
		AUTO_BUF in = BUF_INIT;
		struct frame frame = { .type = PEER_PACKED };

		buf_add(&in, whole.data, at);
		frame.data = in.data + FRAME_HEAD;
		frame.len = at - FRAME_HEAD;
		assert_int_equal(unpacker_replace(unpacker, &in, 0, at, &frame, NULL), -1);
	}
	for (size_t at = FRAME_HEAD; at < whole.len; at++) {
		AUTO_UNPACKER *unpacker = unpacker_new();
		AUTO_BUF in = BUF_INIT;
		struct frame frame = { .type = PEER_PACKED };

		buf_add(&in, whole.data, whole.len);
		in.data[at] ^= 0x40;
		frame.data = in.data + FRAME_HEAD;
		frame.len = in.len - FRAME_HEAD;
		/* Noise is stored as it is: what changed in there is for digests to find. */
		if (unpacker_replace(unpacker, &in, 0, in.len, &frame, NULL) == 0)
			assert_int_equal(in.len, frames.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sent_arrives_whatever_becomes_packed),
		cmocka_unit_test(many_frames_become_one_and_small),
		cmocka_unit_test(little_goes_as_it_is),
		cmocka_unit_test(nothing_is_packed_where_nobody_wants_it),
		cmocka_unit_test(noise_is_tried_more_and_more_rarely),
		cmocka_unit_test(a_slow_line_is_packed_for_and_a_fast_one_not),
		cmocka_unit_test(a_line_that_takes_all_is_fast),
		cmocka_unit_test(packing_has_to_pay),
		cmocka_unit_test(whoever_wants_it_packed_gets_it_packed),
		cmocka_unit_test(a_bomb_does_not_go_off),
		cmocka_unit_test(a_large_window_is_refused),
		cmocka_unit_test(what_holds_no_messages_is_refused),
		cmocka_unit_test(a_stream_cut_or_changed_anywhere_is_refused_or_says_something),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
