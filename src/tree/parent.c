/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/path.h"
#include "base/sys.h"
#include "tree/changer_internal.h"
#include "tree/root.h"

/* What the owner needs to change names in a folder, or to reach what they name. */
static mode_t needed_mode(enum parent_use use)
{
	return use == PARENT_WRITE ? S_IWUSR | S_IXUSR : S_IXUSR;
}

static int unlock(struct parent *parent, enum parent_use use, struct err *err)
{
	mode_t mode = parent->st.st_mode & 07777;
	mode_t needed = needed_mode(use);

	if ((mode & needed) == needed || geteuid() == 0 || parent->st.st_uid != geteuid())
		return 0;
	if (sys_fchmod(parent->fd, mode | needed) < 0)
		return err_sys(err, errno, "cannot make the folder writable for a moment");
	parent->unlocked = true;
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
	parent->fd = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
	if (parent->fd < 0 || sys_fstat(parent->fd, &parent->st) < 0)
		return err_sys(err, errno, "cannot look at its folder");
	if (unlock(parent, use, err) < 0)
		return -1;
	if (use == PARENT_WRITE)
		parent->remembered =
			times_remember(changer, path, path_parent_len(path), &parent->st);
	return 0;
}

void parent_close(struct parent *parent)
{
	int saved = errno;

	if (parent->unlocked && sys_fchmod(parent->fd, parent->st.st_mode & 07777) < 0)
		log_warn("cannot take back the permission to write in a folder");
	parent->unlocked = false;
	if (parent->changed)
		touched_dirty(&parent->changer->touched, parent->path,
			      path_parent_len(parent->path));
	else if (parent->remembered)
		times_forget(parent->changer, parent->path, path_parent_len(parent->path));
	parent->remembered = false;
	parent->changed = false;
	cleanup_close(&parent->fd);
	errno = saved;
}

void own_folder_close(struct own_folder *own)
{
	int saved = errno;

	if (own->unlocked && sys_fchmod(own->fd, own->mode) < 0)
		log_warn("cannot take back the permission to write in a folder");
	cleanup_close(&own->fd);
	errno = saved;
}

void own_folder_open(const struct parent *parent, const struct entry *found, struct own_folder *own)
{
	if (found->type != ENTRY_DIR || found->mode & S_IWUSR || geteuid() == 0 ||
	    found->uid != geteuid())
		return;
	own->fd = sys_openat(parent->fd, parent->name,
			     O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	own->mode = found->mode;
	own->unlocked = own->fd >= 0 && sys_fchmod(own->fd, found->mode | S_IWUSR) == 0;
}
