/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/sys.h"
#include "base/text.h"
#include "tree/look.h"
#include "tree/root.h"
#include "tree/scan.h"

enum {
	READER_ROOM = 256 * 1024, /* bytes read at a time by reader_digest */
	READER_AHEAD =
		128 * 1024, /* bytes of a file from which on the kernel is asked to read ahead */
};

static _Atomic uint64_t total;

struct reader {
	struct root *root;
	int fd;
	char *shown;	       /* escaped, for messages */
	struct stat before;    /* through fd, before the first byte */
	int64_t began_ns;      /* the file system's clock then */
	uint32_t expect_nlink; /* of what was expected, 0 where nothing was */
	uint64_t expect_xattr;
	uint64_t pos;
	uint64_t data_end; /* up to here there is data at pos */
	bool dense;	   /* no holes, or the file system cannot tell */
	struct digest_stream *digest;
};

static int reader_changed(const struct reader *reader, const char *how, struct err *err)
{
	return err_set(err, ERR_CHANGED, "'%.300s' %s", reader->shown, how);
}

static int file_open(int dirfd, const char *name)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = sys_openat(dirfd, name, flags | O_NOATIME, 0);

	/* Only the owner may leave the access time alone. */
	return fd < 0 && errno == EPERM ? sys_openat(dirfd, name, flags, 0) : fd;
}

static char *escaped(const char *path)
{
	AUTO_BUF shown = BUF_INIT;

	text_add_escaped(&shown, path);
	return buf_steal_cstr(&shown);
}

static int open_failed(const struct reader *reader, int errnum, struct err *err)
{
	err_sys(err, errnum, "cannot open '%.300s'", reader->shown);
	/* ELOOP: a symlink took its place; ENXIO: a socket did. */
	if (err && (errnum == ENOENT || errnum == ELOOP || errnum == ENXIO))
		err->kind = ERR_CHANGED;
	return -1;
}

