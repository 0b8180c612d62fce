/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/table_view.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/path.h"

/*
 * Settle what the journal is to the base: 1, it continues it; 0, it went into it (stale);
 * -1 where they do not belong together.
 */
static int match(const struct table_file *file, const struct journal *journal, struct err *err)
{
	/* Without a base file its id is all zero, as is that in a journal without one. */
	if (uuid_same(&journal->base, &file->id))
		return 1;
	if (file->map && uuid_same(&journal->id, &file->folded))
		return 0;
	if (!file->map)
		return err_set(err, ERR_CORRUPT,
			       "the journal of the file list is there, but its base is missing");
	return err_set(err, ERR_CORRUPT,
		       "the journal of the file list belongs to another base than the one there");
}

static int load_journal(int dirfd, const char *name, struct table_view *view, struct err *err)
{
	int found = journal_open(dirfd, name, &view->journal, err);
	int matches = 0;

	if (found <= 0)
		return found;
	matches = match(&view->file, &view->journal, err);
	if (matches == 0)
		journal_close(&view->journal);
	return matches <= 0 ? matches : journal_replay(&view->journal, name, err);
}

/* One walk over everything: it verifies the base file and counts what is live. */
static int verify(const char *name, struct table_view *view, struct err *err)
{
	AUTO_FREE struct table_merge *merge = xmalloc(sizeof(*merge));
	int state = 0;

	table_merge_init(merge, view);
	while ((state = table_merge_next(merge)) > 0)
		view->count++;
	if (state == 0)
		return 0;
	return err_set(err, ERR_CORRUPT, "'%s' is damaged: %s (before byte %zu)", name,
		       merge->walk.complaint, merge->walk.at);
}

int table_view_load(int dirfd, const char *base_name, const char *journal_name,
		    struct table_view *view, struct err *err)
{
	*view = (struct table_view)TABLE_VIEW_INIT;
	if (table_file_open(dirfd, base_name, &view->file, err) >= 0 &&
	    load_journal(dirfd, journal_name, view, err) >= 0 && verify(base_name, view, err) == 0)
		return 0;
	table_view_release(view);
	return -1;
}

void table_view_release(struct table_view *view)
{
	table_file_close(&view->file);
	journal_close(&view->journal);
	view->count = 0;
}

const unsigned char *table_view_head(const struct table_view *view, size_t *len)
{
	if (view->journal.head) {
		*len = view->journal.head_len;
		return view->journal.head;
	}
	*len = view->file.head_len;
	return view->file.head;
}

void table_merge_init(struct table_merge *merge, const struct table_view *view)
{
	merge->view = view;
	merge->walk_state = 0;
	merge->walk_used = false;
	merge->change = 0;
	merge->path = NULL;
	merge->value = NULL;
	merge->len = 0;
	if (!view->file.map)
		return;
	table_walk_init(&merge->walk, &view->file);
	merge->walk_used = true;
}

/* Hand out the base file's waiting record. */
static int take_record(struct table_merge *merge)
{
	merge->path = merge->walk.path;
	merge->value = merge->walk.value;
	merge->len = merge->walk.value_len;
	merge->walk_used = true;
	return 1;
}

int table_merge_next(struct table_merge *merge)
{
	const struct journal *journal = &merge->view->journal;

	for (;;) {
		struct journal_change change;
		int order = 1;

		if (merge->walk_used)
			merge->walk_state = table_walk_next(&merge->walk);
		merge->walk_used = false;
		if (merge->walk_state < 0)
			return -1;
		if (merge->change == journal->count)
			return merge->walk_state ? take_record(merge) : 0;
		change = journal_change(journal, merge->change);
		if (merge->walk_state)
			order = path_cmp(merge->walk.path, change.path);
		if (order < 0)
			return take_record(merge);
		/* The change comes first, or hides the record of the same path. */
		merge->walk_used = order == 0;
		merge->change++;
		if (!change.value)
			continue;
		merge->path = change.path;
		merge->value = change.value;
		merge->len = change.len;
		return 1;
	}
}
