/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is freed all at once: the entries and paths of one run's changes.
 * Allocation never fails (out of memory ends the program) and costs a few
 * instructions; single objects are not freed.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks; /* newest first */
	size_t used;		    /* bytes used of the newest block */
};

#define ARENA_INIT      \
	{               \
		NULL, 0 \
	}

void arena_release(struct arena *arena);
/* `size` bytes aligned for any object of ours (8 bytes: numbers and pointers), zeroed. */
void *arena_alloc(struct arena *arena, size_t size);
/* A NUL-terminated copy of len bytes. */
char *arena_strndup(struct arena *arena, const char *str, size_t len);
char *arena_strdup(struct arena *arena, const char *str);

#endif
