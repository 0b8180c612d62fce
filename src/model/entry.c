/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/entry.h"

#include <stddef.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"

enum {
	ENTRY_FLAGS = ENTRY_HAS_DIGEST | ENTRY_RACY | ENTRY_OPAQUE | ENTRY_MOUNT | ENTRY_HOLDS,
	ENTRY_MODE_MAX = 07777,
	ENTRY_LINK_MAX = 65535, /* bytes of a link target: far beyond any file system's limit */
};

/* Marks in front of a base: what follows, and which sides carry the agreed digest. */
enum {
	BASE_HAS_DIGEST = 1,
	BASE_SHARED_DIGEST = 2, /* shifted left by the side's number */
	BASE_MARKS = BASE_HAS_DIGEST | BASE_SHARED_DIGEST | BASE_SHARED_DIGEST << 1,
};

const char *side_name(enum side side)
{
	return side == SIDE_INITIATOR ? "initiator" : "target";
}

const char *entry_type_name(enum entry_type type)
{
	switch (type) {
	case ENTRY_FILE:
		return "file";
	case ENTRY_DIR:
		return "folder";
	case ENTRY_SYMLINK:
		return "symlink";
	case ENTRY_SPECIAL:
		return "special file";
	case ENTRY_ABSENT:
		break;
	}
	return "nothing";
}

static bool has_content(unsigned type)
{
	return type == ENTRY_FILE || type == ENTRY_SYMLINK;
}

static bool same_attributes(const struct entry *a, const struct entry *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid && a->xattr == b->xattr;
}

bool entry_same_content_key(const struct entry *a, const struct entry *b)
{
	if (a->type != b->type)
		return false;
	if (a->type == ENTRY_SPECIAL)
		return a->ino == b->ino;
	if (a->type == ENTRY_DIR)
		return (a->flags & ENTRY_OPAQUE) == (b->flags & ENTRY_OPAQUE);
	if (a->type == ENTRY_ABSENT)
		return true;
	return a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns &&
	       a->ctime_ns == b->ctime_ns;
}

bool entry_same_stat(const struct entry *a, const struct entry *b)
{
	if (!entry_same_content_key(a, b))
		return false;
	if (a->type == ENTRY_SPECIAL || a->type == ENTRY_ABSENT)
		return true;
	/* Of a file or symlink the content key has compared inode and mtime already. */
	return same_attributes(a, b) && a->ino == b->ino && a->mtime_ns == b->mtime_ns;
}

void entry_encode(struct buf *out, const struct entry *entry)
{
	enc_u8(out, entry->type);
	if (entry->type == ENTRY_ABSENT)
		return;
	enc_u8(out, entry->flags);
	enc_uint(out, entry->mode);
	enc_uint(out, entry->uid);
	enc_uint(out, entry->gid);
	enc_uint(out, entry->nlink);
	enc_uint(out, entry->ino);
	enc_uint(out, entry->size);
	enc_int(out, entry->mtime_ns);
	/* Mostly equal or close to mtime: the difference (modulo 2^64) is short. */
	enc_int(out, (int64_t)((uint64_t)entry->ctime_ns - (uint64_t)entry->mtime_ns));
	enc_uint(out, entry->xattr);
	if (entry->flags & ENTRY_HAS_DIGEST)
		enc_raw(out, entry->digest.bytes, DIGEST_LEN);
	if (entry->type == ENTRY_SYMLINK)
		enc_str(out, entry->link ? entry->link : "");
}

/* A symlink's target; the empty one, which no file system has, stands for "not told". */
static const char *link_decode(struct dec *dec, struct arena *arena)
{
	const char *target = dec_str(dec, ENTRY_LINK_MAX, arena);

	return *target ? target : NULL;
}

