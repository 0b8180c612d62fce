/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/sys.h"
#include "tree/changer_internal.h"
#include "tree/root.h"
#include "tree/spelling.h"

/* Whether the new name is free but for the very thing that is renamed, found under it as well. */
static bool is_own_name(const struct change *change, const struct parent *to,
			const struct entry *before)
{
	struct stat st = { 0 };

	return root_caps(change->changer->root)->folds &&
	       sys_fstatat(to->fd, to->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_ino == before->ino && !spelling_is_listed(to->fd, to->name);
}

/*
 * A rename to another spelling of the same name does nothing, or is refused: it goes by way of the trash,
 * where it is safe if the run ends between the two.
 */
static int respell(struct change *change, const struct parent *to)
{
	struct changer *changer = change->changer;
	struct parent *from = &change->parent;
	const struct slot *slot = &change->slot;
	int failed = 0;

	if (trash_slot(change, NULL) < 0 || trash_take(change, from->fd, from->name) < 0)
		return -1;
	if (rename_new(changer, slot->dirfd, slot->name, to->fd, to->name) == 0)
		return 0;
	failed = errno;
	rename_new(changer, slot->dirfd, slot->name, from->fd, from->name);
	errno = failed;
	return -1;
}

static int rename_or_respell(struct change *change, const struct parent *to,
			     const struct entry *before)
{
	const struct parent *from = &change->parent;

	if (is_own_name(change, to, before))
		return respell(change, to);
	return rename_new(change->changer, from->fd, from->name, to->fd, to->name);
}

static int rename_to(struct change *change, struct parent *to, const struct entry *before,
		     struct err *err)
{
	struct parent *from = &change->parent;
	AUTO_OWN_FOLDER own = OWN_FOLDER_INIT;

	own_folder_open(from, before, to->path, &own);
	sys_point("before-place");
	if (before->type == ENTRY_DIR)
		times_moving(change->changer, change->path, to->path);
	if (rename_or_respell(change, to, before) < 0)
		return change_failed(change, errno, err);
	from->changed = true;
	to->changed = true;
	return 0;
}

static bool is_same_folder(const struct entry *expect, const struct entry *found)
{
	return expect->type != ENTRY_DIR || expect->ino == 0 || expect->ino == found->ino;
}

/* What arrived must be what was expected to leave; if not it goes back, or stays where no name is free. */
static int verify_moved(struct change *change, const struct parent *to, struct entry *result,
			struct err *err)
{
	const struct parent *from = &change->parent;
	struct err why = ERR_INIT;

	if (expect_came_out(change, to->fd, to->name, err) == 1) {
		if (look_at(&change->changer->look, to->fd, to->name, result, NULL, &why) < 0)
			return change_failed(change, why.sys, err);
		if (result->type == change->expect->type && result->ino != 0 &&
		    is_same_folder(change->expect, result)) {
			expect_hand_on(change->expect, result);
			return 0;
		}
		change_differs(change, "has changed in this moment", err);
	}
	sys_point("before-put-back");
	rename_new(change->changer, to->fd, to->name, from->fd, from->name);
	return -1;
}

static void note_moved(struct changer *changer, const char *from, const char *to)
{
	root_forget(changer->root, from);
	root_forget(changer->root, to);
	touched_moved(&changer->touched, from, to);
}

int changer_move(struct changer *changer, const char *from, const char *to,
		 const struct entry *expect, struct entry *result, struct err *err)
{
	AUTO_PARENT parent = PARENT_INIT;
	AUTO(change_release)
	struct change change = { .changer = changer,
				 .verb = "rename",
				 .path = from,
				 .expect = expect,
				 .parent = PARENT_INIT };
	struct entry before = { 0 };

	if (changer_fence(changer, err) < 0 ||
	    parent_open(changer, from, PARENT_WRITE, &change.parent, err) < 0 ||
	    expect_before(&change, &before, err) < 0)
		return -1;
	if (before.type == ENTRY_ABSENT || before.type == ENTRY_SPECIAL ||
	    !is_same_folder(expect, &before))
		return change_differs(&change, "has changed since it was listed", err);
	if (parent_open(changer, to, PARENT_WRITE, &parent, err) < 0 ||
	    rename_to(&change, &parent, &before, err) < 0)
		return -1;
	sys_point("between-exchange-and-look");
	if (verify_moved(&change, &parent, result, err) < 0)
		return -1;
	note_moved(changer, from, to);
	return 0;
}
