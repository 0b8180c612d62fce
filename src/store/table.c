/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/table.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/path.h"
#include "base/sys.h"
#include "store/atomic.h"
#include "store/journal.h"
#include "store/table_view.h"
#include "store/table_writer.h"

enum {
	/* Bytes of journal below which folding is not worth its syncs: replayed in a millisecond. */
	FOLD_MIN = 256 * 1024,
	/* A journal of more than this part of the base is folded: writing stays linear. */
	FOLD_PART = 8,
	/* Bytes put and not flushed that are worth a flush: some 50,000 records. */
	PENDING_MAX = 4 * 1024 * 1024,
	ASIDE_MAX = 4,	      /* tables set aside that are kept */
	TABLE_NAME_MAX = 200, /* leaves room for what is put behind a name */
};

struct table {
	int dirfd;
	enum table_mode mode;
	char base_name[NAME_MAX + 1];
	char journal_name[NAME_MAX + 1];
	struct table_view view; /* as of table_open, for good */
	struct buf pending;	/* the next frame: what was put and not yet flushed */

	/* The files as they are now. */
	struct uuid base_id;
	uint64_t base_size;
	struct journal_log log;
	/* A base was renamed into place, and the folder could not be synced. */
	bool folder_unsynced;
};

struct table_cursor {
	struct table_merge merge;
};

static void names_make(const char *name, char base[static NAME_MAX + 1],
		       char journal[static NAME_MAX + 1])
{
	assert(strlen(name) <= TABLE_NAME_MAX);
	snprintf(base, NAME_MAX + 1, "%s.base", name);
	snprintf(journal, NAME_MAX + 1, "%s.journal", name);
}

static void release(struct table **table)
{
	table_close(*table);
}

struct table *table_open(int dirfd, const char *name, enum table_mode mode, struct err *err)
{
	AUTO(release) struct table *table = xcalloc(1, sizeof(*table));

	table->dirfd = dirfd;
	table->mode = mode;
	table->log = (struct journal_log)JOURNAL_LOG_INIT;
	names_make(name, table->base_name, table->journal_name);
	journal_frame_init(&table->pending);
	if (table_view_load(dirfd, table->base_name, table->journal_name, &table->view, err) < 0)
		return NULL;
	table->base_id = table->view.file.id;
	table->base_size = table->view.file.size;
	if (mode == TABLE_WRITE && table->view.journal.map &&
	    journal_log_open(dirfd, table->journal_name, &table->view.journal, &table->log, err) <
		    0)
		return NULL;
	return steal_ptr(&table);
}

void table_close(struct table *table)
{
	if (!table)
		return;
	journal_log_close(&table->log);
	table_view_release(&table->view);
	buf_release(&table->pending);
	free(table);
}

const void *table_head(const struct table *table, size_t *len)
{
	return table_view_head(&table->view, len);
}

uint64_t table_count(const struct table *table)
{
	return table->view.count;
}

struct table_cursor *table_cursor_new(const struct table *table)
{
	struct table_cursor *cursor = xmalloc(sizeof(*cursor));

	table_merge_init(&cursor->merge, &table->view);
	return cursor;
}

void table_cursor_free(struct table_cursor *cursor)
{
	free(cursor);
}

int table_next(struct table_cursor *cursor, const char **path, const void **value, size_t *len)
{
	int state = table_merge_next(&cursor->merge);

	/* To go on without the rest would be to forget it. */
	if (state < 0)
		err_die("the saved file list was changed or became unreadable while in use");
	if (state == 0)
		return 0;
	*path = cursor->merge.path;
	*value = cursor->merge.value;
	*len = cursor->merge.len;
	return 1;
}

void table_put(struct table *table, const char *path, const void *value, size_t len)
{
	assert(table->mode == TABLE_WRITE && path_valid(path, strlen(path)));
	assert(len <= TABLE_VALUE_MAX);
	journal_frame_put(&table->pending, path, value, len);
}

void table_remove(struct table *table, const char *path)
{
	assert(table->mode == TABLE_WRITE && path_valid(path, strlen(path)));
	journal_frame_remove(&table->pending, path);
}

void table_set_head(struct table *table, const void *head, size_t len)
{
	assert(table->mode == TABLE_WRITE && len <= TABLE_VALUE_MAX);
	journal_frame_head(&table->pending, head, len);
}

bool table_is_full(const struct table *table)
{
	return table->pending.len >= PENDING_MAX;
}

/* Before a journal may name the new base, the new base must be the one a crash leaves. */
static int sync_new_base(struct table *table, struct err *err)
{
	if (table->folder_unsynced && atomic_sync_folder(table->dirfd, err) < 0)
		return -1;
	table->folder_unsynced = false;
	return 0;
}

static int write_pending(struct table *table, struct err *err)
{
	if (table->log.fd >= 0)
		return journal_append(&table->log, &table->pending, err);
	return journal_create(table->dirfd, table->journal_name, &table->base_id, &table->pending,
			      &table->log, err);
}

