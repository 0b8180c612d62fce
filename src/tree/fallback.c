/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replacing where two names cannot be exchanged: NFS, SFTP and other mounted servers,
 * old kernels. The promises are weaker, see tree/changer.h; no version is dropped knowingly.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/sys.h"
#include "tree/changer_internal.h"
#include "tree/root.h"

/* The slot's link again, unless it is the last one: its user may have deleted the other meanwhile. */
static void drop_link(const struct change *change)
{
	const struct slot *slot = &change->slot;
	struct stat st = { 0 };

	if (sys_fstatat(slot->dirfd, slot->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink > 1)
		sys_unlinkat(slot->dirfd, slot->name, 0);
}

/* Whether the path still leads to what was linked into the slot. */
static bool path_is_slot(const struct change *change)
{
	const struct parent *parent = &change->parent;
	const struct slot *slot = &change->slot;
	struct stat here = { 0 };
	struct stat there = { 0 };

	return sys_fstatat(parent->fd, parent->name, &here, AT_SYMLINK_NOFOLLOW) == 0 &&
	       sys_fstatat(slot->dirfd, slot->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       sys_same_file(&here, &there);
}

/* The old version has a second name in the trash before its first one is overwritten. */
static int replace_linked(struct change *change, struct staged *staged, const struct entry *before,
			  struct err *err)
{
	struct parent *parent = &change->parent;

	if (trash_link(change, parent->fd, parent->name) < 0)
		return change_failed(change, errno, err);
	if (change_verify_slot(change, before, err) != 1) {
		drop_link(change);
		return -1;
	}
	if (!path_is_slot(change))
		return change_differs(change, "has changed in this moment", err);
	if (sys_renameat2(change->changer->stage, staged->name, parent->fd, parent->name, 0) < 0) {
		change_failed(change, errno, err);
		drop_link(change);
		return -1;
	}
	parent->changed = true;
	staged->state = STAGED_GONE;
	sys_point("between-exchange-and-look");
	if (change_verify_slot(change, before, err) == 1)
		return 0;
	/* It was written to at the last moment, in place: that version is in the trash, and whole. */
	return change_differs(change, "has changed in this moment; that version is in the trash",
			      err);
}

/* The old version moves out, then the new one moves in. */
static int replace_moving(struct change *change, struct staged *staged, const struct entry *before,
			  struct err *err)
{
	struct changer *changer = change->changer;
	struct parent *parent = &change->parent;

	if (change_displace(change, before, err) < 0)
		return -1;
	if (rename_new(changer, changer->stage, staged->name, parent->fd, parent->name) == 0) {
		staged->state = STAGED_GONE;
		return 0;
	}
	change_failed(change, errno, err);
	/* The path as it was; an empty folder is not worth a second failure. */
	if (before->type == ENTRY_DIR)
		sys_mkdirat(parent->fd, parent->name, before->mode);
	else
		rename_new(changer, change->slot.dirfd, change->slot.name, parent->fd,
			   parent->name);
	return -1;
}

int fallback_replace(struct change *change, struct staged *staged, const struct entry *before,
		     struct err *err)
{
	const struct root_caps *caps = root_caps(change->changer->root);

	if (trash_slot(change, err) < 0)
		return err_wrap(err, "cannot keep the old version");
	sys_point("before-place");
	if (caps->hardlinks && before->type != ENTRY_DIR && staged->entry.type != ENTRY_DIR)
		return replace_linked(change, staged, before, err);
	return replace_moving(change, staged, before, err);
}
