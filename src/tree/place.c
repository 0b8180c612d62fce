/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/sys.h"
#include "tree/changer_internal.h"
#include "tree/root.h"

/* Back to the stage, so that whoever holds it can drop it. Else the trash keeps it. */
static void return_staged(struct change *change, struct staged *staged)
{
	if (rename_new(change->changer, change->slot.dirfd, change->slot.name,
		       change->changer->stage, staged->name) < 0)
		staged->state = STAGED_GONE;
}

/* Whether this is the content that was staged, untouched since. */
static bool is_staged(const struct staged *staged, const struct entry *found)
{
	const struct entry *entry = &staged->entry;

	if (found->type != entry->type || found->ino != entry->ino)
		return false;
	return entry->type == ENTRY_DIR ||
	       (found->size == entry->size && found->mtime_ns == entry->mtime_ns);
}

/*
 * It was in place for a moment. A folder may have been given something: rmdir has the last word. A file
 * may have been opened by somebody who is still to write to it: it stays in the trash, unless it has
 * another name anyway.
 */
static bool take_back(struct change *change, struct staged *staged)
{
	if (staged->entry.type == ENTRY_SYMLINK || staged->linked) {
		return_staged(change, staged);
		return true;
	}
	staged->state = STAGED_GONE;
	if (staged->entry.type == ENTRY_FILE)
		return true;
	return sys_unlinkat(change->slot.dirfd, change->slot.name, AT_REMOVEDIR) == 0;
}

static bool slot_holds_staged(const struct change *change, const struct staged *staged)
{
	struct entry found = { 0 };

	return look_at(&change->changer->look, change->slot.dirfd, change->slot.name, &found, NULL,
		       NULL) == 1 &&
	       is_staged(staged, &found);
}

/*
 * What came out was not expected: it goes back where it was. What comes out of the path then
 * should be the new content; if it is not, or the path is free or taken, somebody is at work
 * there, and whatever is in the slot stays in the trash: nothing of it is ours to drop.
 */
static void put_back(struct change *change, struct staged *staged, struct err *err)
{
	const struct parent *parent = &change->parent;
	const struct slot *slot = &change->slot;

	sys_point("before-put-back");
	if (sys_renameat2(slot->dirfd, slot->name, parent->fd, parent->name, RENAME_EXCHANGE) ==
	    0) {
		if (slot_holds_staged(change, staged) && take_back(change, staged))
			return;
	} else if (errno == ENOENT) {
		/* The new content was taken away, by its user's own hand; the name may be free. */
		staged->state = STAGED_GONE;
		if (rename_new(change->changer, slot->dirfd, slot->name, parent->fd,
			       parent->name) == 0)
			return;
	}
	staged->state = STAGED_GONE;
	change_differs(change, "has changed in this moment; a version of it is in the trash", err);
}

static int exchange(struct change *change, struct staged *staged, const struct entry *before,
		    struct err *err)
{
	struct parent *parent = &change->parent;
	const struct slot *slot = &change->slot;

	if (trash_slot(change, err) < 0)
		return err_wrap(err, "cannot keep the old version");
	if (trash_take(change, change->changer->stage, staged->name) < 0)
		return change_failed(change, errno, err);
	sys_point("before-place");
	if (sys_renameat2(slot->dirfd, slot->name, parent->fd, parent->name, RENAME_EXCHANGE) < 0) {
		change_failed(change, errno, err);
		return_staged(change, staged);
		return -1;
	}
	parent->changed = true;
	sys_point("between-exchange-and-look");
	if (change_verify_slot(change, before, err) != 1) {
		put_back(change, staged, err);
		return -1;
	}
	staged->state = STAGED_GONE;
	return 0;
}

/* Something is at a path where nothing was expected, or was there for a moment. */
static int is_taken(struct change *change, struct err *err)
{
	struct entry found = { 0 };

	return expect_before(change, &found, err) < 0
		       ? -1
		       : change_differs(change, "is there by now", err);
}

static int create(struct change *change, struct staged *staged, struct err *err)
{
	struct changer *changer = change->changer;

	sys_point("before-place");
	if (rename_new(changer, changer->stage, staged->name, change->parent.fd,
		       change->parent.name) < 0)
		return errno == EEXIST ? is_taken(change, err) : change_failed(change, errno, err);
	change->parent.changed = true;
	staged->state = STAGED_GONE;
	sys_point("between-exchange-and-look");
	return 0;
}

