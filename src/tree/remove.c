/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/sys.h"
#include "tree/changer_internal.h"
#include "tree/root.h"

void change_release(struct change *change)
{
	parent_close(&change->parent);
}

int change_verify_slot(struct change *change, const struct entry *before, struct err *err)
{
	const struct slot *slot = &change->slot;
	int same = expect_came_out(change, slot->dirfd, slot->name, err);

	return same == 1 && before->type == ENTRY_DIR ? trash_took_folder(change, before, err)
						      : same;
}

int change_displace(struct change *change, const struct entry *before, struct err *err)
{
	struct parent *parent = &change->parent;
	const struct slot *slot = &change->slot;

	if (trash_take(change, parent->fd, parent->name) < 0)
		return change_failed(change, errno, err);
	parent->changed = true;
	sys_point("between-exchange-and-look");
	if (change_verify_slot(change, before, err) == 1)
		return 0;
	sys_point("before-put-back");
	/* Where the name was taken meanwhile, it stays in the trash. */
	if (rename_new(change->changer, slot->dirfd, slot->name, parent->fd, parent->name) < 0)
		change_differs(change, "has changed in this moment; that version is in the trash",
			       err);
	return -1;
}

/* Only to leave no folder in the trash for one that stays: rmdir has the last word. */
static bool holds_names(const struct parent *parent)
{
	AUTO_DIR DIR *dir = sys_list(parent->fd, parent->name);

	return dir && sys_next_name(dir);
}

/* ENOTEMPTY tells it from one that was changed. */
static int not_empty(const struct change *change, struct err *err)
{
	change_differs(change, "is not empty", err);
	if (err)
		err->sys = ENOTEMPTY;
	return -1;
}

/* The kernel refuses to remove a folder with anything in it, so nothing needs to be put back. */
static int delete_folder(struct change *change, const struct entry *before, struct err *err)
{
	struct parent *parent = &change->parent;

	if (holds_names(parent))
		return not_empty(change, err);
	sys_point("before-place");
	if (trash_folder(change, before, err) < 0)
		return err_wrap(err, "cannot keep the old version");
	if (sys_unlinkat(parent->fd, parent->name, AT_REMOVEDIR) < 0) {
		if (errno == ENOTEMPTY || errno == EEXIST)
			return not_empty(change, err);
		return change_failed(change, errno, err);
	}
	parent->changed = true;
	root_forget(change->changer->root, change->path);
	return 0;
}

static int delete_other(struct change *change, const struct entry *before, struct err *err)
{
	if (trash_slot(change, err) < 0)
		return err_wrap(err, "cannot keep the old version");
	sys_point("before-place");
	return change_displace(change, before, err);
}

int changer_delete(struct changer *changer, const char *path, const struct entry *expect,
		   struct err *err)
{
	AUTO(change_release)
	struct change change = { .changer = changer,
				 .verb = "delete",
				 .path = path,
				 .expect = expect,
				 .parent = PARENT_INIT };
	struct entry before = { 0 };

	if (changer_fence(changer, err) < 0 ||
	    parent_open(changer, path, PARENT_WRITE, &change.parent, err) < 0 ||
	    expect_before(&change, &before, err) < 0)
		return -1;
	if (before.type == ENTRY_ABSENT)
		return 0;
	if (before.type == ENTRY_SPECIAL)
		return change_differs(&change, "is a special file, which is never deleted", err);
	return before.type == ENTRY_DIR ? delete_folder(&change, &before, err)
					: delete_other(&change, &before, err);
}
