/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guards on the whole plan, before the first change: a run that would delete most of what
 * both sides agreed on is more likely an accident (a disk not mounted, a folder emptied by
 * a script) than a wish, so it stops and says so.
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
	uint64_t top;		       /* agreed entries of any type at the top of the tree */
	uint64_t present[SIDES];       /* entries of any type that each side shows now */
	struct census_folder *folders; /* in path order */
	size_t count;
};

#define CENSUS_INIT                     \
	{                               \
		0, 0, { 0, 0 }, NULL, 0 \
	}

void census_release(struct census *census);
/* Count one agreed path; to be called in path order. */
void census_add(struct census *census, const char *path, const struct base *base);

struct guard_limits {
	int max_delete_percent;	  /* 0..100 */
	int64_t max_delete_count; /* both must be exceeded */
};

/*
 * Judge all verdicts of the set. ERR_GUARD with what was seen and the option that confirms it,
 * or 0.  Moves were followed before and are no deletions.
 */
int guard_check(const struct changes *changes, const struct census *census,
		const struct guard_limits *limits, struct err *err);

#endif
