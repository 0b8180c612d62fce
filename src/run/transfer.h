/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes of files on their way from one side to the other, while the plan is carried out: asked for on the
 * side that has them, and passed on to the one that is to have them, as they come and unchanged.
 *
 * Neither side is believed more than it has to be: no file is longer than it was listed, and what has
 * not come in full is not placed.  Used by apply.c only, which deals out credit.
 */
#ifndef RUN_TRANSFER_H
#define RUN_TRANSFER_H

#include <stddef.h>

#include "model/entry.h"

struct apply;
struct err;
struct frame;
struct op;

/* Have the bytes of this OP_PUT, number `id` of the plan, sent. */
void transfer_begin(struct apply *apply, size_t id, const struct op *op);
/* DATA or HOLE from the side `from`. The other side has the credit for it. */
int transfer_bytes(struct apply *apply, enum side from, const struct frame *frame, struct err *err);
/* READ_END from the side `from`. */
int transfer_end(struct apply *apply, enum side from, const struct frame *frame, struct err *err);

#endif
