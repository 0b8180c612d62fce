/* SPDX-License-Identifier: BSD-2-Clause */
#include "peer/frame.h"

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "peer/protocol.h"

size_t frame_begin(struct buf *out, uint8_t type)
{
	size_t start = out->len;

	enc_le32(out, 0);
	enc_u8(out, type);
	return start;
}

size_t frame_end(struct buf *out, size_t start)
{
	size_t size = out->len - start;
	uint32_t length = (uint32_t)(size - 4);

	for (size_t i = 0; i < 4; i++)
		out->data[start + i] = (unsigned char)(length >> (8 * i));
	return size;
}

int frame_parse(const unsigned char *data, size_t len, struct frame *frame, size_t *size,
		struct err *err)
{
	struct dec dec;
	uint32_t length = 0;

	if (len < FRAME_HEAD)
		return 0;
	dec_init(&dec, data, len);
	length = dec_le32(&dec);
	if (length < 1 || length > PEER_FRAME_MAX)
		return err_set(err, ERR_PROTOCOL, "the other side sent a frame of %u bytes",
			       length);
	if (len - 4 < length)
		return 0;
	frame->type = data[4];
	frame->data = data + FRAME_HEAD;
	frame->len = length - 1;
	frame->from = NULL;
	*size = 4 + (size_t)length;
	return 1;
}

bool frame_is_bulk(uint8_t type)
{
	return type == PEER_LIST || type == PEER_DATA || type == PEER_SUMS || type == PEER_COPY;
}
