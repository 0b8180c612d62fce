/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/guard.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/path.h"
#include "base/text.h"
#include "model/change.h"
#include "model/reconcile.h"

/* Entries at the top of a tree from which on an empty root is taken for an accident. */
enum { EMPTIED_MIN = 3 };

void census_release(struct census *census)
{
	for (size_t i = 0; i < census->count; i++)
		free(census->folders[i].name);
	free(census->folders);
	*census = (struct census)CENSUS_INIT;
}

static bool counts_as_file(enum entry_type type)
{
	return type == ENTRY_FILE || type == ENTRY_SYMLINK;
}

void census_add(struct census *census, const char *path, const struct base *base)
{
	size_t top = path_top_len(path);
	struct census_folder *last = census->count ? &census->folders[census->count - 1] : NULL;

	if (reconcile_is_apart(base))
		return;
	census->top += path[top] == '\0' && base->type != ENTRY_ABSENT;
	if (!counts_as_file((enum entry_type)base->type))
		return;
	census->files++;
	census->bytes += base->side[SIDE_TARGET].size;
	if (path[top] == '\0')
		return;
	if (!last || strlen(last->name) != top || strncmp(last->name, path, top) != 0) {
		census->folders =
			xrealloc(census->folders, (census->count + 1) * sizeof(*census->folders));
		last = &census->folders[census->count++];
		*last = (struct census_folder){ .name = xstrndup(path, top) };
	}
	last->files++;
}

static bool exceeds(uint64_t files, uint64_t of, int percent, int64_t count)
{
	return files > (uint64_t)count && files * 100 > of * (uint64_t)percent;
}

static bool is_file(const struct entry *entry)
{
	return entry && counts_as_file((enum entry_type)entry->type);
}

/* Whether both sides agreed on a file here. */
static bool was_file(const struct change *change)
{
	return change->base && counts_as_file((enum entry_type)change->base->type);
}

/* A file that keeps nothing but its name. */
static bool is_emptied(const struct entry *from, const struct entry *to)
{
	return from->type == ENTRY_FILE && from->size > 0 && to->type == ENTRY_FILE &&
	       to->size == 0;
}

/* Whether `side` loses the file that it shows. */
static bool loses_file(const struct change *change, enum side side)
{
	const struct entry *mine = change->now[side];
	const struct entry *other = change->now[side_other(side)];

	if (change->verdict.from == side || !is_file(mine))
		return false;
	switch ((enum verdict_kind)change->verdict.kind) {
	case VERDICT_DELETE:
		return true;
	case VERDICT_COPY:
		return !is_file(other) || is_emptied(mine, other);
	case VERDICT_CONFLICT:
		return !change->verdict.keep_loser;
	case VERDICT_KEEP:
	case VERDICT_RECORD:
	case VERDICT_META:
	case VERDICT_LEAVE:
		return false;
	}
	return false;
}

/* Whether `side` has contents of its own for a file that the other side shows too. */
static bool rewrites_file(const struct change *change, enum side side)
{
	if (!was_file(change) || !change->now[side] || !change->now[side_other(side)])
		return false;
	if (change->verdict.kind == VERDICT_CONFLICT)
		return reconcile_changed(change->base, change->now[side], side);
	return change->verdict.kind == VERDICT_COPY && change->verdict.from == side;
}

/* A tree of folders only has no files to count: it takes any confirmation. */
static bool is_confirmed(const struct census *census, const struct guard_limits *limits)
{
	return limits->allow_deletes > 0 && census->files <= (uint64_t)limits->allow_deletes;
}

/*
 * Everything that was agreed on has gone from `side`, and nothing else is there either. Somebody who
 * deletes the one or two things that a small tree holds is not stopped.
 */
static int check_emptied(const struct census *census, enum side side,
			 const struct guard_limits *limits, struct err *err)
{
	if (census->top < EMPTIED_MIN || census->present[side] > 0 || is_confirmed(census, limits))
		return 0;
	return err_set(err, ERR_GUARD,
		       "the %s has nothing of the %" PRIu64
		       " files that were in sync: is the right disk mounted? nothing "
		       "was changed; to delete them on the %s too, run once with --allow-deletes",
		       side_name(side), census->files, side_name(side_other(side)));
}

static int refuse_loss(enum side side, uint64_t lost, uint64_t of, const char *folder,
		       struct err *err)
{
	AUTO_BUF where = BUF_INIT;