static void body_decode(struct dec *dec, struct arena *arena, struct entry *entry)
{
	unsigned flags = dec_u8(dec);
	uint64_t mode = dec_uint(dec);

	if (flags & ~(unsigned)ENTRY_FLAGS || mode > ENTRY_MODE_MAX)
		dec->bad = true;
	if (flags & ENTRY_HAS_DIGEST && !has_content(entry->type))
		dec->bad = true;
	entry->flags = (uint8_t)flags;
	entry->mode = (uint16_t)mode;
	entry->uid = dec_u32(dec);
	entry->gid = dec_u32(dec);
	entry->nlink = dec_u32(dec);
	entry->ino = dec_uint(dec);
	entry->size = dec_uint(dec);
	entry->mtime_ns = dec_int(dec);
	entry->ctime_ns = (int64_t)((uint64_t)entry->mtime_ns + (uint64_t)dec_int(dec));
	entry->xattr = dec_uint(dec);
	if (flags & ENTRY_HAS_DIGEST)
		dec_raw(dec, entry->digest.bytes, DIGEST_LEN);
	if (entry->type == ENTRY_SYMLINK)
		entry->link = link_decode(dec, arena);
}

void entry_decode(struct dec *dec, struct arena *arena, struct entry *entry)
{
	unsigned type = dec_u8(dec);

	memset(entry, 0, sizeof(*entry));
	if (type > ENTRY_SPECIAL)
		dec->bad = true;
	else
		entry->type = (uint8_t)type;
	if (entry->type != ENTRY_ABSENT)
		body_decode(dec, arena, entry);
	if (dec->bad)
		memset(entry, 0, sizeof(*entry));
}

/* Whether side s shows the agreed digest, which then need not be written again. */
static bool shares_digest(const struct base *base, const struct entry *side)
{
	return side->flags & ENTRY_HAS_DIGEST && digest_same(&side->digest, &base->digest);
}

void base_encode(struct buf *out, const struct base *base)
{
	static const struct digest none;
	unsigned marks = digest_same(&base->digest, &none) ? 0 : BASE_HAS_DIGEST;

	for (unsigned s = 0; s < SIDES; s++)
		if (shares_digest(base, &base->side[s]))
			marks |= (unsigned)BASE_SHARED_DIGEST << s;
	enc_u8(out, base->type);
	enc_u8(out, marks);
	if (marks & BASE_HAS_DIGEST)
		enc_raw(out, base->digest.bytes, DIGEST_LEN);
	for (unsigned s = 0; s < SIDES; s++) {
		struct entry side = base->side[s];

		side.link = NULL;
		if (shares_digest(base, &side))
			side.flags &= (uint8_t)~ENTRY_HAS_DIGEST;
		entry_encode(out, &side);
	}
}

static void side_decode(struct dec *dec, struct arena *arena, bool shared, struct base *base,
			enum side s)
{
	struct entry *side = &base->side[s];

	entry_decode(dec, arena, side);
	if (side->link || (shared && (side->flags & ENTRY_HAS_DIGEST || !has_content(side->type))))
		dec->bad = true;
	if (!shared)
		return;
	side->flags |= ENTRY_HAS_DIGEST;
	side->digest = base->digest;
}

void base_decode(struct dec *dec, struct arena *arena, struct base *base)
{
	unsigned type = dec_u8(dec);
	unsigned marks = dec_u8(dec);

	memset(base, 0, sizeof(*base));
	if (type > ENTRY_SPECIAL || marks & ~(unsigned)BASE_MARKS)
		dec->bad = true;
	base->type = dec->bad ? ENTRY_ABSENT : (uint8_t)type;
	if (marks & BASE_HAS_DIGEST)
		dec_raw(dec, base->digest.bytes, DIGEST_LEN);
	for (unsigned s = 0; s < SIDES; s++)
		side_decode(dec, arena, marks & (unsigned)BASE_SHARED_DIGEST << s, base,
			    (enum side)s);
	if (dec->bad)
		memset(base, 0, sizeof(*base));
}
