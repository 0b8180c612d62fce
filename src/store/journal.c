/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/codec.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/path.h"
#include "base/sys.h"
#include "store/atomic.h"
#include "store/table.h"

static const unsigned char journal_magic[JOURNAL_MAGIC] = {
	0x89, 'o', 's', 'y', 'n', 'c', 'j', '\n'
};

enum change_kind { CHANGE_PUT = 1, CHANGE_REMOVE = 2, CHANGE_HEAD = 3 };

enum {
	DROP_SIZE = 1024 * 1024, /* bytes read in a row, a multiple of any page */
	DROP_LOOKS =
		32 *
		1024, /* looks at single changes, most of which stand side by side: some 4 MiB */
};

static uint64_t frame_checksum(const struct uuid *id, uint64_t offset, const void *payload,
			       uint64_t len)
{
	unsigned char parts[sizeof(id->bytes) + 24];
	uint64_t numbers[3] = { offset, len, digest_checksum(payload, len) };

	memcpy(parts, id->bytes, sizeof(id->bytes));
	for (size_t i = 0; i < 24; i++)
		parts[sizeof(id->bytes) + i] = (unsigned char)(numbers[i / 8] >> (8 * (i % 8)));
	return digest_checksum(parts, sizeof(parts));
}

/* Reading ------------------------------------------------------------------ */

static const char *header_read(struct journal *journal)
{
	struct dec dec;

	if (journal->size < JOURNAL_HEADER)
		return "it is too short";
	if (memcmp(journal->map, journal_magic, JOURNAL_MAGIC) != 0)
		return "it is not a journal";
	dec_init(&dec, journal->map + JOURNAL_MAGIC, JOURNAL_HEADER - JOURNAL_MAGIC);
	if (dec_le32(&dec) != JOURNAL_VERSION)
		return "its version is not known to this program";
	if (dec_le32(&dec) != JOURNAL_BYTE_ORDER)
		return "its byte order is wrong";
	dec_raw(&dec, journal->id.bytes, sizeof(journal->id.bytes));
	dec_raw(&dec, journal->base.bytes, sizeof(journal->base.bytes));
	if (digest_checksum(journal->map, JOURNAL_HEADER - 8) != dec_le64(&dec))
		return "the checksum of its header is wrong";
	return NULL;
}

int journal_open(int dirfd, const char *name, struct journal *journal, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	const char *complaint = NULL;
	void *map = MAP_FAILED;
	int found = 0;

	*journal = (struct journal)JOURNAL_INIT;
	found = atomic_open(dirfd, name, O_RDONLY, &fd, &journal->size, err);
	if (found <= 0)
		return found;
	if (journal->size == 0)
		return err_set(err, ERR_CORRUPT, "'%s' is damaged: it is empty", name);
	map = sys_map(fd, journal->size);
	if (map == MAP_FAILED)
		return err_sys(err, errno, "cannot map '%s'", name);
	journal->map = map;
	complaint = header_read(journal);
	if (!complaint)
		return 1;
	journal_close(journal);
	return err_set(err, ERR_CORRUPT, "'%s' is damaged: %s", name, complaint);
}

void journal_close(struct journal *journal)
{
	/* munmap() takes a pointer to what it will not change. */
	if (journal->map)
		munmap((void *)(uintptr_t)journal->map, journal->size);
	free(journal->changes);
	*journal = (struct journal)JOURNAL_INIT;
}

/* The payload's length of the frame at `at`, or 0 where there is no good one. */
static size_t frame_at(const struct journal *journal, size_t at)
{
	const unsigned char *frame = journal->map + at;
	size_t room = journal->size - at;
	uint64_t len = 0;
	struct dec dec;

	if (room <= JOURNAL_FRAME || memcmp(frame, journal->id.bytes, JOURNAL_MARK) != 0)
		return 0;
	dec_init(&dec, frame + JOURNAL_MARK, JOURNAL_FRAME - JOURNAL_MARK);
	len = dec_le64(&dec);
	if (len > room - JOURNAL_FRAME)
		return 0;
	if (frame_checksum(&journal->id, at, frame + JOURNAL_FRAME, len) != dec_le64(&dec))
		return 0;
	return (size_t)len;
}

