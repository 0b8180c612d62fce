/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Content that is known without reading it: where the stat key of a file is what it was when its
 * content was agreed on, so is the content.
 *
 * That holds under its own name, and below a folder that was renamed: the folder keeps its inode,
 * and what is in it keeps name, inode and time stamps. So however much is in a folder, renaming it
 * costs no reading. A file that was renamed itself has another change time, and is read.
 *
 * Some file systems number their files anew at each mount (tree/inodes.h). There an inode finds no folder again. On
 * the others the folder must show a new ctime besides: in an image that was built anew inodes and times are
 * what they were, whatever is in it.
 */
#ifndef MODEL_INHERIT_H
#define MODEL_INHERIT_H

#include <stdbool.h>

#include "model/entry.h"

struct changes;

/*
 * Give each entry whose content is known like this the agreed digest. inodes_last: whether an inode is the
 * same file's at each mount of that side. The set is sorted. O(n log n).
 */
void inherit_digests(struct changes *changes, const bool inodes_last[SIDES]);

#endif
