/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/log.h"
#include "base/path.h"
#include "base/sys.h"
#include "base/worthwhile.h"
#include "model/change.h"
#include "model/plan.h"
#include "peer/channel.h"
#include "peer/msg.h"
#include "peer/protocol.h"
#include "run/apply_internal.h"
#include "run/failure.h"
#include "run/links.h"
#include "run/record.h"
#include "run/report.h"
#include "run/session.h"
#include "run/settle.h"
#include "run/transfer.h"
#include "store/done_log.h"

enum {
	/* Operations made durable together: enough that their fsyncs share their cost. */
	BATCH_OPS = WORTHWHILE(1000, 5),
	BATCH_BYTES = 64 * 1024 * 1024,
	OPEN_OPS = 4 * BATCH_OPS, /* sent and not answered, per side; below PEER_REQUESTS_MAX */
	ATTRS_TOTAL_MAX = 256 * 1024 * 1024, /* of all folders and links, kept until they are set */
	OPEN_READS = WORTHWHILE(256, 3),     /* files asked for and not yet received, per side */
};

struct buf *apply_out(struct apply *apply, enum side side)
{
	return channel_out(apply->session->sides[side].channel);
}

/* Whether both sides have this change under its path, as far as was tried. */
static bool may_record(const struct apply *apply, const struct change *change)
{
	return !change->failed && plan_has_arrived(apply->plan, change);
}

static void finish_change(struct apply *apply, struct change *change)
{
	if (!change)
		return;
	change->pending--;
	if (change->pending == 0 && may_record(apply, change))
		record_agreed(apply->session, apply->changes, change);
}

/*
 * What a plain operation has brought is of no use once it is recorded, but for a file with several names,
 * to which others may be linked: so a first sync takes no more memory the further it gets.
 */
static void forget_entries(struct apply *apply, const struct op *op)
{
	struct change *change = op->change;

	if (!op->detail && op->source && op->source->nlink <= 1 && change && change->pending == 0 &&
	    !change->failed)
		changes_drop_entries(apply->changes, change);
}

void apply_op_failed(struct apply *apply, struct op *op, const struct err *why)
{
	AUTO_FREE char *message = NULL;

	op->state = OP_FAILED;
	if (op->change)
		op->change->failed = true;
	if (!failure_leaves_folder(apply->session, apply->changes, apply->plan, op, why)) {
		message = xasprintf("on the %s: %s", side_name((enum side)op->side), why->msg);
		report_failed(apply->session->report, op->path, message);
	}
	finish_change(apply, op->change);
}

/* The side now shows `result`; what stays true of the old entry is kept. */
static void update_entry(struct apply *apply, const struct op *op, const struct entry *result)
{
	struct change *change = op->change;
	struct entry *old = change->now[op->side];
	struct entry entry = *result;

	if (!(entry.flags & ENTRY_HAS_DIGEST) && old && old->type == entry.type &&
	    (old->flags & ENTRY_HAS_DIGEST)) {
		entry.digest = old->digest;
		entry.flags |= ENTRY_HAS_DIGEST;
	}
	entry.link = old && old->type == ENTRY_SYMLINK ? old->link : NULL;
	/* A rename sets none of it: where it is another one, somebody was there, as the next run is to see. */
	if (old && op->kind == OP_MOVE)
		record_expect_metadata(&entry, old);
	/* In place: operations still to come expect what this pointer shows. */
	if (old)
		*old = entry;
	else
		change->now[op->side] = changes_copy_entry(apply->changes, &entry);
}

static void op_done(struct apply *apply, struct op *op, const struct entry *result)
{
	op->state = OP_DONE;
	report_change(apply->session->report, op);
	if (op->change && op->kind == OP_DELETE)
		op->change->now[op->side] = NULL;
	else if (op->change && result->type != ENTRY_ABSENT)
		update_entry(apply, op, result);
	finish_change(apply, op->change);
	if (op->kind == OP_MKDIR && op->change && op->change->pending == 1 &&
	    may_record(apply, op->change))
		record_made(apply->session, op->change, (enum side)op->side);
	forget_entries(apply, op);
}

/* What the side has at `path` by now: earlier operations of this run may have changed it. */
static const struct entry *entry_now(const struct apply *apply, const char *path, enum side side)
{
	const struct change *change = changes_find(apply->changes, path);

	return change ? change->now[side] : NULL;
}

