/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes of files on their way into the stage: DATA, HOLE, COPY, PUT_END, and what COPY is taken from. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/log.h"
#include "peer/agent_internal.h"
#include "peer/agent_ops_internal.h"
#include "peer/frame.h"
#include "peer/protocol.h"
#include "tree/attrs.h"
#include "tree/partial.h"
#include "tree/reader.h"

/* The OP_PUT with this id that is waiting for its bytes to be sent, from `op` on up to `end`. */
static struct pending *find_between(struct pending *op, const struct pending *end, uint64_t id)
{
	for (; op && op != end; op = op->next)
		if (op->id == id && op->kind == OP_PUT && !op->complete && !op->fetched)
			return op;
	return NULL;
}

/* Bytes come in runs, and files in the order in which they were asked for: O(1) then. */
static struct pending *find_put(struct agent_ops *ops, uint64_t id)
{
	struct pending *op = ops->receiving;

	if (op && op->id == id)
		return op;
	op = find_between(ops->found ? ops->found : ops->first, NULL, id);
	if (!op)
		op = find_between(ops->first, ops->found, id);
	if (op)
		ops->receiving = ops->found = op;
	return op;
}

/* What cannot be used any more makes room at once: the disk may be full. */
static void drop_staged(struct pending *op)
{
	staged_free(op->staged);
	op->staged = NULL;
}

/* Without one that was asked for, what the umask leaves of this. */
static mode_t mode_of(const struct op_meta *meta)
{
	return meta->mask & META_MODE ? meta->mode : 0666;
}

/* Large files that come over a line may come in two runs. */
static struct staged *stage_new(struct agent_ops *ops, struct pending *op)
{
	mode_t mode = mode_of(&op->meta);

	return op->size >= PARTIAL_MIN && !op->fetched
		       ? staged_large(ops->changer, op->path, mode, &op->status)
		       : fill_stage(ops, op, mode);
}

/* The staged file of a put, made when its first byte comes; NULL when the put has failed. */
static struct staged *receive_into(struct agent_ops *ops, struct pending *op)
{
	if (err_is_set(&op->status) || op->spoiled)
		return NULL;
	if (!op->staged)
		op->staged = stage_new(ops, op);
	/* Known to be too large, it is refused before much of it has come. */
	if (op->staged && staged_size(op->staged) == 0 &&
	    staged_may_grow(op->staged, op->size, &op->status) < 0)
		drop_staged(op);
	return op->staged;
}

struct pending *puts_fetch(struct agent_ops *ops, uint64_t id)
{
	struct pending *op = find_put(ops, id);

	if (!op || op->differs || op->staged)
		return NULL;
	op->fetched = true;
	ops->receiving = NULL;
	return op;
}

struct staged *puts_stage(struct agent_ops *ops, struct pending *op)
{
	return receive_into(ops, op);
}

int agent_on_data(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct pending *op = NULL;
	struct staged *staged = NULL;
	struct dec dec;

	dec_init(&dec, frame->data, frame->len);
	op = find_put(agent->ops, dec_uint(&dec));
	if (dec.bad || !op)
		return msg_malformed(frame, err);
	staged = receive_into(agent->ops, op);
	if (staged && staged_write(staged, dec.pos, dec_left(&dec), &op->status) < 0)
		drop_staged(op);
	return 0;
}

int agent_on_hole(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct pending *op = NULL;
	struct staged *staged = NULL;
	uint64_t len = 0;
	struct dec dec;

	dec_init(&dec, frame->data, frame->len);
	op = find_put(agent->ops, dec_uint(&dec));
	len = dec_uint(&dec);
	if (!dec_done(&dec) || !op || len > PEER_HOLE_MAX)
		return msg_malformed(frame, err);
	/* A few bytes ask for much work: not for somebody who has gone meanwhile. */
	if (agent_is_left(agent))
		return err_set(err, ERR_UNREACHABLE, "the initiator has gone");
	staged = receive_into(agent->ops, op);
	if (staged && staged_hole(staged, len, &op->status) < 0)
		drop_staged(op);
	return 0;
}

int agent_basis_begin(struct agent *agent, uint64_t id, bool partial, char **path,
		      struct entry *expect)
{
	struct pending *op = find_put(agent->ops, id);

	if (!op || op->differs || op->staged || (!partial && op->expect.type != ENTRY_FILE))
		return -1;
	op->differs = true;
	op->partial = partial;
	*path = xstrdup(op->path);
	*expect = partial ? (struct entry){ .type = ENTRY_FILE, .size = op->size } : op->expect;
	return 0;
}

