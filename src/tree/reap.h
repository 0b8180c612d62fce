/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clean one root up, where nobody is at work: what `osync reap` does for each.
 *
 *	places in the queue that nobody has come back to
 *	the lock of a run that was killed, or has been silent for too long (store/turn.h)
 *	leftovers in the stage, and temporaries of our own files
 *	old trash (tree/trash_tidy.h)
 *
 * All but the first only with the root's lock, which is not waited for: where somebody holds it, or waits
 * for it, nothing is touched.  The work folder is never followed through a link, and names that are not ours
 * are left alone.
 */
#ifndef TREE_REAP_H
#define TREE_REAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "tree/trash_tidy.h"

struct err;
struct root;

enum reap_deed {
	REAP_PLACE,
	REAP_LOCK,
	REAP_STAGED,
	REAP_TEMPORARY,
	REAP_EXPIRED,
	REAP_PACKED,
	REAP_FAILED,
};
enum { REAP_DEEDS = REAP_FAILED + 1 };

struct reap {
	bool dry; /* only tell what would be done; what takes a look at each file is not counted */
	struct keep
		keep; /* what is not 0 counts for all of the trash, whatever the runs had asked for */
	int64_t ttl_ms; /* a holder that is silent for so long loses the lock; 0: never */
	struct uuid boot;
	void (*tell)(void *arg, enum reap_deed deed, const char *what, const char *why);
	void *arg;
	uint64_t done[REAP_DEEDS]; /* out */
};

/* ERR_LOCKED where somebody is at work there: nothing was done. */
int reap_root(struct root *root, struct reap *reap, struct err *err);

#endif
