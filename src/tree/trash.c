/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/path.h"
#include "base/sys.h"
#include "store/atomic.h"
#include "tree/changer_internal.h"
#include "tree/root.h"

enum { TRASH_ALIASES = 10000 /* versions of one name in one run's trash */ };

/* "name", "name~2", "name~3" ..., never longer than a name may be. */
static void alias(char out[static SLOT_NAME_SIZE], const char *name, int attempt)
{
	char suffix[16] = "";
	int room = PATH_NAME_MAX;

	if (attempt > 1)
		room -= snprintf(suffix, sizeof(suffix), "~%d", attempt);
	snprintf(out, SLOT_NAME_SIZE, "%.*s%s", room, name, suffix);
}

/*
 * Open a folder of the trash, making it where it is missing. Where its name is taken by a file
 * that was put into the trash before (a file made way for a folder), the folder gets an alias.
 */
static int open_trash_folder(int dirfd, const char *name)
{
	char actual[SLOT_NAME_SIZE];

	for (int attempt = 1; attempt < TRASH_ALIASES; attempt++) {
		int fd = -1;

		alias(actual, name, attempt);
		fd = sys_openat(dirfd, actual, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
		if (fd < 0 && errno == ENOENT) {
			if (sys_mkdirat(dirfd, actual, 0700) < 0)
				return -1;
			fd = sys_openat(dirfd, actual,
					O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
		}
		if (fd >= 0 || (errno != ENOTDIR && errno != ELOOP))
			return fd;
	}
	return -1;
}

static int open_run(struct changer *changer, struct err *err)
{
	AUTO_CLOSE int trash = -1;
	AUTO_CLOSE int run = -1;
	int workdir = root_workdir(changer->root);

	if (changer->trash >= 0)
		return 0;
	if (workdir < 0)
		return err_sys(err, errno, "cannot open '" ROOT_WORKDIR "'");
	trash = atomic_mkdir_open(workdir, "trash", err);
	/* Before the folder: one without it is kept for ever. */
	if (trash >= 0 && keep_write(trash, changer->run, &changer->keep, err) < 0)
		return err_wrap(err, "cannot open the trash");
	run = trash < 0 ? -1 : atomic_mkdir_open(trash, changer->run, err);
	if (run < 0)
		return err_wrap(err, "cannot open the trash");
	if (changer->sync != CHANGER_SYNC_OFF && (sys_fsync(trash) < 0 || sys_fsync(workdir) < 0))
		return err_sys(err, errno, "cannot make the trash durable");
	changer->trash = steal_fd(&run);
	chain_init(&changer->trash_chain, changer->trash, open_trash_folder);
	return 0;
}

/*
 * The folder path[0..len) of the trash and those above it that may have been made for it. The run's
 * trash begins empty: what was not noted before has just been made.
 */
static void note(struct changer *changer, const char *path, size_t len)
{
	size_t known = changer->trash_touched.count;
	bool inside = len > 0;

	while (touched_dirty(&changer->trash_touched, path, len) && len > 0) {
		while (len > 0 && path[len - 1] != '/')
			len--;
		len -= len > 0;
	}
	if (inside && changer->trash_touched.count > known)
		changer->trash_grown = true;
}

/* The parent of `path` in the trash, made where it is missing: a descriptor of the chain, or -1. */
static int open_parent(struct changer *changer, const char *path, struct err *err)
{
	size_t len = path_parent_len(path);
	size_t failed = 0;
	int fd = -1;

	if (open_run(changer, err) < 0)
		return -1;
	fd = chain_folder(&changer->trash_chain, path, len, &failed);
	if (fd < 0)
		return err_sys(err, errno, "cannot make a folder in the trash");
	note(changer, path, len);
	return fd;
}

void changer_make_room(struct changer *changer, const char *path)
{
	open_parent(changer, path, NULL);
}

int trash_slot(struct change *change, struct err *err)
{
	struct changer *changer = change->changer;

	change->slot.wanted = path_name(change->path);
	if (open_parent(changer, change->path, err) < 0 || trash_sync(changer, err) < 0)
		return -1;
	/* The sync went elsewhere in the trash. */
	change->slot.dirfd = open_parent(changer, change->path, err);
	return change->slot.dirfd < 0 ? -1 : 0;
}

typedef int put_fn(struct changer *changer, int olddir, const char *oldname, int newdir,
		   const char *newname);

static int put(struct change *change, int dirfd, const char *name, put_fn *how)
{
	struct slot *slot = &change->slot;

	for (int attempt = 1; attempt < TRASH_ALIASES; attempt++) {
		alias(slot->name, slot->wanted, attempt);
		if (how(change->changer, dirfd, name, slot->dirfd, slot->name) == 0)
			return 0;
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}

int trash_take(struct change *change, int dirfd, const char *name)
{
	return put(change, dirfd, name, rename_new);
}

static int link_new(struct changer *changer, int olddir, const char *oldname, int newdir,
		    const char *newname)
{
	(void)changer;
	return sys_linkat(olddir, oldname, newdir, newname);
}

int trash_link(struct change *change, int dirfd, const char *name)
{
	return put(change, dirfd, name, link_new);
}

int trash_leftover(struct changer *changer, const char *name)
{
	struct change change = { .changer = changer, .parent = PARENT_INIT };

	if (open_run(changer, NULL) < 0)
		return -1;
	change.slot.dirfd = changer->trash;
	change.slot.wanted = name;
	if (trash_take(&change, changer->stage, name) < 0)
		return -1;
	note(changer, "", 0);
	return 0;
}

int trash_folder(struct change *change, const struct entry *like, struct err *err)
{
	struct changer *changer = change->changer;
	size_t len = strlen(change->path);
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
					   clock_to_timespec(like->mtime_ns) };
	size_t failed = 0;
	int fd = -1;

	if (open_run(changer, err) < 0)
		return -1;
	fd = chain_folder(&changer->trash_chain, change->path, len, &failed);
	if (fd < 0)
		return err_sys(err, errno, "cannot make a folder in the trash");
	note(changer, change->path, len);
	/* We must be able to put more into it; how it looks is a courtesy to who restores it. */
	if (sys_fchmod(fd, like->mode | 0700) == 0)
		sys_futimens(fd, times);
	return 0;
}

int trash_took_folder(struct change *change, const struct entry *found, struct err *err)
{
	struct slot *slot = &change->slot;

	/* The kernel's word that it is empty; nothing can be put into a removed folder any more. */
	if (sys_unlinkat(slot->dirfd, slot->name, AT_REMOVEDIR) == 0) {
		trash_folder(change, found, NULL);
		return 1;
	}
	if (errno != ENOTEMPTY && errno != EEXIST)
		return change_failed(change, errno, err);
	change_differs(change, "is not empty", err);
	return 0;
}

int rename_new(struct changer *changer, int olddir, const char *oldname, int newdir,
	       const char *newname)
{
	const struct root_caps *caps = root_caps(changer->root);
	struct stat st = { 0 };

	if (caps->noreplace)
		return sys_renameat2(olddir, oldname, newdir, newname, RENAME_NOREPLACE);
	if (sys_fstatat(olddir, oldname, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (caps->hardlinks && !S_ISDIR(st.st_mode)) {
		if (sys_linkat(olddir, oldname, newdir, newname) < 0)
			return -1;
		if (sys_unlinkat(olddir, oldname, 0) == 0)
			return 0;
		sys_unlinkat(newdir, newname, 0);
		return -1;
	}
	if (sys_fstatat(newdir, newname, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return errno == ENOENT ? sys_renameat2(olddir, oldname, newdir, newname, 0) : -1;
}