/* What the operation is to find, and what it is made from, as of now. */
static void fill_entries(const struct apply *apply, const struct op *op, struct msg_op *msg)
{
	const struct entry *expect = op_expect(op);
	const struct entry *source = op->source;

	if (op->kind == OP_META)
		expect = op->change->now[op->side];
	if (op->kind == OP_LINK && entry_now(apply, op_from(op), (enum side)op->side))
		source = entry_now(apply, op_from(op), (enum side)op->side);
	if (expect)
		msg->expect = *expect;
	if (source)
		msg->source = *source;
	if (op->kind != OP_SYMLINK)
		msg->source.link = NULL;
	msg->expect.link = NULL;
}

/* Whether its path is where both sides have it, once this has been done. */
static bool arrives(const struct apply *apply, const struct op *op)
{
	return op_expect(op) ? plan_arrives_on(apply->plan, op->change, (enum side)op->side)
			     : plan_has_arrived(apply->plan, op->change);
}

/*
 * What this operation is going to settle, all that was to be done on the other side being done: 0
 * for nothing, else what its agent is to note when it has done it. *there: what the other side shows.
 */
static int settles(const struct apply *apply, const struct op *op, struct entry *there)
{
	const struct change *change = op->change;
	const struct entry *other = change ? change->now[side_other((enum side)op->side)] : NULL;

	if (op->kind == OP_MOVE)
		return DONE_MOVED;
	if (!change || change->failed || !arrives(apply, op))
		return 0;
	if (other)
		*there = *other;
	there->link = NULL;
	if (change->pending == 1)
		return DONE_AGREED;
	/* What is left then is its metadata, on the same side. */
	return op->kind == OP_MKDIR && change->pending == 2 ? DONE_MADE : 0;
}

static void send_op(struct apply *apply, size_t id, struct op *op)
{
	struct lane *lane = &apply->lanes[op->side];
	const struct buf *attrs = apply->attrs ? &apply->attrs[id] : NULL;
	struct msg_op msg = { .id = id,
			      .kind = (enum op_kind)op->kind,
			      .path = op->path,
			      .filled = op_is_filled(op),
			      .meta = plan_meta(apply->plan, op) };

	if (op->kind == OP_MOVE || op->kind == OP_LINK || op->kind == OP_COPY)
		msg.from = op_from(op);
	fill_entries(apply, op, &msg);
	if (attrs) {
		msg.attrs = attrs->data;
		msg.attrs_len = attrs->len;
	}
	msg.settles = (unsigned)settles(apply, op, &msg.there);
	msg_put_op(apply_out(apply, (enum side)op->side), &msg);
	op->state = OP_SENT;
	lane->open++;
	if (op->kind == OP_PUT) {
		transfer_begin(apply, id, op);
	} else {
		lane->unflushed++;
	}
}

/* What an operation rests on has failed. */
static bool is_hopeless(const struct op *op)
{
	return op_after(op) && op_after(op)->state == OP_FAILED;
}

/* A put whose source vanished with a failed operation cannot be read. */
static bool has_no_source(const struct op *op)
{
	return op->kind == OP_PUT && !op->change->now[side_other((enum side)op->side)];
}

static void dispatch(struct apply *apply, enum side side)
{
	struct lane *lane = &apply->lanes[side];
	struct err why = ERR_INIT;

	for (; lane->next < apply->end && lane->open < OPEN_OPS && lane->receiving < OPEN_READS;
	     lane->next++) {
		struct op *op = apply->plan->ops[lane->next];

		/* What its attributes are could not be read: that was said already. */
		if (op->side != side || op->state == OP_FAILED)
			continue;
		if (is_hopeless(op) || has_no_source(op)) {
			err_set(&why, ERR_CHANGED, "not done, because '%.200s' could not be",
				op_after(op) ? op_after(op)->path : op->path);
			apply_op_failed(apply, op, &why);
			continue;
		}
		if (!transfer_may_begin(apply, op))
			return;
		send_op(apply, lane->next, op);
	}
}