/* Its final mode, and the mtime again, which some file systems change with the move. */
static int finish_folder(struct change *change, struct staged *staged, struct err *err)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
					   clock_to_timespec(staged->entry.mtime_ns) };

	/* Whatever is known of a folder that was here before is not true of this one. */
	times_forget(change->changer, change->path, strlen(change->path));
	touched_dirty(&change->changer->touched, change->path, strlen(change->path));
	if (staged->folder_mode != staged->entry.mode &&
	    sys_fchmod(staged->fd, staged->folder_mode) < 0)
		return change_failed(change, errno, err);
	if (sys_futimens(staged->fd, times) < 0)
		return change_failed(change, errno, err);
	return 0;
}

int changer_placed_in(struct staged *staged, struct entry *result, struct err *err)
{
	if (staged->state != STAGED_READY || staged->folder->state != STAGED_GONE)
		return err_set(err, ERR_SYSTEM, "new content was not put in place");
	staged->state = STAGED_GONE;
	*result = staged->entry;
	result->digest = staged->value;
	result->flags |= ENTRY_HAS_DIGEST;
	return 0;
}

static int look_at_result(struct change *change, struct staged *staged, struct entry *result,
			  struct err *err)
{
	const struct parent *parent = &change->parent;
	struct err why = ERR_INIT;

	if (staged->entry.type == ENTRY_DIR && finish_folder(change, staged, err) < 0)
		return -1;
	if (look_at(&change->changer->look, parent->fd, parent->name, result, NULL, &why) < 0)
		return change_failed(change, why.sys, err);
	if (!is_staged(staged, result))
		return change_differs(change, "was changed again right after it was written", err);
	if (result->type == ENTRY_FILE) {
		result->digest = staged->value;
		result->flags |= ENTRY_HAS_DIGEST;
	}
	return 0;
}

/* The path is a name of that very file already: there is nothing to replace. */
static bool is_linked_already(const struct change *change, const struct staged *staged)
{
	const struct parent *parent = &change->parent;
	struct entry found = { 0 };

	return staged->linked &&
	       look_at(&change->changer->look, parent->fd, parent->name, &found, NULL, NULL) == 1 &&
	       is_staged(staged, &found);
}

/* Where the kernel itself refuses a name that is taken, there is nothing to look for before. */
static bool is_free_or_refused(const struct change *change)
{
	return change->expect->type == ENTRY_ABSENT && root_caps(change->changer->root)->noreplace;
}

static int place(struct change *change, struct staged *staged, struct entry *result,
		 struct err *err)
{
	AUTO_OWN_FOLDER own = OWN_FOLDER_INIT;
	struct entry before = { 0 };
	int placed = 0;

	if (is_linked_already(change, staged))
		return look_at_result(change, staged, result, err);
	if (is_free_or_refused(change))
		sys_point("before-look");
	else if (expect_before(change, &before, err) < 0)
		return -1;
	if (change->expect->type == ENTRY_SPECIAL)
		return change_differs(change, "is a special file, which is never replaced", err);
	own_folder_open(&change->parent, &before, NULL, &own);
	if (before.type == ENTRY_ABSENT)
		placed = create(change, staged, err);
	else if (root_caps(change->changer->root)->exchange)
		placed = exchange(change, staged, &before, err);
	else
		placed = fallback_replace(change, staged, &before, err);
	if (before.type == ENTRY_DIR)
		root_forget(change->changer->root, change->path);
	return placed < 0 ? -1 : look_at_result(change, staged, result, err);
}

int changer_place(struct changer *changer, struct staged *staged, const char *path,
		  const struct entry *expect, struct entry *result, struct err *err)
{
	AUTO(change_release)
	struct change change = { .changer = changer,
				 .verb = expect->type == ENTRY_ABSENT ? "create" : "replace",
				 .path = path,
				 .expect = expect,
				 .parent = PARENT_INIT };
	int status = -1;

	if (staged_settle(staged, err) == 0 &&
	    (staged->entry.type != ENTRY_DIR || staged_open_folder(staged, err) == 0) &&
	    changer_fence(changer, err) == 0 &&
	    parent_open(changer, path, PARENT_PLACE, &change.parent, err) == 0)
		status = place(&change, staged, result, err);
	/* Of many folders that could not be placed none keeps a descriptor until it is freed. */
	if (staged->entry.type == ENTRY_DIR)
		cleanup_close(&staged->fd);
	return status;
}
