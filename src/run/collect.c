/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/collect.h"

#include <string.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/log.h"
#include "base/path.h"
#include "config/config.h"
#include "model/change.h"
#include "model/filter.h"
#include "model/guard.h"
#include "model/owners.h"
#include "peer/channel.h"
#include "peer/msg.h"
#include "run/budget.h"
#include "run/report.h"
#include "run/session.h"

/* One side's listing as it comes in. */
struct stream {
	struct session *session;
	struct budget *budget;
	enum side side;
	bool delta; /* what the saved list has and is not mentioned is unchanged */
	struct frame frame;
	struct buf payload; /* of the frame, kept while both channels move on */
	struct listing_reader reader;
	bool reading;	    /* `reader` is in the middle of a frame */
	struct arena arena; /* strings of the current frame */
	struct listing_item item;
	bool has_item;
	struct buf last;   /* path of the item before, to check the order */
	uint64_t checksum; /* of what the agent knew, told at the end */
	bool ended;
};

struct merge {
	struct session *session;
	struct changes *changes;
	struct census *census;
	struct stream streams[SIDES];
	struct list_cursor *cursor;
	const char *base_path; /* NULL at the end */
	struct base base;
	uint64_t checksums[SIDES]; /* what the agents should have known, by the saved list */
	struct budget budget;
};

static void request_scan(struct session *session, enum side side, bool delta)
{
	struct buf *out = channel_out(session->sides[side].channel);
	size_t start = frame_begin(out, PEER_SCAN);
	enum peer_scan less = side == SIDE_TARGET ? PEER_SCAN_LESS_CACHE : PEER_SCAN_LESS_LIST;

	enc_u8(out, delta ? less : PEER_SCAN_ALL);
	enc_le64(out, session->saved.head.seed);
	filter_encode(out, session->config->filter);
	frame_end(out, start);
}

/* Whether the target may list only what differs from what its cache has. */
static bool may_list_delta(const struct session *session)
{
	return session->saved.list && session->saved.head.generation &&
	       session->sides[SIDE_TARGET].known_generation == session->saved.head.generation;
}

void collect_ahead(struct session *session)
{
	const struct config *config = session->config;

	if (!session->saved.list || config->before_cmd[SIDE_INITIATOR] ||
	    config->before_cmd[SIDE_TARGET])
		return;
	session->ahead = (struct ahead){ .is_open = true,
					 .delta = may_list_delta(session),
					 .generation = session->saved.head.generation,
					 .seed = session->saved.head.seed };
	request_scan(session, SIDE_TARGET, session->ahead.delta);
}

int collect_drop_ahead(struct session *session, struct err *err)
{
	while (session->ahead.is_open) {
		struct frame frame;

		if (session_wait(session, SIDE_TARGET, &frame, err) < 0)
			return -1;
		if (frame.type == PEER_LISTED)
			session->ahead.is_open = false;
		else if (frame.type != PEER_LIST && frame.type != PEER_NAME)
			return msg_malformed(&frame, err);
	}
	return 0;
}

static bool was_asked_ahead(const struct session *session, bool delta)
{
	const struct ahead *ahead = &session->ahead;

	return ahead->is_open && ahead->delta == delta &&
	       ahead->generation == session->saved.head.generation &&
	       ahead->seed == session->saved.head.seed;
}

/* Ask for a listing that goes by the saved list as it is now, unless that was done ahead. */
static int request(struct session *session, enum side side, bool delta, struct err *err)
{
	if (side == SIDE_TARGET && was_asked_ahead(session, delta)) {
		session->ahead.is_open = false;
		return 0;
	}
	if (side == SIDE_TARGET && collect_drop_ahead(session, err) < 0)
		return -1;
	request_scan(session, side, delta);
	return 0;
}

static int take_name(struct stream *stream, const struct frame *frame, struct err *err)
{
	struct arena arena = ARENA_INIT;
	struct dec dec;
	unsigned kind = 0;
	uint32_t id = 0;
	const char *name = NULL;

	if (budget_take_name(stream->budget, stream->side, err) < 0)
		return -1;
	dec_init(&dec, frame->data, frame->len);
	kind = dec_u8(&dec);
	id = dec_u32(&dec);
	name = dec_str(&dec, PEER_NAME_MAX, &arena);
	if (dec_done(&dec) && kind <= OWNER_GROUP)
		owners_set(stream->session->owners, stream->side, (enum owner_kind)kind, id, name);
	arena_release(&arena);
	return dec_done(&dec) && kind <= OWNER_GROUP ? 0 : msg_malformed(frame, err);
}

