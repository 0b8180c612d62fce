/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/inherit.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/change.h"

/* One side of a set of changes, gone through in path order. */
struct heir {
	const struct changes *changes;
	enum side side;
	const struct change **folders; /* that have gone, sorted by the inode they had */
	size_t folder_count;
	const struct change **files; /* that have gone and are ambiguous, sorted by their stamps */
	size_t file_count;
	const char *path; /* of the last file whose folder was looked for, */
	size_t folder_len;
	const char *old_folder; /* and what that was called before */
};

static const struct entry *then(const struct change *change, enum side side)
{
	return &change->base->side[side];
}

static int entry_ino_cmp(const struct entry *one, const struct entry *two)
{
	return (one->ino > two->ino) - (one->ino < two->ino);
}

static int entry_stamps_cmp(const struct entry *one, const struct entry *two)
{
	if (one->size != two->size)
		return one->size < two->size ? -1 : 1;
	if (one->mtime_ns != two->mtime_ns)
		return one->mtime_ns < two->mtime_ns ? -1 : 1;
	return (one->ctime_ns > two->ctime_ns) - (one->ctime_ns < two->ctime_ns);
}

static int folder_cmp(const void *a, const void *b, void *side)
{
	return entry_ino_cmp(then(*(const struct change *const *)a, *(enum side *)side),
			     then(*(const struct change *const *)b, *(enum side *)side));
}

static int file_cmp(const void *a, const void *b, void *side)
{
	return entry_stamps_cmp(then(*(const struct change *const *)a, *(enum side *)side),
				then(*(const struct change *const *)b, *(enum side *)side));
}

/* Of the files that have gone one stays for all stamps that several had, with other content. */
static void keep_ambiguous(struct heir *heir)
{
	size_t kept = 0;
	size_t end = 0;

	for (size_t begin = 0; begin < heir->file_count; begin = end) {
		const struct change *first = heir->files[begin];
		bool differ = false;

		for (end = begin + 1;
		     end < heir->file_count && entry_stamps_cmp(then(heir->files[end], heir->side),
								then(first, heir->side)) == 0;
		     end++)
			differ = differ || !digest_same(&heir->files[end]->base->digest,
							&first->base->digest);
		if (differ)
			heir->files[kept++] = first;
	}
	heir->file_count = kept;
}

/* The changes of this side that show that something of this type has gone, sorted. */
static const struct change **find_gone(struct heir *heir, enum entry_type type,
				       int (*cmp)(const void *a, const void *b, void *side),
				       size_t *count)
{
	const struct change **gone = xcalloc(heir->changes->count, sizeof(const struct change *));

	*count = 0;
	for (size_t i = 0; i < heir->changes->count; i++)
		if (change_is_gone(&heir->changes->items[i], heir->side, type))
			gone[(*count)++] = &heir->changes->items[i];
	qsort_r(gone, *count, sizeof(const struct change *), cmp, &heir->side);
	return gone;
}

/* The first of the sorted `items` that is not before `entry`. */
static size_t lower_bound(const struct change *const *items, size_t count, enum side side,
			  int (*cmp)(const struct entry *one, const struct entry *two),
			  const struct entry *entry)
{
	size_t first = 0;

	while (first < count) {
		size_t middle = first + (count - first) / 2;

		if (cmp(then(items[middle], side), entry) < 0)
			first = middle + 1;
		else
			count = middle;
	}
	return first;
}

/* The one folder that has gone and had this one's inode, or NULL. */
static const struct change *gone_as(const struct heir *heir, const struct change *folder)
{
	const struct entry *now = folder ? folder->now[heir->side] : NULL;

	if (!now || now->type != ENTRY_DIR || now->ino == 0)
		return NULL;
	size_t at = lower_bound(heir->folders, heir->folder_count, heir->side, entry_ino_cmp, now);

	if (at == heir->folder_count || then(heir->folders[at], heir->side)->ino != now->ino ||
	    (at + 1 < heir->folder_count &&
	     then(heir->folders[at + 1], heir->side)->ino == now->ino))
		return NULL;
	return heir->folders[at];
}

/* A rename leaves a new ctime, unless the file system shows the mtime for one. */
static bool was_renamed(const struct heir *heir, const struct change *folder,
			const struct change *gone)
{
	const struct entry *now = folder->now[heir->side];

	return now->ctime_ns != then(gone, heir->side)->ctime_ns && now->ctime_ns != now->mtime_ns;
}

/* What is below a renamed folder has its old name there. */
static bool went_along(const char *path, const char *old, const char *old_above)
{
	size_t len = strlen(old_above);

	return path_parent_len(old) == len && memcmp(old, old_above, len) == 0 &&
	       strcmp(path_name(path), path_name(old)) == 0;
}

/* What the folder that holds `path` was called when it was agreed on; NULL: it was not renamed. */
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

/* Whether the stamps of this file that has gone were another one's as well, with other content. */
static bool is_ambiguous(const struct heir *heir, const struct change *gone)
{
	const struct entry *entry = then(gone, heir->side);
	size_t at = lower_bound(heir->files, heir->file_count, heir->side, entry_stamps_cmp, entry);

	return at < heir->file_count &&
	       entry_stamps_cmp(then(heir->files[at], heir->side), entry) == 0;
}

/* What was agreed on for this path, or for where it was before its folder was renamed, or NULL. */
static const struct base *agreed(struct heir *heir, const struct change *change)
{
	if (change->base && change->base->type != ENTRY_ABSENT)
		return change->base;
	const char *folder = heir->folder_count > 0 ? old_folder(heir, change->path) : NULL;

	if (!folder)
		return NULL;
	AUTO_FREE char *path = xasprintf("%s/%s", folder, path_name(change->path));
	const struct change *gone = changes_find(heir->changes, path);

	if (!gone || !change_is_gone(gone, heir->side, ENTRY_FILE) || is_ambiguous(heir, gone))
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

void inherit_digests(struct changes *changes)
{
	for (int s = 0; s < SIDES; s++) {
		struct heir heir = { .changes = changes, .side = (enum side)s };

		heir.folders = find_gone(&heir, ENTRY_DIR, folder_cmp, &heir.folder_count);
		/* Without one nothing was renamed, and the files need not be sorted. */
		if (heir.folder_count > 0) {
			heir.files = find_gone(&heir, ENTRY_FILE, file_cmp, &heir.file_count);
			keep_ambiguous(&heir);
		}
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
		free(heir.folders);
		free(heir.files);
	}
}
