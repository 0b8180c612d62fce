/* SPDX-License-Identifier: BSD-2-Clause */
#include "peer/unpacker.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "peer/frame.h"
#include "peer/msg.h"
#include "peer/protocol.h"

struct unpacker {
	ZSTD_DCtx *zstd;
	struct buf out;
};

struct unpacker *unpacker_new(void)
{
	return xcalloc(1, sizeof(struct unpacker));
}

void unpacker_free(struct unpacker *unpacker)
{
	if (!unpacker)
		return;
	ZSTD_freeDCtx(unpacker->zstd);
	buf_release(&unpacker->out);
	free(unpacker);
}

static int damaged(const struct frame *frame, const char *how, struct err *err)
{
	return err_set(err, ERR_PROTOCOL, "what the %s sent packed is damaged: %s",
		       frame->from ? frame->from : "other side", how);
}

/* data[0..len) into unpacker->out, which must become `size` bytes. */
static int unpack(struct unpacker *unpacker, const struct frame *frame, struct dec *dec,
		  size_t size, struct err *err)
{
	ZSTD_inBuffer in = { dec->pos, dec_left(dec), 0 };
	ZSTD_outBuffer out = { NULL, size + 1, 0 };

	if (!unpacker->zstd) {
		unpacker->zstd = ZSTD_createDCtx();
		if (!unpacker->zstd)
			err_die("out of memory: zstd");
		ZSTD_DCtx_setParameter(unpacker->zstd, ZSTD_d_windowLogMax, PEER_PACK_WINDOW_LOG);
	}
	buf_reset(&unpacker->out);
	/* One byte more, so that what would be too long shows. */
	out.dst = buf_extend(&unpacker->out, size + 1);
	while (in.pos < in.size && out.pos <= size) {
		size_t before = in.pos + out.pos;
		size_t rc = ZSTD_decompressStream(unpacker->zstd, &out, &in);

		if (ZSTD_isError(rc))
			return damaged(frame, ZSTD_getErrorName(rc), err);
		if (in.pos + out.pos == before)
			break;
	}
	if (in.pos != in.size || out.pos != size)
		return damaged(frame, "it is not as long as it says", err);
	unpacker->out.len = size;
	return 0;
}

/* Whole frames, and no further PACKED among them. */
static bool holds_frames(const struct buf *buf)
{
	size_t at = 0;

	while (at < buf->len) {
		struct frame frame;
		size_t size = 0;

		if (frame_parse(buf->data + at, buf->len - at, &frame, &size, NULL) <= 0 ||
		    frame.type == PEER_PACKED)
			return false;
		at += size;
	}
	return true;
}

/* Put `with` where in[at..at+size) is. */
static void splice(struct buf *in, size_t at, size_t size, const struct buf *with)
{
	size_t behind = in->len - at - size;

	if (with->len > size)
		buf_extend(in, with->len - size);
	memmove(in->data + at + with->len, in->data + at + size, behind);
	memcpy(in->data + at, with->data, with->len);
	in->len = at + with->len + behind;
}

int unpacker_replace(struct unpacker *unpacker, struct buf *in, size_t at, size_t size,
		     const struct frame *frame, struct err *err)
{
	struct dec dec;
	uint64_t len = 0;

	dec_init(&dec, frame->data, frame->len);
	len = dec_uint(&dec);
	if (!unpacker || dec.bad || len == 0 || len > PEER_PACKED_MAX)
		return msg_malformed(frame, err);
	if (unpack(unpacker, frame, &dec, (size_t)len, err) < 0)
		return -1;
	if (!holds_frames(&unpacker->out))
		return damaged(frame, "it holds something else than messages", err);
	splice(in, at, size, &unpacker->out);
	return 0;
}
