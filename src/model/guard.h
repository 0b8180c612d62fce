/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guards on the whole plan, before the first change: a run that would delete or rewrite most of
 * what both sides agreed on is more likely an accident (a disk not mounted, a folder emptied by
 * a script, everything encrypted by somebody else) than a wish, so it stops and says so.
 *
 * Two things are counted on each side, files and symlinks alike:
 *
 *   lost      what would leave the tree: deleted; emptied; replaced by something that is no file; or
 *             the losing version of a conflict whose policy keeps only the winner, agreed on or not.
 *             Of what was agreed on, and what both sides have beside it. In all, and per top-level
 *             folder as it was agreed on: renaming it takes nothing out of the count.
 *   rewritten what has other contents on this side than agreed, and would replace or conflict with
 *             the other side's. In all. New times, modes and owners are no new contents.
 *
 * Moves were followed before and are neither.
 */
#ifndef MODEL_GUARD_H
#define MODEL_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/entry.h"

struct changes;
struct err;

/* How many files and symlinks both sides agreed on, in all and per top-level folder. */
struct census_folder {
	char *name;
	uint64_t files;
};

struct census {
	uint64_t files;
	uint64_t bytes;		       /* in them */
	uint64_t top;		       /* agreed entries of any type at the top of the tree */
	uint64_t present[SIDES];       /* entries that each side shows now and that tell for it */
	struct census_folder *folders; /* in path order */
	size_t count;
};

#define CENSUS_INIT                        \
	{                                  \
		0, 0, 0, { 0, 0 }, NULL, 0 \
	}

void census_release(struct census *census);
/* Count one agreed path; to be called in path order. */
void census_add(struct census *census, const char *path, const struct base *base);

/* A guard stops where both a percentage (0..100; 100 never stops) and a count are exceeded. */
struct guard_limits {
	int max_delete_percent;
	int64_t max_delete_count;
	int max_change_percent;
	int64_t max_change_count;
	int64_t allow_deletes; /* confirmed for this run: so many lost files on a side */
	int64_t allow_changes; /* likewise: so many rewritten files */
};

/*
 * Judge all verdicts of the set, which is in path order. ERR_GUARD with what was seen and the option
 * that confirms it, or 0.
 */
int guard_check(const struct changes *changes, const struct census *census,
		const struct guard_limits *limits, struct err *err);

#endif
