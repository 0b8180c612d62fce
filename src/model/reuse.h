/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes that the receiving side already has under another name are not sent again: a copy, a
 * swap, a file renamed while another took its name.  (A plain rename is followed by move.h.)
 *
 *	reuse_new		from the changes: which sizes new and edited files have
 *	reuse_offer		every agreed file, in any order; those of other sizes are ignored
 *	reuse_wants_digest	which new and edited files must be read to know
 *	reuse_in_plan		puts whose content was found become copies on the receiving side
 *
 * A copy is made from a file that is still the agreed version there, is checked by its digest and
 * staged before anything of the plan replaces it. Where that fails (on a failing disk a file may look
 * as agreed and be another), the bytes are sent after all: plan_put_instead.
 */
#ifndef MODEL_REUSE_H
#define MODEL_REUSE_H

#include <stdbool.h>

#include "model/entry.h"

struct change;
struct changes;
struct moves;
struct plan;
struct reuse;

/* The changes (borrowed) must stay where they are until reuse_wants_digest was asked for the last time. */
struct reuse *reuse_new(const struct changes *changes);
void reuse_free(struct reuse *reuse);

/* Whether any offer could be of use. */
bool reuse_is_wanted(const struct reuse *reuse);
/* O(log n) for a size nobody wants. */
void reuse_offer(struct reuse *reuse, const char *path, const struct base *base);
bool reuse_wants_digest(struct reuse *reuse, const struct change *change, enum side side);

/* Rewrite the plan; it stays in order. */
void reuse_in_plan(struct reuse *reuse, const struct changes *changes, const struct moves *moves,
		   struct plan *plan);

#endif
