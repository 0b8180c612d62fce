/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations of one run.  They are done as they come, but files stay staged, nothing is deleted and
 * nothing is reported until FLUSH has made everything durable: first the staged bytes, then folders
 * in the trash, then the names.
 *
 * Of many files at once that is done beside the loop, which goes on staging what comes (base/worker.h).
 * The tree, the changer but for what is being staged (tree/changer.h), the lock and the done log
 * are the worker's then: whatever else needs them calls agent_ops_rest() first.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/worker.h"
#include "base/worthwhile.h"
#include "peer/agent_internal.h"
#include "peer/frame.h"
#include "peer/lookup.h"
#include "peer/protocol.h"
#include "store/done_log.h"
#include "store/mark.h"
#include "tree/attrs.h"
#include "tree/changer.h"
#include "tree/partial.h"
#include "tree/reader.h"
#include "tree/root.h"

/* One operation between its OP frame and the next FLUSH. */
struct pending {
	struct pending *next;
	uint64_t id;
	enum op_kind kind;
	bool complete; /* OP_PUT: all bytes are here */
	char *path;
	struct entry expect;
	uint64_t size;	     /* OP_PUT: what it is said to become */
	struct op_meta meta; /* names are resolved already */
	unsigned settles;    /* 0, or enum done_kind */
	char *from;	     /* DONE_MOVED: where it was */
	struct entry there;  /* otherwise: the other side's */
	struct staged *staged;
	bool differs;	      /* OP_PUT: BASIS came, */
	bool partial;	      /* for what has come of it before */
	struct reader *basis; /* the version that is to be replaced, open: COPY may come */
	bool spoiled;	      /* a COPY could not be done */
	uint64_t folder;      /* of a file or symlink: the inode of that into which it was placed */
	struct entry result;
	struct err status;
};

enum { BESIDE_MIN = WORTHWHILE(64, 2) /* puts from which on a FLUSH is worth a thread */ };

struct agent_ops {
	struct agent *agent;
	struct changer *changer;
	struct lookup lookup;
	struct done_log done;
	struct pending *first; /* in the order in which they came */
	struct pending **end;
	struct pending *flushed; /* what FLUSH is about, until it is reported; likewise */
	struct worker *worker;
	struct pending *receiving; /* the OP_PUT that the last DATA was for */
	struct pending *found;	   /* by find_put() last, also when it is complete */
	unsigned count;
	bool reporting;	   /* there was a FLUSH, and no FLUSHED yet */
	int64_t settle_ms; /* when its results prove what they say (changer_settle_ms) */
};

static void pending_free(struct pending *op)
{
	/* Where the session ends in the middle of it. */
	if (op->kind == OP_PUT && !op->complete && !err_is_set(&op->status))
		staged_leave(op->staged);
	else
		staged_free(op->staged);
	reader_free(op->basis);
	free(op->path);
	free(op->from);
	free(op);
}

static void free_all(struct pending *op)
{
	while (op) {
		struct pending *next = op->next;

		pending_free(op);
		op = next;
	}
}

void agent_ops_close(struct agent_ops *ops)
{
	if (!ops)
		return;
	worker_free(ops->worker);
	free_all(ops->first);
	free_all(ops->flushed);
	changer_close(ops->changer);
	done_log_release(&ops->done);
	lookup_release(&ops->lookup);
	free(ops);
}

struct agent_ops *agent_ops_open(struct agent *agent, const char *run, uint64_t generation,
				 const struct keep *keep, struct err *err)
{
	struct changer_options options = { .run = run,
					   .sync = (enum changer_sync_mode)agent->fsync_mode,
					   .scan_flags = agent->scan_flags,
					   .seed = agent->seed,
					   .keep = *keep,
					   .lock = agent->lock };
	struct agent_ops *ops = xcalloc(1, sizeof(*ops));

	ops->agent = agent;
	ops->end = &ops->first;
	ops->worker = worker_new();
	done_log_init(&ops->done, root_workdir(agent->root), agent->profile, &agent->boot,
		      generation);
	ops->changer = changer_open(agent->root, &options, err);
	if (ops->changer && changer_sync_found(ops->changer, err) == 0)
		return ops;
	agent_ops_close(ops);
	return NULL;
}

