/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Make the verdicts of single paths agree with each other: what lives needs its
 * folder, and nothing is done below something that is left alone.
 */
#ifndef MODEL_STRUCTURE_H
#define MODEL_STRUCTURE_H

#include <stdbool.h>

struct change;
struct changes;
struct policy;

/*
 * Mark everything below a folder that could not be listed (or a path whose type is unknown) as
 * blocked: its absence proves nothing.  Before moves_follow and again before structure_settle.
 */
void structure_block_unknown(struct changes *changes);

/*
 * Give every item of the (sorted) set its verdict. O(n log n). A folder that holds what is not synced
 * (change->holds) stays one, on both sides.
 */
void structure_settle(struct changes *changes, const struct policy *policy);

/* Whether the plan removes this path, or makes it something that is not a folder. */
bool structure_folder_goes(const struct change *change);

/* Let only what both sides agree on be recorded, and nothing else be done. */
void structure_only_record(struct changes *changes);

#endif
