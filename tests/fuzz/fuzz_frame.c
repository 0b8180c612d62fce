/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stream with anything in it, taken apart into frames and these into messages.
 *
 * What is promised: a frame is cut out whole, not yet or not at all; a message is refused with
 * ERR_PROTOCOL or is a value that makes sense, and a value that is sent again arrives the same.
 */
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/path.h"
#include "model/entry.h"
#include "peer/frame.h"
#include "peer/listing.h"
#include "peer/msg.h"
#include "peer/protocol.h"
#include "tree/attrs.h"
#include "tree/changer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const char *path)
{
	assert(path_valid(path, strlen(path)));
}

static void check_entry(const struct entry *entry)
{
	assert(entry->type <= ENTRY_SPECIAL && entry->mode <= 07777);
}

static void check_status(const struct err *status)
{
	assert(status->kind <= ERR_SIGNAL);
	for (const char *at = status->msg; *at; at++)
		assert((unsigned char)*at >= 0x20 && *at != 0x7f);
}

static int recode_hello(const struct frame *frame, struct arena *arena, struct buf *out,
			struct err *err)
{
	struct msg_hello hello = { 0 };

	if (msg_get_hello(frame, arena, &hello, err) < 0)
		return -1;
	check_path(hello.profile);
	assert(!strchr(hello.profile, '/') && hello.profile[0] != '.');
	assert(!hello.state_dir[0] || hello.state_dir[0] == '/');
	assert(hello.fsync_mode <= CHANGER_SYNC_OFF);
	msg_put_hello(out, &hello);
	return 0;
}

static int recode_welcome(const struct frame *frame, struct arena *arena, struct buf *out,
			  struct err *err)
{
	struct msg_welcome welcome;

	if (msg_get_welcome(frame, arena, &welcome, err) < 0)
		return -1;
	msg_put_welcome(out, &welcome);
	return 0;
}

static int recode_locked(const struct frame *frame, struct buf *out, struct err *err)
{
	struct msg_locked locked;

	if (msg_get_locked(frame, &locked, err) < 0)
		return -1;
	check_status(&locked.status);
	assert(locked.step_ns > 0);
	msg_put_locked(out, &locked);
	return 0;
}

static int recode_ready(const struct frame *frame, struct buf *out, struct err *err)
{
	struct msg_ready ready;

	if (msg_get_ready(frame, &ready, err) < 0)
		return -1;
	check_status(&ready.status);
	msg_put_ready(out, &ready);
	return 0;
}

static int recode_op(const struct frame *frame, struct arena *arena, struct buf *out,
		     struct err *err)
{
	struct msg_op op = { 0 };

	if (msg_get_op(frame, arena, &op, err) < 0)
		return -1;
	assert(op.kind <= OP_META && (!op.filled || op.kind == OP_MKDIR));
	check_path(op.path);
	if (op.from[0] || op.kind == OP_MOVE || op.kind == OP_LINK || op.kind == OP_COPY)
		check_path(op.from);
	check_entry(&op.expect);
	check_entry(&op.source);
	assert(op.meta.mode <= 07777 && op.attrs_len <= ATTRS_MAX);
	msg_put_op(out, &op);
	return 0;
}

static int recode_result(const struct frame *frame, struct arena *arena, struct buf *out,
			 struct err *err)
{
	struct msg_result result;

	if (msg_get_result(frame, arena, &result, err) < 0)
		return -1;
	check_status(&result.status);
	check_entry(&result.entry);
	assert(result.attrs_len <= ATTRS_MAX);
	msg_put_result(out, frame->type, &result);
	return 0;
}

static int recode_status(const struct frame *frame, struct buf *out, struct err *err)
{
	struct err status = ERR_INIT;

	if (msg_get_status(frame, &status, err) < 0)
		return -1;
	check_status(&status);
	msg_put_status(out, frame->type, &status);
	return 0;
}

static int recode_listing(const struct frame *frame, struct arena *arena, struct buf *out,
			  struct err *err)
{
	struct listing_writer writer = LISTING_WRITER_INIT(frame->type);
	struct listing_reader reader;
	struct listing_item item;
	int got = 0;

	listing_reader_init(&reader, frame);
	while ((got = listing_read(&reader, arena, &item, err)) > 0) {
		/* An unknown thing may have a path that is too long. */
		if (item.kind != PEER_ITEM_PROBLEM || item.entry.flags != ENTRY_OPAQUE)
			check_path(item.path);
		check_entry(&item.entry);
		assert(item.kind >= PEER_ITEM_ENTRY && item.kind <= PEER_ITEM_SAME);
		listing_checksum(item.path, &item.entry);
		listing_add(&writer, &item);
	}
	listing_reader_release(&reader);
	listing_take(&writer, out);
	listing_writer_release(&writer);
	return got;
}

/* Decode and encode again. */
static int recode(const struct frame *frame, struct buf *out)
{
	struct arena arena = ARENA_INIT;
	struct err err = ERR_INIT;
	int status = 0;

	if (frame->type == PEER_HELLO)
		status = recode_hello(frame, &arena, out, &err);
	else if (frame->type == PEER_WELCOME)
		status = recode_welcome(frame, &arena, out, &err);
	else if (frame->type == PEER_READY)
		status = recode_ready(frame, out, &err);
	else if (frame->type == PEER_LOCKED)
		status = recode_locked(frame, out, &err);
	else if (frame->type == PEER_OP)
		status = recode_op(frame, &arena, out, &err);
	else if (frame->type == PEER_LIST || frame->type == PEER_RECORD)
		status = recode_listing(frame, &arena, out, &err);
	else if (frame->type == PEER_HASHED || frame->type == PEER_DONE ||
		 frame->type == PEER_READ_END || frame->type == PEER_ATTRS_IS)
		status = recode_result(frame, &arena, out, &err);
	else
		status = recode_status(frame, out, &err);
	assert(err.kind == (status < 0 ? ERR_PROTOCOL : ERR_NONE));
	arena_release(&arena);
	return status;
}

/* What is not refused stays what it is. */
static void check_frame(const struct frame *frame)
{
	AUTO_BUF once = BUF_INIT;
	AUTO_BUF twice = BUF_INIT;
	struct frame again = { 0 };
	size_t size = 0;

	if (recode(frame, &once) < 0 || once.len == 0)
		return;
	/* Written plainly it may be longer than it came, a listing without prefixes left out. */
	if (frame_parse(once.data, once.len, &again, &size, NULL) <= 0)
		return;
	assert(size == once.len && again.type == frame->type);
	if (recode(&again, &twice) < 0)
		abort();
	assert(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 0;

	while (at < size) {
		struct frame frame = { 0 };
		struct err err = ERR_INIT;
		size_t used = 0;
		int got = frame_parse(data + at, size - at, &frame, &used, &err);

		assert(err.kind == (got < 0 ? ERR_PROTOCOL : ERR_NONE));
		if (got <= 0)
			return 0;
		assert(used <= size - at && frame.data + frame.len == data + at + used);
		check_frame(&frame);
		at += used;
	}
	return 0;
}
