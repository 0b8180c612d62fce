/* SPDX-License-Identifier: BSD-2-Clause */
#include "peer/listing.h"

#include <endian.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/path.h"
#include "peer/frame.h"
#include "peer/msg.h"

/* Bytes of the longest path of which it can be told that it is too long: one more name below the longest. */
enum { LISTING_LONG_MAX = 2 * PATH_BYTES_MAX };

void listing_writer_release(struct listing_writer *writer)
{
	buf_release(&writer->frame);
	buf_release(&writer->last);
}

static size_t shared_prefix(const struct buf *last, const char *path)
{
	size_t shared = 0;

	while (shared < last->len && path[shared] &&
	       (unsigned char)path[shared] == last->data[shared])
		shared++;
	return shared;
}

static bool has_entry(enum peer_item kind)
{
	return kind == PEER_ITEM_ENTRY || kind == PEER_ITEM_PROBLEM;
}

void listing_add(struct listing_writer *writer, const struct listing_item *item)
{
	size_t shared = 0;

	if (writer->frame.len == 0) {
		frame_begin(&writer->frame, writer->type);
		buf_reset(&writer->last);
	}
	shared = shared_prefix(&writer->last, item->path);
	enc_uint(&writer->frame, shared);
	enc_str(&writer->frame, item->path + shared);
	enc_u8(&writer->frame, item->kind);
	if (has_entry(item->kind))
		entry_encode(&writer->frame, &item->entry);
	if (item->kind == PEER_ITEM_PROBLEM)
		enc_str(&writer->frame, item->problem);
	buf_reset(&writer->last);
	buf_addstr(&writer->last, item->path);
}

int listing_is_full(const struct listing_writer *writer)
{
	return writer->frame.len >= PEER_LIST_TARGET;
}

size_t listing_take(struct listing_writer *writer, struct buf *out)
{
	size_t size = 0;

	if (writer->frame.len == 0)
		return 0;
	size = frame_end(&writer->frame, 0);
	buf_add(out, writer->frame.data, writer->frame.len);
	buf_reset(&writer->frame);
	return size;
}

void listing_reader_init(struct listing_reader *reader, const struct frame *frame)
{
	*reader = (struct listing_reader){ .frame = frame };
	dec_init(&reader->dec, frame->data, frame->len);
}

void listing_reader_release(struct listing_reader *reader)
{
	buf_release(&reader->last);
}

/* Whether it would be a path if it, or one of its names, were shorter. */
static bool is_path_but_for_length(const char *path, size_t len)
{
	const char *name = path;

	if (strlen(path) != len || len > LISTING_LONG_MAX)
		return false;
	for (;;) {
		size_t name_len = strcspn(name, "/");

		if (!path_valid(name, name_len < PATH_NAME_MAX ? name_len : PATH_NAME_MAX))
			return false;
		if (!name[name_len])
			return true;
		name += name_len + 1;
	}
}

/* Only an unknown thing may have a path that is too long: nothing is ever done about it, or recorded. */
static bool path_fits(const struct listing_reader *reader, const struct listing_item *item)
{
	if (path_valid(item->path, reader->last.len))
		return true;
	return item->kind == PEER_ITEM_PROBLEM && item->entry.type == ENTRY_SPECIAL &&
	       item->entry.flags == ENTRY_OPAQUE &&
	       is_path_but_for_length(item->path, reader->last.len);
}

/* Rebuild the path from the shared part and the rest. */
static int read_path(struct listing_reader *reader)
{
	uint64_t shared = dec_uint(&reader->dec);
	size_t len = 0;
	const unsigned char *rest = dec_bytes(&reader->dec, LISTING_LONG_MAX, &len);

	if (reader->dec.bad || shared > reader->last.len)
		return -1;
	reader->last.len = (size_t)shared;
	buf_add(&reader->last, rest, len);
	buf_cstr(&reader->last);
	return 0;
}

int listing_read(struct listing_reader *reader, struct arena *arena, struct listing_item *item,
		 struct err *err)
{
	unsigned kind = 0;

	if (dec_left(&reader->dec) == 0 && !reader->dec.bad)
		return 0;
	if (read_path(reader) < 0)
		return msg_malformed(reader->frame, err);
	*item = (struct listing_item){ .path = (const char *)reader->last.data };
	kind = dec_u8(&reader->dec);
	item->kind = (enum peer_item)kind;
	if (has_entry(item->kind))
		entry_decode(&reader->dec, arena, &item->entry);
	if (kind == PEER_ITEM_PROBLEM)
		item->problem = msg_dec_text(&reader->dec, PEER_TEXT_MAX, arena);
	if (reader->dec.bad || kind < PEER_ITEM_ENTRY || kind > PEER_ITEM_SAME ||
	    !path_fits(reader, item))
		return msg_malformed(reader->frame, err);
	return 1;
}

uint64_t listing_checksum(const char *path, const struct entry *entry)
{
	/* Only the stat key: digests, link targets and doubts are the initiator's business. */
	const unsigned flags = entry->flags & (ENTRY_OPAQUE | ENTRY_MOUNT);
	const int64_t ctime_ns = entry->type == ENTRY_DIR ? 0 : entry->ctime_ns;
	/* On any machine alike. */
	const uint64_t key[] = {
		htole64(digest_checksum(path, strlen(path))),
		htole64(entry->type | flags << 8 | (uint64_t)entry->mode << 16),
		htole64(entry->uid | (uint64_t)entry->gid << 32),
		htole64(entry->nlink),
		htole64(entry->ino),
		htole64(entry->size),
		htole64((uint64_t)entry->mtime_ns),
		htole64((uint64_t)ctime_ns),
		htole64(entry->xattr),
	};

	return digest_checksum(key, sizeof(key));
}