	if (folder) {
		buf_addstr(&where, " in '");
		text_add_escaped(&where, folder);
		buf_addstr(&where, "'");
	}
	return err_set(
		err, ERR_GUARD,
		"%" PRIu64 " of %" PRIu64
		" files%.200s would be deleted on the %s (or emptied, or lose a conflict), because of "
		"what is on the %s: more than MAX_DELETE_PERCENT and MAX_DELETE_COUNT allow; "
		"nothing was changed; if that is what you want, run once with --allow-deletes",
		lost, of, buf_cstr(&where), side_name(side), side_name(side_other(side)));
}

static int refuse_changes(enum side side, uint64_t rewritten, uint64_t of, struct err *err)
{
	return err_set(err, ERR_GUARD,
		       "%" PRIu64 " of %" PRIu64
		       " files have other contents on the %s than at the last run: more than "
		       "MAX_CHANGE_PERCENT and MAX_CHANGE_COUNT allow; has something damaged or "
		       "encrypted them? nothing was changed; if that is what you want, run once "
		       "with --allow-changes",
		       rewritten, of, side_name(side));
}

/* Files lost, and those that there are to lose. */
struct tally {
	uint64_t lost;
	uint64_t of;
};

/* `of` holds what was agreed on; what both sides have without that comes to it. */
static void tally_add(struct tally *tally, const struct change *change, enum side side)
{
	tally->lost += loses_file(change, side);
	tally->of += !was_file(change) && is_file(change->now[0]) && is_file(change->now[1]);
}

static int folder_cmp(const void *key, const void *item)
{
	const char *path = key;
	const struct census_folder *folder = item;
	size_t top = path_top_len(path);
	int order = strncmp(path, folder->name, top);

	return order != 0 ? order : -(folder->name[top] != '\0');
}

/* The top-level folder in which both sides agreed on it, whatever that is called by now; or NULL. */
static const struct census_folder *home_of(const struct census *census, const struct change *change)
{
	const char *path = change_old_path(change);

	if (census->count == 0)
		return NULL;
	return bsearch(path, census->folders, census->count, sizeof(*census->folders), folder_cmp);
}

static int check_folders(const struct changes *changes, const struct census *census, enum side side,
			 const struct guard_limits *limits, struct err *err)
{
	AUTO_FREE struct tally *tallies = xcalloc(census->count + 1, sizeof(*tallies));

	for (size_t f = 0; f < census->count; f++)
		tallies[f].of = census->folders[f].files;
	for (size_t i = 0; i < changes->count; i++) {
		const struct census_folder *home = home_of(census, &changes->items[i]);

		if (home)
			tally_add(&tallies[home - census->folders], &changes->items[i], side);
	}
	for (size_t f = 0; f < census->count; f++)
		if (exceeds(tallies[f].lost, tallies[f].of, limits->max_delete_percent,
			    limits->max_delete_count))
			return refuse_loss(side, tallies[f].lost, tallies[f].of,
					   census->folders[f].name, err);
	return 0;
}

/* What `side` would lose. */
static int check_losses(const struct changes *changes, const struct census *census, enum side side,
			const struct guard_limits *limits, struct err *err)
{
	struct tally all = { 0, census->files };

	for (size_t i = 0; i < changes->count; i++)
		tally_add(&all, &changes->items[i], side);
	if (all.lost <= (uint64_t)limits->allow_deletes)
		return 0;
	if (exceeds(all.lost, all.of, limits->max_delete_percent, limits->max_delete_count))
		return refuse_loss(side, all.lost, all.of, NULL, err);
	return check_folders(changes, census, side, limits, err);
}

/* What `side` would give the other. */
static int check_rewritten(const struct changes *changes, const struct census *census,
			   enum side side, const struct guard_limits *limits, struct err *err)
{
	uint64_t rewritten = 0;

	for (size_t i = 0; i < changes->count; i++)
		rewritten += rewrites_file(&changes->items[i], side);
	if (rewritten <= (uint64_t)limits->allow_changes ||
	    !exceeds(rewritten, census->files, limits->max_change_percent,
		     limits->max_change_count))
		return 0;
	return refuse_changes(side, rewritten, census->files, err);
}

int guard_check(const struct changes *changes, const struct census *census,
		const struct guard_limits *limits, struct err *err)
{
	for (int s = 0; s < SIDES; s++)
		if (check_emptied(census, (enum side)s, limits, err) < 0 ||
		    check_losses(changes, census, (enum side)s, limits, err) < 0 ||
		    check_rewritten(changes, census, (enum side)s, limits, err) < 0)
			return -1;
	return 0;
}