bool agent_has_partial(const struct agent_ops *ops)
{
	return partial_any(ops->changer);
}

/* Names of the other machine's owners become this machine's ids, where they exist here. */
static void resolve_owners(struct agent_ops *ops, struct op_meta *meta)
{
	if (meta->user && meta->user[0])
		lookup_id(&ops->lookup, OWNER_USER, meta->user, &meta->uid);
	if (meta->group && meta->group[0])
		lookup_id(&ops->lookup, OWNER_GROUP, meta->group, &meta->gid);
	meta->user = NULL;
	meta->group = NULL;
}

static struct meta meta_of(const struct op_meta *from, const unsigned char *attrs, size_t attrs_len)
{
	return (struct meta){ .mask = from->mask,
			      .mode = from->mode,
			      .uid = from->uid,
			      .gid = from->gid,
			      .mtime_ns = from->mtime_ns,
			      .xattrs = attrs,
			      .xattrs_len = attrs_len };
}

/* A run that is killed before this stands in the saved list leaves it to the next one. */
static void note_done(struct agent_ops *ops, const struct pending *op)
{
	const struct done_record record = { .kind = (enum done_kind)op->settles,
					    .path = op->path,
					    .from = op->from,
					    .here = op->result,
					    .there = op->there };

	if (op->settles && !err_is_set(&op->status))
		done_log_add(&ops->done, &record);
}

static int place(struct agent_ops *ops, struct pending *op)
{
	if (changer_place(ops->changer, op->staged, op->path, &op->expect, &op->result,
			  &op->status) < 0)
		return -1;
	/* Where a new folder is, operations of the same batch may change. */
	if (op->kind != OP_MKDIR)
		op->folder = changer_folder(ops->changer, op->path);
	return 0;
}

/* Complete a staged thing and put it in place at once. */
static int place_now(struct agent_ops *ops, struct pending *op, const struct msg_op *msg)
{
	struct meta meta = meta_of(&op->meta, msg->attrs, msg->attrs_len);

	if (!op->staged)
		return -1;
	/* Until everything is in it, a new folder must let us in; its own mode comes at the end. */
	if (msg->kind == OP_MKDIR)
		meta.mode |= 0700;
	if (msg->kind != OP_LINK && staged_finish(op->staged, &meta, &op->status) < 0)
		return -1;
	return place(ops, op);
}

static void do_op(struct agent_ops *ops, struct pending *op, const struct msg_op *msg)
{
	struct changer *changer = ops->changer;
	struct meta meta = meta_of(&op->meta, msg->attrs, msg->attrs_len);

	switch (msg->kind) {
	case OP_PUT:
	case OP_DELETE:
		break;
	case OP_MKDIR:
		op->staged = staged_folder(changer, &op->status);
		place_now(ops, op, msg);
		break;
	case OP_SYMLINK:
		op->staged = staged_symlink(changer, msg->source.link ? msg->source.link : "",
					    &op->status);
		place_now(ops, op, msg);
		break;
	case OP_LINK:
		op->staged = staged_link(changer, msg->from, &msg->source, &op->status);
		place_now(ops, op, msg);
		break;
	case OP_COPY:
		/* Placed with the puts: two files that swap their content must both be read first. */
		op->staged = staged_copy(changer, msg->from, &msg->source, &op->status);
		if (op->staged)
			staged_finish(op->staged, &meta, &op->status);
		break;
	case OP_MOVE:
		changer_move(changer, msg->from, msg->path, &op->expect, &op->result, &op->status);
		break;
	case OP_META:
		changer_meta(changer, op->path, &op->expect, &meta, &op->result, &op->status);
		break;
	}
}

/* What waits for FLUSH: all that puts many versions into the trash, so that room is made for them at once. */
static bool is_done_late(enum op_kind kind)
{
	return kind == OP_DELETE || kind == OP_PUT || kind == OP_COPY;
}

