/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one side shows for one path, and what both sides last agreed on.
 *
 * The two sides are the initiator and the target, everywhere.  Change on one
 * side means: what the side shows now differs from what *that side* showed when
 * the path was last in sync (struct base, side[]).  Values of different
 * machines, above all times and owner ids, are never compared to find a change.
 */
#ifndef MODEL_ENTRY_H
#define MODEL_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"

struct arena;
struct buf;
struct dec;

enum side { SIDE_INITIATOR = 0, SIDE_TARGET = 1 };
enum { SIDES = 2 };

static inline enum side side_other(enum side side)
{
	return side == SIDE_INITIATOR ? SIDE_TARGET : SIDE_INITIATOR;
}

/* "initiator" or "target" */
const char *side_name(enum side side);

enum entry_type {
	ENTRY_ABSENT = 0,
	ENTRY_FILE = 1,
	ENTRY_DIR = 2,
	ENTRY_SYMLINK = 3,
	ENTRY_SPECIAL = 4, /* fifo, socket, device: reported, never opened, never deleted */
};

/* "file", "folder", "symlink", "special file", "nothing" */
const char *entry_type_name(enum entry_type type);

enum entry_flag {
	ENTRY_HAS_DIGEST = 1, /* digest is the content's (files) or the link target's (symlinks) */
	ENTRY_RACY =
		2, /* its time stamps are too young to prove that digest and stat belong together */
	ENTRY_OPAQUE = 4, /* a folder that could not be listed, or is another file system:
				 nothing is known about what is below */
	ENTRY_MOUNT = 8,  /* with ENTRY_OPAQUE: another file system is mounted here */
	ENTRY_HOLDS =
		16, /* a folder that was asked for by its name, and directly holds what is not synced */
};

/*
 * One side's view of one path.  Files carry size and, once read, a digest;
 * symlinks carry their target verbatim in `link` (size is its length) and its
 * digest; folders have neither size nor digest.
 */
struct entry {
	uint8_t type;  /* enum entry_type */
	uint8_t flags; /* enum entry_flag */
	uint16_t mode; /* permission bits, 07777 */
	uint32_t uid;
	uint32_t gid;
	uint32_t nlink; /* number of hard links of a file, 0 where not asked for */
	uint64_t ino;
	uint64_t size;
	int64_t mtime_ns;
	int64_t ctime_ns;
	uint64_t xattr; /* checksum of the attributes synced, 0 for none or not asked for */
	struct digest digest;
	const char *link; /* symlinks only; owned by whoever owns the entry; NULL in a saved list */
};

/* Metadata fields, as a mask. */
enum meta_field {
	META_MODE = 1,
	META_UID = 2,
	META_GID = 4,
	META_MTIME = 8,
	META_XATTR = 16,
};

/* What both sides last agreed on for a path, and how each side showed it then. */
struct base {
	uint8_t type; /* enum entry_type; ENTRY_ABSENT: never agreed, only observed (reported) */
	struct digest digest; /* none where only somebody else's list told of it (run/import.h) */
	struct entry side[SIDES];
};

/*
 * Whether the same side still shows the same thing, judged without reading it:
 * the stat key.  Files: type, inode, size, mtime, ctime, mode, owner, attributes.
 * Symlinks: the same.  Folders: type, inode, mode, owner, mtime, attributes, and
 * whether they could be listed (ctime changes with their contents; the inode says
 * which folder a move is about).  Specials: type and inode.  ctime finds an edit
 * whose mtime was put back.
 */
bool entry_same_stat(const struct entry *a, const struct entry *b);

/*
 * Whether equal stat keys of these two looks at one side prove equal content.  Not where the first was
 * racy; nor where the second is: its stamps were older once, so the clock was set back, and an edit may
 * have got the very same ones.
 */
static inline bool entry_proves_same(const struct entry *then, const struct entry *now)
{
	return !(then->flags & ENTRY_RACY) &&
	       (now->type != ENTRY_FILE || !(now->flags & ENTRY_RACY));
}

/* Whether the content may differ: as above, without mode, owner, attributes and mtime of folders. */
bool entry_same_content_key(const struct entry *a, const struct entry *b);

/*
 * Encode for the wire or for our files; `link` included for symlinks that have one.
 * Of an absent entry nothing but its type is kept; a digest only with ENTRY_HAS_DIGEST.
 */
void entry_encode(struct buf *out, const struct entry *entry);
/*
 * The inverse; strings go into the arena.  Sets dec->bad, and the entry to zero, on
 * nonsense: a type or flag we do not know, a digest on what has no content, a mode
 * above 07777, a link target of more than 65535 bytes or with NUL, or too few bytes.
 * Entries may follow one another: that nothing is left over is dec_done()'s to say.
 */
void entry_decode(struct dec *dec, struct arena *arena, struct entry *entry);

/* As for entries.  `link` is dropped, and a digest that equals the agreed one costs nothing. */
void base_encode(struct buf *out, const struct base *base);
void base_decode(struct dec *dec, struct arena *arena, struct base *base);

#endif
