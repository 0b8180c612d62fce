/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Make the verdicts of single paths agree with each other: what lives needs its
 * folder, and nothing is done below something that is left alone.
 */
#ifndef MODEL_STRUCTURE_H
#define MODEL_STRUCTURE_H

struct changes;
struct policy;

/*
 * Mark everything below a folder that could not be listed (or a path whose type is unknown) as
 * blocked: its absence proves nothing.  Before moves_follow and again before structure_settle.
 */
void structure_block_unknown(struct changes *changes);

/* Give every item of the (sorted) set its verdict. O(n log n). */
void structure_settle(struct changes *changes, const struct policy *policy);

/* Let only what both sides agree on be recorded, and nothing else be done. */
void structure_only_record(struct changes *changes);

#endif