/* Whether a good frame begins somewhere behind `at`. */
static bool frame_behind(const struct journal *journal, size_t at)
{
	const unsigned char *found = journal->map + at;
	const unsigned char *end = journal->map + journal->size;

	while ((found = memmem(found + 1, (size_t)(end - found - 1), journal->id.bytes,
			       JOURNAL_MARK)))
		if (frame_at(journal, (size_t)(found - journal->map)))
			return true;
	return false;
}

/* Room for one more change. Doubles, so that it is cheap on the average. */
static uint64_t *change_new(struct journal *journal, size_t *capacity)
{
	if (journal->count == *capacity) {
		*capacity = *capacity ? 2 * *capacity : 64;
		journal->changes =
			xrealloc(journal->changes, *capacity * sizeof(*journal->changes));
	}
	return &journal->changes[journal->count++];
}

/* A path with its NUL. */
static const char *path_decode(struct dec *dec)
{
	size_t len = 0;
	const char *path = (const char *)dec_bytes(dec, PATH_BYTES_MAX + 1, &len);

	if (len == 0 || path[len - 1] != '\0' || !path_valid(path, len - 1))
		dec->bad = true;
	return path;
}

/* A change in 8 bytes: where its path begins in the mapping, and whether it removes it. */
static uint64_t change_pack(const struct journal *journal, const char *path, bool removes)
{
	return (uint64_t)((const unsigned char *)path - journal->map) << 1 | (removes ? 1 : 0);
}

static const char *path_of(const struct journal *journal, uint64_t packed)
{
	return (const char *)journal->map + (packed >> 1);
}

struct journal_change journal_change(const struct journal *journal, size_t i)
{
	uint64_t packed = journal->changes[i];
	struct journal_change change = { .path = path_of(journal, packed) };
	const unsigned char *behind = (const unsigned char *)change.path + strlen(change.path) + 1;
	struct dec dec;

	if (i % DROP_LOOKS == DROP_LOOKS - 1)
		sys_drop_pages(journal->map, journal->size);
	if (packed & 1)
		return change;
	dec_init(&dec, behind, (size_t)(journal->map + journal->end - behind));
	change.value = dec_bytes(&dec, TABLE_VALUE_MAX, &change.len);
	return change;
}

static void change_decode(struct journal *journal, struct dec *dec, size_t *capacity)
{
	unsigned kind = dec_u8(dec);
	const unsigned char *value = NULL;
	const char *path = NULL;
	size_t len = 0;

	if (kind != CHANGE_PUT && kind != CHANGE_REMOVE && kind != CHANGE_HEAD)
		dec->bad = true;
	if (kind != CHANGE_HEAD)
		path = path_decode(dec);
	if (kind != CHANGE_REMOVE)
		value = dec_bytes(dec, TABLE_VALUE_MAX, &len);
	if (dec->bad)
		return;
	if (kind == CHANGE_HEAD) {
		journal->head = value;
		journal->head_len = len;
		return;
	}
	*change_new(journal, capacity) = change_pack(journal, path, kind == CHANGE_REMOVE);
}

/* What is being sorted. */
struct sorting {
	const struct journal *journal;
	unsigned looks;
};

static int by_path_and_age(const void *a, const void *b, void *context)
{
	struct sorting *sorting = context;
	const uint64_t *first = a;
	const uint64_t *second = b;
	int order = path_cmp(path_of(sorting->journal, *first), path_of(sorting->journal, *second));

	if (++sorting->looks % DROP_LOOKS == 0)
		sys_drop_pages(sorting->journal->map, sorting->journal->size);
	if (order != 0)
		return order;
	/* Both stand in the same mapping: the one further on is younger. */
	return (*first > *second) - (*first < *second);
}

