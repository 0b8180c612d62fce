/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trees to try things on: each test has a temporary folder of its own, as its
 * working folder, and removes it.
 */
#ifndef TESTS_TREE_HELP_H
#define TESTS_TREE_HELP_H

#include <stdbool.h>
#include <stdint.h>

struct entry;
struct root;

/* cmocka setup: chdir into a new folder. Teardown: leave and remove it. */
int help_setup(void **state);
int help_teardown(void **state);

/* Run a shell command that must succeed. */
void help_sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void help_write(const char *path, const char *content);
/* The file's content; a text that no test writes where it cannot be read. Freed by teardown. */
const char *help_read(const char *path);
bool help_exists(const char *path);
/* Whether some file below `dir` has exactly this content (a few hundred files at most). */
bool help_holds(const char *dir, const char *content);
/* Number of names directly in `dir`, 0 where there is no such folder. */
int help_count(const char *dir);

/* The folder "t" as an open root, with its work folder, probed. */
struct root *help_root(void);
/* What lstat tells of what is at `path`, which must be there. */
struct entry help_stat(const char *path);
/* What is at `path` now, with the digest of files, and with time stamps taken for old. */
struct entry help_entry(struct root *root, const char *path);

enum { HELP_SEED = 7 };

#endif
