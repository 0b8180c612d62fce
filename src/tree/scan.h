/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walk a root in path order, one item at a time, without reading any file.
 *
 * Only a completely successful readdir proves absence: a folder that cannot be
 * opened or read to its end is reported as ENTRY_DIR with ENTRY_OPAQUE and a problem,
 * and nothing below it is listed.  So is a mount point: a folder on another device, or one on
 * which a part of the same file system is mounted (as far as the kernel tells).
 * A name that vanished between readdir and lstat is absent; any other lstat error
 * makes a problem item for that path with type ENTRY_SPECIAL|ENTRY_OPAQUE ("unknown").
 *
 * A problem item's path is the only one that path_valid() may refuse: a name or path that is too
 * long for us is reported, never synced.
 *
 * The walk keeps its own descriptors (a bounded number of them, whatever the depth), so other
 * work on the same root may go on between two calls.  A folder that was replaced while the walk
 * was below it is noticed, and what was not yet listed of it is reported as unknown.
 *
 * Memory: one folder's names per level of depth.
 */
#ifndef TREE_SCAN_H
#define TREE_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "model/entry.h"

struct err;
struct filter;
struct root;
struct scan;

enum scan_flag {
	SCAN_XATTR =
		1,    /* checksum user.* attributes (and trusted.*, security.capability as root) */
	SCAN_ACL = 2, /* checksum system.posix_acl_access and _default */
	SCAN_NLINK = 4, /* fill nlink */
};

struct scan_item {
	const char *path;    /* valid until the next call */
	struct entry entry;  /* entry.link likewise */
	const char *problem; /* NULL, or why this path or what is below it is unknown */
};

/*
 * Start at the root (borrowed, as is the filter). `seed` keys the digests of symlink targets.
 * Failure to open or read the root folder itself is an error, here or at the first scan_next.
 */
struct scan *scan_open(struct root *root, const struct filter *filter, unsigned flags,
		       uint64_t seed, struct err *err);
/* 1 and an item; 0 at the end; -1 on an error that makes the whole walk worthless. */
int scan_next(struct scan *scan, struct scan_item *item, struct err *err);
void scan_free(struct scan *scan);

/* Fill an entry from a stat buffer; no digest, no nlink, no flags. */
void scan_entry_from_stat(struct entry *entry, const struct stat *st);

/*
 * Whether the folder at this path directly holds what the walk leaves out: names that the rules exclude, or
 * a .osync_workdir. Such a folder can be neither removed nor replaced. Where it cannot be read: false.
 */
bool scan_holds_unsynced(struct root *root, const struct filter *filter, const char *path);

/*
 * One path's entry, as the walk would report it (no digest for files): 1, 0 where it is absent,
 * -1 on error. Links are returned in link_out (malloc'ed, may be NULL when not wanted).
 */
int scan_path(struct root *root, const char *path, unsigned flags, uint64_t seed,
	      struct entry *entry, char **link_out, struct err *err);

#endif
