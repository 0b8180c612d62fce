/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a file is written to while something is done to it that hides this: setting its mtime
 * overwrites the mtime of an edit, and of the ctime nobody can tell whose it is.
 *
 *	int watch = witness_begin(&witness, fd);
 *	(look at it, change it)
 *	enum witnessed seen = witness_end(&witness, watch);
 *
 * By inotify(7), which hears of every write through a descriptor on this machine, not of writes through
 * mmap, and not of those of other machines on a mounted server.
 */
#ifndef TREE_WITNESS_H
#define TREE_WITNESS_H

struct witness {
	int fd; /* -1: not opened yet */
};

enum witnessed {
	WITNESS_QUIET,
	WITNESS_WRITTEN,
	WITNESS_NONE, /* it could not be watched */
};

void witness_init(struct witness *witness);
void witness_release(struct witness *witness);
/* Watch the open file until witness_end; one at a time. A number for that. */
int witness_begin(struct witness *witness, int fd);
enum witnessed witness_end(struct witness *witness, int watch);

#endif
