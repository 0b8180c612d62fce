/* SPDX-License-Identifier: BSD-2-Clause */
/* Find a name for every losing version that is to be kept, before the plan is made. */
#ifndef RUN_CONFLICT_H
#define RUN_CONFLICT_H

struct changes;
struct err;
struct moves;
struct session;

/*
 * Give each conflict that keeps its loser a `copy` path that is free on both sides, or none where that
 * very version is kept there already, and add the copies to the set. The set stays sorted. The moves
 * have been followed, and none of them is done yet.
 */
int conflict_name_copies(struct session *session, struct changes *changes,
			 const struct moves *moves, struct err *err);

#endif
