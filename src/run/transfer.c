/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/transfer.h"

#include <assert.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/blocks.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/log.h"
#include "base/worthwhile.h"
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

/* What is under way for it. */
static struct transfer *transfer_of(const struct apply *apply, const struct op *op)
{
	return &apply->transfers[op->transfer - 1];
}

/* One that is free, all zero. */
static uint16_t transfer_open(struct apply *apply)
{
	uint16_t taken = apply->transfer_free;

	if (!taken) {
		/* Bounded by the operations that may be open on both sides. */
		assert(apply->transfer_count < UINT16_MAX);
		taken = ++apply->transfer_count;
		/* Grown by doubling: powers of two are when the room is used up. */
		if ((taken & (taken - 1)) == 0)
			apply->transfers = xrealloc(apply->transfers,
						    2 * (size_t)taken * sizeof(*apply->transfers));
	} else {
		apply->transfer_free = apply->transfers[taken - 1].next_free;
	}
	apply->transfers[taken - 1] = (struct transfer){ .passed = 0 };
	return taken;
}

void transfer_close(struct apply *apply, struct op *op)
{
	if (!op->transfer)
		return;
	transfer_of(apply, op)->next_free = apply->transfer_free;
	apply->transfer_free = op->transfer;
	op->transfer = 0;
}

/* How the bytes of an OP_PUT come. */
enum transfer_difference {
	WHOLE,
	SUMS_COMING, /* of the version that the receiver has */
	CHANGES,     /* with COPY */
	FETCHED,     /* not at all: the receiver takes them itself */
};

enum {
	/* Bytes of both versions from which on sums pay, on a line of a gigabit as on a slow one. */
	DIFFERENCE_MIN = WORTHWHILE(256 * 1024, 40),
	FETCH_MIN = 64 * 1024, /* bytes of a file that is taken, not sent, within a machine */
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
	const struct entry *expect = op_expect(op);

	return config_is_far(apply->session->config) && op->kind == OP_PUT && expect &&
	       expect->type == ENTRY_FILE && expect->size >= DIFFERENCE_MIN &&
	       source->size >= DIFFERENCE_MIN;
}

/* Whether a part of it may be there, of a run that was cut off. */
static bool resumes(const struct apply *apply, const struct op *op)
{
	return config_is_far(apply->session->config) && op->kind == OP_PUT &&
	       apply->session->sides[op->side].partial &&
	       op->change->now[side_other((enum side)op->side)]->size >= PARTIAL_MIN;
}

bool transfer_may_begin(const struct apply *apply, const struct op *op)
{
	return op->kind != OP_PUT || apply->lanes[op->side].differing < DIFFERENCES_OPEN ||
	       (!pays(apply, op) && !resumes(apply, op));
}

/* Builds with fault points know it from OSYNC_FETCH_MIN, so that tests can have all fetched, or nothing. */
static uint64_t fetch_min(void)
{
#ifdef OSYNC_FAULTS
	const char *given = getenv("OSYNC_FETCH_MIN");

	if (given)
		return strtoull(given, NULL, 10);
#endif
	return FETCH_MIN;
}

/*
 * Where the receiver takes the bytes itself. What another machine says of that is not listened to. Of small files
 * the other agent's processor reads one while this one's writes another.
 */
static bool is_fetched(const struct apply *apply, const struct op *op)
{
	return !config_is_far(apply->session->config) && apply->session->sides[op->side].fetches &&
	       op->change->now[side_other((enum side)op->side)]->size >= fetch_min();
}

/* The bytes of a put are those of the other side, under the name they have there. */
static void request_read(struct apply *apply, uint64_t id, const struct op *op, uint8_t type)
{
	enum side sender = side_other((enum side)op->side);
	struct buf *out = apply_out(apply, type == PEER_FETCH ? (enum side)op->side : sender);
	size_t start = frame_begin(out, type);

	msg_enc_read(out, id, op_from(op), op->change->now[sender],
		     (plan_meta(apply->plan, op).mask & META_XATTR) != 0);
	if (type == PEER_FETCH)
		enc_u8(out, (apply->session->sides[sender].caps & PEER_CAP_CLOCK) != 0);
	if (type == PEER_READ_CHANGES) {
		enc_uint(out, transfer_of(apply, op)->block);
		enc_uint(out, transfer_of(apply, op)->basis);
	}
	frame_end(out, start);
}

