/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names on file systems where another spelling finds the same file: another case, another
 * Unicode form, a short name. There, that something opens under a name does not mean that it has
 * this name; only what is listed does. Elsewhere (root_caps.folds is false) nobody needs to ask.
 */
#ifndef TREE_SPELLING_H
#define TREE_SPELLING_H

#include <stdbool.h>

/*
 * Whether the open folder lists exactly this name; also where it cannot be listed, since then nothing
 * proves otherwise. O(names in the folder), but O(1) for names of digits, '.', '-' and '_' alone, which
 * no file system takes for others.
 */
bool spelling_is_listed(int dirfd, const char *name);

#endif
