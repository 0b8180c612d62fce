/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The content of a file of this machine on its way into a staged one, step by step.
 *
 *	copy_init(&copy, staged, source);
 *	while ((end = copy_step(&copy, room, max, err)) == COPY_MORE)
 *		continue;
 *	copy_release(&copy);
 *
 * Large files are shared (FICLONERANGE) where the file system can, and then read back through the copy for their
 * digest.  All else is read and written, holes kept: the bytes have to be seen for the digest, and then
 * writing them costs no more than having the kernel copy them (copy_file_range) and reading them beside that.
 */
#ifndef TREE_COPY_H
#define TREE_COPY_H

#include <stdint.h>

struct err;
struct reader;
struct staged;

/* Bytes that copy_step() needs room for. */
enum { COPY_ROOM = 256 * 1024 };

enum copy_way {
	COPY_NOT_BEGUN,
	COPY_CLONING,
	COPY_READING_BACK,
	COPY_PIECES,
};

struct copy {
	struct staged *staged; /* borrowed */
	struct reader *source; /* borrowed */
	enum copy_way way;
	uint64_t cloned;      /* bytes that are shared already */
	struct reader *clone; /* the staged file, being read back */
};

/*
 * `staged` is empty, `source` at its beginning. Its own digest is not made (reader_undigested): at the end that is
 * staged_digest().
 */
void copy_init(struct copy *copy, struct staged *staged, struct reader *source);
/* Changes nothing in either file. */
void copy_release(struct copy *copy);

enum copy_end {
	COPY_MORE,
	COPY_DONE,	 /* it is all staged, with its digest; the source has stayed as it was */
	COPY_UNREADABLE, /* the source could not be read, or has changed: ERR_CHANGED */
	COPY_UNWRITABLE, /* the staged file could not be written */
};
/* About `max` bytes further, with room[0..COPY_ROOM). */
enum copy_end copy_step(struct copy *copy, unsigned char *room, uint64_t max, struct err *err);

#endif