/* By path, and of several changes to one path only the last. */
static void sort(struct journal *journal)
{
	struct sorting sorting = { journal, 0 };
	size_t kept = 0;

	if (journal->count == 0)
		return;
	qsort_r(journal->changes, journal->count, sizeof(*journal->changes), by_path_and_age,
		&sorting);
	for (size_t i = 1; i < journal->count; i++) {
		if (strcmp(path_of(journal, journal->changes[kept]),
			   path_of(journal, journal->changes[i])) != 0)
			kept++;
		journal->changes[kept] = journal->changes[i];
		if (i % DROP_LOOKS == 0)
			sys_drop_pages(journal->map, journal->size);
	}
	journal->count = kept + 1;
	sys_drop_pages(journal->map, journal->size);
}

/* What lies behind `at` has been dealt with; *dropped: what was dropped of it. */
static void drop_behind(const struct journal *journal, size_t at, size_t *dropped)
{
	size_t len = (at - *dropped) / DROP_SIZE * DROP_SIZE;

	if (len > 0)
		sys_drop_pages(journal->map + *dropped, len);
	*dropped += len;
}

int journal_replay(struct journal *journal, const char *name, struct err *err)
{
	size_t capacity = 0;
	size_t dropped = 0;
	size_t at = JOURNAL_HEADER;

	while (at < journal->size) {
		size_t len = frame_at(journal, at);
		struct dec dec;

		if (len == 0)
			break;
		dec_init(&dec, journal->map + at + JOURNAL_FRAME, len);
		while (dec_left(&dec) > 0)
			change_decode(journal, &dec, &capacity);
		if (dec.bad)
			return err_set(err, ERR_CORRUPT,
				       "'%s' is damaged: malformed change in the frame at byte %zu",
				       name, at);
		at += JOURNAL_FRAME + len;
		drop_behind(journal, at, &dropped);
	}
	journal->end = at;
	if (at == JOURNAL_HEADER)
		return err_set(err, ERR_CORRUPT, "'%s' is damaged: its first frame is bad", name);
	if (at < journal->size && frame_behind(journal, at))
		return err_set(err, ERR_CORRUPT,
			       "'%s' is damaged: bad frame at byte %zu, good ones behind it", name,
			       at);
	sort(journal);
	return 0;
}

/* Writing ------------------------------------------------------------------ */

void journal_frame_init(struct buf *frame)
{
	buf_reset(frame);
	memset(buf_extend(frame, JOURNAL_FRAME), 0, JOURNAL_FRAME);
}

bool journal_frame_is_empty(const struct buf *frame)
{
	return frame->len == JOURNAL_FRAME;
}

void journal_frame_put(struct buf *frame, const char *path, const void *value, size_t len)
{
	enc_u8(frame, CHANGE_PUT);
	enc_bytes(frame, path, strlen(path) + 1);
	enc_bytes(frame, value, len);
}

void journal_frame_remove(struct buf *frame, const char *path)
{
	enc_u8(frame, CHANGE_REMOVE);
	enc_bytes(frame, path, strlen(path) + 1);
}

void journal_frame_head(struct buf *frame, const void *head, size_t len)
{
	enc_u8(frame, CHANGE_HEAD);
	enc_bytes(frame, head, len);
}

/* Fill in the frame's header for its place in the file. */
static void seal(struct buf *frame, const struct uuid *id, uint64_t offset)
{
	size_t len = frame->len - JOURNAL_FRAME;
	AUTO_BUF header = BUF_INIT;

	enc_raw(&header, id->bytes, JOURNAL_MARK);
	enc_le64(&header, len);
	enc_le64(&header, frame_checksum(id, offset, frame->data + JOURNAL_FRAME, len));
	memcpy(frame->data, header.data, JOURNAL_FRAME);
}

int journal_log_open(int dirfd, const char *name, const struct journal *journal,
		     struct journal_log *log, struct err *err)
{
	size_t size = 0;
	int found = atomic_open(dirfd, name, O_RDWR, &log->fd, &size, err);

	if (found < 0)
		return -1;
	if (found == 0 || size != journal->size)
		return err_set(err, ERR_SYSTEM, "'%s' was changed by somebody else", name);
	log->id = journal->id;
	log->end = journal->end;
	log->torn = journal->end < size;
	return 0;
}

