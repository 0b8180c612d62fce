/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/inherit.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/change.h"
#include "model/gone.h"

/* One side of a set of changes, gone through in path order. */
struct heir {
	const struct changes *changes;
	enum side side;
	struct gone folders; /* that have gone */
	const char *path;    /* of the last file whose folder was looked for, */
	size_t folder_len;
	const char *old_folder; /* and what that was called before */
};

/* The one folder that has gone and had this one's inode, or NULL. Two that had it vouch for nothing. */
static const struct change *gone_as(const struct heir *heir, const struct change *folder)
{
	const struct entry *now = folder ? folder->now[heir->side] : NULL;

	if (!now || now->type != ENTRY_DIR || now->ino == 0)
		return NULL;
	size_t at = gone_first(&heir->folders, now->ino);

	if (!gone_has(&heir->folders, at, now->ino) || gone_has(&heir->folders, at + 1, now->ino))
		return NULL;
	return heir->folders.items[at];
}

/* A rename leaves a new ctime, as a change in the folder does; an image that was built anew does not show one. */
static bool was_renamed(const struct heir *heir, const struct change *folder,
			const struct change *gone)
{
	return folder->now[heir->side]->ctime_ns != gone->base->side[heir->side].ctime_ns;
}

/* What is below a renamed folder has its old name there. */
static bool went_along(const char *path, const char *old, const char *old_above)
{
	size_t len = strlen(old_above);

	return path_parent_len(old) == len && memcmp(old, old_above, len) == 0 &&
	       strcmp(path_name(path), path_name(old)) == 0;
}

/*
 * What the folder that holds `path` was called when it was agreed on; NULL: it was not renamed, nor is it below
 * one that was.
 */
static const char *find_old_folder(const struct heir *heir, const char *path)
{
	const struct change *folder = changes_find_parent(heir->changes, path);
	const struct change *gone = gone_as(heir, folder);
	const char *old = gone ? gone->path : NULL;

	while (gone && !was_renamed(heir, folder, gone)) {
		const struct change *above = changes_find_parent(heir->changes, folder->path);
		const struct change *gone_above = gone_as(heir, above);

		if (!gone_above || !went_along(folder->path, gone->path, gone_above->path))
			return NULL;
		folder = above;
		gone = gone_above;
	}
	return old;
}

/* The same. Files of one folder mostly follow each other. */
static const char *old_folder(struct heir *heir, const char *path)
{
	size_t len = path_parent_len(path);

	if (heir->path && heir->folder_len == len && memcmp(heir->path, path, len) == 0)
		return heir->old_folder;
	heir->path = path;
	heir->folder_len = len;
	heir->old_folder = find_old_folder(heir, path);
	return heir->old_folder;
}

/* What was agreed on for this path, or for where it was before its folder was renamed, or NULL. */
static const struct base *agreed(struct heir *heir, const struct change *change)
{
	if (change->base && change->base->type != ENTRY_ABSENT)
		return change->base;
	const char *folder = heir->folders.count > 0 ? old_folder(heir, change->path) : NULL;

	if (!folder)
		return NULL;
	AUTO_FREE char *path = xasprintf("%s/%s", folder, path_name(change->path));
	const struct change *gone = changes_find(heir->changes, path);

	if (!gone || !change_is_gone(gone, heir->side, ENTRY_FILE))
		return NULL;
	return gone->base;
}

static void inherit(struct heir *heir, struct entry *now, const struct base *base)
{
	const struct entry *before = &base->side[heir->side];

	if (now->type != base->type || before->type != now->type || digest_is_none(&base->digest))
		return;
	if (!entry_proves_same(before, now) || !entry_same_content_key(before, now))
		return;
	now->digest = base->digest;
	now->flags |= ENTRY_HAS_DIGEST;
}

void inherit_digests(struct changes *changes, const bool inodes_last[SIDES])
{
	for (int s = 0; s < SIDES; s++) {
		struct heir heir = { .changes = changes, .side = (enum side)s };

		if (inodes_last[s])
			heir.folders = gone_find(changes, heir.side, ENTRY_DIR);
		for (size_t i = 0; i < changes->count; i++) {
			const struct change *change = &changes->items[i];
			struct entry *now = change->now[s];
			const struct base *base = NULL;

			if (!now || now->type == ENTRY_DIR || (now->flags & ENTRY_HAS_DIGEST))
				continue;
			base = agreed(&heir, change);
			if (base)
				inherit(&heir, now, base);
		}
		gone_release(&heir.folders);
	}
}
