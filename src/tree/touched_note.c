/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/touched_note.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/codec.h"
#include "base/path.h"
#include "base/sys.h"
#include "store/atomic.h"
#include "store/note.h"

enum { RECORD_MAX = 3 * 10 + PATH_BYTES_MAX + 1 /* bytes: three numbers, and a path with NUL */ };

void touched_note_init(struct touched_note *note, int workdir, const char *name)
{
	*note = (struct touched_note){ .workdir = workdir, .name = name, .fd = -1 };
}

void touched_note_release(struct touched_note *note)
{
	cleanup_close(&note->fd);
}

/* What is in the way there (a pipe, a link) is not waited for and not followed. */
static bool open_note(struct touched_note *note)
{
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
	struct stat st = { 0 };

	if (note->fd >= 0 || note->useless)
		return !note->useless;
	note->fd = sys_openat(note->workdir, note->name, flags, 0600);
	if (note->fd < 0 || sys_fstat(note->fd, &st) < 0 || !S_ISREG(st.st_mode))
		note->useless = true;
	note->len = (uint64_t)st.st_size;
	return !note->useless;
}

static void put_record(struct buf *out, const char *path, size_t len, uint64_t ino, int64_t value)
{
	AUTO_BUF payload = BUF_INIT;

	enc_uint(&payload, ino);
	enc_int(&payload, value);
	enc_uint(&payload, len + 1);
	enc_raw(&payload, path, len);
	enc_u8(&payload, 0);
	note_put(out, &payload);
}

void touched_note_add(struct touched_note *note, const char *path, size_t len, uint64_t ino,
		      int64_t value)
{
	AUTO_BUF record = BUF_INIT;

	if (!open_note(note))
		return;
	put_record(&record, path, len, ino, value);
	if (note->len + record.len > TOUCHED_NOTE_MAX) {
		note->useless = true;
	} else if (sys_write_all(note->fd, record.data, record.len) == 0) {
		note->len += record.len;
	} else if (sys_ftruncate(note->fd, (off_t)note->len) < 0) {
		/* Behind a torn record nothing would be read. */
		note->useless = true;
	}
}

void touched_note_drop(struct touched_note *note)
{
	if (note->fd >= 0)
		touched_note_remove(note->workdir, note->name);
	cleanup_close(&note->fd);
	note->useless = false;
}

void touched_note_remove(int workdir, const char *name)
{
	sys_unlinkat(workdir, name, 0);
}

static void add_mark(struct touched_marks *marks, const struct touched_mark *mark)
{
	if (marks->count == marks->cap) {
		marks->cap = marks->cap ? 2 * marks->cap : 64;
		marks->marks = xrealloc(marks->marks, marks->cap * sizeof(*marks->marks));
	}
	marks->marks[marks->count++] = *mark;
}

/* False where the record is not whole. One with a path that is none is passed over. */
static bool read_record(struct dec *dec, struct touched_marks *marks)
{
	struct touched_mark mark = { 0 };
	struct dec payload = { 0 };
	size_t len = 0;
	const unsigned char *path = NULL;

	if (!note_next(dec, RECORD_MAX, &payload))
		return false;
	mark.ino = dec_uint(&payload);
	mark.value = dec_int(&payload);
	path = dec_bytes(&payload, PATH_BYTES_MAX + 1, &len);
	if (!dec_done(&payload) || len == 0 || path[len - 1] != '\0')
		return true;
	mark.path = (const char *)path;
	if (len == 1 || path_valid(mark.path, len - 1))
		add_mark(marks, &mark);
	return true;
}

/* The records of one path stay in the order in which they were read. */
static int mark_cmp(const void *a, const void *b)
{
	const struct touched_mark *one = a;
	const struct touched_mark *other = b;
	int order = path_cmp(one->path, other->path);

	return order ? order : (one->path > other->path) - (one->path < other->path);
}

static void keep_last(struct touched_marks *marks)
{
	size_t kept = 0;

	if (marks->count > 0)
		qsort(marks->marks, marks->count, sizeof(*marks->marks), mark_cmp);
	for (size_t i = 0; i < marks->count; i++) {
		if (i + 1 < marks->count &&
		    strcmp(marks->marks[i].path, marks->marks[i + 1].path) == 0)
			continue;
		marks->marks[kept++] = marks->marks[i];
	}
	marks->count = kept;
}

int touched_note_read(int workdir, const char *name, struct touched_marks *marks)
{
	struct dec dec = { 0 };
	int found = atomic_read(workdir, name, TOUCHED_NOTE_MAX, &marks->bytes, NULL);

	if (found != 1)
		return found;
	dec_init(&dec, marks->bytes.data, marks->bytes.len);
	while (dec_left(&dec) > 0 && read_record(&dec, marks))
		continue;
	keep_last(marks);
	return 1;
}

void touched_marks_release(struct touched_marks *marks)
{
	buf_release(&marks->bytes);
	free(marks->marks);
	*marks = (struct touched_marks)TOUCHED_MARKS_INIT;
}
