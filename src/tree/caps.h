/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a root's file system can do, kept in .osync_workdir/filesystem from one run to the
 * next: the precision of its time stamps must be known before anything is looked at, and a run
 * that finds nothing to do is to write nothing, so it cannot probe.
 *
 * The file says which file system it is about (device and type); a tree that was copied to another
 * one, or a disk that has another device number today, is probed anew.  So is the root of every run
 * that changes something: what is kept is one run old at most where it matters.
 */
#ifndef TREE_CAPS_H
#define TREE_CAPS_H

#include <stdbool.h>

struct root_caps;

/* Fill all but clock_offset_ns, which is 0. False where nothing of this file system is kept. */
bool caps_load(int workdir, struct root_caps *caps);
/* Keep them, where they are not kept already. A failure costs the next run a probe, no more. */
void caps_save(int workdir, const struct root_caps *caps);

#endif
