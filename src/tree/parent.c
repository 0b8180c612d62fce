/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/path.h"
#include "base/sys.h"
#include "tree/changer_internal.h"
#include "tree/root.h"

enum { MODE_BITS = 16 /* of a note's value, for each of two modes */ };

/* What the owner needs to change names in a folder, or to reach what they name. */
static mode_t needed_mode(enum parent_use use)
{
	return use == PARENT_SEARCH ? S_IXUSR : S_IWUSR | S_IXUSR;
}

/* Noted before it is done: if we are killed meanwhile, nobody must take it for a user's wish. */
static void note_unlocking(struct changer *changer, const char *path, size_t len, uint64_t ino,
			   mode_t mode, mode_t meanwhile)
{
	touched_note_add(&changer->modes, path, len, ino,
			 (int64_t)((uint64_t)meanwhile << MODE_BITS | mode));
}

static void note_locked(struct changer *changer, const char *path, size_t len)
{
	touched_note_add(&changer->modes, path, len, 0, 0);
}

static int unlock(struct parent *parent, enum parent_use use, struct err *err)
{
	size_t len = path_parent_len(parent->path);
	mode_t mode = parent->st.st_mode & 07777;
	mode_t needed = needed_mode(use);

	if ((mode & needed) == needed || geteuid() == 0 || parent->st.st_uid != geteuid())
		return 0;
	note_unlocking(parent->changer, parent->path, len, parent->st.st_ino, mode, mode | needed);
	if (sys_fchmod(parent->fd, mode | needed) < 0)
		return err_sys(err, errno, "cannot make the folder writable for a moment");
	parent->unlocked = true;
	parent->changer->unlocked++;
	return 0;
}

int parent_open(struct changer *changer, const char *path, enum parent_use use,
		struct parent *parent, struct err *err)
{
	int dirfd = -1;

	parent->changer = changer;
	parent->path = path;
	if (root_parent(changer->root, path, &dirfd, &parent->name, err) < 0)
		return -1;
	/* Borrowed descriptors do not outlive the next step through the root. */
	parent->borrowed = use == PARENT_PLACE;
	parent->fd = parent->borrowed ? dirfd : fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
	if (parent->fd < 0 || sys_fstat(parent->fd, &parent->st) < 0)
		return err_sys(err, errno, "cannot look at its folder");
	if (unlock(parent, use, err) < 0)
		return -1;
	if (use != PARENT_SEARCH)
		parent->remembered =
			times_remember(changer, path, path_parent_len(path), &parent->st);
	return 0;
}

static void lock(const struct parent *parent)
{
	if (sys_fchmod(parent->fd, parent->st.st_mode & 07777) < 0) {
		log_warn("cannot take back the permission to write in a folder");
		return;
	}
	parent->changer->unlocked--;
	note_locked(parent->changer, parent->path, path_parent_len(parent->path));
}

void parent_close(struct parent *parent)
{
	int saved = errno;

	if (parent->unlocked)
		lock(parent);
	parent->unlocked = false;
	if (parent->changed)
		touched_dirty(&parent->changer->touched, parent->path,
			      path_parent_len(parent->path));
	else if (parent->remembered)
		times_forget(parent->changer, parent->path, path_parent_len(parent->path));
	parent->remembered = false;
	parent->changed = false;
	if (parent->borrowed)
		parent->fd = -1;
	cleanup_close(&parent->fd);
	errno = saved;
}

static void lock_own(const struct own_folder *own)
{
	struct changer *changer = own->parent->changer;

	if (sys_fchmod(own->fd, own->mode) < 0) {
		log_warn("cannot take back the permission to write in a folder");
		return;
	}
	changer->unlocked--;
	note_locked(changer, own->parent->path, strlen(own->parent->path));
	if (own->to)
		note_locked(changer, own->to, strlen(own->to));
}

void own_folder_close(struct own_folder *own)
{
	int saved = errno;

	if (own->unlocked)
		lock_own(own);
	cleanup_close(&own->fd);
	errno = saved;
}

void own_folder_open(const struct parent *parent, const struct entry *found, const char *to,
		     struct own_folder *own)
{
	const mode_t meanwhile = found->mode | S_IWUSR;

	if (found->type != ENTRY_DIR || found->mode & S_IWUSR || geteuid() == 0 ||
	    found->uid != geteuid())
		return;
	own->fd = sys_openat(parent->fd, parent->name,
			     O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	own->parent = parent;
	own->to = to;
	own->mode = found->mode;
	if (own->fd < 0)
		return;
	note_unlocking(parent->changer, parent->path, strlen(parent->path), found->ino, own->mode,
		       meanwhile);
	if (to)
		note_unlocking(parent->changer, to, strlen(to), found->ino, own->mode, meanwhile);
	own->unlocked = sys_fchmod(own->fd, meanwhile) == 0;
	parent->changer->unlocked += own->unlocked;
}

static void recover_mode(struct root *root, const struct touched_mark *mark)
{
	const mode_t mode = (mode_t)mark->value & 07777;
	const mode_t meanwhile = (mode_t)((uint64_t)mark->value >> MODE_BITS);
	struct err why = ERR_INIT;
	struct stat st = { 0 };
	int fd = -1;

	if (root_folder(root, mark->path, &fd, &why) < 0 || sys_fstat(fd, &st) < 0)
		return;
	if (st.st_ino == mark->ino && (st.st_mode & 07777) == meanwhile)
		sys_fchmod(fd, mode);
}

void modes_recover(struct root *root, int workdir)
{
	AUTO(touched_marks_release) struct touched_marks marks = TOUCHED_MARKS_INIT;

	if (touched_note_read(workdir, TOUCHED_MODES, &marks) == 0)
		return;
	/* Deepest first: what is above may not let us in again. */
	for (size_t i = marks.count; i > 0; i--)
		recover_mode(root, &marks.marks[i - 1]);
	touched_note_remove(workdir, TOUCHED_MODES);
	root_forget(root, "");
}