struct reader *agent_open_partial(struct agent *agent, const char *path, uint64_t size,
				  struct err *err)
{
	return partial_open(agent->ops->changer, path, size, err);
}

void agent_basis_ready(struct agent *agent, uint64_t id, struct reader *reader)
{
	struct pending *op = find_put(agent->ops, id);

	if (op && op->differs && !op->basis)
		op->basis = reader;
	else
		reader_free(reader);
}

/* Read from the old version, and written as what has come. */
static void copy_from_basis(struct agent_ops *ops, struct pending *op, uint64_t offset,
			    uint64_t len)
{
	static unsigned char piece[64 * 1024];
	struct err why = ERR_INIT;

	while (len > 0) {
		size_t step = len < sizeof(piece) ? (size_t)len : sizeof(piece);
		struct staged *staged = receive_into(ops, op);

		if (!staged)
			return;
		if (reader_read_at(op->basis, piece, step, offset, &why) < 0) {
			log_debug("'%s' will be sent whole: %s", op->path, why.msg);
			op->spoiled = true;
			drop_staged(op);
		} else if (staged_write(staged, piece, step, &op->status) < 0) {
			drop_staged(op);
		}
		offset += step;
		len -= step;
	}
}

int agent_on_copy(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct pending *op = NULL;
	uint64_t offset = 0;
	uint64_t len = 0;
	struct dec dec;

	dec_init(&dec, frame->data, frame->len);
	op = find_put(agent->ops, dec_uint(&dec));
	offset = dec_uint(&dec);
	len = dec_uint(&dec);
	if (!dec_done(&dec) || !op || !op->basis || len > PEER_COPY_MAX ||
	    offset > reader_size(op->basis) || len > reader_size(op->basis) - offset)
		return msg_malformed(frame, err);
	/* As with HOLE: little is said, and much is done. */
	if (agent_is_left(agent))
		return err_set(err, ERR_UNREACHABLE, "the initiator has gone");
	copy_from_basis(agent->ops, op, offset, len);
	return 0;
}

/* What was copied from is of no use any more. */
static void drop_basis(struct agent_ops *ops, struct pending *op)
{
	if (op->basis && op->partial)
		partial_remove(ops->changer, op->path);
	reader_free(op->basis);
	op->basis = NULL;
}

/* Sums have deceived, or the old version was not what it had been: begin again, without it. */
static void ask_again(struct agent_ops *ops, struct pending *op)
{
	msg_put_number(&ops->agent->out, PEER_AGAIN, op->id);
	drop_staged(op);
	drop_basis(ops, op);
	op->spoiled = false;
}

void puts_end(struct agent_ops *ops, struct pending *op)
{
	if (err_is_set(&op->status))
		drop_staged(op);
	drop_basis(ops, op);
	fill_complete(op);
}

/* True when it is to be sent again. */
static bool finish_put(struct agent_ops *ops, struct pending *op, const struct digest *digest,
		       const unsigned char *attrs, size_t attrs_len)
{
	struct meta meta = op_meta_of(&op->meta, attrs, attrs_len);
	struct staged *staged = receive_into(ops, op);
	struct digest got = { { 0 } };

	if (err_is_set(&op->status))
		return false;
	if (staged)
		got = staged_digest(staged);
	if (staged && digest_same(&got, digest)) {
		staged_finish(staged, &meta, &op->status);
		return false;
	}
	/* Where somebody has changed what it is to replace, it is not replaced. */
	if (op->basis && reader_unchanged(op->basis, &op->status) == 0) {
		ask_again(ops, op);
		return true;
	}
	if (!err_is_set(&op->status))
		err_set(&op->status, ERR_CHANGED,
			"what arrived is not what was sent; it will be sent again");
	return false;
}

int agent_on_put_end(struct agent *agent, const struct frame *frame, struct err *err)
{
	const unsigned char *attrs = NULL;
	struct pending *op = NULL;
	struct digest digest;
	unsigned complete = 0;
	size_t attrs_len = 0;
	struct dec dec;

	dec_init(&dec, frame->data, frame->len);
	op = find_put(agent->ops, dec_uint(&dec));
	complete = dec_u8(&dec);
	dec_raw(&dec, digest.bytes, DIGEST_LEN);
	attrs = dec_bytes(&dec, ATTRS_MAX, &attrs_len);
	if (!dec_done(&dec) || !op)
		return msg_malformed(frame, err);
	agent->ops->receiving = NULL;
	if (complete && finish_put(agent->ops, op, &digest, attrs, attrs_len))
		return 0;
	if (!complete && !err_is_set(&op->status))
		err_set(&op->status, ERR_CHANGED, "the other side could not send it");
	puts_end(agent->ops, op);
	return 0;
}
