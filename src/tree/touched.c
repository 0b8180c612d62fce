/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/touched.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/path.h"

enum { TOUCHED_SLOTS = 64 /* at first */ };

void touched_release(struct touched *touched)
{
	for (size_t i = 0; i < touched->count; i++)
		free(touched->folders[i].path);
	free(touched->folders);
	free(touched->index);
	free(touched->dirty);
	*touched = (struct touched){ .folders = NULL };
}

/* Where the path is in the index, or the free place where it belongs. */
static size_t find_slot(const struct touched *touched, const char *path, size_t len)
{
	size_t slot = (size_t)digest_checksum(path, len) & (touched->slots - 1);

	for (; touched->index[slot] > 0; slot = (slot + 1) & (touched->slots - 1)) {
		const char *other = touched->folders[touched->index[slot] - 1].path;

		if (strncmp(other, path, len) == 0 && other[len] == '\0')
			break;
	}
	return slot;
}

/* Of two folders with one path (a move onto a former name) the later one counts. */
static void build_index(struct touched *touched)
{
	memset(touched->index, 0, touched->slots * sizeof(*touched->index));
	for (size_t i = 0; i < touched->count; i++) {
		const char *path = touched->folders[i].path;

		touched->index[find_slot(touched, path, strlen(path))] = i + 1;
	}
}

static void grow_index(struct touched *touched)
{
	if (2 * (touched->count + 1) <= touched->slots)
		return;
	touched->slots = touched->slots ? 2 * touched->slots : TOUCHED_SLOTS;
	touched->index = xrealloc(touched->index, touched->slots * sizeof(*touched->index));
	build_index(touched);
}

struct touched_folder *touched_get(struct touched *touched, const char *path, size_t len)
{
	size_t slot = 0;

	grow_index(touched);
	slot = find_slot(touched, path, len);
	if (touched->index[slot] > 0)
		return &touched->folders[touched->index[slot] - 1];
	if (touched->count == touched->cap) {
		touched->cap = touched->cap ? 2 * touched->cap : 16;
		touched->folders =
			xrealloc(touched->folders, touched->cap * sizeof(*touched->folders));
	}
	touched->folders[touched->count] = (struct touched_folder){ .path = xstrndup(path, len) };
	touched->index[slot] = ++touched->count;
	return &touched->folders[touched->count - 1];
}

bool touched_dirty(struct touched *touched, const char *path, size_t len)
{
	struct touched_folder *folder = touched_get(touched, path, len);

	if (folder->dirty)
		return false;
	folder->dirty = true;
	if (touched->dirty_count == touched->dirty_cap) {
		touched->dirty_cap = touched->dirty_cap ? 2 * touched->dirty_cap : 16;
		touched->dirty =
			xrealloc(touched->dirty, touched->dirty_cap * sizeof(*touched->dirty));
	}
	touched->dirty[touched->dirty_count++] = (size_t)(folder - touched->folders);
	return true;
}

struct touched_folder *touched_next_dirty(struct touched *touched)
{
	struct touched_folder *folder = NULL;

	if (touched->dirty_count == 0)
		return NULL;
	folder = &touched->folders[touched->dirty[--touched->dirty_count]];
	folder->dirty = false;
	return folder;
}

void touched_moved(struct touched *touched, const char *from, const char *to)
{
	size_t from_len = strlen(from);
	bool any = false;

	for (size_t i = 0; i < touched->count; i++) {
		struct touched_folder *folder = &touched->folders[i];
		char *moved = NULL;

		if (!path_is_within(folder->path, from))
			continue;
		moved = xasprintf("%s%s", to, folder->path + from_len);
		free(folder->path);
		folder->path = moved;
		any = true;
	}
	if (any)
		build_index(touched);
}
