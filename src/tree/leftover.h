/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What writers of our own small files have left when they were killed: temporaries of store/atomic.h, and
 * the new lock of one who was taking an old one over.  Nobody reads them, and nobody else removes them.
 *
 * Only those that nobody can still be writing go: they are older than a day.  In PARTIAL_FOLDER (tree/partial.h)
 * it is all that no run has asked for in a month.
 */
#ifndef TREE_LEFTOVER_H
#define TREE_LEFTOVER_H

#include <stdint.h>

/* Told of each: error is 0, or the errno for which it stays. */
typedef void leftover_fn(void *arg, const char *name, int error);

enum leftover_mode { LEFTOVER_REMOVE, LEFTOVER_TELL };

/*
 * Those in the folder `name` of the folder `above` ("." is that itself); none where it is not there.
 *
 * now_ns  real time, in ns, by the clock that stamps files there
 * fn      may be NULL
 *
 * For the holder of the root's lock. Cost: one listing.
 */
void leftover_sweep(int above, const char *name, int64_t now_ns, enum leftover_mode mode,
		    leftover_fn *fn, void *arg);

#endif
