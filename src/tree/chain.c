/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/chain.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"

struct chain_level {
	size_t end; /* length of the path up to and including this component */
	int fd;	    /* -1: closed to keep their number bounded */
};

void chain_init(struct chain *chain, int base, chain_open_fn *open)
{
	*chain = (struct chain){ .base = base, .open = open, .path = BUF_INIT };
}

static void chain_cut(struct chain *chain, size_t depth)
{
	while (chain->depth > depth)
		cleanup_close(&chain->levels[--chain->depth].fd);
	chain->path.len = depth > 0 ? chain->levels[depth - 1].end : 0;
}

void chain_release(struct chain *chain)
{
	chain_cut(chain, 0);
	free(chain->levels);
	buf_release(&chain->path);
}

/* How many levels of the chain lead to path[0..len) as well. */
static size_t chain_common(const struct chain *chain, const char *path, size_t len)
{
	size_t same = 0;
	size_t depth = 0;
	size_t max = chain->path.len < len ? chain->path.len : len;

	while (same < max && (char)chain->path.data[same] == path[same])
		same++;
	for (; depth < chain->depth; depth++) {
		size_t end = chain->levels[depth].end;

		if (end > same || (end < len && path[end] != '/'))
			break;
	}
	return depth;
}

static void chain_push(struct chain *chain, const char *path, size_t end, int fd)
{
	if (chain->depth == chain->cap) {
		chain->cap = chain->cap ? 2 * chain->cap : 16;
		chain->levels = xrealloc(chain->levels, chain->cap * sizeof(*chain->levels));
	}
	chain->levels[chain->depth++] = (struct chain_level){ .end = end, .fd = fd };
	buf_add(&chain->path, path + chain->path.len, end - chain->path.len);
	if (chain->depth > CHAIN_OPEN_MAX)
		cleanup_close(&chain->levels[chain->depth - 1 - CHAIN_OPEN_MAX].fd);
}

static int chain_top(const struct chain *chain)
{
	return chain->depth > 0 ? chain->levels[chain->depth - 1].fd : chain->base;
}

int chain_folder(struct chain *chain, const char *path, size_t len, size_t *failed)
{
	char name[PATH_NAME_MAX + 1];

	chain_cut(chain, chain_common(chain, path, len));
	if (chain_top(chain) < 0)
		chain_cut(chain, 0);
	while (chain->path.len < len) {
		size_t start = chain->path.len + (chain->depth > 0);
		const char *slash = memchr(path + start, '/', len - start);
		size_t end = slash ? (size_t)(slash - path) : len;
		int fd = -1;

		*failed = end;
		if (end - start > PATH_NAME_MAX) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(name, path + start, end - start);
		name[end - start] = '\0';
		fd = chain->open(chain_top(chain), name);
		if (fd < 0)
			return -1;
		chain_push(chain, path, end, fd);
	}
	return chain_top(chain);
}

void chain_forget(struct chain *chain, const char *path)
{
	size_t len = strlen(path);
	size_t depth = chain_common(chain, path, len);

	if (len == 0)
		chain_cut(chain, 0);
	else if (depth > 0 && chain->levels[depth - 1].end == len)
		chain_cut(chain, depth - 1);
}
