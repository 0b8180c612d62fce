/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small files of ours, replaced as a whole: after a crash either the old or the new content.
 *
 * The new content is first written to NAME.tmp-HEX beside the file, HEX being 16 random
 * hexadecimal digits, so two writers never share one.  A writer that was killed leaves such
 * a file behind; nobody reads it, and atomic_is_temporary() recognises it for sweeping.
 *
 * Folders are plain descriptors (not O_PATH: they are fsynced) and only borrowed.
 */
#ifndef STORE_ATOMIC_H
#define STORE_ATOMIC_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

/*
 * Write NAME in dirfd: temporary beside it (0600), fsync, rename, fsync of the folder.
 * On an error the old content is still there, or the new one if only the last fsync
 * failed; the temporary is removed.
 */
int atomic_write(int dirfd, const char *name, const void *data, size_t len, struct err *err);
/*
 * Append all of NAME to out: 1; 0 where there is none.  ERR_CORRUPT, with out as it was,
 * where it is no regular file (a link is never followed) or has more than max bytes.
 */
int atomic_read(int dirfd, const char *name, size_t max, struct buf *out, struct err *err);
/* Open the folder `name` below dirfd, creating it 0700 where missing. -1 with err. */
int atomic_mkdir_open(int dirfd, const char *name, struct err *err);

/* Whether NAME is what atomic_write calls its temporaries. */
bool atomic_is_temporary(const char *name);

/*
 * Open NAME, a regular file that is no link, with the access mode and flags given: 1 with
 * *fd (owned by the caller) and its size; 0 where there is none.  Errors as atomic_read.
 */
int atomic_open(int dirfd, const char *name, int flags, int *fd, size_t *size, struct err *err);
/* Make the folder's entries durable. File systems that cannot (EINVAL) are believed to be. */
int atomic_sync_folder(int dirfd, struct err *err);
/* Open the folder at an absolute path, creating it and what is missing above it (0700). -1 with err. */
int atomic_mkdir_path_open(const char *path, struct err *err);

#endif
