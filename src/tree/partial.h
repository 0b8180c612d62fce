/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What has come of a large file before the line was cut, or somebody was killed: it is not sent once more.
 *
 * Such a file is staged under a name that says which path it is for.  Where the run breaks off, or the next
 * one finds it in the stage, it is moved to .osync_workdir/partial, under the digest of the path; that run
 * offers it as the version to send changes against (DIFFERENCES in peer/protocol.h).  So nothing of it is
 * believed: its blocks are compared with those that the file has now, be it another version, and what is put
 * together has the digest of the whole, or is sent again.  Bytes are copied out of it, not written behind it:
 * who slept in the middle of it may wake up and go on writing.
 *
 * It is kept until the file is there, or a run has come to its end, or until there is no room for it and
 * something else.  Of several for one path the longest stays, so that many cuts lose no more than one.
 *
 * For the holder of the lock.  What fails here costs bytes on the line, and is silent.
 */
#ifndef TREE_PARTIAL_H
#define TREE_PARTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/worthwhile.h"

struct changer;
struct err;
struct reader;
struct root;

#define PARTIAL_FOLDER "partial"
/* Bytes; what is shorter is sent again. */
enum { PARTIAL_MIN = WORTHWHILE(4 * 1024 * 1024, 24) };

/* The name, in the stage, of a file for this path; `serial` makes it this run's. */
void partial_stage_name(const char *path, unsigned long serial, char *out, size_t cap);
/*
 * Move this file of the stage out of it, if it has such a name and is long enough, and longer than what is there of its
 * path: 0, else -1 and it is where it was.
 */
int partial_keep(const struct changer *changer, const char *name);
/* Whether there is anything. */
bool partial_any(const struct changer *changer);
/*
 * What is there of this path, to be read with the changer's seed; of a file that has `size` bytes now. NULL
 * (ERR_CHANGED, or what kept it from being opened) where there is nothing that can be used.
 */
struct reader *partial_open(const struct changer *changer, const char *path, uint64_t size,
			    struct err *err);
void partial_remove(const struct changer *changer, const char *path);
/* Remove all: whether there was anything. */
bool partial_clear(struct root *root);
/* The same where the disk is so full that a run may not even begin. Before anything is written. */
void partial_make_room(struct root *root);

#endif
