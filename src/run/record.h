/* SPDX-License-Identifier: BSD-2-Clause */
/* What the saved list is to say of a path, now that nothing more will be done about it in this run. */
#ifndef RUN_RECORD_H
#define RUN_RECORD_H

#include <stdbool.h>

#include "model/entry.h"

struct change;
struct changes;
struct session;

/* Whether the path needs no operation but its record is out of date. */
bool record_is_due(const struct change *change);
/* Record what both sides show (change->now). */
void record_agreed(struct session *session, const struct changes *changes,
		   const struct change *change);
/*
 * A folder was made on `side`, and its final metadata is still to come: should that never happen,
 * the next run is to see them as changed on the other side.
 */
void record_made(struct session *session, struct change *change, enum side side);
/* What `side` showed when it was agreed on, in the form that the list keeps; NULL: nothing. */
void record_side(struct base *base, enum side side, const struct entry *now);
/* Have `there` count as having changed its metadata since it was as `here`. */
void record_expect_metadata(struct entry *there, const struct entry *here);
/* Nothing was done about it (but what record_made() has recorded), but a rename carried it: its history goes along. */
void record_carried(struct session *session, const struct changes *changes,
		    const struct change *change);
/*
 * It was carried part of the way: its history stands under `path` from now on. First all of these must be called
 * with NULL, so that their old names are free.
 */
void record_stranded_at(struct session *session, const struct changes *changes,
			const struct change *change, const char *path);
/* Remember that a special file or mount point was seen and reported. */
void record_seen(struct session *session, const struct change *change);

#endif
