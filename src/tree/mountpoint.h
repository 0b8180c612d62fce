/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the file system that a root belongs on is there. */
#ifndef TREE_MOUNTPOINT_H
#define TREE_MOUNTPOINT_H

struct err;

/*
 * Something must be mounted on the folder `point` ("." is the root itself), and `root` lie on or below
 * it, as far as it is there. What mounts itself when it is looked at is waited for. 0, or ERR_GUARD:
 * the same words whatever is not so, since who asks may have no right to know the rest of the machine.
 */
int mountpoint_check(const char *root, const char *point, struct err *err);

#endif