static int find_file(struct reader *reader, int dirfd, const char *name, struct err *err)
{
	struct stat st = { 0 };

	/* A device must not even be opened: for some that is an action. */
	if (sys_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return open_failed(reader, errno, err);
	if (!S_ISREG(st.st_mode))
		return reader_changed(reader, "is not a regular file", err);
	reader->fd = file_open(dirfd, name);
	return reader->fd < 0 ? open_failed(reader, errno, err) : 0;
}

/* Its file is open. */
static int reader_start(struct reader *reader, struct err *err)
{
	reader->began_ns = root_now_ns(reader->root);
	if (sys_fstat(reader->fd, &reader->before) < 0)
		return open_failed(reader, errno, err);
	if (!S_ISREG(reader->before.st_mode))
		return reader_changed(reader, "is not a regular file", err);
	/* Fully allocated: asking for holes would be a waste. */
	reader->dense =
		(uint64_t)reader->before.st_blocks * 512 >= (uint64_t)reader->before.st_size;
	if (reader->before.st_size >= READER_AHEAD)
		posix_fadvise(reader->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return 0;
}

static struct reader *reader_new(struct root *root, const char *shown, uint64_t seed)
{
	struct reader *reader = xcalloc(1, sizeof(*reader));

	reader->root = root;
	reader->fd = -1;
	reader->shown = escaped(shown);
	reader->digest = digest_stream_new(seed);
	return reader;
}

struct reader *reader_open_at(struct root *root, int dirfd, const char *name, const char *shown,
			      uint64_t seed, struct err *err)
{
	struct reader *reader = reader_new(root, shown, seed);

	if (find_file(reader, dirfd, name, err) == 0 && reader_start(reader, err) == 0)
		return reader;
	reader_free(reader);
	return NULL;
}

struct reader *reader_open_fd(struct root *root, int fd, const char *shown, uint64_t seed,
			      struct err *err)
{
	struct reader *reader = reader_new(root, shown, seed);

	reader->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (reader->fd < 0)
		open_failed(reader, errno, err);
	else if (reader_start(reader, err) == 0)
		return reader;
	reader_free(reader);
	return NULL;
}

struct reader *reader_open(struct root *root, const char *path, const struct entry *expect,
			   uint64_t seed, struct err *err)
{
	struct reader *reader = NULL;
	const char *name = NULL;
	struct entry found = { 0 };
	int dirfd = -1;

	if (root_parent(root, path, &dirfd, &name, err) < 0)
		return NULL;
	reader = reader_open_at(root, dirfd, name, path, seed, err);
	if (!reader || !expect)
		return reader;
	scan_entry_from_stat(&found, &reader->before);
	if (entry_same_content_key(&found, expect)) {
		reader->expect_xattr = expect->xattr;
		reader->expect_nlink = expect->nlink;
		return reader;
	}
	reader_changed(reader, "has changed since it was listed", err);
	reader_free(reader);
	return NULL;
}

void reader_free(struct reader *reader)
{
	if (!reader)
		return;
	cleanup_close(&reader->fd);
	digest_stream_free(reader->digest);
	cleanup_free(&reader->shown);
	free(reader);
}

int reader_fd(const struct reader *reader)
{
	return reader->fd;
}

void reader_undigested(struct reader *reader)
{
	digest_stream_free(reader->digest);
	reader->digest = NULL;
}

uint64_t reader_total(void)
{
	return total;
}

uint64_t reader_size(const struct reader *reader)
{
	return (uint64_t)reader->before.st_size;
}

/* Some bytes from there on, at least one; before the end of the file. */
static ssize_t read_some(struct reader *reader, void *out, size_t len, uint64_t offset,
			 struct err *err)
{
	ssize_t got = 0;

	do {
		got = sys_pread(reader->fd, out, len, (off_t)offset);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_sys(err, errno, "cannot read '%.300s'", reader->shown);
	if (got == 0)
		return reader_changed(reader, "is being written to", err);
	total += (uint64_t)got;
	return got;
}

int reader_read_at(struct reader *reader, void *out, size_t len, uint64_t offset, struct err *err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t got = read_some(reader, (char *)out + done, len - done, offset + done, err);

		if (got < 0)
			return -1;
		done += (size_t)got;
	}
	return 0;
}

/* Where the data that begins at or after `pos` begins; the file's size where there is none. */
static uint64_t seek_data(struct reader *reader, uint64_t pos)
{
	off_t at = lseek(reader->fd, (off_t)pos, SEEK_DATA);

	if (at < 0 && errno == ENXIO)
		return reader_size(reader);
	if (at < 0)
		reader->dense = true;
	return at < 0 ? pos : (uint64_t)at;
}

static uint64_t seek_hole(struct reader *reader, uint64_t pos)
{
	off_t at = reader->dense ? -1 : lseek(reader->fd, (off_t)pos, SEEK_HOLE);

	return at < 0 || (uint64_t)at > reader_size(reader) ? reader_size(reader) : (uint64_t)at;
}

/* Length of the hole at pos, 0 where data is to be read; sets data_end then. */
static uint64_t hole_here(struct reader *reader)
{
	uint64_t data = 0;

	if (reader->pos < reader->data_end)
		return 0;
	data = reader->dense ? reader->pos : seek_data(reader, reader->pos);
	if (data > reader_size(reader))
		data = reader_size(reader);
	if (data - reader->pos >= READER_HOLE_MAX)
		return READER_HOLE_MAX;
	if (data - reader->pos >= READER_HOLE_MIN)
		return data - reader->pos;
	reader->data_end = data < reader_size(reader) ? seek_hole(reader, data) : data;
	/* Where holes come and go meanwhile the two answers may not fit: read on, the end will tell. */
	if (reader->data_end <= reader->pos)
		reader->data_end = reader_size(reader);
	return 0;
}

int reader_unchanged(const struct reader *reader, struct err *err)
{
	const struct stat *before = &reader->before;
	struct stat after = { 0 };

	if (sys_fstat(reader->fd, &after) < 0)
		return err_sys(err, errno, "cannot look at '%.300s'", reader->shown);
	if (after.st_size != before->st_size ||
	    clock_from_timespec(after.st_mtim) != clock_from_timespec(before->st_mtim) ||
	    clock_from_timespec(after.st_ctim) != clock_from_timespec(before->st_ctim))
		return reader_changed(reader, "is being written to", err);
	return 0;
}

static enum reader_piece read_data(struct reader *reader, void *out, size_t cap, uint64_t *len,
				   struct err *err)
{
	uint64_t left = reader->data_end - reader->pos;
	size_t want = left < cap ? (size_t)left : cap;
	ssize_t got = read_some(reader, out, want, reader->pos, err);

	if (got < 0)
		return READER_ERROR;
	if (reader->digest)
		digest_stream_add(reader->digest, out, (size_t)got);
	reader->pos += (uint64_t)got;
	*len = (uint64_t)got;
	return READER_DATA;
}

enum reader_piece reader_next(struct reader *reader, void *out, size_t cap, uint64_t *len,
			      struct err *err)
{
	*len = 0;
	if (reader->pos == reader_size(reader))
		return reader_unchanged(reader, err) < 0 ? READER_ERROR : READER_END;
	*len = hole_here(reader);
	if (*len == 0)
		return read_data(reader, out, cap, len, err);
	if (reader->digest)
		digest_stream_add_zeros(reader->digest, *len);
	reader->pos += *len;
	return READER_HOLE;
}

bool reader_leave(struct reader *reader, uint64_t len, uint64_t *offset)
{
	if (reader->digest || reader_size(reader) - reader->pos < len || hole_here(reader) > 0 ||
	    reader->data_end - reader->pos < len)
		return false;
	*offset = reader->pos;
	reader->pos += len;
	return true;
}

void reader_entry(const struct reader *reader, struct entry *entry)
{
	scan_entry_from_stat(entry, &reader->before);
	entry->xattr = reader->expect_xattr;
	entry->nlink = reader->expect_nlink;
	if (reader->digest) {
		entry->digest = digest_stream_value(reader->digest);
		entry->flags |= ENTRY_HAS_DIGEST;
	}
	if (root_stamps_young(reader->root, &reader->before, reader->began_ns))
		entry->flags |= ENTRY_RACY;
}

static void free_reader(struct reader **reader)
{
	reader_free(*reader);
}

/* Takes the reader over; NULL is an error that was reported already. */
static int read_all(struct reader *taken, struct entry *out, struct err *err)
{
	AUTO(free_reader) struct reader *reader = taken;
	AUTO_FREE char *room = xmalloc(READER_ROOM);
	enum reader_piece piece = READER_DATA;
	uint64_t len = 0;

	if (!reader)
		return -1;
	while (piece == READER_DATA || piece == READER_HOLE)
		piece = reader_next(reader, room, READER_ROOM, &len, err);
	if (piece == READER_ERROR)
		return -1;
	reader_entry(reader, out);
	return 0;
}

int reader_digest(struct root *root, const char *path, const struct entry *expect, uint64_t seed,
		  struct entry *out, struct err *err)
{
	return read_all(reader_open(root, path, expect, seed, err), out, err);
}

int reader_digest_at(const struct look *look, int dirfd, const char *name, const char *shown,
		     struct entry *out, struct err *err)
{
	return read_all(reader_open_at(look->root, dirfd, name, shown, look->seed, err), out, err);
}
