/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The open folders from a base folder down to where work is going on.
 *
 * Neighbouring paths share their parents, so the chain keeps the descriptors of
 * the folders on the way and reuses the common part: amortised O(1) opens per path
 * of a walk in path order.  Only the innermost CHAIN_OPEN_MAX are open at a time;
 * when an outer one is needed again the chain is opened anew from the base, never
 * through "..", which a rename could have pointed elsewhere.
 *
 * A cached folder may have been moved by somebody else meanwhile: whoever changes
 * things looks at what came out, and the chain is forgotten between batches.
 */
#ifndef TREE_CHAIN_H
#define TREE_CHAIN_H

#include <stddef.h>

#include "base/buf.h"

struct chain_level;

enum { CHAIN_OPEN_MAX = 64 /* descriptors; far below the usual limit of 1024 */ };

/* Opens the folder `name` of `dirfd` and returns its descriptor, or -1 with errno. */
typedef int chain_open_fn(int dirfd, const char *name);

struct chain {
	int base;	     /* borrowed descriptor of the outermost folder */
	chain_open_fn *open; /* how one component is opened */
	struct buf path;     /* of the innermost folder */
	struct chain_level *levels;
	size_t depth;
	size_t cap;
};

void chain_init(struct chain *chain, int base, chain_open_fn *open);
void chain_release(struct chain *chain);

/*
 * Borrowed descriptor of the folder path[0..len) (len 0: the base), valid until the
 * next call; -1 with errno, and then *failed is the length of the path up to the
 * component that could not be opened.
 */
int chain_folder(struct chain *chain, const char *path, size_t len, size_t *failed);

/* Close what is cached of `path` and below ("" for all). */
void chain_forget(struct chain *chain, const char *path);

#endif