static int take_listed(struct stream *stream, const struct frame *frame, struct err *err)
{
	struct session_side *peer = &stream->session->sides[stream->side];
	struct msg_listed listed;

	if (msg_get_listed(frame, &listed, err) < 0)
		return -1;
	peer->scanned = listed.seen;
	peer->space = listed.root;
	peer->state_space = listed.state;
	stream->checksum = listed.checksum;
	stream->ended = true;
	if (!err_is_set(&listed.status))
		return 0;
	/* Half a listing proves nothing. */
	*err = listed.status;
	return err_wrap(err, "cannot list the %s", side_name(stream->side));
}

/* The next frame of the listing; sets `reading` or `ended`. */
static int next_frame(struct stream *stream, struct err *err)
{
	if (session_wait(stream->session, stream->side, &stream->frame, err) < 0)
		return -1;
	switch (stream->frame.type) {
	case PEER_NAME:
		return take_name(stream, &stream->frame, err);
	case PEER_LISTED:
		return take_listed(stream, &stream->frame, err);
	case PEER_LIST:
		/* An agent that has nothing to say says nothing. */
		if (stream->frame.len == 0)
			return msg_malformed(&stream->frame, err);
		buf_reset(&stream->payload);
		buf_add(&stream->payload, stream->frame.data, stream->frame.len);
		stream->frame.data = stream->payload.data;
		listing_reader_init(&stream->reader, &stream->frame);
		stream->reading = true;
		return 0;
	default:
		return msg_malformed(&stream->frame, err);
	}
}

/* Advance to the next item; has_item is false at the end. */
static int stream_next(struct stream *stream, struct err *err)
{
	stream->has_item = false;
	while (!stream->ended) {
		int got = 0;

		if (!stream->reading) {
			if (next_frame(stream, err) < 0)
				return -1;
			continue;
		}
		got = listing_read(&stream->reader, &stream->arena, &stream->item, err);
		if (got < 0)
			return -1;
		if (got == 0) {
			listing_reader_release(&stream->reader);
			arena_release(&stream->arena);
			stream->reading = false;
			continue;
		}
		if (stream->last.len && path_cmp(buf_cstr(&stream->last), stream->item.path) >= 0)
			return err_set(err, ERR_PROTOCOL, "the %s listed its files out of order",
				       side_name(stream->side));
		/* What is not known cannot be known to be the same. */
		if (stream->item.kind == PEER_ITEM_SAME && !stream->delta)
			return msg_malformed(&stream->frame, err);
		buf_reset(&stream->last);
		buf_addstr(&stream->last, stream->item.path);
		stream->has_item = true;
		return 0;
	}
	return 0;
}

static void stream_release(struct stream *stream)
{
	if (stream->reading)
		listing_reader_release(&stream->reader);
	arena_release(&stream->arena);
	buf_release(&stream->last);
	buf_release(&stream->payload);
}

static int base_next(struct merge *merge, struct err *err)
{
	int got =
		merge->cursor ? list_next(merge->cursor, &merge->base_path, &merge->base, err) : 0;

	if (got < 0)
		return -1;
	if (got == 0) {
		merge->base_path = NULL;
		return 0;
	}
	census_add(merge->census, merge->base_path, &merge->base);
	for (int s = 0; s < SIDES; s++)
		if (merge->streams[s].delta && merge->base.side[s].type != ENTRY_ABSENT)
			merge->checksums[s] +=
				listing_checksum(merge->base_path, &merge->base.side[s]);
	return 0;
}

/* The smallest path of the three streams, and which of them have it. */
struct least {
	const char *path;	 /* that of one of them; NULL when all are at their end */
	const struct base *base; /* NULL: the saved list does not have it */
	bool listed[SIDES];
};

static struct least next_path(const struct merge *merge)
{
	struct least least = { .path = merge->base_path,
			       .base = merge->base_path ? &merge->base : NULL };

