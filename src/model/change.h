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

/* What few changes have. */
struct change_rare {
	const char *moved_from; /* where base stood before a move was followed, or NULL */
	size_t move;		/* 1 + index of the move that put it here, 0 for none */
	const char *copy; /* CONFLICT with keep_loser: the other version's new path, or NULL */
	const char *problem[SIDES]; /* why a side could not be looked at, or NULL */
};

/* Of a first sync there is one for every file: kept small. */
struct change {
	const char *path;
	const struct base *base;  /* NULL: never agreed */
	struct entry *now[SIDES]; /* NULL: absent */
	struct change_rare *rare; /* NULL: nothing of it; set by changes_rare() */
	struct verdict verdict;
	uint8_t pending;  /* operations of the plan not finished yet */
	bool failed : 1;  /* something about it went wrong: nothing is recorded */
	bool left : 1;	  /* and that was: a deleted folder is not empty */
	bool holds : 1;	  /* a folder here that is to go holds what is not synced */
	bool blocked : 1; /* lies below something that is left alone */
	bool made : 1; /* a folder of this run, recorded as that while its metadata is still to come */
};

static inline const char *change_moved_from(const struct change *change)
{
	return change->rare ? change->rare->moved_from : NULL;
}

/* The path its history is known by: where base stood. */
static inline const char *change_old_path(const struct change *change)
{
	const char *moved_from = change_moved_from(change);

	return moved_from ? moved_from : change->path;
}

static inline size_t change_move(const struct change *change)
{
	return change->rare ? change->rare->move : 0;
}

static inline const char *change_copy(const struct change *change)
{
	return change->rare ? change->rare->copy : NULL;
}

static inline const char *change_problem(const struct change *change, enum side side)
{
	return change->rare ? change->rare->problem[side] : NULL;
}

/* It was agreed on, seen on this side then as such a thing, and this side does not show it now. */
static inline bool change_is_gone(const struct change *change, enum side side, enum entry_type type)
{
	return change->base && change->base->type == type &&
	       change->base->side[side].type == type && !change->now[side];
}

struct entry_room;

struct changes {
	struct arena arena;
	struct change *items;
	size_t count;
	size_t cap;
	struct entry_room *room; /* of entries that were dropped, for the next ones */
};

#define CHANGES_INIT                         \
	{                                    \
		ARENA_INIT, NULL, 0, 0, NULL \
	}

void changes_release(struct changes *changes);
/* Append one (the caller keeps path order, or calls changes_sort). Zeroed but for the path, which is copied. */
struct change *changes_add(struct changes *changes, const char *path);
/* Copies into the arena. */
struct entry *changes_copy_entry(struct changes *changes, const struct entry *entry);
struct base *changes_copy_base(struct changes *changes, const struct base *base);
/* What few changes have, to be set. */
struct change_rare *changes_rare(struct changes *changes, struct change *change);
/* Forget what both sides show there; nothing else may point to it. The next copies take its room. */
void changes_drop_entries(struct changes *changes, struct change *change);
/* O(n) where it is in order already. */
void changes_sort(struct changes *changes);
/* Items of which nothing is left, neither history nor what a side shows, leave the set. O(n). */
void changes_drop_empty(struct changes *changes);
/* The item with this path, or NULL. O(log n). The set must be sorted. */
struct change *changes_find(const struct changes *changes, const char *path);
/* The item of the folder that holds `path`, or NULL (also for top-level paths). */
struct change *changes_find_parent(const struct changes *changes, const char *path);

#endif
