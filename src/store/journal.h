/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal of a table: what changed since its base file was written.
 *
 * Numbers and checksums are as in store/table_file.h.
 *
 *	header   magic       8   89 'o' 's' 'y' 'n' 'c' 'j' 0a
 *	         version     4   1
 *	         byte order  4   0x01020304
 *	         id         16   random, names this very journal
 *	         base       16   id of the base file it continues; zero: there was none
 *	         checksum    8   of the 48 bytes before
 *
 *	frame    mark        4   the first bytes of the journal's id
 *	         length      8   of the payload
 *	         checksum    8   of (id, offset of the frame 8, length 8, XXH3-64 of the payload)
 *	         payload         one or more changes
 *
 *	change   kind        1   1 put, 2 remove, 3 head
 *	         path            put, remove: length (uint) with a NUL at the end, which counts
 *	         value           put, head: length (uint) and bytes
 *
 * One flush is one frame, written with one write and made durable before the next one
 * is begun.  So a frame is there as a whole or not at all, and the power cut that tears
 * one, in whatever order its pages reached the disk, tears the last:
 *
 *	a bad frame, no good one behind it    torn: it ends here, and is cut on the next append
 *	a bad frame, a good one behind it     damage: ERR_CORRUPT
 *
 * Looking for a good frame behind a bad one means looking for the mark.  As id and
 * offset are part of the checksum, no frame of an earlier journal, left in reused
 * blocks of the disk or copied by a repair tool, is ever taken for one of this.
 *
 * A journal begins its life as a whole: header and first frame are written to
 * NAME.new, synced and renamed.  These two being bad is damage, never a crash.
 *
 * Folding: the new base file carries the id of the journal that went into it, then the
 * journal is removed.  A crash in between leaves a base and a journal that does not
 * continue it, but whose id the base carries: it is stale, and passed over.  A journal
 * that neither continues the base nor went into it belongs to another base (somebody
 * restored one of the two files): ERR_CORRUPT.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"

struct buf;
struct err;

enum {
	JOURNAL_VERSION = 1,
	JOURNAL_BYTE_ORDER = 0x01020304,
	JOURNAL_MAGIC = 8,   /* bytes of the magic */
	JOURNAL_HEADER = 56, /* bytes */
	JOURNAL_MARK = 4,    /* bytes */
	JOURNAL_FRAME = 20,  /* bytes in front of a frame's payload */
};

/* Reading ------------------------------------------------------------------ */

/* What became of one path. Points into the mapping. */
struct journal_change {
	const char *path;
	const unsigned char *value; /* NULL: removed */
	size_t len;
};

/* A journal as it was when it was opened. */
struct journal {
	const unsigned char *map;
	size_t size;
	struct uuid id;
	struct uuid base;
	size_t end; /* offset behind the last good frame; what follows is torn */
	uint64_t *
		changes; /* after journal_replay: by path, the last of each; for journal_change() */
	size_t count;
	const unsigned char *head; /* the last head, or NULL */
	size_t head_len;
};

#define JOURNAL_INIT        \
	{                   \
		.map = NULL \
	}

/* Map NAME and verify its header: 1; 0 where there is none. */
int journal_open(int dirfd, const char *name, struct journal *journal, struct err *err);
/*
 * Verify all frames and collect what they say.  8 bytes of memory a change, twice that while
 * they are sorted, O(n log n); of the mapping little is kept in memory.  ERR_CORRUPT.
 */
int journal_replay(struct journal *journal, const char *name, struct err *err);
/* The i-th of journal->changes. To be asked for one after the other. */
struct journal_change journal_change(const struct journal *journal, size_t i);
/* Forget everything. One that was never opened is fine. */
void journal_close(struct journal *journal);

/* Writing ------------------------------------------------------------------ */

/* The place where the next frame goes. */
struct journal_log {
	int fd; /* -1: there is no journal yet */
	struct uuid id;
	uint64_t end; /* bytes of header and good frames */
	bool torn;    /* there may be more in the file, to be cut first */
};

#define JOURNAL_LOG_INIT \
	{                \
		.fd = -1 \
	}

/* A frame in the making: a buffer with room for the frame's header, then changes. */
void journal_frame_init(struct buf *frame);
bool journal_frame_is_empty(const struct buf *frame);
void journal_frame_put(struct buf *frame, const char *path, const void *value, size_t len);
void journal_frame_remove(struct buf *frame, const char *path);
void journal_frame_head(struct buf *frame, const void *head, size_t len);

/* Open NAME, which was read into `journal`, for appending behind its last good frame. */
int journal_log_open(int dirfd, const char *name, const struct journal *journal,
		     struct journal_log *log, struct err *err);
/*
 * Make a journal for the base `base` with this one frame in it, in place of what stands
 * at NAME; durable with the folder's entry.  On an error `log` is as it was; what was
 * there before, or the new journal, is in place.
 */
int journal_create(int dirfd, const char *name, const struct uuid *base, struct buf *frame,
		   struct journal_log *log, struct err *err);
/*
 * Append the frame, durably.  On an error what was written of it is cut off, or will be
 * before the next append; until then it reads as torn, or as if it had succeeded.
 * ERR_LOCKED where somebody else has appended, or put another journal in its place.
 */
int journal_append(struct journal_log *log, struct buf *frame, struct err *err);
void journal_log_close(struct journal_log *log);

#endif
