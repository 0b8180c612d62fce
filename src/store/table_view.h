/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table's two files as one sorted sequence: the state at the moment they were read.
 *
 * A view owns its mappings, so it stays what it is while the files are appended to,
 * replaced or removed.
 */
#ifndef STORE_TABLE_VIEW_H
#define STORE_TABLE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/journal.h"
#include "store/table_file.h"

struct err;

struct table_view {
	struct table_file file; /* file.map NULL: no base file */
	struct journal journal; /* journal.map NULL: none, or a stale one */
	uint64_t count;		/* live paths */
};

#define TABLE_VIEW_INIT    \
	{                  \
		.count = 0 \
	}

/*
 * Read and verify both files completely.  Neither there: an empty view.  ERR_CORRUPT,
 * also where they do not belong together.  O(table).
 */
int table_view_load(int dirfd, const char *base_name, const char *journal_name,
		    struct table_view *view, struct err *err);
void table_view_release(struct table_view *view);

/* The head, or NULL. */
const unsigned char *table_view_head(const struct table_view *view, size_t *len);

/* A walk through the base file with the journal's changes merged in. For the heap. */
struct table_merge {
	const struct table_view *view;
	struct table_walk walk;
	int walk_state; /* what table_walk_next said: 1, a record waits; 0, end; -1, damaged */
	bool walk_used; /* the waiting record was handed out or hidden: step on */
	size_t change;	/* next of the journal's changes */
	const char *path;
	const unsigned char *value;
	size_t len;
};

void table_merge_init(struct table_merge *merge, const struct table_view *view);
/* The next live path: 1; 0 at the end; -1 where the base file is damaged. */
int table_merge_next(struct table_merge *merge);

#endif
