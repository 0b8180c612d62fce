/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which folders a run has touched: those that must be made durable (dirty), and
 * the mtimes that are to be put back.  A set of paths; finding one is O(1).
 */
#ifndef TREE_TOUCHED_H
#define TREE_TOUCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct touched_folder {
	char *path;
	uint64_t ino;	  /* of the folder whose mtime this is */
	int64_t mtime_ns; /* before the first change below it */
	bool restore;	  /* mtime_ns is to be put back */
	bool dirty;	  /* not durable yet */
};

struct touched {
	struct touched_folder *folders; /* in order of first touch */
	size_t count;
	size_t cap;
	size_t *index; /* open addressing by path: position in folders plus one, 0 free */
	size_t slots;  /* a power of two, at most half of them used */
	size_t *dirty; /* positions of the dirty ones */
	size_t dirty_count;
	size_t dirty_cap;
};

void touched_release(struct touched *touched);
/* The folder path[0..len), added where it is not there. Valid until the next call. */
struct touched_folder *touched_get(struct touched *touched, const char *path, size_t len);
/* Mark it; true where it was not dirty before. */
bool touched_dirty(struct touched *touched, const char *path, size_t len);
/* One dirty folder, which is clean from now on; NULL where there is none. */
struct touched_folder *touched_next_dirty(struct touched *touched);
/* A folder was renamed: what is known of it and below is known under the new path. O(folders). */
void touched_moved(struct touched *touched, const char *from, const char *to);

#endif