	for (int s = 0; s < SIDES; s++) {
		const struct stream *stream = &merge->streams[s];
		int order = 0;

		if (!stream->has_item)
			continue;
		order = least.path ? path_cmp(stream->item.path, least.path) : -1;
		if (order < 0)
			least = (struct least){ .path = stream->item.path };
		least.listed[s] = order <= 0;
	}
	return least;
}

/* What a side shows for this path: *now is filled and true, or false for nothing. */
static bool side_shows(const struct merge *merge, enum side side, bool listed,
		       const struct base *base, struct entry *now)
{
	const struct stream *stream = &merge->streams[side];
	const bool told = listed && stream->item.kind != PEER_ITEM_SAME;

	if (told && stream->item.kind != PEER_ITEM_GONE) {
		*now = stream->item.entry;
		return true;
	}
	if (told || !stream->delta || !base || base->side[side].type == ENTRY_ABSENT)
		return false;
	/* Not mentioned, or the same: as the saved list has it. */
	*now = base->side[side];
	now->flags &= (uint8_t) ~(ENTRY_RACY | ENTRY_HAS_DIGEST);
	return true;
}

/* Whether this side is proven to be as it was. */
static bool side_unchanged(const struct merge *merge, const struct base *base, enum side side,
			   const struct entry *now)
{
	const struct entry *then = base ? &base->side[side] : NULL;

	if (!then)
		return false;
	/* What is kept apart may be needed as a folder: the planner must see it. */
	if (reconcile_is_apart(base))
		return false;
	if (then->type == ENTRY_ABSENT || !now)
		return then->type == ENTRY_ABSENT && !now;
	/* What is left alone keeps its folder and blocks what is below: the planner must see it. */
	if (now->type == ENTRY_SPECIAL || (now->flags & ENTRY_OPAQUE))
		return false;
	if (merge->session->config->checksum && now->type == ENTRY_FILE)
		return false;
	return entry_proves_same(then, now) && entry_same_stat(then, now);
}

/* Why this side's path is unknown; a mount point is said when the verdict finds that it is new. */
static void note_problem(const struct merge *merge, enum side side, struct change *change)
{
	const struct listing_item *item = &merge->streams[side].item;

	if (item->kind == PEER_ITEM_PROBLEM && !(item->entry.flags & ENTRY_MOUNT))
		changes_rare(merge->changes, change)->problem[side] =
			arena_strdup(&merge->changes->arena, item->problem);
}

/* What the saved list does not have is listed at the expense of the side that lists it. */
static int charge(struct merge *merge, enum side side, struct err *err)
{
	const struct listing_item *item = &merge->streams[side].item;
	size_t problem = item->kind == PEER_ITEM_PROBLEM ? strlen(item->problem) : 0;

	return budget_take(&merge->budget, side, strlen(item->path) + problem, err);
}

/*
 * Whether what a side shows beside what was agreed on says that it is the right one. Not where nothing else
 * does: a folder that can only be read may have no identity, and any other disk could be in its place.
 */
static bool vouches(const struct merge *merge, enum side side, const struct base *base)
{
	const struct session *session = merge->session;

	return base || session->saved.head.complete == 0 ||
	       !uuid_is_none(&session->sides[side].identity);
}

/* Take one path from the streams that have it. */
static int merge_path(struct merge *merge, const struct least *least, struct err *err)
{
	const struct base *base = least->base;
	struct entry now[SIDES];
	bool shown[SIDES];
	bool unchanged = true;

	for (int s = 0; s < SIDES; s++) {
		if (least->listed[s] && !base && charge(merge, (enum side)s, err) < 0)
			return -1;
		shown[s] = side_shows(merge, (enum side)s, least->listed[s], base, &now[s]);
		merge->census->present[s] += shown[s] && vouches(merge, (enum side)s, base);
		unchanged = unchanged &&
			    side_unchanged(merge, base, (enum side)s, shown[s] ? &now[s] : NULL);
	}
	if (!unchanged && (base || shown[0] || shown[1])) {
		struct change *change = changes_add(merge->changes, least->path);

		change->base = base ? changes_copy_base(merge->changes, base) : NULL;
		for (int s = 0; s < SIDES; s++)
			change->now[s] =
				shown[s] ? changes_copy_entry(merge->changes, &now[s]) : NULL;
		for (int s = 0; s < SIDES; s++)
			if (least->listed[s])
				note_problem(merge, (enum side)s, change);
	}
	for (int s = 0; s < SIDES; s++)
		if (least->listed[s] && stream_next(&merge->streams[s], err) < 0)
			return -1;
	return base ? base_next(merge, err) : 0;
}

