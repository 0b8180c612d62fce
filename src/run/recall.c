/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/recall.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/log.h"
#include "base/path.h"
#include "config/config.h"
#include "peer/msg.h"
#include "run/record.h"
#include "run/session.h"
#include "store/done_log.h"

/* A path of the list that a rename has carried, under its new name. */
struct carried {
	const char *from;
	const char *to;
	struct base base;
};

struct recalled {
	struct list *list;
	struct arena arena;
	struct done_record *records;
	enum side *sides; /* where each was done */
	size_t count;
	size_t cap;
	size_t split;			    /* those of the initiator come first */
	const struct done_record **renames; /* by their old names */
	size_t rename_count;
	struct carried *carried;
	size_t carried_count;
	size_t carried_cap;
};

void recall_keep(struct recall *recall, const struct msg_locked *locked)
{
	buf_reset(&recall->done);
	buf_add(&recall->done, locked->done, locked->done_len);
	recall->generation = locked->done_generation;
}

void recall_release(struct recall *recall)
{
	buf_release(&recall->done);
}

static void add_record(struct recalled *recalled, enum side side, const struct done_record *record)
{
	if (recalled->count == recalled->cap) {
		recalled->cap = recalled->cap ? 2 * recalled->cap : 64;
		recalled->records =
			xrealloc(recalled->records, recalled->cap * sizeof(*recalled->records));
		recalled->sides =
			xrealloc(recalled->sides, recalled->cap * sizeof(*recalled->sides));
	}
	recalled->sides[recalled->count] = side;
	recalled->records[recalled->count++] = *record;
}

static int read_records(struct recalled *recalled, enum side side, const struct buf *done,
			struct err *err)
{
	struct done_record record;
	struct dec dec;

	dec_init(&dec, done->data, done->len);
	while (done_log_next(&dec, &recalled->arena, &record) > 0)
		add_record(recalled, side, &record);
	return dec.bad ? err_set(err, ERR_PROTOCOL, "the %s sent notes that make no sense",
				 side_name(side))
		       : 0;
}

static int rename_cmp(const void *a, const void *b)
{
	const struct done_record *const *one = a;
	const struct done_record *const *two = b;
	int order = strcmp((*one)->from, (*two)->from);

	return order ? order : (*one > *two) - (*one < *two);
}

/* The renames by their old names; those of one name in the order in which they were done. */
static void sort_renames(struct recalled *recalled)
{
	recalled->renames = xcalloc(recalled->count, sizeof(*recalled->renames));
	for (size_t i = 0; i < recalled->count; i++)
		if (recalled->records[i].kind == DONE_MOVED)
			recalled->renames[recalled->rename_count++] = &recalled->records[i];
	if (recalled->rename_count > 0)
		qsort(recalled->renames, recalled->rename_count, sizeof(*recalled->renames),
		      rename_cmp);
}

/* What one side has done, in that order, less what a path has been through already. */
struct span {
	const struct done_record *next;
	const struct done_record *end;
};

/* The first rename of exactly this name in the span, or NULL. */
static const struct done_record *rename_of(const struct recalled *recalled, const char *name,
					   const struct span *span)
{
	size_t low = 0;
	size_t high = recalled->rename_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct done_record *at = recalled->renames[middle];
		int order = strcmp(at->from, name);

		if (order < 0 || (order == 0 && at < span->next))
			low = middle + 1;
		else
			high = middle;
	}
	return low < recalled->rename_count && recalled->renames[low] < span->end &&
			       strcmp(recalled->renames[low]->from, name) == 0
		       ? recalled->renames[low]
		       : NULL;
}

/* The first rename in the span of this path or of a folder above it, or NULL. */
static const struct done_record *first_rename(const struct recalled *recalled, const char *path,
					      const struct span *span)
{
	AUTO_FREE char *name = xstrdup(path);
	const struct done_record *first = NULL;

	for (char *slash = name; slash; slash = strrchr(name, '/')) {
		const struct done_record *found = NULL;

		if (slash != name)
			*slash = '\0';
		found = rename_of(recalled, name, span);
		if (found && (!first || found < first))
			first = found;
	}
	return first;
}

/*
 * The next rename that concerns this path, or NULL. Each side's are followed in their order. Between
 * the sides there is none: where both have one, what is deeper is called by the old name of what is
 * above it, and goes first.
 */
static const struct done_record *next_rename(const struct recalled *recalled, const char *path,
					     struct span spans[SIDES])
{
	const struct done_record *one = first_rename(recalled, path, &spans[SIDE_INITIATOR]);
	const struct done_record *other = first_rename(recalled, path, &spans[SIDE_TARGET]);
	enum side side = one && (!other || strlen(one->from) >= strlen(other->from))
				 ? SIDE_INITIATOR
				 : SIDE_TARGET;
	const struct done_record *first = side == SIDE_INITIATOR ? one : other;

