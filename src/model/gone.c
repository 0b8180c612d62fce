/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/gone.h"

#include <stdlib.h>

#include "base/buf.h"
#include "model/change.h"

static int inode_cmp(const void *a, const void *b, void *side)
{
	uint64_t one = (*(const struct change *const *)a)->base->side[*(enum side *)side].ino;
	uint64_t two = (*(const struct change *const *)b)->base->side[*(enum side *)side].ino;

	return (one > two) - (one < two);
}

struct gone gone_find(const struct changes *changes, enum side side, enum entry_type type)
{
	struct gone gone = { xcalloc(changes->count, sizeof(const struct change *)), 0, side };

	for (size_t i = 0; i < changes->count; i++)
		if (change_is_gone(&changes->items[i], side, type))
			gone.items[gone.count++] = &changes->items[i];
	qsort_r(gone.items, gone.count, sizeof(const struct change *), inode_cmp, &gone.side);
	return gone;
}

void gone_release(struct gone *gone)
{
	free(gone->items);
	*gone = (struct gone)GONE_INIT;
}

const struct entry *gone_then(const struct gone *gone, size_t at)
{
	return &gone->items[at]->base->side[gone->side];
}

size_t gone_first(const struct gone *gone, uint64_t ino)
{
	size_t first = 0;
	size_t end = gone->count;

	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (gone_then(gone, middle)->ino < ino)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

bool gone_has(const struct gone *gone, size_t at, uint64_t ino)
{
	return at < gone->count && gone_then(gone, at)->ino == ino;
}