static int merge_all(struct merge *merge, struct err *err)
{
	struct least least;

	for (int s = 0; s < SIDES; s++)
		if (stream_next(&merge->streams[s], err) < 0)
			return -1;
	if (base_next(merge, err) < 0)
		return -1;
	while ((least = next_path(merge)).path)
		if (merge_path(merge, &least, err) < 0)
			return -1;
	return 0;
}

/*
 * Merge once; delta: which sides may leave out what they know. *trusted: each knew what the saved list says
 * it should have known.
 */
static int collect_once(struct session *session, const bool delta[SIDES], struct changes *changes,
			struct census *census, bool trusted[SIDES], struct err *err)
{
	struct merge merge = {
		.session = session, .changes = changes, .census = census, .budget = budget_new()
	};
	int status = 0;

	merge.cursor = session->saved.list ? list_cursor_new(session->saved.list) : NULL;
	for (int s = 0; s < SIDES && status == 0; s++) {
		merge.streams[s].session = session;
		merge.streams[s].budget = &merge.budget;
		merge.streams[s].side = (enum side)s;
		merge.streams[s].delta = delta[s];
		status = request(session, (enum side)s, delta[s], err);
	}
	if (status == 0)
		status = merge_all(&merge, err);
	for (int s = 0; s < SIDES; s++) {
		trusted[s] = !delta[s] || merge.checksums[s] == merge.streams[s].checksum;
		stream_release(&merge.streams[s]);
	}
	list_cursor_free(merge.cursor);
	return status;
}

static void report_problems(struct session *session, const struct changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		const struct change *change = &changes->items[i];

		for (int s = 0; s < SIDES; s++) {
			AUTO_FREE char *message = NULL;

			if (!change_problem(change, (enum side)s))
				continue;
			message = xasprintf("on the %s: %s; nothing is done about it or below it",
					    side_name((enum side)s),
					    change_problem(change, (enum side)s));
			report_failed(session->report, change->path, message);
		}
	}
}

/* In full: what a side has left out was not what the saved list has. */
static int collect_again(struct session *session, struct changes *changes, struct census *census,
			 const bool trusted[SIDES], struct err *err)
{
	static const bool no_delta[SIDES] = { false };
	bool ignored[SIDES];

	for (int s = 0; s < SIDES; s++)
		if (!trusted[s])
			log_info(
				"what the %s knows of itself does not match the saved list: listing both in full",
				side_name((enum side)s));
	changes_release(changes);
	census_release(census);
	return collect_once(session, no_delta, changes, census, ignored, err);
}

int collect(struct session *session, struct changes *changes, struct census *census,
	    struct err *err)
{
	const struct session_side *target = &session->sides[SIDE_TARGET];
	const bool delta[SIDES] = {
		[SIDE_INITIATOR] = session->saved.list != NULL,
		[SIDE_TARGET] = may_list_delta(session),
	};
	bool trusted[SIDES] = { false, false };

	if (collect_once(session, delta, changes, census, trusted, err) < 0)
		return -1;
	if (!(trusted[SIDE_INITIATOR] && trusted[SIDE_TARGET]) &&
	    collect_again(session, changes, census, trusted, err) < 0)
		return -1;
	/* From this run on the cache is to be right again. */
	session->retell = session->saved.list && !(delta[SIDE_TARGET] && trusted[SIDE_TARGET]) &&
			  !target->read_only;
	log_info(
		"looked at %llu paths on the initiator and %llu on the target; %zu may need something",
		(unsigned long long)session->sides[SIDE_INITIATOR].scanned,
		(unsigned long long)session->sides[SIDE_TARGET].scanned, changes->count);
	report_problems(session, changes);
	return 0;
}
