/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * New folders that are filled before they are put in place: of many new files most lie in new folders, and
 * a folder with its files needs one rename.
 */
#ifndef MODEL_FILLING_H
#define MODEL_FILLING_H

struct plan;

/*
 * Make new folders in PHASE_CONTENT, each right before what is below it (op_is_filled), where no operation of
 * an earlier phase can need one: there are no renames, and nothing is kept. O(operations).
 */
void filling_in_plan(struct plan *plan);

#endif
