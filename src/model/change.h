/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The paths of one run that may need something: everything that is not proven
 * unchanged on both sides, in path order.  Unchanged paths never get here, so a
 * quiet run holds next to nothing in memory.
 *
 * Paths, entries and bases live in the set's arena and die with it.
 */
#ifndef MODEL_CHANGE_H
#define MODEL_CHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "model/entry.h"
#include "model/reconcile.h"

struct change {
	const char *path;
	const char *moved_from;	  /* where base stood before a move was followed, or NULL */
	const struct base *base;  /* NULL: never agreed */
	struct entry *now[SIDES]; /* NULL: absent */
	struct verdict verdict;
	bool failed;		    /* something about it went wrong: nothing is recorded */
	bool left;		    /* and that was: a deleted folder is not empty */
	bool holds;		    /* a folder here that is to go holds what is not synced */
	bool blocked;		    /* lies below something that is left alone */
	unsigned pending;	    /* operations of the plan not finished yet */
	const char *problem[SIDES]; /* why a side could not be looked at, or NULL */
	const char *copy;	    /* CONFLICT with keep_loser: the other version's new path */
	size_t move;		    /* 1 + index of the move that put it here, 0 for none */
};

struct changes {
	struct arena arena;
	struct change *items;
	size_t count;
	size_t cap;
};

#define CHANGES_INIT                   \
	{                              \
		ARENA_INIT, NULL, 0, 0 \
	}

void changes_release(struct changes *changes);
/* Append one (the caller keeps path order, or calls changes_sort). Zeroed but for the path, which is copied. */
struct change *changes_add(struct changes *changes, const char *path);
/* Copies into the arena. */
struct entry *changes_copy_entry(struct changes *changes, const struct entry *entry);
struct base *changes_copy_base(struct changes *changes, const struct base *base);
void changes_sort(struct changes *changes);
/* The item with this path, or NULL. O(log n). The set must be sorted. */
struct change *changes_find(const struct changes *changes, const char *path);
/* The item of the folder that holds `path`, or NULL (also for top-level paths). */
struct change *changes_find_parent(const struct changes *changes, const char *path);

#endif
