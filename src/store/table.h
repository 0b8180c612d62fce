/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A durable, sorted map from path to a short value: the form of the saved file
 * list on the initiator and of the agent's cache.
 *
 * On disk it is two files in one folder: NAME.base, sorted by path_cmp, prefix
 * compressed and memory-mapped, and NAME.journal, deltas appended since, each
 * with its checksum.  State = base + replayed journal.  A table also has a head: a
 * small blob of the owner's (generation, identities), replaced as a whole by a
 * journal record like any other.
 *
 * Calling sequence: table_open; walk with a cursor; table_put/remove/set_head while
 * the run goes on (buffered); table_flush at every point after which the changes
 * so far must survive a power cut; table_fold at the end if table_should_fold; table_close.
 * A cursor sees the table as it was at table_open, whatever is put afterwards.
 *
 * What a crash leaves is a prefix of what was flushed: a torn last write is cut off
 * silently; damage anywhere else is ERR_CORRUPT, as is a version we do not know.
 * Two tables may not be opened for writing at once (the caller holds a lock).
 * A table that was opened and not changed writes nothing.
 */
#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct table;

enum table_mode { TABLE_READ, TABLE_WRITE };
enum {
	TABLE_VALUE_MAX = 64 * 1024, /* bytes of a value or head */
};

/*
 * Open NAME in the folder `dirfd` (borrowed until close).  Neither file there: an
 * empty table without a head.  With TABLE_READ nothing is created or cut.
 * ERR_CORRUPT, with what is wrong, where the files cannot be trusted.
 */
struct table *table_open(int dirfd, const char *name, enum table_mode mode, struct err *err);
void table_close(struct table *table);

/* The head last set, as of table_open; NULL where there is none. Valid until close. */
const void *table_head(const struct table *table, size_t *len);
/* Number of live paths as of table_open. */
uint64_t table_count(const struct table *table);

struct table_cursor;
struct table_cursor *table_cursor_new(const struct table *table);
void table_cursor_free(struct table_cursor *cursor);
/*
 * The next path in path order: 1, or 0 at the end.  path and value stay valid until the
 * next call.  O(length of the record).  Cannot fail: everything was verified by table_open.
 */
int table_next(struct table_cursor *cursor, const char **path, const void **value, size_t *len);

void table_put(struct table *table, const char *path, const void *value, size_t len);
void table_remove(struct table *table, const char *path);
/* Whether so much was put and removed since the last flush that memory asks for one. */
bool table_is_full(const struct table *table);
void table_set_head(struct table *table, const void *head, size_t len);
/* Append what was put, removed and set to the journal and fdatasync it (and the folder, when new). */
int table_flush(struct table *table, struct err *err);

/* Whether the journal has grown enough (compared with the base) to be worth folding. */
bool table_should_fold(const struct table *table);
/*
 * Flush, then write base + journal as a new base (temporary, fsync, rename, fsync of the
 * folder) and empty the journal.  Killed at any point, the table reads the same.
 * O(table), memory O(journal).
 */
int table_fold(struct table *table, struct err *err);

/*
 * Set both files aside (NAME.base.bad-STAMP, ...) so that nothing is destroyed: the last four of each
 * are kept.
 */
int table_set_aside(int dirfd, const char *name, struct err *err);

#endif
