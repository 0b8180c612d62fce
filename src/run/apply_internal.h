/* SPDX-License-Identifier: BSD-2-Clause */
/* What apply.c and transfer.c share: where the plan stands. */
#ifndef RUN_APPLY_INTERNAL_H
#define RUN_APPLY_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/entry.h"

struct changes;
struct err;
struct op;
struct plan;
struct session;

/* What is under way towards one side. */
struct lane {
	size_t next;	    /* index of the next operation to look at */
	unsigned open;	    /* sent, not DONE */
	unsigned receiving; /* puts whose bytes are still coming */
	unsigned differing; /* of them, those that are sent as a difference */
	unsigned unflushed; /* complete, not part of a FLUSH yet */
	uint64_t unflushed_bytes;
	bool flushing;
	struct buf held; /* a bulk frame from this side that the other cannot take yet */
};

/* The bytes of an OP_PUT that is under way; see transfer.h. */
struct transfer {
	uint64_t passed;    /* bytes that went through */
	uint64_t basis;	    /* of a difference: bytes of the version that it is made from, */
	uint64_t sums;	    /* and blocks of it that the sender knows of, */
	uint32_t block;	    /* and bytes of one */
	uint8_t difference; /* enum transfer_difference (transfer.c) */
	bool received;	    /* the last byte went through, or will never */
	bool unwritten;	    /* it was fetched, and could not be written */
	uint16_t next_free; /* as op->transfer, where this is free */
};

struct apply {
	struct session *session;
	struct changes *changes;
	struct plan *plan;
	struct lane lanes[SIDES];
	size_t end;	   /* of the phase, in plan->ops */
	struct buf *attrs; /* by operation, NULL where no operation needs any */
	size_t attrs_pending;
	struct transfer *transfers; /* see op->transfer */
	uint16_t transfer_count;
	uint16_t transfer_free; /* the first free one, as op->transfer */
	size_t attrs_bytes;
	bool moves_recorded; /* PHASE_MOVE is over */
	bool resort;	     /* an operation of this phase is one of a later phase now */
};

/* Where to append frames for this side. */
struct buf *apply_out(struct apply *apply, enum side side);
/* The operation under way that an answer is about; NULL when it makes no sense. */
struct op *apply_op_by_id(const struct apply *apply, uint64_t id);
/* Report it, and give up what hangs on it. */
void apply_op_failed(struct apply *apply, struct op *op, const struct err *why);

#endif
