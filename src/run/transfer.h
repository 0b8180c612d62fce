/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes of files on their way from one side to the other, while the plan is carried out: asked for on the
 * side that has them, and passed on to the one that is to have them, as they come and unchanged.
 *
 * A large file of which the receiver has an older version is sent as a difference (DIFFERENCES in
 * peer/protocol.h): the sums of what the receiver has are passed on to the sender first.  So is a large file of
 * which a part has come before the line was cut (tree/partial.h), where there is no older version.  Where that fails
 * in any way, the file is sent whole, in the same run.
 *
 * Where both sides are on this machine, no bytes of large files pass through here: the receiver takes them from
 * the other root itself (FETCH), and says what it has read.
 *
 * Neither side is believed more than it has to be: no file is longer than it was listed, and what has
 * not come in full is not placed.  Used by apply.c only, which deals out credit.
 */
#ifndef RUN_TRANSFER_H
#define RUN_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>

#include "model/entry.h"

struct apply;
struct err;
struct frame;
struct op;

/* Whether there is room for this operation beside those that are under way. */
bool transfer_may_begin(const struct apply *apply, const struct op *op);
/* Have the bytes of this OP_PUT, number `id` of the plan, sent: the OP frame was, just now. */
void transfer_begin(struct apply *apply, size_t id, struct op *op);
/* It was answered how this operation ended. */
void transfer_close(struct apply *apply, struct op *op);
/* SUMS from the side `from`, which receives the file. The other side has the credit for it. */
int transfer_sums(struct apply *apply, enum side from, const struct frame *frame, struct err *err);
/* SUMS_END from there. */
int transfer_sums_end(struct apply *apply, enum side from, const struct frame *frame,
		      struct err *err);
/* AGAIN from there. */
int transfer_again(struct apply *apply, enum side from, const struct frame *frame, struct err *err);
/* DATA, HOLE or COPY from the side `from`. The other side has the credit for it. */
int transfer_bytes(struct apply *apply, enum side from, const struct frame *frame, struct err *err);
/* READ_END from the side `from`. */
int transfer_end(struct apply *apply, enum side from, const struct frame *frame, struct err *err);
/* FETCHED from the side `to`, which has taken the file itself. */
int transfer_fetched(struct apply *apply, enum side to, const struct frame *frame, struct err *err);
/* Whether this operation, which was sent, can have been done: its bytes, if it needs any, are all there. */
bool transfer_may_succeed(const struct apply *apply, const struct op *op);

#endif
