/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moves that both sides have made already, and the saved list does not know of: those of a run that
 * was ended between a rename and its record, or of users who did the same on both sides.
 *
 * Nothing is left to be renamed, but history must follow: without it, what was edited below the new
 * name would be taken for a conflict, and what was deleted there would come back.
 *
 * Such a move is a path that was agreed on and is gone from both sides, together with a path unknown
 * so far that has, on each side, the inode which the old one had there (one that is kept apart was
 * on one side only, and so must the new one be), and if it is a file, on one side at least the mtime
 * as well. What is below a folder goes
 * with it where one side at least still shows the inode it had.
 */
#ifndef MODEL_MOVED_H
#define MODEL_MOVED_H

#include <stdbool.h>

#include "model/entry.h"

struct change;
struct changes;

/* Whether it was agreed on, is gone from both sides, and nothing speaks against looking for it. */
bool moved_is_gone(const struct change *change);
/*
 * Put the history of what both sides have moved under the new names. The set stays sorted.
 * O(changes) for each folder that was moved.
 */
void moved_follow(struct changes *changes);

#endif
