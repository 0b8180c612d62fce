/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Room on the disks: a guard, judged on the whole plan before anything is changed.
 *
 * Each disk that is written to (of either root, and of either state folder where that is another one)
 * must have room for all that the plan makes there, and MINIMUM_SPACE beyond it.  What replaces
 * something counts in full, since the old version goes to the trash; deletions and renames cost
 * nothing; files with holes count as what they take where they are.  Two folders on one disk of this
 * machine count together.
 *
 * A run that makes nothing on a disk is not stopped for it, only told that little room is left: it may
 * be the one that carries the deletions over.  A file system that does not know its size is not judged.
 * A disk that fills up later, or a quota, is met when it is met: then those paths fail.
 */
#ifndef RUN_SPACE_H
#define RUN_SPACE_H

struct err;
struct plan;
struct session;

/*
 * With both listings taken: ERR_GUARD where a disk is too full, with what it needs and has.  Costs a
 * question per large file, where only their holes can save the plan.
 */
int space_check(struct session *session, const struct plan *plan, struct err *err);

#endif