void transfer_begin(struct apply *apply, size_t id, struct op *op)
{
	struct lane *lane = &apply->lanes[op->side];
	struct buf *out = apply_out(apply, (enum side)op->side);
	const struct entry *old = pays(apply, op) ? op_expect(op) : NULL;
	struct transfer *transfer = NULL;
	size_t start = 0;

	op->transfer = transfer_open(apply);
	transfer = transfer_of(apply, op);
	lane->receiving++;
	if (is_fetched(apply, op)) {
		transfer->difference = FETCHED;
		request_read(apply, id, op, PEER_FETCH);
		return;
	}
	if (!old && !resumes(apply, op)) {
		request_read(apply, id, op, PEER_READ);
		return;
	}
	/* A part is no longer than the whole. */
	transfer->basis = old ? old->size : op->change->now[side_other((enum side)op->side)]->size;
	transfer->block = (uint32_t)block_size(transfer->basis);
	start = frame_begin(out, PEER_BASIS);
	enc_uint(out, id);
	enc_uint(out, transfer->block);
	enc_u8(out, !old);
	frame_end(out, start);
	transfer->difference = SUMS_COMING;
	lane->differing++;
}

/* The OP_PUT to this side whose bytes are under way under this number, or NULL. */
static struct op *op_under_way(const struct apply *apply, uint64_t id, enum side to)
{
	struct op *op = apply_op_by_id(apply, id);

	return op && op->side == to && op->transfer ? op : NULL;
}

/* The file whose sums come from this side; NULL when none are expected under this number. */
static struct op *op_being_summed(const struct apply *apply, uint64_t id, enum side from)
{
	struct op *op = op_under_way(apply, id, from);

	return op && transfer_of(apply, op)->difference == SUMS_COMING ? op : NULL;
}

int transfer_sums(struct apply *apply, enum side from, const struct frame *frame, struct err *err)
{
	const struct op *op = NULL;
	struct transfer *transfer = NULL;
	struct dec dec;
	uint64_t count = 0;

	dec_init(&dec, frame->data, frame->len);
	op = op_being_summed(apply, dec_uint(&dec), from);
	transfer = op ? transfer_of(apply, op) : NULL;
	count = dec_left(&dec) / BLOCK_SUM_LEN;
	/* Of frames without any sum there would be no end. */
	if (dec.bad || !transfer || count == 0 || dec_left(&dec) % BLOCK_SUM_LEN != 0 ||
	    count > block_count(transfer->basis, transfer->block) - transfer->sums)
		return msg_malformed(frame, err);
	transfer->sums += count;
	pass_on(apply, side_other(from), frame);
	return 0;
}

int transfer_sums_end(struct apply *apply, enum side from, const struct frame *frame,
		      struct err *err)
{
	struct err status = ERR_INIT;
	const struct op *op = NULL;
	struct transfer *transfer = NULL;
	struct dec dec;
	uint64_t size = 0;
	uint64_t id = 0;

	dec_init(&dec, frame->data, frame->len);
	id = dec_uint(&dec);
	size = dec_uint(&dec);
	op = op_being_summed(apply, id, from);
	transfer = op ? transfer_of(apply, op) : NULL;
	msg_dec_status(&dec, &status);
	if (!dec_done(&dec) || !transfer ||
	    (!err_is_set(&status) &&
	     (size > transfer->basis || transfer->sums != block_count(size, transfer->block))))
		return msg_malformed(frame, err);
	/* What has become of the old version is looked at again before it is replaced. */
	if (err_is_set(&status)) {
		log_debug("'%s' is sent whole: %s", op->path, status.msg);
		transfer->difference = WHOLE;
		apply->lanes[from].differing--;
		request_read(apply, id, op, PEER_READ);
		return 0;
	}
	transfer->difference = CHANGES;
	transfer->basis = size;
	request_read(apply, id, op, PEER_READ_CHANGES);
	return 0;
}

int transfer_again(struct apply *apply, enum side from, const struct frame *frame, struct err *err)
{
	struct lane *lane = &apply->lanes[from];
	const struct op *op = NULL;
	struct transfer *transfer = NULL;
	uint64_t id = 0;

	if (msg_get_number(frame, &id, err) < 0)
		return -1;
	op = op_under_way(apply, id, from);
	transfer = op ? transfer_of(apply, op) : NULL;
	if (!transfer || op->state != OP_SENT || transfer->difference != CHANGES ||
	    !transfer->received)
		return msg_malformed(frame, err);
	log_debug("'%s' is sent again, whole: its changes did not fit", op->path);
	*transfer = (struct transfer){ .difference = WHOLE };
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
	struct op *op = op_under_way(apply, id, side_other(from));
	const struct transfer *transfer = op ? transfer_of(apply, op) : NULL;

	return transfer && !transfer->received && transfer->difference != SUMS_COMING &&
			       transfer->difference != FETCHED
		       ? op
		       : NULL;
}

/* The file that this side takes itself; NULL when it was not asked to under this number. */
static struct op *op_being_fetched(const struct apply *apply, uint64_t id, enum side to)
{
	struct op *op = op_under_way(apply, id, to);
	const struct transfer *transfer = op ? transfer_of(apply, op) : NULL;

