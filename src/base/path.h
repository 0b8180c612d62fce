/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Relative paths as bytes, and the one order in which they are ever sorted.
 *
 * A path is one or more components joined by single '/', none of them empty,
 * "." or "..", without NUL: "a/b", never "/a", "a/" or "a//b".  The root itself
 * is the empty path "" and appears only where a contract says so.
 *
 * Order: component by component as unsigned bytes, i.e. '/' sorts below every
 * other byte.  A directory is directly followed by everything below it.
 */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>

enum {
	PATH_NAME_MAX = 255,	/* bytes of one component: every file system we sync has this */
	PATH_BYTES_MAX = 65535, /* bytes of a whole path: far beyond PATH_MAX, bounds the wire */
};

/* Whether len bytes form a valid non-empty relative path (see above), within both limits. */
bool path_valid(const char *path, size_t len);

/* <0, 0, >0 as a sorts before, equal to, after b. */
int path_cmp(const char *a, const char *b);

/* Whether `path` lies strictly below `dir` ("" is above everything but itself). */
bool path_is_below(const char *path, const char *dir);

/* Whether `path` is `dir` or lies below it. */
bool path_is_within(const char *path, const char *dir);

/* Length of the parent of `path`: 0 for a top-level name. */
size_t path_parent_len(const char *path);

/* The last component, a pointer into `path`. */
const char *path_name(const char *path);

/* Length of the first component. */
size_t path_top_len(const char *path);

#endif
