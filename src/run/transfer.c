/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/transfer.h"

#include "base/arena.h"
#include "base/blocks.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/log.h"
#include "config/config.h"
#include "model/change.h"
#include "model/plan.h"
#include "peer/channel.h"
#include "peer/frame.h"
#include "peer/msg.h"
#include "peer/protocol.h"
#include "run/apply_internal.h"
#include "run/report.h"
#include "run/session.h"
#include "tree/partial.h"

/* As it is, to the side `to`. Returns how many bytes that are. */
static size_t pass_on(struct apply *apply, enum side to, const struct frame *frame)
{
	struct buf *out = apply_out(apply, to);
	size_t start = frame_begin(out, frame->type);
	size_t size = 0;

	enc_raw(out, frame->data, frame->len);
	size = frame_end(out, start);
	if (frame_is_bulk(frame->type))
		channel_spend(apply->session->sides[to].channel, size);
	return size;
}

/* How the bytes of an OP_PUT come. */
enum transfer_difference {
	WHOLE,
	SUMS_COMING, /* of the version that the receiver has */
	CHANGES,     /* with COPY */
};

enum {
	/* Bytes of both versions from which on sums pay, on a line of a gigabit as on a slow one. */
	DIFFERENCE_MIN = 256 * 1024,
	/* Of files under way to one side: their sums are kept by the agent that sends them. */
	DIFFERENCES_OPEN = 4,
};

/*
 * A target on this machine is sent all: its old version would be read twice to spare a copy within
 * memory.
 */
static bool pays(const struct apply *apply, const struct op *op)
{
	const struct entry *source = op->change->now[side_other((enum side)op->side)];

	return apply->session->config->target.remote && op->kind == OP_PUT && op->expect &&
	       op->expect->type == ENTRY_FILE && op->expect->size >= DIFFERENCE_MIN &&
	       source->size >= DIFFERENCE_MIN;
}

/* Whether a part of it may be there, of a run that was cut off. */
static bool resumes(const struct apply *apply, const struct op *op)
{
	return apply->session->config->target.remote && op->kind == OP_PUT &&
	       apply->session->sides[op->side].partial &&
	       op->change->now[side_other((enum side)op->side)]->size >= PARTIAL_MIN;
}

bool transfer_may_begin(const struct apply *apply, const struct op *op)
{
	return op->kind != OP_PUT || apply->lanes[op->side].differing < DIFFERENCES_OPEN ||
	       (!pays(apply, op) && !resumes(apply, op));
}

/* Where the bytes of a put are read: on the other side, under the name they have there. */
static void request_read(struct apply *apply, uint64_t id, const struct op *op, uint8_t type)
{
	enum side sender = side_other((enum side)op->side);
	struct buf *out = apply_out(apply, sender);
	size_t start = frame_begin(out, type);

	enc_uint(out, id);
	enc_str(out, op->from);
	entry_encode(out, op->change->now[sender]);
	enc_u8(out, (op->meta.mask & META_XATTR) != 0);
	if (type == PEER_READ_CHANGES) {
		enc_uint(out, op->block);
		enc_uint(out, op->basis);
	}
	frame_end(out, start);
}

void transfer_begin(struct apply *apply, size_t id, struct op *op)
{
	struct lane *lane = &apply->lanes[op->side];
	struct buf *out = apply_out(apply, (enum side)op->side);
	bool old = pays(apply, op);
	size_t start = 0;

	lane->receiving++;
	if (!old && !resumes(apply, op)) {
		request_read(apply, id, op, PEER_READ);
		return;
	}
	/* A part is no longer than the whole. */
	op->basis = old ? op->expect->size : op->change->now[side_other((enum side)op->side)]->size;
	op->block = (uint32_t)block_size(op->basis);
	start = frame_begin(out, PEER_BASIS);
	enc_uint(out, id);
	enc_uint(out, op->block);
	enc_u8(out, !old);
	frame_end(out, start);
	op->difference = SUMS_COMING;
	lane->differing++;
}

/* The file whose sums come from this side; NULL when none are expected under this number. */
static struct op *op_being_summed(const struct apply *apply, uint64_t id, enum side from)
{
	struct op *op = apply_op_by_id(apply, id);

	return op && op->kind == OP_PUT && op->side == from && op->difference == SUMS_COMING ? op
											     : NULL;
}

int transfer_sums(struct apply *apply, enum side from, const struct frame *frame, struct err *err)
{
	struct op *op = NULL;
	struct dec dec;
	uint64_t count = 0;

	dec_init(&dec, frame->data, frame->len);
	op = op_being_summed(apply, dec_uint(&dec), from);
	count = dec_left(&dec) / BLOCK_SUM_LEN;
	/* Of frames without any sum there would be no end. */
	if (dec.bad || !op || count == 0 || dec_left(&dec) % BLOCK_SUM_LEN != 0 ||
	    count > block_count(op->basis, op->block) - op->sums)
		return msg_malformed(frame, err);
	op->sums += count;
	pass_on(apply, side_other(from), frame);
	return 0;
}

int transfer_sums_end(struct apply *apply, enum side from, const struct frame *frame,
		      struct err *err)
{
	struct err status = ERR_INIT;
	struct op *op = NULL;
	struct dec dec;
	uint64_t size = 0;
	uint64_t id = 0;

