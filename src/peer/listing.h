/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LIST and RECORD frames: many small items, each with the bytes its path shares with the
 * one before it in the same frame left out.
 */
#ifndef PEER_LISTING_H
#define PEER_LISTING_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/codec.h"
#include "model/entry.h"
#include "peer/protocol.h"

struct arena;
struct err;
struct frame;

struct listing_item {
	const char *path;
	enum peer_item kind;
	struct entry entry;  /* PEER_ITEM_GONE, PEER_ITEM_SAME: not set */
	const char *problem; /* PEER_ITEM_PROBLEM: why */
};

/* Collects items into frames of about PEER_LIST_TARGET bytes. */
struct listing_writer {
	uint8_t type;	  /* PEER_LIST or PEER_RECORD */
	struct buf frame; /* the frame being filled, empty between frames */
	struct buf last;  /* path of the last item in it */
};

#define LISTING_WRITER_INIT(frame_type)          \
	{                                        \
		(frame_type), BUF_INIT, BUF_INIT \
	}

void listing_writer_release(struct listing_writer *writer);
void listing_add(struct listing_writer *writer, const struct listing_item *item);
/* Whether the frame has grown to its target (or, at the end, holds anything). */
int listing_is_full(const struct listing_writer *writer);
/* Complete the frame and move it to the end of `out`; its size, 0 when there was nothing. */
size_t listing_take(struct listing_writer *writer, struct buf *out);

struct listing_reader {
	struct dec dec;
	struct buf last;
	const struct frame *frame;
};

/* Read a frame (borrowed until the end). */
void listing_reader_init(struct listing_reader *reader, const struct frame *frame);
void listing_reader_release(struct listing_reader *reader);
/*
 * The path of a problem may be longer than path_valid() allows where nothing at all is known of what is
 * there (ENTRY_SPECIAL, ENTRY_OPAQUE): such a thing is reported, and neither worked on nor recorded.
 */
/* 1 and an item (path valid until the next call, strings in the arena); 0 at the end; -1 ERR_PROTOCOL. */
int listing_read(struct listing_reader *reader, struct arena *arena, struct listing_item *item,
		 struct err *err);

/*
 * What one entry adds to the checksum of a cache: both sides sum these over what the saved list
 * says of the target, and a difference means that the cache is not what it should be.
 */
uint64_t listing_checksum(const char *path, const struct entry *entry);

#endif
