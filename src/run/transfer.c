/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/transfer.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "model/change.h"
#include "model/plan.h"
#include "peer/channel.h"
#include "peer/frame.h"
#include "peer/msg.h"
#include "peer/protocol.h"
#include "run/apply_internal.h"
#include "run/report.h"
#include "run/session.h"

/* Where the bytes of a put are read: on the other side, under the name they have there. */
void transfer_begin(struct apply *apply, size_t id, const struct op *op)
{
	enum side sender = side_other((enum side)op->side);
	struct buf *out = apply_out(apply, sender);
	size_t start = frame_begin(out, PEER_READ);

	enc_uint(out, id);
	enc_str(out, op->from);
	entry_encode(out, op->change->now[sender]);
	enc_u8(out, (op->meta.mask & META_XATTR) != 0);
	frame_end(out, start);
}

/* The file whose bytes come from this side; NULL when none is expected under this number. */
static struct op *op_being_read(const struct apply *apply, uint64_t id, enum side from)
{
	struct op *op = apply_op_by_id(apply, id);

	return op && op->kind == OP_PUT && op->side == side_other(from) && !op->received ? op
											 : NULL;
}

/* Count what passes; a file is not longer than what was asked for, however it says it is. */
static int count_passed(struct op *op, enum side from, struct dec *dec, const struct frame *frame,
			struct err *err)
{
	uint64_t size = op->change->now[from]->size;
	uint64_t len = frame->type == PEER_HOLE ? dec_uint(dec) : dec_left(dec);

	if (dec->bad || (frame->type == PEER_HOLE && (!dec_done(dec) || len > PEER_HOLE_MAX)))
		return msg_malformed(frame, err);
	if (len > size - op->passed)
		return err_set(err, ERR_PROTOCOL, "the %s sent more of a file than it has listed",
			       side_name(from));
	op->passed += len;
	return 0;
}

/* Pass a DATA or HOLE frame on to the side that receives the file. */
int transfer_bytes(struct apply *apply, enum side from, const struct frame *frame, struct err *err)
{
	enum side to = side_other(from);
	struct buf *out = apply_out(apply, to);
	struct op *op = NULL;
	struct dec dec;
	size_t start = 0;
	size_t size = 0;

	dec_init(&dec, frame->data, frame->len);
	op = op_being_read(apply, dec_uint(&dec), from);
	if (dec.bad || !op)
		return msg_malformed(frame, err);
	if (count_passed(op, from, &dec, frame, err) < 0)
		return -1;
	start = frame_begin(out, frame->type);
	enc_raw(out, frame->data, frame->len);
	size = frame_end(out, start);
	if (frame_is_bulk(frame->type))
		channel_spend(apply->session->sides[to].channel, size);
	apply->lanes[to].unflushed_bytes += size;
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
