/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/inherit.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/change.h"

/* A folder that has gone from one side, and the inode it had there. */
struct gone_folder {
	uint64_t ino;
	const char *path;
};

/* One side of a set of changes, gone through in path order. */
struct heir {
	const struct changes *changes;
	enum side side;
	struct gone_folder *gone; /* sorted */
	size_t gone_count;
	const char *path; /* of the last file whose folder was looked for, */
	size_t folder_len;
	const char *old_folder; /* and what that was called before */
};

static int gone_folder_cmp(const void *a, const void *b)
{
	uint64_t one = ((const struct gone_folder *)a)->ino;
	uint64_t two = ((const struct gone_folder *)b)->ino;

	return (one > two) - (one < two);
}

static bool is_gone(const struct change *change, enum side side, enum entry_type type)
{
	return change->base && change->base->type == type &&
	       change->base->side[side].type == type && !change->now[side];
}

static void find_gone(struct heir *heir)
{
	heir->gone = xcalloc(heir->changes->count, sizeof(*heir->gone));
	for (size_t i = 0; i < heir->changes->count; i++) {
		const struct change *change = &heir->changes->items[i];

		if (is_gone(change, heir->side, ENTRY_DIR))
			heir->gone[heir->gone_count++] =
				(struct gone_folder){ change->base->side[heir->side].ino,
						      change->path };
	}
	qsort(heir->gone, heir->gone_count, sizeof(*heir->gone), gone_folder_cmp);
}

/* What the folder that holds `path` was called when it was agreed on; NULL: it was not renamed. */
static const char *find_old_folder(const struct heir *heir, const char *path)
{
	const struct change *parent = changes_find_parent(heir->changes, path);
	const struct entry *now = parent ? parent->now[heir->side] : NULL;

	if (!now || now->type != ENTRY_DIR)
		return NULL;
	const struct gone_folder key = { now->ino, NULL };
	const struct gone_folder *found =
		bsearch(&key, heir->gone, heir->gone_count, sizeof(key), gone_folder_cmp);

	return found ? found->path : NULL;
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
	const char *folder = heir->gone_count > 0 ? old_folder(heir, change->path) : NULL;

	if (!folder)
		return NULL;
	AUTO_FREE char *path = xasprintf("%s/%s", folder, path_name(change->path));
	const struct change *before = changes_find(heir->changes, path);

	return before && is_gone(before, heir->side, ENTRY_FILE) ? before->base : NULL;
}

static void inherit(struct heir *heir, struct entry *now, const struct base *base)
{
	const struct entry *then = &base->side[heir->side];

	if (now->type != base->type || then->type != now->type || digest_is_none(&base->digest))
		return;
	if (!entry_proves_same(then, now) || !entry_same_content_key(then, now))
		return;
	now->digest = base->digest;
	now->flags |= ENTRY_HAS_DIGEST;
}

void inherit_digests(struct changes *changes)
{
	for (int s = 0; s < SIDES; s++) {
		struct heir heir = { .changes = changes, .side = (enum side)s };

		find_gone(&heir);
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
		free(heir.gone);
	}
}
