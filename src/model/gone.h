/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What has gone from one side, by the inode it had there.
 *
 *	gone = gone_find(changes, side, type);
 *	for (at = gone_first(&gone, ino); gone_has(&gone, at, ino); at++)
 *		gone.items[at]
 *	gone_release(&gone);
 */
#ifndef MODEL_GONE_H
#define MODEL_GONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/entry.h"

struct change;
struct changes;

struct gone {
	const struct change **items; /* borrowed from the set, which must stay as it is; sorted */
	size_t count;
	enum side side;
};

#define GONE_INIT                       \
	{                               \
		NULL, 0, SIDE_INITIATOR \
	}

/* All of this type that was agreed on and is not on this side any more. O(n log n). */
struct gone gone_find(const struct changes *changes, enum side side, enum entry_type type);
void gone_release(struct gone *gone);
/* What this one was on that side when it was agreed on. */
const struct entry *gone_then(const struct gone *gone, size_t at);
/* Where those begin that had this inode, or a higher one. O(log n). */
size_t gone_first(const struct gone *gone, uint64_t ino);
/* Whether there is one at this place, and it had this inode. */
bool gone_has(const struct gone *gone, size_t at, uint64_t ino);

#endif
