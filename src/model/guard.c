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

	census->top += path[top] == '\0' && base->type != ENTRY_ABSENT;
	if (!counts_as_file((enum entry_type)base->type))
		return;
	census->files++;
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

static bool too_many(uint64_t deleted, uint64_t of, const struct guard_limits *limits)
{
	return deleted > (uint64_t)limits->max_delete_count &&
	       deleted * 100 > of * (uint64_t)limits->max_delete_percent;
}

/* The deletion this change means for `side`. */
static bool deletes_file(const struct change *change, enum side side)
{
	const struct entry *now = change->now[side];

	return change->verdict.kind == VERDICT_DELETE && change->verdict.from == side_other(side) &&
	       now && counts_as_file((enum entry_type)now->type);
}

/*
 * Everything that was agreed on has gone from `side`, and nothing else is there either. Somebody who
 * deletes the one or two things that a small tree holds is not stopped.
 */
static int check_emptied(const struct census *census, enum side side, struct err *err)
{
	if (census->top < EMPTIED_MIN || census->present[side] > 0)
		return 0;
	return err_set(err, ERR_GUARD,
		       "the %s is empty, but %" PRIu64
		       " files were in sync: is the right disk mounted? nothing "
		       "was changed; to delete them on the %s too, run once with --allow-deletes",
		       side_name(side), census->files, side_name(side_other(side)));
}

static int refuse(enum side side, uint64_t deleted, uint64_t of, const char *folder,
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
		" files%.200s would be deleted on the %s, because they are gone "
		"from the %s: more than MAX_DELETE_PERCENT and MAX_DELETE_COUNT allow; nothing was "
		"changed; if that is what you want, run once with --allow-deletes",
		deleted, of, buf_cstr(&where), side_name(side), side_name(side_other(side)));
}

/* Count per top-level folder: the changes and the census are both in path order. */
static int check_folders(const struct changes *changes, const struct census *census, enum side side,
			 const struct guard_limits *limits, struct err *err)
{
	size_t at = 0;

	for (size_t f = 0; f < census->count; f++) {
		const struct census_folder *folder = &census->folders[f];
		uint64_t deleted = 0;

		while (at < changes->count && path_cmp(changes->items[at].path, folder->name) < 0)
			at++;
		for (;
		     at < changes->count && (strcmp(changes->items[at].path, folder->name) == 0 ||
					     path_is_below(changes->items[at].path, folder->name));
		     at++)
			deleted += deletes_file(&changes->items[at], side);
		if (too_many(deleted, folder->files, limits))
			return refuse(side, deleted, folder->files, folder->name, err);
	}
	return 0;
}

int guard_check(const struct changes *changes, const struct census *census,
		const struct guard_limits *limits, struct err *err)
{
	for (int s = 0; s < SIDES; s++) {
		uint64_t deleted = 0;

		if (check_emptied(census, (enum side)s, err) < 0)
			return -1;
		for (size_t i = 0; i < changes->count; i++)
			deleted += deletes_file(&changes->items[i], (enum side)s);
		if (too_many(deleted, census->files, limits))
			return refuse((enum side)s, deleted, census->files, NULL, err);
		if (check_folders(changes, census, (enum side)s, limits, err) < 0)
			return -1;
	}
	return 0;
}
