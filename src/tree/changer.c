/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/changer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/path.h"
#include "base/random.h"
#include "base/sys.h"
#include "store/atomic.h"
#include "store/lock.h"
#include "tree/changer_internal.h"
#include "tree/partial.h"
#include "tree/scan.h"
#include "tree/root.h"

enum { CLOCK_TICK_MS = 4 /* by which the coarse clock may lag, mostly */ };

static const int64_t SETTLE_MAX_MS =
	100; /* longer is not worth waiting for: it is read again next time */

/* Of a folder that never was in place, what is in it is ours. */
static void empty(const struct changer *changer, const char *name)
{
	AUTO_DIR DIR *dir = sys_list(changer->stage, name);
	const char *inside = NULL;

	while (dir && (inside = sys_next_name(dir)))
		sys_unlinkat(dirfd(dir), inside, 0);
}

/*
 * What dead runs left: files, links and folders, none of them a version that ever was in place
 * (tree/changer.h). A folder may hold something all the same: a power cut can take the rename that
 * put it in its place and leave what was put into it there, by whomever. That goes to the trash.
 */
static void sweep_one(struct changer *changer, const char *name)
{
	if (staged_was_never_placed(name, &changer->boot))
		empty(changer, name);
	if (partial_keep(changer, name) < 0 && sys_unlinkat(changer->stage, name, 0) < 0 &&
	    sys_unlinkat(changer->stage, name, AT_REMOVEDIR) < 0 &&
	    (errno == ENOTEMPTY || errno == EEXIST))
		trash_leftover(changer, name);
}

static void sweep(struct changer *changer)
{
	AUTO_DIR DIR *dir = sys_list(changer->stage, ".");
	const char *name = NULL;

	while (dir && (name = sys_next_name(dir)))
		sweep_one(changer, name);
}

static mode_t current_umask(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return mask;
}

int changer_fence(const struct changer *changer, struct err *err)
{
	return changer->lock ? lock_fence(changer->lock, err) : 0;
}

struct changer *changer_open(struct root *root, const struct changer_options *options,
			     struct err *err)
{
	AUTO_CLOSE int stage = -1;
	struct changer *changer = NULL;
	int workdir = root_workdir(root);

	if (workdir < 0) {
		err_sys(err, errno, "cannot open '" ROOT_WORKDIR "'");
		return NULL;
	}
	stage = atomic_mkdir_open(workdir, "stage", err);
	if (stage < 0)
		return NULL;
	changer = xcalloc(1, sizeof(*changer));
	changer->root = root;
	changer->lock = options->lock;
	changer->keep = options->keep;
	changer->look = (struct look){ root, options->scan_flags, options->seed };
	changer->run = xstrdup(options->run);
	changer->boot = options->boot;
	changer->sync = options->sync;
	changer->umask = current_umask();
	changer->stage = steal_fd(&stage);
	pthread_mutex_init(&changer->mutex, NULL);
	changer->trash = -1;
	/* No name of another run's: one that sleeps must not wake up and place what we have staged. */
	changer->serial = (unsigned long)(random_u64() >> 16);
	witness_init(&changer->witness);
	touched_note_init(&changer->note, workdir, TOUCHED_TIMES);
	touched_note_init(&changer->modes, workdir, TOUCHED_MODES);
	sweep(changer);
	return changer;
}

void changer_close(struct changer *changer)
{
	if (!changer)
		return;
	/* Of a run that has broken off. What cannot be put back now, the next run tries again. */
	changer_restore_times(changer, NULL);
	while (changer->meta_count > 0)
		cleanup_close(&changer->metas[--changer->meta_count]);
	free(changer->metas);
	if (changer->trash >= 0)
		chain_release(&changer->trash_chain);
	cleanup_close(&changer->trash);
	cleanup_close(&changer->stage);
	witness_release(&changer->witness);
	touched_note_release(&changer->note);
	if (changer->unlocked == 0)
		touched_note_drop(&changer->modes);
	touched_note_release(&changer->modes);
	touched_release(&changer->touched);
	touched_release(&changer->trash_touched);
	free(changer->run);
	pthread_mutex_destroy(&changer->mutex);
	free(changer);
}

/* A folder that cannot be opened for reading cannot be synced alone. */
static int sync_folder(struct changer *changer, int fd, struct err *err)
{
	if (sys_fsync(fd) == 0)
		return 0;
	if (errno == EBADF) {
		changer->sync_all = true;
		return 0;
	}
	return err_sys(err, errno, "cannot make changes durable");
}

/* A folder that is gone by now was removed by a change to its parent, which is synced as well. */
static int sync_touched(struct changer *changer, struct err *err)
{
	const struct touched_folder *folder = NULL;

	while ((folder = touched_next_dirty(&changer->touched))) {
		struct err why = ERR_INIT;
		int fd = -1;

		if (root_folder(changer->root, folder->path, &fd, &why) == 0) {
			if (sync_folder(changer, fd, err) < 0)
				return -1;
		} else if (why.kind != ERR_CHANGED) {
			changer->sync_all = true;
		}
	}
	return 0;
}