int agent_on_op(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct agent_ops *ops = agent->ops;
	struct msg_op msg = { 0 };
	struct pending *op = NULL;

	if (msg_get_op(frame, &agent->arena, &msg, err) < 0 || ops->count >= PEER_REQUESTS_MAX)
		return msg_malformed(frame, err);
	op = xcalloc(1, sizeof(*op));
	op->id = msg.id;
	op->kind = msg.kind;
	op->path = xstrdup(msg.path);
	op->expect = msg.expect;
	op->expect.link = NULL;
	op->size = msg.source.type == ENTRY_FILE ? msg.source.size : 0;
	op->meta = msg.meta;
	op->settles = msg.settles;
	op->from = msg.settles == DONE_MOVED ? xstrdup(msg.from) : NULL;
	op->there = msg.there;
	op->there.link = NULL;
	resolve_owners(ops, &op->meta);
	*ops->end = op;
	ops->end = &op->next;
	ops->count++;
	if (op->kind != OP_PUT && op->kind != OP_DELETE)
		agent_ops_rest(agent);
	do_op(ops, op, &msg);
	if (!is_done_late(op->kind))
		note_done(ops, op);
	return 0;
}

/* The OP_PUT with this id that is waiting for its bytes, from `op` on up to `end`. */
static struct pending *find_between(struct pending *op, const struct pending *end, uint64_t id)
{
	for (; op && op != end; op = op->next)
		if (op->id == id && op->kind == OP_PUT && !op->complete)
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

/* The staged file of a put, made when its first byte comes; NULL when the put has failed. */
static struct staged *receive_into(struct agent_ops *ops, struct pending *op)
{
	if (err_is_set(&op->status) || op->spoiled)
		return NULL;
	if (!op->staged)
		op->staged = op->size >= PARTIAL_MIN
				     ? staged_large(ops->changer, op->path, mode_of(&op->meta),
						    &op->status)
				     : staged_file(ops->changer, mode_of(&op->meta), &op->status);
	/* Known to be too large, it is refused before much of it has come. */
	if (op->staged && staged_size(op->staged) == 0 &&
	    staged_may_grow(op->staged, op->size, &op->status) < 0)
		drop_staged(op);
	return op->staged;
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
	static unsigned char piece[256 * 1024];
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
	size_t start = frame_begin(&ops->agent->out, PEER_AGAIN);

