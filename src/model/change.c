/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/change.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"

void changes_release(struct changes *changes)
{
	free(changes->items);
	arena_release(&changes->arena);
	*changes = (struct changes)CHANGES_INIT;
}

struct change *changes_add(struct changes *changes, const char *path)
{
	if (changes->count == changes->cap) {
		changes->cap = changes->cap ? changes->cap + changes->cap / 2 : 64;
		changes->items = xrealloc(changes->items, changes->cap * sizeof(*changes->items));
	}
	changes->items[changes->count] =
		(struct change){ .path = arena_strdup(&changes->arena, path) };
	return &changes->items[changes->count++];
}

struct entry *changes_copy_entry(struct changes *changes, const struct entry *entry)
{
	struct entry *copy = arena_alloc(&changes->arena, sizeof(*copy));

	*copy = *entry;
	if (entry->link)
		copy->link = arena_strdup(&changes->arena, entry->link);
	return copy;
}

struct base *changes_copy_base(struct changes *changes, const struct base *base)
{
	struct base *copy = arena_alloc(&changes->arena, sizeof(*copy));

	*copy = *base;
	return copy;
}

static int change_cmp(const void *a, const void *b)
{
	const struct change *one = a;
	const struct change *two = b;

	return path_cmp(one->path, two->path);
}

void changes_sort(struct changes *changes)
{
	if (changes->count > 1)
		qsort(changes->items, changes->count, sizeof(*changes->items), change_cmp);
}

struct change *changes_find(const struct changes *changes, const char *path)
{
	struct change key = { .path = path };

	if (changes->count == 0)
		return NULL;
	return bsearch(&key, changes->items, changes->count, sizeof(key), change_cmp);
}

struct change *changes_find_parent(const struct changes *changes, const char *path)
{
	AUTO_FREE char *parent = xstrndup(path, path_parent_len(path));

	return *parent ? changes_find(changes, parent) : NULL;
}
