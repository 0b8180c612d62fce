/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "base/err.h"
#include "base/sys.h"
#include "tree/changer_internal.h"
#include "tree/root.h"

static int rename_to(struct change *change, struct parent *to, const struct entry *before,
		     struct err *err)
{
	struct parent *from = &change->parent;
	AUTO_OWN_FOLDER own = OWN_FOLDER_INIT;

	own_folder_open(from, before, &own);
	sys_point("before-place");
	if (before->type == ENTRY_DIR)
		times_moving(change->changer, change->path, to->path);
	if (rename_new(change->changer, from->fd, from->name, to->fd, to->name) < 0)
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

	if (parent_open(changer, from, PARENT_WRITE, &change.parent, err) < 0 ||
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
