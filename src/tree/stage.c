/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/sys.h"
#include "base/text.h"
#include "tree/changer_internal.h"
#include "tree/partial.h"
#include "tree/reader.h"
#include "tree/root.h"
#include "tree/scan.h"

enum {
	LARGE_SIZE = 64 * 1024, /* bytes of a file that is worth beginning to write early */
	FILLED_PREFIX_LEN = UUID_TEXT_LEN + 3,
	MODEST_SIZE = 16 * 1024 * 1024, /* bytes of a file that no file system finds too large */
};

static int stage_failed(int errnum, struct err *err)
{
	return err_sys(err, errnum, "cannot stage new content");
}

static struct staged *staged_new(struct changer *changer, enum entry_type type)
{
	struct staged *staged = xcalloc(1, sizeof(*staged));

	staged->changer = changer;
	staged->fd = -1;
	staged->entry.type = (uint8_t)type;
	snprintf(staged->name, sizeof(staged->name), "%c-%lu", STAGED_WHOLE, ++changer->serial);
	return staged;
}

const char *staged_path(const struct staged *staged, char room[static STAGED_PATH_SIZE])
{
	if (!staged->folder)
		return staged->name;
	snprintf(room, STAGED_PATH_SIZE, "%s/%s", staged->folder->name, staged->name);
	return room;
}

/* For a constructor that fails: nothing lies in the stage. */
static struct staged *staged_failed(struct staged *staged, struct err *err)
{
	stage_failed(errno, err);
	staged->state = STAGED_GONE;
	staged_free(staged);
	return NULL;
}

static struct staged *file_open(struct staged *staged, mode_t mode, struct err *err)
{
	struct changer *changer = staged->changer;
	char room[STAGED_PATH_SIZE];

	staged->fd = sys_openat(changer->stage, staged_path(staged, room),
				O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode & 0777);
	if (staged->fd < 0)
		return staged_failed(staged, err);
	staged->digest = digest_stream_new(changer->look.seed);
	return staged;
}

struct staged *staged_file(struct changer *changer, mode_t mode, struct err *err)
{
	return file_open(staged_new(changer, ENTRY_FILE), mode, err);
}

struct staged *staged_file_in(struct staged *folder, const char *name, mode_t mode, struct err *err)
{
	struct staged *staged = staged_new(folder->changer, ENTRY_FILE);

	snprintf(staged->name, sizeof(staged->name), "%s", name);
	staged->folder = folder;
	folder->inside++;
	return file_open(staged, mode, err);
}

struct staged *staged_large(struct changer *changer, const char *path, mode_t mode, struct err *err)
{
	struct staged *staged = staged_new(changer, ENTRY_FILE);

	partial_stage_name(path, changer->serial, staged->name, sizeof(staged->name));
	return file_open(staged, mode, err);
}

/* Whether what a run before has left on the full disk made way for this file. Keeps errno. */
static bool made_room(const struct staged *staged)
{
	int failed = errno;
	bool made = (failed == ENOSPC || failed == EDQUOT) &&
		    partial_clear(staged->changer->root) &&
		    lseek(staged->fd, (off_t)staged->size, SEEK_SET) >= 0;

	errno = failed;
	return made;
}

int staged_write(struct staged *staged, const void *data, size_t len, struct err *err)
{
	if (sys_write_all(staged->fd, data, len) < 0 &&
	    (!made_room(staged) || sys_write_all(staged->fd, data, len) < 0))
		return stage_failed(errno, err);
	digest_stream_add(staged->digest, data, len);
	staged->size += len;
	staged->hole_last = staged->hole_last && len == 0;
	return 0;
}

int staged_hole(struct staged *staged, uint64_t len, struct err *err)
{
	if (len > (uint64_t)INT64_MAX - staged->size)
		return stage_failed(EFBIG, err);
	/* Where the file system knows a limit, it is asked before any zero is counted. */
	if (lseek(staged->fd, (off_t)len, SEEK_CUR) < 0)
		return stage_failed(errno, err);
	digest_stream_add_zeros(staged->digest, len);
	staged->size += len;
	staged->hole_last = staged->hole_last || len > 0;
	return 0;
}

