/* SPDX-License-Identifier: BSD-2-Clause */
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/path.h"
#include "model/filter.h"
#include "model/owners.h"
#include "peer/agent_internal.h"
#include "peer/frame.h"
#include "peer/listing.h"
#include "peer/protocol.h"
#include "store/list.h"
#include "store/table.h"
#include "tree/root.h"
#include "tree/scan.h"

enum { LISTING_STEP = 4096 /* items that are merged before the agent looks for requests */ };

/*
 * The walk is merged with what is known: the cache, or one side of the saved list. Both are in path order.
 * What is known and the walk confirms is left out; what is only known is GONE.
 */
struct listing {
	struct agent *agent;
	struct scan *scan;
	struct scan_item found;
	bool has_found;
	struct table_cursor *cache; /* where that is what is known */
	struct list_cursor *list;   /* where that is */
	const char *known_path;	    /* NULL at the end, and where all is to be listed */
	struct entry known;
	struct listing_writer writer;
	uint64_t seen;
	uint64_t left_out;
	uint64_t checksum;
	uint32_t *named[2]; /* ids whose names were sent, by kind */
	size_t named_count[2];
};

void listing_free(struct listing *listing)
{
	if (!listing)
		return;
	scan_free(listing->scan);
	table_cursor_free(listing->cache);
	list_cursor_free(listing->list);
	listing_writer_release(&listing->writer);
	free(listing->named[0]);
	free(listing->named[1]);
	free(listing);
}

static int next_found(struct listing *listing, struct err *err)
{
	int got = scan_next(listing->scan, &listing->found, err);

	listing->has_found = got > 0;
	listing->seen += got > 0;
	return got < 0 ? -1 : 0;
}

/* The next of the cache. One that does not decode equals nothing on disk, so it is reported and replaced. */
static bool next_of_cache(struct listing *listing)
{
	const void *value = NULL;
	size_t len = 0;
	struct dec dec;

	if (table_next(listing->cache, &listing->known_path, &value, &len) == 0)
		return false;
	dec_init(&dec, value, len);
	entry_decode(&dec, &listing->agent->arena, &listing->known);
	if (!dec_done(&dec))
		listing->known = (struct entry){ .type = ENTRY_ABSENT };
	return true;
}

/* The next that the initiator had. Of a damaged list the checksum of what was read is not the whole one. */
static bool next_of_list(struct listing *listing)
{
	struct base base;

	do {
		if (list_next(listing->list, &listing->known_path, &base, NULL) <= 0)
			return false;
	} while (base.side[SIDE_INITIATOR].type == ENTRY_ABSENT);
	listing->known = base.side[SIDE_INITIATOR];
	return true;
}

static void next_known(struct listing *listing)
{
	if ((listing->cache && next_of_cache(listing)) || (listing->list && next_of_list(listing)))
		listing->checksum += listing_checksum(listing->known_path, &listing->known);
	else
		listing->known_path = NULL;
}

struct listing *listing_open(struct agent *agent, const struct job *job, struct err *err)
{
	struct listing *listing = xcalloc(1, sizeof(*listing));
	uint64_t rules = filter_checksum(agent->filter);

	listing->agent = agent;
	listing->writer = (struct listing_writer)LISTING_WRITER_INIT(PEER_LIST);
	listing->scan = scan_open(agent->root, agent->filter, agent->scan_flags, agent->seed, err);
	if (!listing->scan || next_found(listing, err) < 0) {
		listing_free(listing);
		return NULL;
	}
	/* Made with other rules, the cache says nothing about what is listed now. */
	if (job->less == PEER_SCAN_LESS_CACHE && agent->cache && agent->head.known &&
	    agent->head.filter == rules)
		listing->cache = table_cursor_new(agent->cache);
	if (job->list)
		listing->list = list_cursor_new(job->list);
	agent->rules = rules;
	next_known(listing);
	return listing;
}

