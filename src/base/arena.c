/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* Large enough to make malloc rare, small enough for a run with one change. */
enum { ARENA_BLOCK = 64 * 1024 };

struct arena_block {
	struct arena_block *next;
	size_t size;
	alignas(uint64_t) unsigned char data[];
};

void arena_release(struct arena *arena)
{
	while (arena->blocks) {
		struct arena_block *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
	arena->used = 0;
}

static void *arena_take(struct arena *arena, size_t size, size_t align)
{
	size_t start = (arena->used + align - 1) / align * align;
	struct arena_block *block = arena->blocks;

	if (!block || start + size > block->size) {
		size_t want = size > ARENA_BLOCK ? size : ARENA_BLOCK;

		block = xmalloc(sizeof(*block) + want);
		block->size = want;
		block->next = arena->blocks;
		arena->blocks = block;
		start = 0;
	}
	arena->used = start + size;
	return block->data + start;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	return memset(arena_take(arena, size, alignof(uint64_t)), 0, size);
}

char *arena_strndup(struct arena *arena, const char *str, size_t len)
{
	char *copy = arena_take(arena, len + 1, 1);

	memcpy(copy, str, len);
	copy[len] = '\0';
	return copy;
}

char *arena_strdup(struct arena *arena, const char *str)
{
	return arena_strndup(arena, str, strlen(str));
}