static int sync_trash(struct changer *changer, struct err *err)
{
	const struct touched_folder *folder = NULL;

	while ((folder = touched_next_dirty(&changer->trash_touched))) {
		size_t failed = 0;
		int fd = chain_folder(&changer->trash_chain, folder->path, strlen(folder->path),
				      &failed);

		if (fd < 0)
			return err_sys(err, errno, "cannot open a folder in the trash");
		if (sync_folder(changer, fd, err) < 0)
			return -1;
	}
	return 0;
}

/* Where one syncfs is going to cover them, they need no sync of their own. */
static void forget_dirty(struct changer *changer)
{
	while (touched_next_dirty(&changer->trash_touched) || touched_next_dirty(&changer->touched))
		continue;
	while (changer->meta_count > 0)
		cleanup_close(&changer->metas[--changer->meta_count]);
}

static int sync_all(struct changer *changer, struct err *err)
{
	if (sys_syncfs(changer->stage) < 0)
		return err_sys(err, errno, "cannot make changes durable");
	forget_dirty(changer);
	changer->sync_all = false;
	return 0;
}

int trash_sync(struct changer *changer, struct err *err)
{
	bool many = changer->trash_touched.dirty_count >= CHANGER_SYNC_ALL;
	int status = 0;

	if (changer->trash_grown && changer->sync != CHANGER_SYNC_OFF)
		status = many ? sync_all(changer, err) : sync_trash(changer, err);
	changer->trash_grown = status < 0;
	/* What was taken off the list must be in the next sync. */
	if (status < 0)
		changer->sync_all = true;
	return status;
}

/* Trash first: the old version's new name must not be lost where its old one is gone. */
static int sync_changes(struct changer *changer, struct err *err)
{
	size_t dirty = changer->touched.dirty_count + changer->trash_touched.dirty_count +
		       changer->meta_count;

	if (changer->sync_all || dirty >= CHANGER_SYNC_ALL)
		return sync_all(changer, err);
	if (sync_trash(changer, err) < 0 || sync_touched(changer, err) < 0 ||
	    meta_sync(changer, err) < 0)
		return -1;
	/* One of them could not be synced alone. */
	return changer->sync_all ? sync_all(changer, err) : 0;
}

int changer_sync_found(struct changer *changer, struct err *err)
{
	if (changer->sync != CHANGER_SYNC_OFF && sys_syncfs(changer->stage) < 0)
		return err_sys(err, errno, "cannot make what is in the folder durable");
	return 0;
}

int changer_sync(struct changer *changer, struct err *err)
{
	root_forget(changer->root, "");
	if (changer->sync == CHANGER_SYNC_OFF)
		return meta_sync(changer, err);
	if (sync_changes(changer, err) == 0)
		return 0;
	/* What was taken off the lists is not lost from sight: the next sync takes all. */
	changer->sync_all = true;
	return -1;
}

/* Until the clock has left the newest stamp behind: 0, or -1 where that is too long to wait for. */
static int wait_for_clock(struct changer *changer, const struct entry *entry)
{
	int64_t granularity_ns = root_caps(changer->root)->granularity_ns;
	int64_t now_ns = root_now_ns(changer->root);
	int64_t newest_ns = entry->ctime_ns;
	int64_t wait_ns = 0;

	/* An mtime in the future is somebody's choice (root_stamps_young). */
	if (entry->mtime_ns > newest_ns && entry->mtime_ns <= now_ns + granularity_ns)
		newest_ns = entry->mtime_ns;
	wait_ns = newest_ns + granularity_ns - now_ns;
	if (wait_ns < 0)
		return 0;
	if (wait_ns > 2 * granularity_ns || granularity_ns > SETTLE_MAX_MS * NS_PER_MS)
		return -1;
	clock_sleep_ms(wait_ns / NS_PER_MS + 1);
	/* The coarse clock may lag by a tick. */
	for (int i = 0; i < 20 && root_now_ns(changer->root) - granularity_ns <= newest_ns; i++)
		clock_sleep_ms(1);
	return 0;
}

uint64_t changer_folder(struct changer *changer, const char *path)
{
	return touched_get(&changer->touched, path, path_parent_len(path))->ino;
}

bool changer_folder_stays(const struct changer *changer, const char *path, uint64_t ino)
{
	const char *name = NULL;
	struct stat st = { 0 };
	int dirfd = -1;

	return ino == 0 || (root_parent(changer->root, path, &dirfd, &name, NULL) == 0 &&
			    sys_fstat(dirfd, &st) == 0 && st.st_ino == ino);
}

int64_t changer_settle_ms(const struct changer *changer)
{
	int64_t granularity_ms = root_caps(changer->root)->granularity_ns / NS_PER_MS;

	return granularity_ms <= SETTLE_MAX_MS ? granularity_ms + CLOCK_TICK_MS + 1 : 0;
}

void changer_settle(struct changer *changer, const char *path, struct entry *result)
{
	struct entry now = { 0 };

	if (!(result->flags & ENTRY_RACY) || wait_for_clock(changer, result) < 0)
		return;
	if (scan_path(changer->root, path, changer->look.flags, changer->look.seed, &now, NULL,
		      NULL) == 1 &&
	    !(now.flags & ENTRY_RACY) && entry_same_stat(&now, result))
		result->flags &= (uint8_t)~ENTRY_RACY;
}
