/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is next: those who wait for a lock are served in the order in which they came.
 *
 * Beside the lock lies the folder "queue" with one file for each who waits, "NUMBER.WHO": a number of 16
 * hexadecimal digits, one more than the highest there, and who it is (a profile).  The lower number
 * is served first.  As long as its owner waits, he holds an OFD lock on the file (fcntl(2)): so that a
 * place counts only while its owner lives, and the place of one who was killed is passed over at once,
 * by whoever looks.  Nothing has to be cleaned up for anybody to go on.
 *
 * One who gives up waiting leaves his file behind, and finds his place again when he comes back: he
 * stands in front of all who came after he came first.  So nobody starves, however much faster another one
 * always is.  Who is served gives his place up.  What nobody has come back to for QUEUE_KEEP_NS goes.
 *
 * What has a number that cannot have been reached by counting stands behind all others, and belongs to
 * nobody: no number follows it.
 *
 * Numbers are given without a lock of their own: two who come in the same moment may get the same, and
 * then WHO decides.  Nothing of this is made durable: after a power cut the order may be another one.
 *
 *	place = queue_join(workdir, who, &err);
 *	queue_ahead(place) == 0		my turn: try the lock
 *	queue_leave(place, ...)
 */
#ifndef STORE_QUEUE_H
#define STORE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct err;
struct queue_place;

/* A machine that is switched on once a day still finds its place. */
#define QUEUE_KEEP_NS (INT64_C(90000) * NS_PER_SEC)

enum queue_end {
	QUEUE_SERVED, /* the place is given up */
	QUEUE_LATER,  /* it is kept for the next time */
};

/*
 * Take a place in the queue beside the lock in folder `workdir` (borrowed as long as the place is held),
 * or the one that `who` has left behind.  NULL where there can be none (a full disk).
 */
struct queue_place *queue_join(int workdir, const char *who, struct err *err);
/* How many stand in front and wait: 0: it is our turn. O(files in the queue). */
unsigned queue_ahead(const struct queue_place *place);
/* How many wait, for one who has no place. */
unsigned queue_length(int workdir);
/* NULL does nothing. */
void queue_leave(struct queue_place *place, enum queue_end end);

/* Give up what `who` has left behind, for one who was served without waiting. */
void queue_forget(int workdir, const char *who);

enum queue_sweep_mode { QUEUE_COUNT, QUEUE_REMOVE };

/*
 * Remove (or only count) the places that nobody holds and nobody has come back to for keep_ns, now_ns
 * being the file system's clock. Returns how many.
 */
unsigned queue_sweep(int workdir, int64_t now_ns, int64_t keep_ns, enum queue_sweep_mode mode);

#endif
