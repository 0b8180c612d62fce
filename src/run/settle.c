/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/settle.h"

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "config/config.h"
#include "model/change.h"
#include "model/inherit.h"
#include "model/move.h"
#include "model/reuse.h"
#include "model/structure.h"
#include "peer/channel.h"
#include "peer/msg.h"
#include "peer/protocol.h"
#include "run/report.h"
#include "run/session.h"

/* Open requests per side: enough to fill a long link, few enough to be bounded. */
enum { REQUESTS = 512 };

struct request {
	size_t change;
	bool earlier; /* where it stood before a rename that was followed, and may still stand */
};

/* Requests of one side, sent and answered in order. */
struct queue {
	struct request *items;
	size_t count;
	size_t sent;
	size_t answered;
};

/* What tells whether a file must be read. */
struct wants {
	struct move_index *moves;
	struct reuse *reuse;
};

static bool wants_read(const struct session *session, const struct change *change, enum side side,
		       const struct wants *wants)
{
	const struct entry *const now[SIDES] = { change->now[0], change->now[1] };

	if (!now[side] || change->blocked || (now[side]->flags & ENTRY_OPAQUE))
		return false;
	/* One that came out of the saved list has no target with it. */
	if (now[side]->type == ENTRY_SYMLINK)
		return !now[side]->link;
	if (session->config->checksum && now[side]->type == ENTRY_FILE && change->base)
		return true;
	/* Names of one file are linked only where their content is known to be the same. */
	if (session->config->preserve_hardlinks && now[side]->nlink > 1)
		return !(now[side]->flags & ENTRY_HAS_DIGEST);
	/* osync's lists told that it was agreed on, but not what it was. */
	if (change->base && session->config->skip_deletion && digest_is_none(&change->base->digest))
		return now[side]->type == ENTRY_FILE && !(now[side]->flags & ENTRY_HAS_DIGEST);
	return reconcile_wants_digest(change->base, now, side) ||
	       moves_wants_digest(wants->moves, change, side) ||
	       reuse_wants_digest(wants->reuse, change, side);
}

static void fill_queue(const struct session *session, const struct changes *changes,
		       const struct wants *wants, enum side side, struct queue *queue)
{
	queue->items = xcalloc(changes->count, sizeof(*queue->items));
	for (size_t i = 0; i < changes->count; i++)
		if (wants_read(session, &changes->items[i], side, wants))
			queue->items[queue->count++] = (struct request){ i, false };
}

static void send_requests(struct session *session, const struct changes *changes, enum side side,
			  struct queue *queue)
{
	for (; queue->sent < queue->count && queue->sent - queue->answered < REQUESTS;
	     queue->sent++) {
		const struct request *request = &queue->items[queue->sent];
		const struct change *change = &changes->items[request->change];
		const struct entry *now = change->now[side];
		const struct entry *expect = now && now->type == ENTRY_FILE ? now : NULL;

		msg_put_hash(channel_out(session->sides[side].channel), queue->sent,
			     request->earlier ? change_moved_from(change) : change->path,
			     session->saved.head.seed, expect);
	}
}

/*
 * Whether what was found under the name of a deleted path is something else: of another type, or
 * listed under a name that this file system takes for the same (in other case, say).
 */
static bool is_something_else(const struct changes *changes, enum side side,
			      const struct change *change, const struct entry *found)
{
	if (found->type != change->now[side_other(side)]->type)
		return true;
	for (size_t i = 0; i < changes->count; i++) {
		const struct entry *now = changes->items[i].now[side];

		if (now && now->type == found->type && now->ino == found->ino)
			return true;
	}
	return false;
}

/* It was not listed; now it was looked for by its name. */
static void take_absence(struct session *session, const struct changes *changes, enum side side,
			 struct change *change, const struct msg_result *result)
{
	AUTO_FREE char *message = NULL;

	if (!err_is_set(&result->status) &&
	    is_something_else(changes, side, change, &result->entry))
		return;
	change->failed = true;
	message = xasprintf("on the %s: %s; it is not deleted on the %s", side_name(side),
			    err_is_set(&result->status) ? result->status.msg
							: "it is there, but was not listed",
			    side_name(side_other(side)));
	report_failed(session->report, change->path, message);
}

/* A folder that is to go was looked into. Where it has changed, the operation will find that out. */
static void take_folder(struct change *change, enum side side, const struct msg_result *result)
{
	change->holds |= !err_is_set(&result->status) && result->entry.type == ENTRY_DIR &&
			 result->entry.ino == change->now[side]->ino &&
			 (result->entry.flags & ENTRY_HOLDS);
}

static void take_answer(struct session *session, struct changes *changes, enum side side,
			struct change *change, const struct msg_result *result)
{
	AUTO_FREE char *message = NULL;

	if (!change->now[side]) {
		take_absence(session, changes, side, change, result);
		return;
	}
	if (change->now[side]->type == ENTRY_DIR) {
		take_folder(change, side, result);
		return;
	}
	if (!err_is_set(&result->status) && result->entry.type == change->now[side]->type) {
		if (result->entry.type == ENTRY_FILE)
			report_hashed(session->report, result->entry.size);
		*change->now[side] = result->entry;
		if (result->entry.link)
			change->now[side]->link = arena_strdup(&changes->arena, result->entry.link);
		return;
	}
	change->failed = true;
	message = xasprintf("on the %s: %s", side_name(side),
			    err_is_set(&result->status) ? result->status.msg
							: "it changed during the run");
	report_failed(session->report, change->path, message);
}

/* Deal with the answers of one side that are there. */
static int take_answers(struct session *session, struct changes *changes, enum side side,
			struct queue *queue, struct err *err)
{
	struct frame frame;
	int got = 0;