static const char *owner_name(unsigned kind, uint32_t id)
{
	const struct passwd *user = kind == OWNER_USER ? getpwuid(id) : NULL;
	const struct group *group = kind == OWNER_GROUP ? getgrgid(id) : NULL;

	if (user)
		return user->pw_name;
	return group ? group->gr_name : NULL;
}

/* Send the name of an owner before the first entry that has it. */
static void add_name(struct listing *listing, unsigned kind, uint32_t id)
{
	struct agent *agent = listing->agent;
	const char *name = NULL;
	size_t start = 0;

	for (size_t i = 0; i < listing->named_count[kind]; i++)
		if (listing->named[kind][i] == id)
			return;
	listing->named[kind] =
		xrealloc(listing->named[kind], (listing->named_count[kind] + 1) * sizeof(uint32_t));
	listing->named[kind][listing->named_count[kind]++] = id;
	name = owner_name(kind, id);
	if (!name)
		return;
	start = frame_begin(&agent->out, PEER_NAME);
	enc_u8(&agent->out, kind);
	enc_uint(&agent->out, id);
	enc_str(&agent->out, name);
	frame_end(&agent->out, start);
}

static void report_found(struct listing *listing)
{
	const struct scan_item *found = &listing->found;
	struct listing_item item = { .path = found->path,
				     .kind = found->problem ? PEER_ITEM_PROBLEM : PEER_ITEM_ENTRY,
				     .entry = found->entry,
				     .problem = found->problem };

	add_name(listing, OWNER_USER, found->entry.uid);
	add_name(listing, OWNER_GROUP, found->entry.gid);
	listing_add(&listing->writer, &item);
}

/* Of a tree without changes nothing is to be told but how far it is: the initiator merges beside the walk. */
static void leave_out(struct listing *listing)
{
	if (++listing->left_out % LISTING_STEP == 0)
		listing_add(&listing->writer, &(struct listing_item){ .path = listing->known_path,
								      .kind = PEER_ITEM_SAME });
}

/* Take one item of the merged streams. */
static int merge_one(struct listing *listing, struct err *err)
{
	int order = 0;

	if (!listing->has_found)
		order = 1;
	else if (!listing->known_path)
		order = -1;
	else
		order = path_cmp(listing->found.path, listing->known_path);

	if (order > 0) {
		listing_add(&listing->writer, &(struct listing_item){ .path = listing->known_path,
								      .kind = PEER_ITEM_GONE });
		next_known(listing);
		return 0;
	}
	if (order < 0 || listing->found.problem ||
	    !entry_proves_same(&listing->known, &listing->found.entry) ||
	    !entry_same_stat(&listing->found.entry, &listing->known))
		report_found(listing);
	else
		leave_out(listing);
	if (order == 0)
		next_known(listing);
	return next_found(listing, err);
}

static void put_listed(struct agent *agent, const struct err *status, uint64_t seen,
		       uint64_t checksum)
{
	struct msg_listed listed = { .status = *status, .seen = seen, .checksum = checksum };

	agent_space(agent, &listed);
	msg_put_listed(&agent->out, &listed);
}

void listing_put_empty(struct agent *agent)
{
	const struct err well = ERR_INIT;

	put_listed(agent, &well, 0, 0);
}

void listing_put_refused(struct agent *agent)
{
	struct err refused = ERR_INIT;

	err_set(&refused, ERR_LOCKED, "the lock on this folder was refused");
	put_listed(agent, &refused, 0, 0);
}

int listing_step(struct listing *listing)
{
	struct err failure = ERR_INIT;
	/* A quiet tree fills no frame, so the loop also pauses to let requests in. */
	int budget = LISTING_STEP;

	while (listing->has_found || listing->known_path) {
		if (merge_one(listing, &failure) < 0)
			break;
		if (listing_is_full(&listing->writer) || --budget == 0)
			break;
	}
	agent_spend(listing->agent, listing_take(&listing->writer, &listing->agent->out));
	if (!err_is_set(&failure) && (listing->has_found || listing->known_path))
		return 1;
	put_listed(listing->agent, &failure, listing->seen, listing->checksum);
	return 0;
}