static void maybe_flush(struct apply *apply, enum side side)
{
	struct lane *lane = &apply->lanes[side];
	bool full = lane->unflushed >= BATCH_OPS || lane->unflushed_bytes >= BATCH_BYTES;
	/* Of those that are not answered all may wait for one that a FLUSH is still to follow (FILLED). */
	bool last = (lane->next == apply->end || lane->open >= OPEN_OPS) && lane->receiving == 0;

	if (lane->unflushed == 0 || lane->flushing || (!full && !last))
		return;
	msg_put_empty(apply_out(apply, side), PEER_FLUSH);
	lane->flushing = true;
	lane->unflushed = 0;
	lane->unflushed_bytes = 0;
}

struct op *apply_op_by_id(const struct apply *apply, uint64_t id)
{
	struct op *op = id < apply->end ? apply->plan->ops[id] : NULL;

	/* One whose source could not be read has failed, and is still to be answered. */
	return op && (op->state == OP_SENT || op->transfer) ? op : NULL;
}

/* Whether this can be there after the operation. */
static bool is_result_of(const struct apply *apply, const struct op *op, const struct entry *result)
{
	if (!transfer_may_succeed(apply, op))
		return false;
	switch (op->kind) {
	case OP_DELETE:
		return result->type == ENTRY_ABSENT;
	case OP_MKDIR:
		return result->type == ENTRY_DIR;
	case OP_SYMLINK:
		return result->type == ENTRY_SYMLINK;
	case OP_MOVE:
	case OP_META:
		return result->type >= ENTRY_FILE && result->type <= ENTRY_SYMLINK;
	default:
		return result->type == ENTRY_FILE;
	}
}

static int take_done(struct apply *apply, enum side from, const struct frame *frame,
		     struct err *err)
{
	struct arena arena = ARENA_INIT;
	struct msg_result result;
	struct op *op = NULL;
	int status = msg_get_result(frame, &arena, &result, err);

	if (status == 0) {
		op = apply_op_by_id(apply, result.id);
		if (!op || op->side != from ||
		    (!err_is_set(&result.status) && !is_result_of(apply, op, &result.entry)))
			status = msg_malformed(frame, err);
	}
	if (status == 0 && op) {
		transfer_close(apply, op);
		apply->lanes[from].open--;
		if (op->state == OP_SENT && err_is_set(&result.status) && plan_put_instead(op))
			apply->resort = true;
		else if (op->state == OP_SENT && err_is_set(&result.status))
			apply_op_failed(apply, op, &result.status);
		else if (op->state == OP_SENT)
			op_done(apply, op, &result.entry);
	}
	arena_release(&arena);
	return status;
}

/* Everything reported until here is durable there: now it may stand in the journal. */
static int take_flushed(struct apply *apply, enum side from, const struct frame *frame,
			struct err *err)
{
	if (frame->len > 0 || !apply->lanes[from].flushing)
		return msg_malformed(frame, err);
	apply->lanes[from].flushing = false;
	sys_point("before-journal");
	if (list_flush(apply->session->saved.list, err) < 0)
		return -1;
	/* What a rename has carried is recorded at the end of the phase only. */
	if (apply->moves_recorded)
		msg_put_empty(apply_out(apply, from), PEER_RECORDED);
	return 0;
}

static int take_attrs(struct apply *apply, enum side from, const struct frame *frame,
		      struct err *err)
{
	struct arena arena = ARENA_INIT;
	struct msg_result result;
	int status = msg_get_result(frame, &arena, &result, err);

	if (status == 0 && (result.id >= apply->end || apply->attrs_pending == 0 ||
			    apply->plan->ops[result.id]->side == from ||
			    apply->plan->ops[result.id]->state != OP_WAITING))
		status = msg_malformed(frame, err);
	if (status == 0 && (apply->attrs_bytes += result.attrs_len) > ATTRS_TOTAL_MAX)
		status = err_set(err, ERR_PROTOCOL,
				 "the %s sent more than %d MiB of extended attributes of folders "
				 "and links: set PRESERVE_XATTR=no if they are really there",
				 side_name(from), ATTRS_TOTAL_MAX / (1024 * 1024));
	if (status == 0) {
		apply->attrs_pending--;
		if (err_is_set(&result.status))
			apply_op_failed(apply, apply->plan->ops[result.id], &result.status);
		else
			buf_add(&apply->attrs[result.id], result.attrs, result.attrs_len);
	}
	arena_release(&arena);
	return status;
}