void journal_log_close(struct journal_log *log)
{
	cleanup_close(&log->fd);
	*log = (struct journal_log)JOURNAL_LOG_INIT;
}

static void header_encode(struct buf *out, const struct uuid *id, const struct uuid *base)
{
	enc_raw(out, journal_magic, JOURNAL_MAGIC);
	enc_le32(out, JOURNAL_VERSION);
	enc_le32(out, JOURNAL_BYTE_ORDER);
	enc_raw(out, id->bytes, sizeof(id->bytes));
	enc_raw(out, base->bytes, sizeof(base->bytes));
	enc_le64(out, digest_checksum(out->data, out->len));
}

/* Write the temporary, make it durable and rename it; the caller removes what is left of it. */
static int create_through(int dirfd, const char *temporary, const char *name,
			  const struct buf *header, const struct buf *frame, struct err *err)
{
	AUTO_CLOSE int fd =
		sys_openat(dirfd, temporary, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(err, errno, "cannot create '%s'", temporary);
	if (sys_write_all(fd, header->data, header->len) < 0 ||
	    sys_write_all(fd, frame->data, frame->len) < 0)
		return err_sys(err, errno, "cannot write '%s'", temporary);
	if (sys_fsync(fd) < 0)
		return err_sys(err, errno, "cannot make '%s' durable", temporary);
	if (sys_renameat2(dirfd, temporary, dirfd, name, 0) < 0)
		return err_sys(err, errno, "cannot replace '%s'", name);
	return steal_fd(&fd);
}

int journal_create(int dirfd, const char *name, const struct uuid *base, struct buf *frame,
		   struct journal_log *log, struct err *err)
{
	char temporary[NAME_MAX + 1];
	struct uuid id = uuid_new();
	AUTO_BUF header = BUF_INIT;
	AUTO_CLOSE int fd = -1;

	snprintf(temporary, sizeof(temporary), "%s.new", name);
	header_encode(&header, &id, base);
	seal(frame, &id, header.len);
	fd = create_through(dirfd, temporary, name, &header, frame, err);
	if (fd < 0) {
		sys_unlinkat(dirfd, temporary, 0);
		return -1;
	}
	if (atomic_sync_folder(dirfd, err) < 0)
		return -1;
	*log = (struct journal_log){
		.fd = steal_fd(&fd),
		.id = id,
		.end = header.len + frame->len,
	};
	return 0;
}

/* Cut off what is behind the last good frame. */
static int cut(struct journal_log *log)
{
	if (sys_ftruncate(log->fd, (off_t)log->end) < 0)
		return -1;
	log->torn = false;
	return 0;
}

/*
 * Nobody else has written since: two runs can meet here only when one of them has slept so long that its
 * lock is another's, and then what it would append belongs to a list that is no more.
 */
static int check_alone(const struct journal_log *log, struct err *err)
{
	struct stat st;

	if (sys_fstat(log->fd, &st) < 0)
		return err_sys(err, errno, "cannot look at the journal");
	if (st.st_nlink > 0 && (log->torn || (uint64_t)st.st_size == log->end))
		return 0;
	return err_set(
		err, ERR_LOCKED,
		"another run has written the saved state meanwhile: this one had given no sign "
		"of life");
}

int journal_append(struct journal_log *log, struct buf *frame, struct err *err)
{
	if (check_alone(log, err) < 0)
		return -1;
	if (log->torn && cut(log) < 0)
		return err_sys(err, errno, "cannot cut the torn end off the journal");
	seal(frame, &log->id, log->end);
	log->torn = true;
	if (sys_pwrite_all(log->fd, frame->data, frame->len, (off_t)log->end) < 0) {
		err_sys(err, errno, "cannot append to the journal");
		/* Give a full disk its room back; where that fails too, the next append cuts. */
		cut(log);
		return -1;
	}
	if (sys_fdatasync(log->fd) < 0)
		return err_sys(err, errno, "cannot make the journal durable");
	log->end += frame->len;
	log->torn = false;
	return 0;
}
