/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a run that is killed leaves for the next one: the mtimes of folders that it would have put
 * back, in .osync_workdir/touched, and the modes of those that it has made writable for the moment, in
 * .osync_workdir/unlocked.
 *
 * Such a file (0600) is a sequence of records, numbers as in base/codec.h:
 *
 *	checksum   8   of the rest but the length; little endian
 *	length         of the rest (uint)
 *	ino            of the folder (uint); 0: what was noted for this path holds no more
 *	value          what it is to be set to (int): the mtime in ns; or its mode, and times 65536 the
 *	               one it has meanwhile
 *	path           length (uint) with a NUL at the end, which counts; "" is the root
 *
 * The last record of a path counts, so whatever supersedes an earlier one is appended.  A record is
 * one write, made before the change that it is about; it is not synced, since what it guards against
 * is kill, not a power cut.  Reading ends at the first record that is not whole.
 *
 * Nothing here may stop a run: a note that cannot be written or read costs a time stamp, or a mode.
 */
#ifndef TREE_TOUCHED_NOTE_H
#define TREE_TOUCHED_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { TOUCHED_NOTE_MAX = 64 << 20 /* bytes, some half a million folders: no more is read */ };

#define TOUCHED_TIMES "touched"
#define TOUCHED_MODES "unlocked"

struct touched_note {
	int workdir; /* borrowed */
	const char *name;
	int fd;	      /* -1: not opened yet */
	uint64_t len; /* of the whole records in it */
	bool useless; /* it could not be written, or is full: until it is dropped, no more is added */
};

/* Nothing is opened before the first record. */
void touched_note_init(struct touched_note *note, int workdir, const char *name);
/* Leaves the file. */
void touched_note_release(struct touched_note *note);
/* Append a record for the folder path[0..len). */
void touched_note_add(struct touched_note *note, const char *path, size_t len, uint64_t ino,
		      int64_t value);
/* Remove the file, where this note was added to; the next record begins a new one. */
void touched_note_drop(struct touched_note *note);

struct touched_mark {
	const char *path; /* "" or valid */
	uint64_t ino;
	int64_t value;
};

/* What a note says: for each path the last record, in path order. */
struct touched_marks {
	struct buf bytes; /* what the paths point into */
	struct touched_mark *marks;
	size_t count;
	size_t cap;
};

#define TOUCHED_MARKS_INIT         \
	{                          \
		.bytes = BUF_INIT, \
	}

/* 1; 0 where there is none; -1 where it is no file, too large, or cannot be read. O(n log n). */
int touched_note_read(int workdir, const char *name, struct touched_marks *marks);
void touched_marks_release(struct touched_marks *marks);
/* Remove the note, whoever wrote it. */
void touched_note_remove(int workdir, const char *name);

#endif