static int take_frame(struct apply *apply, enum side from, const struct frame *frame,
		      struct err *err)
{
	switch (frame->type) {
	case PEER_DATA:
	case PEER_HOLE:
	case PEER_COPY:
		return transfer_bytes(apply, from, frame, err);
	case PEER_SUMS:
		return transfer_sums(apply, from, frame, err);
	case PEER_SUMS_END:
		return transfer_sums_end(apply, from, frame, err);
	case PEER_AGAIN:
		return transfer_again(apply, from, frame, err);
	case PEER_READ_END:
		return transfer_end(apply, from, frame, err);
	case PEER_FETCHED:
		return transfer_fetched(apply, from, frame, err);
	case PEER_DONE:
		return take_done(apply, from, frame, err);
	case PEER_FLUSHED:
		return take_flushed(apply, from, frame, err);
	case PEER_ATTRS_IS:
		return take_attrs(apply, from, frame, err);
	default:
		return msg_malformed(frame, err);
	}
}

static bool can_relay(const struct apply *apply, enum side from)
{
	return channel_may_send_bulk(apply->session->sides[side_other(from)].channel);
}

/* Keep a bulk frame until the other side has credit; nothing behind it is looked at meanwhile. */
static void hold(struct lane *lane, const struct frame *frame)
{
	buf_reset(&lane->held);
	buf_addch(&lane->held, frame->type);
	buf_add(&lane->held, frame->data, frame->len);
}

/* Deal with what has come from one side: 1 if there was anything, 0, -1. */
static int take_frames(struct apply *apply, enum side from, struct err *err)
{
	struct lane *lane = &apply->lanes[from];
	struct frame frame;
	int taken = 0;
	int got = 0;

	if (lane->held.len) {
		if (!can_relay(apply, from))
			return 0;
		frame = (struct frame){ .type = lane->held.data[0],
					.data = lane->held.data + 1,
					.len = lane->held.len - 1,
					.from = side_name(from) };
		if (take_frame(apply, from, &frame, err) < 0)
			return -1;
		buf_reset(&lane->held);
		taken = 1;
	}
	while ((got = channel_next(apply->session->sides[from].channel, &frame, err)) > 0) {
		taken = 1;
		if (frame_is_bulk(frame.type) && !can_relay(apply, from)) {
			hold(lane, &frame);
			return 1;
		}
		if (take_frame(apply, from, &frame, err) < 0)
			return -1;
	}
	return got < 0 ? -1 : taken;
}

static bool lane_is_done(const struct apply *apply, enum side side)
{
	const struct lane *lane = &apply->lanes[side];

	return lane->next == apply->end && lane->open == 0 && !lane->flushing;
}

/* Attributes that do not travel with a file's bytes are asked for before the phase. */
static int fetch_attrs(struct apply *apply, size_t begin, struct err *err)
{
	for (size_t i = begin; i < apply->end; i++) {
		const struct op *op = apply->plan->ops[i];
		enum side from = side_other((enum side)op->side);
		struct buf *out = apply_out(apply, from);
		size_t start = 0;

		if (op->kind == OP_PUT || !(plan_meta(apply->plan, op).mask & META_XATTR))
			continue;
		if (!apply->attrs)
			apply->attrs = xcalloc(apply->plan->count, sizeof(*apply->attrs));
		start = frame_begin(out, PEER_ATTRS);
		enc_uint(out, i);
		enc_str(out, op->path);
		frame_end(out, start);
		apply->attrs_pending++;
	}
	while (apply->attrs_pending > 0) {
		for (int s = 0; s < SIDES; s++)
			if (take_frames(apply, (enum side)s, err) < 0)
				return -1;
		if (apply->attrs_pending > 0 && session_pump(apply->session, -1, err) < 0)
			return -1;
	}
	return 0;
}

/* All operations from `begin` to apply->end. */
static int run_phase(struct apply *apply, size_t begin, struct err *err)
{
	if (fetch_attrs(apply, begin, err) < 0)
		return -1;
	for (int s = 0; s < SIDES; s++)
		apply->lanes[s].next = begin;
	for (;;) {
		int progress = 0;

		for (int s = 0; s < SIDES; s++) {
			int taken = take_frames(apply, (enum side)s, err);

			if (taken < 0)
				return -1;
			progress |= taken;
			dispatch(apply, (enum side)s);
			maybe_flush(apply, (enum side)s);
		}
		if (lane_is_done(apply, SIDE_INITIATOR) && lane_is_done(apply, SIDE_TARGET))
			return 0;
		if (session_pump(apply->session, progress ? 0 : -1, err) < 0)
			return -1;
	}
}

