/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Look at one name in an open folder: the entry that a walk would report.  This is
 * what scan lists, and what changer compares before and after each change.
 */
#ifndef TREE_LOOK_H
#define TREE_LOOK_H

#include <stdint.h>

#include "model/entry.h"

struct buf;
struct err;
struct root;

/* How to look; the same for all looks of a run. */
struct look {
	struct root *root; /* its clock, device and granularity; nothing is opened through it */
	unsigned flags;	   /* enum scan_flag */
	uint64_t seed;	   /* keys the digests of link targets */
};

/*
 * 1 and the entry; 0 where the name is not there (and an entry of type ENTRY_ABSENT); -1 on an
 * error.  Links are never followed; nothing but a regular file or a folder is opened, and that
 * only where attributes are asked for.  A folder of another file system is ENTRY_OPAQUE and
 * ENTRY_MOUNT.  A symlink's target is put into `link` (replacing what it held), which
 * entry->link then points into; `link` may be NULL where the target is not wanted.
 */
int look_at(const struct look *look, int dirfd, const char *name, struct entry *entry,
	    struct buf *link, struct err *err);

/*
 * The same for who is going to open what is a folder, and then asks look_open(): whether it is a mount point on
 * its own file system, and its attributes, are left to that.
 */
int look_briefly(const struct look *look, int dirfd, const char *name, struct entry *entry,
		 struct buf *link, struct err *err);

/* The same for an open file or folder (not O_PATH where attributes are asked for): no name is looked up. */
int look_open(const struct look *look, int fd, struct entry *entry, struct err *err);

#endif