int table_flush(struct table *table, struct err *err)
{
	if (sync_new_base(table, err) < 0)
		return err_wrap(err, "cannot save the file list");
	if (journal_frame_is_empty(&table->pending))
		return 0;
	if (write_pending(table, err) < 0)
		return err_wrap(err, "cannot save the file list");
	journal_frame_init(&table->pending);
	return 0;
}

bool table_should_fold(const struct table *table)
{
	return table->log.end >= FOLD_MIN && table->log.end >= table->base_size / FOLD_PART;
}

static int copy_records(const struct table_view *now, struct table_writer *writer, struct err *err)
{
	AUTO_FREE struct table_merge *merge = xmalloc(sizeof(*merge));
	int state = 0;

	table_merge_init(merge, now);
	while ((state = table_merge_next(merge)) > 0)
		if (table_writer_add(writer, merge->path, merge->value, merge->len, err) < 0)
			return -1;
	if (state < 0)
		return err_set(err, ERR_CORRUPT, "the file list is damaged: %s",
			       merge->walk.complaint);
	return 0;
}

static void writer_release(struct table_writer **writer)
{
	table_writer_free(*writer);
}

/* Write what the files now say as a new base, and put it in place. */
static int write_base(struct table *table, const struct table_view *now, struct err *err)
{
	size_t head_len = 0;
	const unsigned char *head = table_view_head(now, &head_len);
	AUTO(writer_release)
	struct table_writer *writer = table_writer_new(table->dirfd, table->base_name,
						       &now->journal.id, head, head_len, err);

	if (!writer || copy_records(now, writer, err) < 0 || table_writer_commit(writer, err) < 0)
		return -1;
	/* From here on the journal is stale: nothing may be appended to it any more. */
	table->base_id = table_writer_id(writer);
	table->base_size = table_writer_size(writer);
	table->folder_unsynced = true;
	journal_log_close(&table->log);
	return 0;
}

/* Flush has been done, and there is a journal. */
static int fold(struct table *table, struct err *err)
{
	AUTO(table_view_release) struct table_view now = TABLE_VIEW_INIT;

	/* Read again what a reader would find, rather than trust what we believe to have written. */
	if (table_view_load(table->dirfd, table->base_name, table->journal_name, &now, err) < 0)
		return -1;
	if (write_base(table, &now, err) < 0 || sync_new_base(table, err) < 0)
		return -1;
	if (sys_unlinkat(table->dirfd, table->journal_name, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "cannot remove '%s'", table->journal_name);
	return 0;
}

int table_fold(struct table *table, struct err *err)
{
	if (table_flush(table, err) < 0)
		return -1;
	if (table->log.fd < 0)
		return 0;
	return fold(table, err) < 0 ? err_wrap(err, "cannot fold the journal of the file list") : 0;
}

/* Rename NAME to NAME.bad-STAMP, or with a number behind it where that is taken. */
static int put_aside(int dirfd, const char *name, const char *stamp, struct err *err)
{
	char aside[NAME_MAX + 32];

	for (unsigned n = 1; n < 1000; n++) {
		int end = snprintf(aside, sizeof(aside), "%s.bad-%s", name, stamp);

		if (n > 1)
			snprintf(aside + end, sizeof(aside) - (size_t)end, "-%u", n);
		if (faccessat(dirfd, aside, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (sys_renameat2(dirfd, name, dirfd, aside, 0) == 0 || errno == ENOENT)
			return 0;
		break;
	}
	return err_sys(err, errno, "cannot set '%s' aside", name);
}

/* The first of the names that begin with NAME.bad-, which has the oldest stamp; how many there are. */
static unsigned find_oldest(int dirfd, const char *name, char *oldest)
{
	AUTO_DIR DIR *dir = sys_list(dirfd, ".");
	AUTO_FREE char *start = xasprintf("%s.bad-", name);
	const char *found = NULL;
	unsigned count = 0;

	while (dir && (found = sys_next_name(dir))) {
		if (strncmp(found, start, strlen(start)) != 0)
			continue;
		if (count++ == 0 || strcmp(found, oldest) < 0)
			snprintf(oldest, NAME_MAX + 1, "%s", found);
	}
	return count;
}

/* What is put back to an older state every night is set aside every night. */
static void forget_older(int dirfd, const char *name)
{
	char oldest[NAME_MAX + 1] = "";

	while (find_oldest(dirfd, name, oldest) > ASIDE_MAX)
		if (sys_unlinkat(dirfd, oldest, 0) < 0)
			return;
}

int table_set_aside(int dirfd, const char *name, struct err *err)
{
	char base[NAME_MAX + 1];
	char journal[NAME_MAX + 1];
	char stamp[16];

	names_make(name, base, journal);
	clock_stamp(clock_realtime_ns(), stamp);
	/* The base first: a journal left alone is refused, a base left alone would be believed. */
	if (put_aside(dirfd, base, stamp, err) < 0 || put_aside(dirfd, journal, stamp, err) < 0)
		return -1;
	forget_older(dirfd, base);
	forget_older(dirfd, journal);
	return atomic_sync_folder(dirfd, err);
}