/*
 * Between two phases no operation is under way: those of this one that were put off may get other
 * numbers. apply->end stays where the next phase begins.
 */
static void put_off(struct apply *apply, size_t begin, enum op_phase phase)
{
	if (!apply->resort)
		return;
	for (size_t i = 0; apply->attrs && i < apply->plan->count; i++)
		buf_release(&apply->attrs[i]);
	plan_sort(apply->plan);
	while (apply->end > begin && apply->plan->ops[apply->end - 1]->phase > phase)
		apply->end--;
	apply->resort = false;
}

/*
 * Paths that need no operation, once the move that carried them (if any) has been done. The others
 * that were carried keep their history from there on, whatever becomes of what is still to be done.
 */
static int record_due(struct apply *apply, bool moved, struct err *err)
{
	for (size_t i = 0; i < apply->changes->count; i++) {
		const struct change *change = &apply->changes->items[i];

		if ((change_move(change) != 0) != moved || !plan_has_arrived(apply->plan, change))
			continue;
		if (record_is_due(change))
			record_agreed(apply->session, apply->changes, change);
		else if (change_moved_from(change))
			record_carried(apply->session, apply->changes, change);
		/* What a folder has carried with it is recorded at once. */
		if (!moved && session_make_room(apply->session, err) < 0)
			return -1;
	}
	return 0;
}

/*
 * What was carried part of the way, because a rename after the first one has failed: the next run is to know it
 * where it is. All old names are forgotten before one of them may be another's new one.
 */
static void record_stranded(const struct apply *apply)
{
	for (int naming = 0; naming < 2; naming++)
		for (size_t i = 0; i < apply->changes->count; i++) {
			const struct change *change = &apply->changes->items[i];
			AUTO_FREE char *path = NULL;

			if (change_move(change) && !plan_has_arrived(apply->plan, change))
				path = plan_carried_to(apply->plan, change);
			if (path)
				record_stranded_at(apply->session, apply->changes, change,
						   naming ? path : NULL);
		}
}

/* At the end of PHASE_MOVE. */
static int record_moves(struct apply *apply, struct err *err)
{
	if (apply->moves_recorded)
		return 0;
	if (record_due(apply, true, err) < 0)
		return -1;
	record_stranded(apply);
	if (list_flush(apply->session->saved.list, err) < 0)
		return -1;
	for (int s = 0; s < SIDES; s++)
		if (!apply->session->sides[s].read_only)
			msg_put_empty(apply_out(apply, (enum side)s), PEER_RECORDED);
	apply->moves_recorded = true;
	return 0;
}

static int run_phases(struct apply *apply, struct err *err)
{
	const struct plan *plan = apply->plan;

	if (record_due(apply, false, err) < 0)
		return -1;
	for (size_t begin = 0; begin < plan->count; begin = apply->end) {
		const uint8_t phase = plan->ops[begin]->phase;

		if (phase > PHASE_MOVE && record_moves(apply, err) < 0)
			return -1;
		apply->end = begin;
		while (apply->end < plan->count && plan->ops[apply->end]->phase == phase)
			apply->end++;
		if (phase == PHASE_LINK &&
		    links_look_again(apply->session, plan, begin, apply->end, err) < 0)
			return -1;
		if (run_phase(apply, begin, err) < 0)
			return -1;
		put_off(apply, begin, (enum op_phase)phase);
	}
	if (record_moves(apply, err) < 0)
		return -1;
	return links_record(apply->session, apply->changes, plan, err);
}

int apply(struct session *session, struct changes *changes, struct plan *plan, struct err *err)
{
	struct apply apply = { .session = session, .changes = changes, .plan = plan };
	struct err ignored = ERR_INIT;
	int status = 0;

	log_gather(true);
	status = run_phases(&apply, err);
	log_gather(false);

	/* What is durable on both sides is worth recording, also when the rest was cut off. */
	if (status < 0)
		list_flush(session->saved.list, &ignored);
	for (int s = 0; s < SIDES; s++)
		buf_release(&apply.lanes[s].held);
	for (size_t i = 0; apply.attrs && i < plan->count; i++)
		buf_release(&apply.attrs[i]);
	free(apply.attrs);
	free(apply.transfers);
	return status;
}