uint64_t staged_size(const struct staged *staged)
{
	return staged->size;
}

int staged_may_grow(struct staged *staged, uint64_t size, struct err *err)
{
	if (size > INT64_MAX)
		return stage_failed(EFBIG, err);
	if (size <= MODEST_SIZE)
		return 0;
	if (lseek(staged->fd, (off_t)size, SEEK_SET) < 0 ||
	    lseek(staged->fd, (off_t)staged->size, SEEK_SET) < 0)
		return stage_failed(errno, err);
	return 0;
}

struct staged *staged_symlink(struct changer *changer, const char *target, struct err *err)
{
	struct staged *staged = staged_new(changer, ENTRY_SYMLINK);

	if (sys_symlinkat(target, changer->stage, staged->name) < 0)
		return staged_failed(staged, err);
	staged->value = digest_of(target, strlen(target), changer->look.seed);
	return staged;
}

int staged_open_folder(struct staged *staged, struct err *err)
{
	if (staged->fd < 0)
		staged->fd = sys_openat(staged->changer->stage, staged->name,
					O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	return staged->fd < 0 ? stage_failed(errno, err) : 0;
}

static struct staged *make_folder(struct staged *staged, struct err *err)
{
	if (sys_mkdirat(staged->changer->stage, staged->name, 0700) < 0)
		return staged_failed(staged, err);
	if (staged_open_folder(staged, err) == 0)
		return staged;
	staged_free(staged);
	return NULL;
}

struct staged *staged_folder(struct changer *changer, struct err *err)
{
	return make_folder(staged_new(changer, ENTRY_DIR), err);
}

/*
 * Whether the staged link is to the file that was expected. Other links that were made to it since
 * it was listed have changed its ctime; then its content decides.
 */
static int link_is(struct staged *staged, const struct entry *before, const struct entry *expect,
		   struct err *err)
{
	struct changer *changer = staged->changer;
	struct entry wanted = *expect;
	struct entry read = { 0 };
	bool sure = before->ctime_ns == expect->ctime_ns && !(expect->flags & ENTRY_RACY);

	if (look_at(&changer->look, changer->stage, staged->name, &staged->entry, NULL, err) != 1)
		return -1;
	wanted.ctime_ns = staged->entry.ctime_ns;
	if (!entry_same_stat(&staged->entry, &wanted))
		return 0;
	if (sure || !(expect->flags & ENTRY_HAS_DIGEST))
		return sure;
	if (reader_digest_at(&changer->look, changer->stage, staged->name, "the staged link", &read,
			     err) < 0)
		return -1;
	return digest_same(&read.digest, &expect->digest);
}

static int stage_link(struct staged *staged, const struct change *change, struct err *err)
{
	struct changer *changer = staged->changer;
	const struct parent *parent = &change->parent;
	struct entry before = { 0 };
	int same = 0;

	if (look_at(&changer->look, parent->fd, parent->name, &before, NULL, err) < 0)
		return -1;
	if (before.type != ENTRY_FILE || change->expect->type != ENTRY_FILE)
		return change_differs(change, "has changed since it was listed", err);
	if (sys_linkat(parent->fd, parent->name, changer->stage, staged->name) < 0)
		return change_failed(change, errno, err);
	staged->state = STAGED_READY;
	same = link_is(staged, &before, change->expect, err);
	return same == 0 ? change_differs(change, "has changed since it was listed", err) : same;
}

struct staged *staged_link(struct changer *changer, const char *path, const struct entry *expect,
			   struct err *err)
{
	AUTO(change_release)
	struct change change = { .changer = changer,
				 .verb = "link",
				 .path = path,
				 .expect = expect,
				 .parent = PARENT_INIT };
	struct staged *staged = NULL;

	if (parent_open(changer, path, PARENT_SEARCH, &change.parent, err) < 0)
		return NULL;
	staged = staged_new(changer, ENTRY_FILE);
	staged->state = STAGED_GONE;
	staged->linked = true;
	staged->value = expect->digest;
	if (stage_link(staged, &change, err) >= 0)
		return staged;
	staged_free(staged);
	return NULL;
}

struct digest staged_digest(const struct staged *staged)
{
	return staged->digest ? digest_stream_value(staged->digest) : staged->value;
}

static void list_add(struct staged_list *list, struct staged *staged)
{
	staged->list = list;
	staged->prev = NULL;
	staged->next = list->first;
	if (staged->next)
		staged->next->prev = staged;
	list->first = staged;
	list->count++;
}

static void list_remove(struct staged *staged)
{
	struct staged_list *list = staged->list;

	if (!list)
		return;
	if (staged->prev)
		staged->prev->next = staged->next;
	else
		list->first = staged->next;
	if (staged->next)
		staged->next->prev = staged->prev;
	staged->next = NULL;
	staged->prev = NULL;
	staged->list = NULL;
	list->count--;
}

/*
 * From here on it may be the one of another thread, which syncs. Behind so many others there will be a syncfs,
 * which needs no descriptor of each: closed in the same moment, it is never taken without them.
 */
static int pending_add(struct staged *staged)
{
	struct changer *changer = staged->changer;
	int status = 0;

	pthread_mutex_lock(&changer->mutex);
	if (staged->entry.type == ENTRY_FILE && changer->pending.count >= CHANGER_PENDING_MAX)
		status = sys_close(steal_fd(&staged->fd));
	if (status == 0) {
		changer->stage_dirty = true;
		list_add(&changer->pending, staged);
	}
	pthread_mutex_unlock(&changer->mutex);
	return status;
}

static void pending_remove(struct staged *staged)
{
	struct changer *changer = staged->changer;

	pthread_mutex_lock(&changer->mutex);
	list_remove(staged);
	pthread_mutex_unlock(&changer->mutex);
}

/* All that is finished by now, and whether the stage itself is to be synced. */
static bool take_pending(struct changer *changer)
{
	bool dirty = false;

	pthread_mutex_lock(&changer->mutex);
	while (changer->pending.first) {
		struct staged *staged = changer->pending.first;

		list_remove(staged);
		list_add(&changer->syncing, staged);
	}
	dirty = changer->stage_dirty;
	changer->stage_dirty = false;
	pthread_mutex_unlock(&changer->mutex);
	return dirty;
}

static void mark_dirty(struct changer *changer)
{
	pthread_mutex_lock(&changer->mutex);
	changer->stage_dirty = true;
	pthread_mutex_unlock(&changer->mutex);
}

void staged_free(struct staged *staged)
{
	struct staged *folder = staged ? staged->folder : NULL;
	char room[STAGED_PATH_SIZE];
	int saved = errno;

	if (!staged)
		return;
	if (staged->inside > 0) {
		staged->doomed = true;
		return;
	}
	pending_remove(staged);
	cleanup_close(&staged->fd);
	if (staged->state != STAGED_GONE)
		sys_unlinkat(staged->changer->stage, staged_path(staged, room),
			     staged->entry.type == ENTRY_DIR ? AT_REMOVEDIR : 0);
	digest_stream_free(staged->digest);
	free(staged);
	if (folder && --folder->inside == 0 && folder->doomed)
		staged_free(folder);
	errno = saved;
}

void staged_leave(struct staged *staged)
{
	if (staged && staged->state != STAGED_GONE && !staged->folder &&
	    partial_keep(staged->changer, staged->name) == 0)
		staged->state = STAGED_GONE;
	staged_free(staged);
}

/* Without a mode asked for: what the user's other programs would give. */
static struct meta with_mode(const struct staged *staged, const struct meta *meta)
{
	struct meta full = *meta;
	bool folder = staged->entry.type == ENTRY_DIR;

	if (!(full.mask & META_MODE))
		full.mode = (uint16_t)((folder ? 0777 : 0666) & ~staged->changer->umask);
	full.mask |= META_MODE;
	return full;
}

static int finish_look(struct staged *staged, struct err *err)
{
	const struct changer *changer = staged->changer;

	/* Whether its name still leads to it is seen when it is placed. */
	if (staged->entry.type == ENTRY_FILE)
		return look_open(&changer->look, staged->fd, &staged->entry, err);
	if (look_at(&changer->look, changer->stage, staged->name, &staged->entry, NULL, err) == 1)
		return 0;
	return err_is_set(err) ? -1 : stage_failed(ENOENT, err);
}

static bool meta_fits(const struct meta *meta, const struct entry *entry)
{
	return !(meta->mask & META_XATTR) &&
	       (!(meta->mask & META_MODE) || entry->mode == meta->mode) &&
	       (!(meta->mask & META_UID) || entry->uid == meta->uid) &&
	       (!(meta->mask & META_GID) || entry->gid == meta->gid);
}

/*
 * A new file is nearly always its owner's already, with the mode that it was made with: only the time is to
 * be set, and the look afterwards tells whether that was all.
 */
static int finish_file(struct staged *staged, const struct meta *meta, struct err *err)
{
	struct changer *changer = staged->changer;
	char room[STAGED_PATH_SIZE];
	struct meta full = with_mode(staged, meta);
	const struct meta time = { .mask = full.mask & META_MTIME, .mtime_ns = full.mtime_ns };

	if (meta_apply_time(staged->fd, &time, err) < 0 || finish_look(staged, err) < 0)
		return -1;
	if (meta_fits(&full, &staged->entry))
		return 0;
	full.mask &= ~(unsigned)META_MTIME;
	if (meta_apply(changer, staged->fd, changer->stage, staged_path(staged, room), &full, err) <
	    0)
		return -1;
	return finish_look(staged, err);
}

static int finish_other(struct staged *staged, const struct meta *meta, struct err *err)
{
	struct changer *changer = staged->changer;
	struct meta full = with_mode(staged, meta);

	/* A folder must be writable by us to be moved out of the stage. */
	staged->folder_mode = full.mode;
	full.mode |= 0700;
	if ((staged->entry.type == ENTRY_SYMLINK
		     ? meta_apply_link(changer->stage, staged->name, meta, err)
		     : meta_apply(changer, staged->fd, changer->stage, staged->name, &full, err)) <
	    0)
		return -1;
	return finish_look(staged, err);
}

static int finish_meta(struct staged *staged, const struct meta *meta, struct err *err)
{
	struct err why = ERR_INIT;

	if ((staged->entry.type == ENTRY_FILE ? finish_file(staged, meta, &why)
					      : finish_other(staged, meta, &why)) == 0)
		return 0;
	if (err)
		*err = why;
	return err_wrap(err, "cannot stage new content");
}

int staged_finish(struct staged *staged, const struct meta *meta, struct err *err)
{
	struct changer *changer = staged->changer;

	if (staged->hole_last && sys_ftruncate(staged->fd, (off_t)staged->size) < 0)
		return stage_failed(errno, err);
	if (finish_meta(staged, meta, err) < 0)
		return -1;
	if (staged->entry.type == ENTRY_FILE)
		staged->value = staged_digest(staged);
	staged->state = STAGED_FINISHED;
	if (changer->sync != CHANGER_SYNC_BATCH) {
		mark_dirty(changer);
		return staged_settle(staged, err);
	}
	/* The disk begins to write while more is received; the sync later finds it done. */
	if (staged->entry.type == ENTRY_FILE && staged->size >= LARGE_SIZE)
		sync_file_range(staged->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	return pending_add(staged) < 0 ? stage_failed(errno, err) : 0;
}

struct staged *staged_filling(struct changer *changer, struct err *err)
{
	struct staged *staged = staged_new(changer, ENTRY_DIR);

	staged->name[0] = STAGED_FILLING;
	staged = make_folder(staged, err);
	if (!staged)
		return NULL;
	cleanup_close(&staged->fd);
	mark_dirty(changer);
	return staged;
}

/* What the name of a filled folder begins with. */
static void filled_prefix(const struct uuid *boot, char out[static FILLED_PREFIX_LEN + 1])
{
	char text[UUID_TEXT_LEN + 1];

	uuid_text(boot, text);
	snprintf(out, FILLED_PREFIX_LEN + 1, "%c-%s-", STAGED_WHOLE, text);
}

bool staged_was_never_placed(const char *name, const struct uuid *boot)
{
	char prefix[FILLED_PREFIX_LEN + 1];

	filled_prefix(boot, prefix);
	return name[0] == STAGED_FILLING ||
	       (!uuid_is_none(boot) && strncmp(name, prefix, FILLED_PREFIX_LEN) == 0);
}

bool staged_is_in_folder(const struct staged *staged)
{
	return staged->folder != NULL;
}

/* What has come into it is in the next changer_sync(), as what is placed in a folder is. */
int staged_filled(struct staged *folder, const struct meta *meta, struct err *err)
{
	struct changer *changer = folder->changer;
	char prefix[FILLED_PREFIX_LEN + 1];
	char filled[STAGED_NAME_SIZE];
	int status = 0;

	filled_prefix(&changer->boot, prefix);
	snprintf(filled, sizeof(filled), "%s%.*s", prefix, STAGED_NAME_SIZE - FILLED_PREFIX_LEN - 1,
		 folder->name);
	mark_dirty(changer);
	if (sys_renameat2(changer->stage, folder->name, changer->stage, filled, 0) < 0)
		return stage_failed(errno, err);
	memcpy(folder->name, filled, sizeof(filled));
	if (staged_open_folder(folder, err) < 0)
		return -1;
	status = finish_meta(folder, meta, err);
	cleanup_close(&folder->fd);
	folder->state = status < 0 ? STAGED_BROKEN : STAGED_READY;
	return status;
}

/* There is nothing in a new folder that could be lost: it is among those that the next changer_sync() takes. */
static bool must_sync(const struct staged *staged)
{
	enum changer_sync_mode sync = staged->changer->sync;

	return staged->fd >= 0 && (sync == CHANGER_SYNC_FILE || (sync == CHANGER_SYNC_BATCH &&
								 staged->entry.type == ENTRY_FILE));
}

int staged_settle(struct staged *staged, struct err *err)
{
	bool file = staged->entry.type == ENTRY_FILE;

	if (staged->state == STAGED_READY && !staged->spoiled)
		return 0;
	if (staged->state != STAGED_FINISHED)
		return err_set(err, ERR_SYSTEM, "new content could not be made durable");
	pending_remove(staged);
	staged->state = STAGED_BROKEN;
	if (must_sync(staged) && sys_fsync(staged->fd) < 0)
		return err_sys(err, errno, "cannot make new content durable");
	if (file && sys_close(steal_fd(&staged->fd)) < 0)
		return err_sys(err, errno, "cannot make new content durable");
	staged->state = STAGED_READY;
	return 0;
}

/* It is in its folder already, which must not be placed with it. */
static void spoil_folder(struct staged *staged)
{
	if (staged->folder)
		staged->folder->spoiled = true;
}

/* One sync for all of many; what then goes wrong concerns all of them. */
static int sync_all_staged(struct changer *changer, struct err *err)
{
	int failed = sys_syncfs(changer->stage) < 0 ? errno : 0;

	while (changer->syncing.first) {
		struct staged *staged = changer->syncing.first;

		pending_remove(staged);
		staged->state = failed ? STAGED_BROKEN : STAGED_READY;
		if (failed)
			spoil_folder(staged);
		if (staged->entry.type == ENTRY_FILE)
			cleanup_close(&staged->fd);
	}
	return failed ? err_sys(err, failed, "cannot make new content durable") : 0;
}

static int sync_each_staged(struct changer *changer, bool dirty, struct err *err)
{
	struct err first = ERR_INIT;

	while (changer->syncing.first) {
		struct staged *staged = changer->syncing.first;
		struct err why = ERR_INIT;

		if (staged_settle(staged, &why) == 0)
			continue;
		spoil_folder(staged);
		if (!err_is_set(&first))
			first = why;
	}
	if (changer->sync != CHANGER_SYNC_OFF && dirty && !err_is_set(&first) &&
	    sys_fsync(changer->stage) < 0)
		err_sys(&first, errno, "cannot make new content durable");
	if (!err_is_set(&first))
		return 0;
	if (err)
		*err = first;
	return -1;
}

int changer_sync_staged(struct changer *changer, struct err *err)
{
	bool dirty = take_pending(changer);
	int status = changer->syncing.count >= CHANGER_SYNC_ALL
			     ? sync_all_staged(changer, err)
			     : sync_each_staged(changer, dirty, err);

	if (status < 0)
		mark_dirty(changer);
	return status;
}
