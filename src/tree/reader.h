/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Read one file for sending or hashing, piece by piece, and know whether it stayed
 * the same meanwhile: fstat before the first and after the last byte through the same
 * descriptor.  Holes are reported, not read (SEEK_DATA/SEEK_HOLE), where they have at least
 * READER_HOLE_MIN bytes; the digest takes them as zeros, so a sparse and a dense file of equal
 * bytes have equal digests.  Opens with
 * O_NOFOLLOW|O_NONBLOCK|O_NOATIME (where allowed) and refuses anything but a regular file.
 */
#ifndef TREE_READER_H
#define TREE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/entry.h"

struct err;
struct look;
struct reader;
struct root;

/*
 * `expect` is the entry the caller saw (stat key); a file that is another one by now is
 * ERR_CHANGED. NULL: take what is there. `seed` keys the digest.
 */
struct reader *reader_open(struct root *root, const char *path, const struct entry *expect,
			   uint64_t seed, struct err *err);
/* The same for a name in an open folder of this root (stage, trash); `shown` names it in messages. */
struct reader *reader_open_at(struct root *root, int dirfd, const char *name, const char *shown,
			      uint64_t seed, struct err *err);
/*
 * The same for a file of it that is open for reading: `fd` stays the caller's, but where it stands may change.
 */
struct reader *reader_open_fd(struct root *root, int fd, const char *shown, uint64_t seed,
			      struct err *err);
/* Do without the digest, also in reader_entry(). Before the first piece. */
void reader_undigested(struct reader *reader);
/* Bytes that this process has read of files so far, in all its threads. */
uint64_t reader_total(void);
/* Bytes of the file when it was opened. */
uint64_t reader_size(const struct reader *reader);
/* Exactly `len` bytes at `offset`, which are no piece and not in the digest. */
int reader_read_at(struct reader *reader, void *out, size_t len, uint64_t offset, struct err *err);
/*
 * Leave the next `len` bytes (more than 0) to whoever reads them by reader_read_at(), from *offset on, in several
 * threads if he likes. False, and nothing is left, where a hole is in them, or the file ends, or there is a digest.
 */
bool reader_leave(struct reader *reader, uint64_t len, uint64_t *offset);
/* Whether the file is still as it was when it was opened: 0, else ERR_CHANGED. */
int reader_unchanged(const struct reader *reader, struct err *err);
/* Borrowed descriptor of the open file. */
int reader_fd(const struct reader *reader);
enum {
	READER_HOLE_MIN = 4096,		      /* bytes; smaller ones are not worth a message */
	READER_HOLE_MAX = 1024 * 1024 * 1024, /* bytes; of larger ones, this much at a time */
};
enum reader_piece { READER_ERROR = -1, READER_END = 0, READER_DATA = 1, READER_HOLE = 2 };
/*
 * The next piece: *len bytes of data in out[0..cap), or a hole of *len bytes (64-bit).
 * At READER_END the file was seen unchanged from open to end; otherwise ERR_CHANGED ("is being written to").
 */
enum reader_piece reader_next(struct reader *reader, void *out, size_t cap, uint64_t *len,
			      struct err *err);
/*
 * After READER_END: the entry with its digest; ENTRY_RACY where its time stamps were too young
 * when reading began (root_now_ns - granularity) to prove that they belong to this content.
 * Attributes and nlink are those of `expect` (an equal ctime proves that they are still the same).
 */
void reader_entry(const struct reader *reader, struct entry *entry);
void reader_free(struct reader *reader);

/* Read a whole file for its digest: reader_open, _next to the end, reader_entry. */
int reader_digest(struct root *root, const char *path, const struct entry *expect, uint64_t seed,
		  struct entry *out, struct err *err);

/* The same for a name in an open folder of look's root, with look's seed. */
int reader_digest_at(const struct look *look, int dirfd, const char *name, const char *shown,
		     struct entry *out, struct err *err);

#endif
