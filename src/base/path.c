/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/path.h"

#include <string.h>

static bool component_valid(const char *name, size_t len)
{
	if (len == 0 || len > PATH_NAME_MAX || memchr(name, '\0', len))
		return false;
	if (len == 1 && name[0] == '.')
		return false;
	return !(len == 2 && name[0] == '.' && name[1] == '.');
}

bool path_valid(const char *path, size_t len)
{
	size_t start = 0;

	if (len == 0 || len > PATH_BYTES_MAX)
		return false;
	while (start <= len) {
		const char *slash = start < len ? memchr(path + start, '/', len - start) : NULL;
		size_t end = slash ? (size_t)(slash - path) : len;

		if (!component_valid(path + start, end - start))
			return false;
		start = end + 1;
	}
	return true;
}

/* Rank of a byte: the end of the path, then '/', then all others. */
static int byte_rank(unsigned char c)
{
	if (c == '\0')
		return 0;
	return c == '/' ? 1 : c + 1;
}

int path_cmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return byte_rank((unsigned char)*a) - byte_rank((unsigned char)*b);
}

bool path_is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (len == 0)
		return *path != '\0';
	return strncmp(path, dir, len) == 0 && path[len] == '/';
}

bool path_is_within(const char *path, const char *dir)
{
	return strcmp(path, dir) == 0 || path_is_below(path, dir);
}

size_t path_parent_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

const char *path_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

size_t path_top_len(const char *path)
{
	return strcspn(path, "/");
}