	dec_init(&dec, frame->data, frame->len);
	id = dec_uint(&dec);
	size = dec_uint(&dec);
	op = op_being_summed(apply, id, from);
	msg_dec_status(&dec, &status);
	if (!dec_done(&dec) || !op ||
	    (!err_is_set(&status) &&
	     (size > op->basis || op->sums != block_count(size, op->block))))
		return msg_malformed(frame, err);
	/* What has become of the old version is looked at again before it is replaced. */
	if (err_is_set(&status)) {
		log_debug("'%s' is sent whole: %s", op->path, status.msg);
		op->difference = WHOLE;
		apply->lanes[from].differing--;
		request_read(apply, id, op, PEER_READ);
		return 0;
	}
	op->difference = CHANGES;
	op->basis = size;
	request_read(apply, id, op, PEER_READ_CHANGES);
	return 0;
}

int transfer_again(struct apply *apply, enum side from, const struct frame *frame, struct err *err)
{
	struct lane *lane = &apply->lanes[from];
	struct op *op = NULL;
	struct dec dec;
	uint64_t id = 0;

	dec_init(&dec, frame->data, frame->len);
	id = dec_uint(&dec);
	op = apply_op_by_id(apply, id);
	if (!dec_done(&dec) || !op || op->state != OP_SENT || op->side != from ||
	    op->difference != CHANGES || !op->received)
		return msg_malformed(frame, err);
	log_debug("'%s' is sent again, whole: its changes did not fit", op->path);
	op->difference = WHOLE;
	op->received = false;
	op->passed = 0;
	lane->receiving++;
	/* Where a FLUSH is under way that was to have it in it, another one follows. */
	if (lane->unflushed > 0)
		lane->unflushed--;
	request_read(apply, id, op, PEER_READ);
	return 0;
}

/* The file whose bytes come from this side; NULL when none is expected under this number. */
static struct op *op_being_read(const struct apply *apply, uint64_t id, enum side from)
{
	struct op *op = apply_op_by_id(apply, id);

	return op && op->kind == OP_PUT && op->side == side_other(from) && !op->received &&
			       op->difference != SUMS_COMING
		       ? op
		       : NULL;
}

/* Bytes of the file that a frame stands for; what is wrong with it sets dec->bad. */
static uint64_t bytes_in(const struct op *op, const struct frame *frame, struct dec *dec)
{
	uint64_t offset = 0;
	uint64_t len = 0;

	if (frame->type == PEER_DATA)
		return dec_left(dec);
	offset = frame->type == PEER_COPY ? dec_uint(dec) : 0;
	len = dec_uint(dec);
	if (!dec_done(dec))
		dec->bad = true;
	if (frame->type == PEER_HOLE)
		dec->bad = dec->bad || len > PEER_HOLE_MAX;
	else
		dec->bad = dec->bad || op->difference != CHANGES || len == 0 ||
			   len > PEER_COPY_MAX || offset > op->basis || len > op->basis - offset;
	return len;
}

/* Count what passes; a file is not longer than what was asked for, however it says it is. */
static int count_passed(struct op *op, enum side from, struct dec *dec, const struct frame *frame,
			struct err *err)
{
	uint64_t size = op->change->now[from]->size;
	uint64_t len = bytes_in(op, frame, dec);

	if (dec->bad)
		return msg_malformed(frame, err);
	if (len > size - op->passed)
		return err_set(err, ERR_PROTOCOL, "the %s sent more of a file than it has listed",
			       side_name(from));
	op->passed += len;
	return 0;
}

int transfer_bytes(struct apply *apply, enum side from, const struct frame *frame, struct err *err)
{
	struct op *op = NULL;
	struct dec dec;

	dec_init(&dec, frame->data, frame->len);
	op = op_being_read(apply, dec_uint(&dec), from);
	if (dec.bad || !op)
		return msg_malformed(frame, err);
	if (count_passed(op, from, &dec, frame, err) < 0)
		return -1;
	apply->lanes[side_other(from)].unflushed_bytes += pass_on(apply, side_other(from), frame);
	return 0;
}

/* What was read must be what it is said to have been. */
static bool is_what_passed(const struct op *op, const struct msg_result *result)
{
	return err_is_set(&result->status) ||
	       (result->entry.type == ENTRY_FILE && result->entry.size == op->passed &&
		(result->entry.flags & ENTRY_HAS_DIGEST));
}

int transfer_end(struct apply *apply, enum side from, const struct frame *frame, struct err *err)
{
	enum side to = side_other(from);
	struct buf *out = apply_out(apply, to);
	struct arena arena = ARENA_INIT;
	struct msg_result result;
	struct op *op = NULL;
	int status = msg_get_result(frame, &arena, &result, err);
	size_t start = 0;

	if (status == 0) {
		op = op_being_read(apply, result.id, from);
		if (!op || !is_what_passed(op, &result))
			status = msg_malformed(frame, err);
	}
	if (status == 0 && op) {
		op->received = true;
		if (op->difference == CHANGES)
			apply->lanes[to].differing--;
		start = frame_begin(out, PEER_PUT_END);
		enc_uint(out, result.id);
		enc_u8(out, !err_is_set(&result.status));
		enc_raw(out, result.entry.digest.bytes, DIGEST_LEN);
		enc_bytes(out, result.attrs, result.attrs_len);
		frame_end(out, start);
		apply->lanes[to].receiving--;
		apply->lanes[to].unflushed++;
		if (!err_is_set(&result.status)) {
			result.entry.link = NULL;
			*op->change->now[from] = result.entry;
		} else {
			/* Said from the side that could not read it; DONE only closes it then. */
			op->side = (uint8_t)from;
			apply_op_failed(apply, op, &result.status);
			op->side = (uint8_t)to;
		}
	}
	arena_release(&arena);
	return status;
}
