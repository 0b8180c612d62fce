/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an inode number is worth.
 *
 * On most disks it is one file's for as long as that exists. Where a file system has none
 * of its own (vfat, most of FUSE), its driver numbers the files as it meets them: after the next
 * mount a number may be another file's.  So does overlayfs with its folders, and two files of different layers may
 * show one number there.  No call tells, so the file systems that are good for it are known by name.
 */
#ifndef TREE_INODES_H
#define TREE_INODES_H

#include <stdbool.h>

/* Whether an inode number on this open file's file system is the same file's at each mount; if in doubt, not. */
bool inodes_last(int fd);

#endif
