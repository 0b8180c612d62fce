/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/copy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/sys.h"
#include "base/worthwhile.h"
#include "tree/changer_internal.h"
#include "tree/reader.h"

enum {
	/* Bytes of a file that is worth sharing: the extents of smaller ones cost as much as their bytes. */
	CLONE_MIN = WORTHWHILE(128 * 1024, 1),
	/* Bytes shared at a time, which any file system's blocks divide. */
	CLONE_STEP = 1024 * 1024 * 1024,
};

void copy_init(struct copy *copy, struct staged *staged, struct reader *source)
{
	reader_undigested(source);
	*copy = (struct copy){ .staged = staged, .source = source };
}

void copy_release(struct copy *copy)
{
	reader_free(copy->clone);
	copy->clone = NULL;
}

static bool is_worth_cloning(const struct copy *copy)
{
	return reader_size(copy->source) >= CLONE_MIN;
}

/*
 * The bytes are shared: read them, through the copy, for their digest. Its mode may not let anybody open it again,
 * and its name may lead to another one.
 */
static enum copy_end read_back(struct copy *copy, struct err *err)
{
	const struct staged *staged = copy->staged;
	const struct look *look = &staged->changer->look;

	sys_point("copying");
	copy->clone = reader_open_fd(look->root, staged->fd, "the staged copy", look->seed, err);
	copy->way = COPY_READING_BACK;
	return copy->clone ? COPY_MORE : COPY_UNWRITABLE;
}

/* Another file system, one that cannot share, or a file that has become shorter, which reading will tell. */
static enum copy_end do_without_cloning(struct copy *copy, struct err *err)
{
	copy->way = COPY_PIECES;
	/* Of what failed, a part may have been shared. */
	if (sys_ftruncate(copy->staged->fd, 0) < 0) {
		err_sys(err, errno, "cannot stage new content");
		return COPY_UNWRITABLE;
	}
	return COPY_MORE;
}

static enum copy_end step_clone(struct copy *copy, struct err *err)
{
	uint64_t left = reader_size(copy->source) - copy->cloned;
	uint64_t len = left < CLONE_STEP ? left : CLONE_STEP;

	if (sys_clone(copy->staged->fd, reader_fd(copy->source), copy->cloned, len) < 0)
		return do_without_cloning(copy, err);
	copy->cloned += len;
	return len < left ? COPY_MORE : read_back(copy, err);
}

/* All of the copy was read: it is as if it had been written. */
static enum copy_end take_digest(struct copy *copy, struct err *err)
{
	struct staged *staged = copy->staged;
	struct entry read = { 0 };

	reader_entry(copy->clone, &read);
	if (read.size != reader_size(copy->source)) {
		err_set(err, ERR_SYSTEM, "the file system has shared another number of bytes");
		return COPY_UNWRITABLE;
	}
	staged->size = read.size;
	staged->value = read.digest;
	digest_stream_free(staged->digest);
	staged->digest = NULL;
	return reader_unchanged(copy->source, err) < 0 ? COPY_UNREADABLE : COPY_DONE;
}

static enum copy_end step_back(struct copy *copy, unsigned char *room, uint64_t *len,
			       struct err *err)
{
	switch (reader_next(copy->clone, room, COPY_ROOM, len, err)) {
	case READER_ERROR:
		return COPY_UNWRITABLE;
	case READER_END:
		return take_digest(copy, err);
	case READER_DATA:
	case READER_HOLE:
		break;
	}
	return COPY_MORE;
}

static enum copy_end step_pieces(struct copy *copy, unsigned char *room, uint64_t *len,
				 struct err *err)
{
	int status = 0;

	switch (reader_next(copy->source, room, COPY_ROOM, len, err)) {
	case READER_ERROR:
		return COPY_UNREADABLE;
	case READER_END:
		return COPY_DONE;
	case READER_DATA:
		sys_point("copying");
		status = staged_write(copy->staged, room, (size_t)*len, err);
		break;
	case READER_HOLE:
		status = staged_hole(copy->staged, *len, err);
		break;
	}
	return status < 0 ? COPY_UNWRITABLE : COPY_MORE;
}

enum copy_end copy_step(struct copy *copy, unsigned char *room, uint64_t max, struct err *err)
{
	enum copy_end end = COPY_MORE;

	if (copy->way == COPY_NOT_BEGUN)
		copy->way = is_worth_cloning(copy) ? COPY_CLONING : COPY_PIECES;
	for (uint64_t done = 0; end == COPY_MORE && done < max;) {
		uint64_t len = 0;

		if (copy->way == COPY_CLONING) {
			end = step_clone(copy, err);
			len = copy->way == COPY_CLONING ? max : 0;
		} else if (copy->way == COPY_READING_BACK) {
			end = step_back(copy, room, &len, err);
		} else {
			end = step_pieces(copy, room, &len, err);
		}
		done += len;
	}
	return end;
}

/* Copies within a root ------------------------------------------------------------ */

static void free_reader(struct reader **reader)
{
	reader_free(*reader);
}

static int copy_all(struct staged *staged, struct reader *reader, struct err *err)
{
	AUTO_FREE unsigned char *room = xmalloc(COPY_ROOM);
	AUTO(copy_release) struct copy copy;
	enum copy_end end = COPY_MORE;

	copy_init(&copy, staged, reader);
	while (end == COPY_MORE)
		end = copy_step(&copy, room, UINT64_MAX, err);
	return end == COPY_DONE ? 0 : -1;
}

static int fill_copy(struct staged *staged, const char *path, const struct entry *expect,
		     struct err *err)
{
	struct changer *changer = staged->changer;
	const struct change change = { .changer = changer, .verb = "copy", .path = path };
	AUTO(free_reader)
	struct reader *reader = reader_open(changer->root, path, expect, changer->look.seed, err);
	struct digest digest = { { 0 } };

	if (!reader || copy_all(staged, reader, err) < 0)
		return -1;
	digest = staged_digest(staged);
	if (!(expect->flags & ENTRY_HAS_DIGEST) || !digest_same(&digest, &expect->digest))
		return change_differs(&change, "does not hold what was expected", err);
	return 0;
}

struct staged *staged_copy(struct changer *changer, const char *path, const struct entry *expect,
			   struct err *err)
{
	struct staged *staged = staged_file(changer, expect->mode, err);

	if (!staged || fill_copy(staged, path, expect, err) == 0)
		return staged;
	staged_free(staged);
	return NULL;
}
