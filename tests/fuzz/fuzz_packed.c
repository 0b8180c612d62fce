/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PACKED frames from somebody who means no good.
 *
 * The input is a row of payloads, each behind its length in two bytes, in one stream.  What is promised:
 * each is refused, or becomes whole frames, none of them PACKED, of as many bytes as it says and no more
 * than PEER_PACKED_MAX; what stands around it stays as it was.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "peer/frame.h"
#include "peer/protocol.h"
#include "peer/unpacker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char around[] = "around";

static void check(const struct buf *in)
{
	size_t at = sizeof(around);
	size_t end = in->len - sizeof(around);

	assert(in->len >= 2 * sizeof(around) && end - at <= PEER_PACKED_MAX);
	assert(memcmp(in->data, around, sizeof(around)) == 0);
	assert(memcmp(in->data + end, around, sizeof(around)) == 0);
	while (at < end) {
		struct frame frame;
		size_t size = 0;

		assert(frame_parse(in->data + at, end - at, &frame, &size, NULL) == 1);
		assert(frame.type != PEER_PACKED);
		at += size;
	}
}

static int receive(struct unpacker *unpacker, const uint8_t *data, size_t size)
{
	AUTO_BUF in = BUF_INIT;
	struct err err = ERR_INIT;
	struct frame frame;
	size_t start = 0;
	size_t len = 0;

	buf_add(&in, around, sizeof(around));
	start = frame_begin(&in, PEER_PACKED);
	buf_add(&in, data, size);
	frame_end(&in, start);
	buf_add(&in, around, sizeof(around));
	assert(frame_parse(in.data + start, in.len - start, &frame, &len, NULL) == 1);
	if (unpacker_replace(unpacker, &in, start, len, &frame, &err) < 0) {
		assert(err.kind == ERR_PROTOCOL);
		return -1;
	}
	check(&in);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unpacker *unpacker = unpacker_new();

	while (size >= 2) {
		size_t len = (size_t)data[0] << 8 | data[1];

		data += 2;
		size -= 2;
		len = len < size ? len : size;
		if (receive(unpacker, data, len) < 0)
			break;
		data += len;
		size -= len;
	}
	unpacker_free(unpacker);
	return 0;
}
