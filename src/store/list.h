/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The saved file list: for each path what both sides last agreed on (struct base), and
 * a head that says between whom.  A typed view of store/table.h, whose promises hold here.
 *
 * The generation is a random number that the list and both roots hold (store/mark.h), new with every
 * run that changes or records anything.  Before the roots are told it is written here as `next`, and
 * it is made current when both have it, which is before the first change: so after a crash at any
 * point the roots' numbers are among the two, and any other number means that the list or a root was
 * put back to an older state.  A run that comes to its end says so in both roots, and then in `complete`.
 */
#ifndef STORE_LIST_H
#define STORE_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "model/entry.h"
#include "store/table.h"

struct list;

struct list_head {
	struct uuid identity[SIDES];
	uint64_t generation; /* 0: none yet */
	uint64_t next;	     /* 0: none under way */
	uint64_t seed;	     /* keys the digests in this list */
	uint64_t complete;   /* the last generation whose run came to its end, 0: none */
	bool no_import;	     /* lists of osync 1.3 are not of these two folders */
};

/*
 * Open the list `name` in the folder `dirfd` (borrowed).  ERR_CORRUPT where it cannot be trusted.
 * *exists tells whether there was a head, i.e. an earlier run.
 */
struct list *list_open(int dirfd, const char *name, enum table_mode mode, struct list_head *head,
		       bool *exists, struct err *err);
void list_close(struct list *list);
uint64_t list_count(const struct list *list);

struct list_cursor;
struct list_cursor *list_cursor_new(const struct list *list);
void list_cursor_free(struct list_cursor *cursor);
/* The next path in path order: 1, 0 at the end, -1 with ERR_CORRUPT for a record that makes no sense. */
int list_next(struct list_cursor *cursor, const char **path, struct base *base, struct err *err);

/* Buffered; list_flush makes it durable, and is asked for by list_is_full. */
void list_put(struct list *list, const char *path, const struct base *base);
void list_forget(struct list *list, const char *path);
/* table_is_full() */
bool list_is_full(const struct list *list);
void list_set_head(struct list *list, const struct list_head *head);
int list_flush(struct list *list, struct err *err);
/* Fold the journal into the base where it has grown enough to be worth it. */
int list_tidy(struct list *list, struct err *err);

#endif
