/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations of one run.  They are done as they come, but files, and folders that are filled with them
 * (agent_fill.c), stay staged, nothing is deleted and nothing is reported until FLUSH has made everything
 * durable: first the staged bytes, then folders in the trash, then the names.
 *
 * Of many files at once that is done beside the loop, which goes on staging what comes (base/worker.h).
 * The tree, the changer but for what is being staged (tree/changer.h), the lock and the done log
 * are the worker's then: whatever else needs them calls agent_ops_rest() first.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/worker.h"
#include "base/worthwhile.h"
#include "peer/agent_internal.h"
#include "peer/agent_ops_internal.h"
#include "peer/frame.h"
#include "peer/lookup.h"
#include "peer/protocol.h"
#include "store/done_log.h"
#include "store/mark.h"
#include "tree/changer.h"
#include "tree/partial.h"
#include "tree/reader.h"
#include "tree/root.h"

enum { BESIDE_MIN = WORTHWHILE(64, 2) /* puts from which on a FLUSH is worth a thread */ };

static void pending_free(struct pending *op)
{
	/* Where the session ends in the middle of it, or of what it waits for. */
	if (op->kind == OP_PUT && !err_is_set(&op->status))
		staged_leave(op->staged);
	else
		staged_free(op->staged);
	reader_free(op->basis);
	fill_free(op->fill);
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
					   .lock = agent->lock,
					   .boot = agent->boot };
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

struct meta op_meta_of(const struct op_meta *from, const unsigned char *attrs, size_t attrs_len)
{
	return (struct meta){ .mask = from->mask,
			      .mode = from->mode,
			      .uid = from->uid,
			      .gid = from->gid,
			      .mtime_ns = from->mtime_ns,
			      .xattrs = attrs,
			      .xattrs_len = attrs_len };
}

void ops_put_note(struct agent_ops *ops, const struct pending *op)
{
	const struct done_record record = { .kind = (enum done_kind)op->settles,
					    .path = op->path,
					    .from = op->from,
					    .here = op->result,
					    .there = op->there };

	if (op->settles && !err_is_set(&op->status))
		done_log_put(&ops->done, &record);
}

/* A run that is killed before this stands in the saved list leaves it to the next one. */
static void note_done(struct agent_ops *ops, const struct pending *op)
{
	ops_put_note(ops, op);
	done_log_write(&ops->done);
}

int ops_place(struct agent_ops *ops, struct pending *op)
{
	if (changer_place(ops->changer, op->staged, op->path, &op->expect, &op->result,
			  &op->status) < 0)
		return -1;
	/* Where a new folder is, operations of the same batch may change. */
	if (op->kind != OP_MKDIR)
		op->folder = changer_folder(ops->changer, op->path);
	return 0;
}

/* Complete a staged thing (with this metadata, or NULL: its own) and put it in place, where it need not wait. */
static void place_now(struct agent_ops *ops, struct pending *op, const struct meta *meta)
{
	if (!op->staged || (meta && staged_finish(op->staged, meta, &op->status) < 0))
		return;
	if (!op->late)
		ops_place(ops, op);
}

struct meta ops_folder_meta(const struct pending *op, const unsigned char *attrs, size_t attrs_len)
{
	struct meta meta = op_meta_of(&op->meta, attrs, attrs_len);

	meta.mode |= 0700;
	return meta;
}

static void make_folder(struct agent_ops *ops, struct pending *op, const struct msg_op *msg)
{
	const struct meta meta = ops_folder_meta(op, msg->attrs, msg->attrs_len);

	op->staged = staged_folder(ops->changer, &op->status);
	place_now(ops, op, &meta);
}

static void do_op(struct agent_ops *ops, struct pending *op, const struct msg_op *msg)
{
	struct changer *changer = ops->changer;
	struct meta meta = op_meta_of(&op->meta, msg->attrs, msg->attrs_len);

	switch (msg->kind) {
	case OP_PUT:
		fill_join(op);
		break;
	case OP_DELETE:
		break;
	case OP_MKDIR:
		if (op->late)
			fill_begin(ops, op, msg->attrs, msg->attrs_len);
		else
			make_folder(ops, op, msg);
		break;
	case OP_SYMLINK:
		op->staged = staged_symlink(changer, msg->source.link ? msg->source.link : "",
					    &op->status);
		place_now(ops, op, &meta);
		break;
	case OP_LINK:
		op->staged = staged_link(changer, msg->from, &msg->source, &op->status);
		place_now(ops, op, NULL);
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

/*
 * What waits for FLUSH: all that puts many versions into the trash, so that room is made for them at once; a
 * folder that is filled, and what is to lie in it or below.
 */
static bool is_done_late(const struct pending *op, const struct msg_op *msg)
{
	switch (op->kind) {
	case OP_DELETE:
	case OP_PUT:
	case OP_COPY:
		return true;
	case OP_MKDIR:
		return msg->filled && op->expect.type == ENTRY_ABSENT;
	case OP_SYMLINK:
		return op->under != NULL;
	case OP_LINK:
	case OP_MOVE:
	case OP_META:
		break;
	}
	return false;
}

/* The others are only staged as they come, also while the worker has the tree. */
static bool needs_tree(const struct pending *op)
{
	return op->kind == OP_COPY || !op->late;
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
	op->under = fill_above(ops, op->path);
	op->late = is_done_late(op, &msg);
	if (needs_tree(op))
		agent_ops_rest(agent);
	do_op(ops, op, &msg);
	if (!op->late)
		note_done(ops, op);
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
	if (err_is_set(&op->status) || !op->late)
		return false;
	return op->kind == OP_DELETE || (op->staged && !staged_is_in_folder(op->staged));
}

static void do_late(struct agent_ops *ops, struct pending *op)
{
	if (op->kind == OP_DELETE)
		changer_delete(ops->changer, op->path, &op->expect, &op->status);
	else
		ops_place(ops, op);
	note_done(ops, op);
}

static void do_all_late(struct agent_ops *ops)
{
	for (struct pending *op = ops->flushed; op; op = op->next)
		if (is_late(op) && op->expect.type != ENTRY_ABSENT)
			changer_make_room(ops->changer, op->path);
	for (struct pending *op = ops->flushed; op; op = op->next)
		if (op->fill)
			fill_place(ops, op);
		else if (is_late(op))
			do_late(ops, op);
}

/* After root_forget(). Again for one that is settled, it changes nothing. */
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

	fill_part(ops);
	while (*link) {
		struct pending *op = *link;

		if (fill_must_wait(op) || (op->kind == OP_PUT && !op->complete)) {
			link = &op->next;
			continue;
		}
		*link = op->next;
		op->next = NULL;
		fill_take(op);
		*end = op;
		end = &op->next;
		puts += op->kind == OP_PUT;
	}
	ops->end = link;
	ops->receiving = NULL;
	ops->found = NULL;
	fill_forget_taken(ops);
	return puts;
}

static void flush(struct agent_ops *ops)
{
	struct err status = ERR_INIT;

	for (struct pending *op = ops->flushed; op; op = op->next)
		if (op->fill && !err_is_set(&op->status))
			fill_finish(op);
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
	agent_fetch_forget(agent);
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
