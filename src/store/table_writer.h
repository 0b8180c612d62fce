/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the base file of a table (store/table_file.h) beside the old one and puts it in
 * place as a whole.
 *
 * Calling sequence: table_writer_new; table_writer_add for every record in ascending
 * order; table_writer_commit; table_writer_free.  Freed before the commit, it removes
 * what it has written, and the old file is as it was.
 */
#ifndef STORE_TABLE_WRITER_H
#define STORE_TABLE_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/random.h"

struct err;
struct table_writer;

/*
 * Begin the successor of NAME, in NAME.new (0600; one that was left behind is
 * overwritten).  dirfd and name are borrowed.  `folded` is the journal whose changes
 * the records contain; head NULL: none.
 */
struct table_writer *table_writer_new(int dirfd, const char *name, const struct uuid *folded,
				      const void *head, size_t head_len, struct err *err);
void table_writer_free(struct table_writer *writer);

/* Append a record. Paths must be valid and ascend strictly. */
int table_writer_add(struct table_writer *writer, const char *path, const void *value, size_t len,
		     struct err *err);
/*
 * Finish the file, fsync it and rename it over NAME.  The folder is not synced: the
 * caller does that, and must before it relies on the new file.
 */
int table_writer_commit(struct table_writer *writer, struct err *err);
/* The id of the file being written. */
struct uuid table_writer_id(const struct table_writer *writer);
/* Bytes written so far. */
uint64_t table_writer_size(const struct table_writer *writer);

#endif