	while (queue->answered < queue->count &&
	       (got = channel_next(session->sides[side].channel, &frame, err)) > 0) {
		struct arena arena = ARENA_INIT;
		struct msg_result result;
		int status = session_expect(&frame, PEER_HASHED, err);

		if (status == 0)
			status = msg_get_result(&frame, &arena, &result, err);
		if (status == 0 && result.id != queue->answered)
			status = msg_malformed(&frame, err);
		if (status == 0)
			take_answer(session, changes, side,
				    &changes->items[queue->items[queue->answered++].change],
				    &result);
		arena_release(&arena);
		if (status < 0)
			return -1;
	}
	return got < 0 ? -1 : 0;
}

static int run_queues(struct session *session, struct changes *changes, struct queue queues[SIDES],
		      struct err *err)
{
	for (;;) {
		bool done = true;

		for (int s = 0; s < SIDES; s++) {
			if (take_answers(session, changes, (enum side)s, &queues[s], err) < 0)
				return -1;
			send_requests(session, changes, (enum side)s, &queues[s]);
			done = done && queues[s].answered == queues[s].count;
		}
		if (done)
			return 0;
		if (session_pump(session, -1, err) < 0)
			return -1;
	}
}

/* Offer every agreed file; the list is walked only when something new may match. */
static int collect_offers(const struct session *session, struct reuse *reuse, struct err *err)
{
	struct list_cursor *cursor = NULL;
	const char *path = NULL;
	struct base base;
	int got = 0;

	if (!session->saved.list || !reuse_is_wanted(reuse))
		return 0;
	cursor = list_cursor_new(session->saved.list);
	while ((got = list_next(cursor, &path, &base, err)) > 0)
		reuse_offer(reuse, path, &base);
	list_cursor_free(cursor);
	return got;
}

static void inherit_known(const struct session *session, struct changes *changes)
{
	bool inodes_last[SIDES];

	for (int s = 0; s < SIDES; s++)
		inodes_last[s] = (session->sides[s].caps & PEER_CAP_INODES) != 0;
	inherit_digests(changes, inodes_last);
}

int settle(struct session *session, struct changes *changes, struct reuse *reuse, struct err *err)
{
	struct queue queues[SIDES] = { { 0 }, { 0 } };
	struct wants wants = { NULL, reuse };
	int status = 0;

	if (collect_offers(session, reuse, err) < 0)
		return -1;
	if (!session->config->checksum)
		inherit_known(session, changes);
	wants.moves = moves_index_new(changes);
	for (int s = 0; s < SIDES; s++)
		fill_queue(session, changes, &wants, (enum side)s, &queues[s]);
	moves_index_free(wants.moves);
	if (changes->count > 0)
		session_let_time_pass(session);
	status = run_queues(session, changes, queues, err);
	for (int s = 0; s < SIDES; s++)
		cleanup_free(&queues[s].items);
	return status;
}

/*
 * What is looked at on either side before the verdict of one change is believed. Nothing has been renamed
 * yet, so what a rename is to bring elsewhere may still be where it was.
 */
static void doubt(struct queue queues[SIDES], const struct change *change, size_t number)
{
	enum side from = (enum side)change->verdict.from;
	enum side to = side_other(from);
	const struct entry *there = change->now[to];

	for (int earlier = 0; earlier <= (change_moved_from(change) ? 1 : 0); earlier++) {
		const struct request request = { number, earlier };

		if (change->verdict.kind == VERDICT_DELETE)
			queues[from].items[queues[from].count++] = request;
		if (there && there->type == ENTRY_DIR && structure_folder_goes(change))
			queues[to].items[queues[to].count++] = request;
	}
}

static bool is_contradicted(const struct changes *changes, const struct queue *queue)
{
	bool found = false;

	for (size_t i = 0; i < queue->count && !found; i++) {
		const struct change *change = &changes->items[queue->items[i].change];

		found = change->failed || change->holds;
	}
	return found;
}

int settle_deletions(struct session *session, struct changes *changes, bool *contradicted,
		     struct err *err)
{
	struct queue queues[SIDES] = { { 0 }, { 0 } };
	int status = 0;

	*contradicted = false;
	for (int s = 0; s < SIDES; s++)
		queues[s].items = xcalloc(2 * changes->count, sizeof(*queues[s].items));
	for (size_t i = 0; i < changes->count; i++)
		doubt(queues, &changes->items[i], i);
	status = run_queues(session, changes, queues, err);
	for (int s = 0; s < SIDES; s++) {
		*contradicted = *contradicted || is_contradicted(changes, &queues[s]);
		cleanup_free(&queues[s].items);
	}
	return status;
}

int settle_read(struct session *session, enum side side, const char *path, uint64_t seed,
		struct entry *out, struct err *err)
{
	struct arena arena = ARENA_INIT;
	struct msg_result result;
	struct frame frame;
	int status = 0;

	msg_put_hash(channel_out(session->sides[side].channel), 0, path, seed, NULL);
	status = session_wait(session, side, &frame, err);
	if (status == 0)
		status = session_expect(&frame, PEER_HASHED, err);
	if (status == 0)
		status = msg_get_result(&frame, &arena, &result, err);
	if (status == 0 && err_is_set(&result.status)) {
		*err = result.status;
		status = -1;
	}
	if (status == 0)
		*out = result.entry;
	out->link = NULL;
	arena_release(&arena);
	return status;
}

bool settle_lost(struct err *err)
{
	if (err->kind == ERR_UNREACHABLE || err->kind == ERR_PROTOCOL || err->kind == ERR_SIGNAL)
		return true;
	err_clear(err);
	return false;
}
