/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/change.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"

/* Memory of a first sync of a million files is made of these and of struct op. */
_Static_assert(sizeof(struct change) <= 48, "there is one for every new file");

/* Stands where a dropped entry stood. */
struct entry_room {
	struct entry_room *next;
};

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

static struct entry *entry_new(struct changes *changes)
{
	struct entry_room *room = changes->room;

	if (!room)
		return arena_alloc(&changes->arena, sizeof(struct entry));
	changes->room = room->next;
	return (struct entry *)(void *)room;
}

struct entry *changes_copy_entry(struct changes *changes, const struct entry *entry)
{
	struct entry *copy = entry_new(changes);

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

struct change_rare *changes_rare(struct changes *changes, struct change *change)
{
	if (!change->rare)
		change->rare = arena_alloc(&changes->arena, sizeof(*change->rare));
	return change->rare;
}

void changes_drop_entries(struct changes *changes, struct change *change)
{
	for (int s = 0; s < SIDES; s++) {
		struct entry_room *room = (void *)change->now[s];

		if (!room)
			continue;
		room->next = changes->room;
		changes->room = room;
		change->now[s] = NULL;
	}
}

static int change_cmp(const void *a, const void *b)
{
	const struct change *one = a;
	const struct change *two = b;

	return path_cmp(one->path, two->path);
}

static bool is_sorted(const struct changes *changes)
{
	for (size_t i = 1; i < changes->count; i++)
		if (path_cmp(changes->items[i - 1].path, changes->items[i].path) > 0)
			return false;
	return true;
}

void changes_sort(struct changes *changes)
{
	if (!is_sorted(changes))
		qsort(changes->items, changes->count, sizeof(*changes->items), change_cmp);
}

void changes_drop_empty(struct changes *changes)
{
	size_t kept = 0;

	for (size_t i = 0; i < changes->count; i++)
		if (changes->items[i].base || changes->items[i].now[0] || changes->items[i].now[1])
			changes->items[kept++] = changes->items[i];
	changes->count = kept;
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