	enc_uint(&ops->agent->out, op->id);
	frame_end(&ops->agent->out, start);
	drop_staged(op);
	drop_basis(ops, op);
	op->spoiled = false;
}

/* True when it is to be sent again. */
static bool finish_put(struct agent_ops *ops, struct pending *op, const struct digest *digest,
		       const unsigned char *attrs, size_t attrs_len)
{
	struct meta meta = meta_of(&op->meta, attrs, attrs_len);
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
	if (err_is_set(&op->status))
		drop_staged(op);
	drop_basis(agent->ops, op);
	op->complete = true;
	return 0;
}

static void fail_all(struct agent_ops *ops, const struct err *status)
{
	for (struct pending *op = ops->flushed; op; op = op->next)
		if (!err_is_set(&op->status))
			op->status = *status;
}

/* What FLUSH is to do now. */
static bool is_late(const struct pending *op)
{
	if (err_is_set(&op->status) || !is_done_late(op->kind))
		return false;
	return op->kind == OP_DELETE || op->staged;
}

static void do_late(struct agent_ops *ops, struct pending *op)
{
	if (op->kind == OP_DELETE)
		changer_delete(ops->changer, op->path, &op->expect, &op->status);
	else
		place(ops, op);
	note_done(ops, op);
}

static void do_all_late(struct agent_ops *ops)
{
	for (struct pending *op = ops->flushed; op; op = op->next)
		if (is_late(op) && op->expect.type != ENTRY_ABSENT)
			changer_make_room(ops->changer, op->path);
	for (struct pending *op = ops->flushed; op; op = op->next)
		if (is_late(op))
			do_late(ops, op);
}

/* Once for each, after root_forget(). */
static void settle(struct agent_ops *ops, struct pending *op)
{
	if (err_is_set(&op->status))
		return;
	if (!changer_folder_stays(ops->changer, op->path, op->folder))
		err_set(&op->status, ERR_CHANGED,
			"'%s' came into a folder that was taken away in this moment", op->path);
	else if (op->result.type != ENTRY_ABSENT)
		changer_settle(ops->changer, op->path, &op->result);
	op->folder = 0;
}

static void report(struct agent_ops *ops, struct pending *op)
{
	const struct msg_result result = { .id = op->id,
					   .status = op->status,
					   .entry = op->result };

	msg_put_result(&ops->agent->out, PEER_DONE, &result);
}

static void report_flushed(struct agent_ops *ops)
{
	root_forget(ops->agent->root, "");
	while (ops->flushed) {
		struct pending *op = ops->flushed;

		settle(ops, op);
		report(ops, op);
		ops->flushed = op->next;
		pending_free(op);
		ops->count--;
	}
}

int agent_ops_wait_ms(const struct agent *agent)
{
	int64_t left_ms = 0;

	if (!agent->ops || !agent->ops->reporting || !worker_is_done(agent->ops->worker))
		return -1;
	left_ms = agent->ops->settle_ms - clock_monotonic_ms();
	return left_ms > 0 ? (int)left_ms : 0;
}

int agent_ops_fd(const struct agent *agent)
{
	return agent->ops && worker_is_busy(agent->ops->worker) ? worker_fd(agent->ops->worker)
								: -1;
}

void agent_ops_rest(struct agent *agent)
{
	if (agent->ops)
		worker_end(agent->ops->worker);
}

int agent_ops_report(struct agent *agent, struct err *err)
{
	struct agent_ops *ops = agent->ops;

	agent_ops_rest(agent);
	/* What was done before the lock was lost is found by the next run; this one has come to its end. */
	if (agent_lock_check(agent, err) < 0)
		return -1;
	report_flushed(ops);
	ops->reporting = false;
	msg_put_empty(&agent->out, PEER_FLUSHED);
	return 0;
}

/*
 * What is complete is this FLUSH's, in the order in which it came: the number of its puts. What has not
 * come to its end stays for the next one.
 */
static unsigned take_complete(struct agent_ops *ops)
{
	struct pending **link = &ops->first;
	struct pending **end = &ops->flushed;
	unsigned puts = 0;

	while (*link) {
		struct pending *op = *link;

		if (op->kind == OP_PUT && !op->complete) {
			link = &op->next;
			continue;
		}
		*link = op->next;
		op->next = NULL;
		*end = op;
		end = &op->next;
		puts += op->kind == OP_PUT;
	}
	ops->end = link;
	ops->receiving = NULL;
	ops->found = NULL;
	return puts;
}

static void flush(struct agent_ops *ops)
{
	struct err status = ERR_INIT;

	if (changer_sync_staged(ops->changer, &status) < 0)
		fail_all(ops, &status);
	do_all_late(ops);
	err_clear(&status);
	if (changer_sync(ops->changer, &status) < 0)
		fail_all(ops, &status);
	done_log_reported(&ops->done);
	ops->settle_ms = clock_monotonic_ms() + changer_settle_ms(ops->changer);
}

/* Nobody waits for this thread: it can wait for the clock, and look again at all that it has placed. */
static void flush_and_settle(void *arg)
{
	struct agent_ops *ops = arg;

	flush(ops);
	root_forget(ops->agent->root, "");
	for (struct pending *op = ops->flushed; op; op = op->next)
		settle(ops, op);
	ops->settle_ms = 0;
}

int agent_on_flush(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct agent_ops *ops = agent->ops;

	if (frame->len > 0 || ops->reporting)
		return msg_malformed(frame, err);
	ops->reporting = true;
	if (take_complete(ops) >= BESIDE_MIN)
		worker_begin(ops->worker, flush_and_settle, ops);
	else
		flush(ops);
	return 0;
}

int agent_on_recorded(struct agent *agent, const struct frame *frame, struct err *err)
{
	if (frame->len > 0)
		return msg_malformed(frame, err);
	done_log_recorded(&agent->ops->done);
	return 0;
}

int agent_on_finish(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct err status = ERR_INIT;

	if (frame->len > 0)
		return msg_malformed(frame, err);
	if (changer_restore_times(agent->ops->changer, &status) == 0)
		changer_sync(agent->ops->changer, &status);
	if (agent_lock_check(agent, err) < 0)
		return -1;
	partial_clear(agent->root);
	if (!err_is_set(&status))
		mark_write(root_workdir(agent->root), agent->profile,
			   mark_of_end(agent->ops->done.generation), &status);
	msg_put_status(&agent->out, PEER_FINISHED, &status);
	return 0;
}