	return transfer && !transfer->received && transfer->difference == FETCHED ? op : NULL;
}

/* Bytes of the file that a frame stands for; what is wrong with it sets dec->bad. */
static uint64_t bytes_in(const struct transfer *transfer, const struct frame *frame,
			 struct dec *dec)
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
		dec->bad = dec->bad || transfer->difference != CHANGES || len == 0 ||
			   len > PEER_COPY_MAX || offset > transfer->basis ||
			   len > transfer->basis - offset;
	return len;
}

/* Count what passes; a file is not longer than what was asked for, however it says it is. */
static int count_passed(struct transfer *transfer, uint64_t size, struct dec *dec,
			const struct frame *frame, struct err *err)
{
	uint64_t len = bytes_in(transfer, frame, dec);

	if (dec->bad)
		return msg_malformed(frame, err);
	if (len > size - transfer->passed)
		return err_set(err, ERR_PROTOCOL, "the %s sent more of a file than it has listed",
			       frame->from);
	transfer->passed += len;
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
	if (count_passed(transfer_of(apply, op), op->change->now[from]->size, &dec, frame, err) < 0)
		return -1;
	apply->lanes[side_other(from)].unflushed_bytes += pass_on(apply, side_other(from), frame);
	return 0;
}

/* What was read must be what it is said to have been. */
static bool is_what_passed(const struct msg_result *result, uint64_t size)
{
	return err_is_set(&result->status) ||
	       (result->entry.type == ENTRY_FILE && result->entry.size == size &&
		(result->entry.flags & ENTRY_HAS_DIGEST));
}

/* What was read of the file is on the side that is to have it, but for PUT_END. */
static void received(struct apply *apply, struct op *op, const struct msg_result *result)
{
	struct transfer *transfer = transfer_of(apply, op);
	enum side from = side_other((enum side)op->side);
	struct lane *lane = &apply->lanes[op->side];
	enum side to = (enum side)op->side;

	transfer->received = true;
	if (transfer->difference == CHANGES)
		lane->differing--;
	lane->receiving--;
	lane->unflushed++;
	if (err_is_set(&result->status)) {
		/* Said from the side that could not read it; DONE only closes it then. */
		op->side = (uint8_t)from;
		apply_op_failed(apply, op, &result->status);
		op->side = (uint8_t)to;
	} else if (result->entry.type == ENTRY_FILE) {
		*op->change->now[from] = result->entry;
		op->change->now[from]->link = NULL;
	}
}

static void put_end(struct apply *apply, enum side to, const struct msg_result *result)
{
	struct buf *out = apply_out(apply, to);
	size_t start = frame_begin(out, PEER_PUT_END);

	enc_uint(out, result->id);
	enc_u8(out, !err_is_set(&result->status));
	enc_raw(out, result->entry.digest.bytes, DIGEST_LEN);
	enc_bytes(out, result->attrs, result->attrs_len);
	frame_end(out, start);
}

int transfer_end(struct apply *apply, enum side from, const struct frame *frame, struct err *err)
{
	struct arena arena = ARENA_INIT;
	struct msg_result result;
	struct op *op = NULL;
	int status = msg_get_result(frame, &arena, &result, err);

	if (status == 0) {
		op = op_being_read(apply, result.id, from);
		if (!op || !is_what_passed(&result, transfer_of(apply, op)->passed))
			status = msg_malformed(frame, err);
	}
	if (status == 0 && op) {
		put_end(apply, side_other(from), &result);
		received(apply, op, &result);
	}
	arena_release(&arena);
	return status;
}

int transfer_fetched(struct apply *apply, enum side to, const struct frame *frame, struct err *err)
{
	enum side from = side_other(to);
	struct arena arena = ARENA_INIT;
	struct msg_result result;
	struct op *op = NULL;
	int status = msg_get_result(frame, &arena, &result, err);
	bool unwritten = false;

	if (status == 0) {
		op = op_being_fetched(apply, result.id, to);
		unwritten = !err_is_set(&result.status) && result.entry.type == ENTRY_ABSENT;
		if (!op || (!unwritten && !is_what_passed(&result, op->change->now[from]->size)))
			status = msg_malformed(frame, err);
	}
	if (status == 0 && op) {
		transfer_of(apply, op)->unwritten = unwritten;
		apply->lanes[to].unflushed_bytes += result.entry.size;
		received(apply, op, &result);
	}
	arena_release(&arena);
	return status;
}

bool transfer_may_succeed(const struct apply *apply, const struct op *op)
{
	return !op->transfer ||
	       (transfer_of(apply, op)->received && !transfer_of(apply, op)->unwritten);
}
