/* SPDX-License-Identifier: BSD-2-Clause */
/* What peer/packer.h has made smaller, unpacked: the receiving end, which believes nothing. */
#ifndef PEER_UNPACKER_H
#define PEER_UNPACKER_H

#include <stddef.h>

struct buf;
struct err;
struct frame;
struct unpacker;

struct unpacker *unpacker_new(void);
void unpacker_free(struct unpacker *unpacker);
/*
 * Put what a PACKED frame holds in its place: it is the `size` bytes of `in` from `at` on, parsed into
 * `frame`.  ERR_PROTOCOL where it is damaged, unpacks to anything but whole frames, to another PACKED
 * one, or to more than PEER_PACKED_MAX bytes.  Memory is bounded by that and by PEER_PACK_WINDOW_LOG.
 * `unpacker` NULL: there must be none.
 */
int unpacker_replace(struct unpacker *unpacker, struct buf *in, size_t at, size_t size,
		     const struct frame *frame, struct err *err);

#endif