	if (first)
		spans[side].next = first + 1;
	return first;
}

/*
 * Where all renames together have brought this path; NULL where it stayed. O(depth * log renames)
 * for each rename that concerns it.
 */
static const char *carry(struct recalled *recalled, const char *path)
{
	const struct done_record *records = recalled->records;
	const struct done_record *split = records + recalled->split;
	struct span spans[SIDES] = { { records, split }, { split, records + recalled->count } };
	const struct done_record *rename = NULL;
	const char *now = NULL;

	while ((rename = next_rename(recalled, now ? now : path, spans))) {
		const char *rest = (now ? now : path) + strlen(rename->from);
		AUTO_FREE char *next = xasprintf("%s%s", rename->path, rest);

		if (path_valid(next, strlen(next)))
			now = arena_strdup(&recalled->arena, next);
	}
	return now;
}

static void add_carried(struct recalled *recalled, const char *from, const char *to,
			const struct base *base)
{
	if (recalled->carried_count == recalled->carried_cap) {
		recalled->carried_cap = recalled->carried_cap ? 2 * recalled->carried_cap : 64;
		recalled->carried = xrealloc(recalled->carried,
					     recalled->carried_cap * sizeof(*recalled->carried));
	}
	recalled->carried[recalled->carried_count++] = (struct carried){
		.from = arena_strdup(&recalled->arena, from), .to = to, .base = *base
	};
}

/* What was renamed keeps its history. All old names go before a new one comes: it may be one of them. */
static int follow_moves(struct recalled *recalled, struct err *err)
{
	struct list_cursor *cursor = NULL;
	const char *path = NULL;
	struct base base;
	int got = 0;

	sort_renames(recalled);
	if (recalled->rename_count == 0)
		return 0;
	cursor = list_cursor_new(recalled->list);
	while ((got = list_next(cursor, &path, &base, err)) > 0) {
		const char *to = carry(recalled, path);

		if (to)
			add_carried(recalled, path, to, &base);
	}
	list_cursor_free(cursor);
	for (size_t i = 0; got == 0 && i < recalled->carried_count; i++)
		list_forget(recalled->list, recalled->carried[i].from);
	for (size_t i = 0; got == 0 && i < recalled->carried_count; i++)
		list_put(recalled->list, recalled->carried[i].to, &recalled->carried[i].base);
	return got;
}

static void agree(struct recalled *recalled, size_t i)
{
	struct done_record *record = &recalled->records[i];
	struct base base = { .type = record->here.type, .digest = record->here.digest };

	if (record->here.type == ENTRY_ABSENT && record->there.type == ENTRY_ABSENT) {
		list_forget(recalled->list, record->path);
		return;
	}
	/* Agreed is only what is the same, and whose content somebody has read. */
	if (record->here.type != record->there.type ||
	    (record->here.type == ENTRY_FILE && !(record->here.flags & ENTRY_HAS_DIGEST)))
		return;
	if (record->kind == DONE_MADE)
		record_expect_metadata(&record->there, &record->here);
	record_side(&base, recalled->sides[i], &record->here);
	record_side(&base, side_other(recalled->sides[i]), &record->there);
	list_put(recalled->list, record->path, &base);
}

static int take_over(struct recalled *recalled, struct err *err)
{
	if (follow_moves(recalled, err) < 0)
		return -1;
	for (size_t i = 0; i < recalled->count; i++)
		if (recalled->records[i].kind != DONE_MOVED)
			agree(recalled, i);
	log_info("a run that was cut off had done %zu operations without recording them",
		 recalled->count);
	return list_flush(recalled->list, err) < 0 ? -1 : 1;
}

int recall(struct session *session, struct err *err)
{
	struct recalled recalled = { .list = session->saved.list };
	int status = 0;

	if (!session->saved.list || session->config->dry_run)
		return 0;
	/* What a run that came to its end could not remove says nothing new. */
	if (session->saved.head.complete == session->saved.head.generation)
		return 0;
	for (int s = 0; s < SIDES && status == 0; s++) {
		recalled.split = s == SIDE_INITIATOR ? 0 : recalled.count;
		if (session->sides[s].recall.generation == session->saved.head.generation)
			status = read_records(&recalled, (enum side)s,
					      &session->sides[s].recall.done, err);
	}
	if (status == 0 && recalled.count > 0)
		status = take_over(&recalled, err);
	free(recalled.records);
	free(recalled.sides);
	free(recalled.renames);
	free(recalled.carried);
	arena_release(&recalled.arena);
	return status;
}
