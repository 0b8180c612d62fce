/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames of the peer protocol: cutting them out of a stream and putting them into one. */
#ifndef PEER_FRAME_H
#define PEER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum { FRAME_HEAD = 5 /* le32 length, u8 type */ };

struct frame {
	uint8_t type;		   /* enum peer_type, not checked */
	const unsigned char *data; /* payload, points into the stream's buffer */
	size_t len;
	const char *from; /* who sent it ("target"), for messages; NULL: the other side */
};

/* Begin a frame at the end of `out`; returns where, for frame_end. */
size_t frame_begin(struct buf *out, uint8_t type);
/* Fill in the length of the frame begun at `start`. Returns the frame's size in bytes. */
size_t frame_end(struct buf *out, size_t start);

/*
 * The frame at data[0..len): 1 and *size bytes used; 0 when it is not complete yet; -1 with
 * ERR_PROTOCOL for a length that is not allowed.
 */
int frame_parse(const unsigned char *data, size_t len, struct frame *frame, size_t *size,
		struct err *err);

/* Whether frames of this type count against credit. */
bool frame_is_bulk(uint8_t type);

#endif
