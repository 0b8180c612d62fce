/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One who wants a lock, from the first try to the last: the lock, the queue beside it, and a holder that
 * has given no sign of life for too long.
 *
 *	turn = turn_new(&request);
 *	lock = turn_try(turn, TURN_WAITS, now_ms, &err);	NULL and ERR_LOCKED: again in a moment
 *	turn_free(turn)						keeps the place for the next time
 *
 * A lock that is free goes to the first of those who wait (store/queue.h), and one who does not wait only
 * gets it while nobody does.  Where the lock stays free for TURN_STUCK_MS because the first in the queue
 * does not take it (it is stopped, say), it is everybody's.
 *
 * Time is the caller's, so that years can be played in a test.
 */
#ifndef STORE_TURN_H
#define STORE_TURN_H

#include <stdint.h>

#include "base/random.h"
#include "store/lock.h"

struct err;
struct turn;

enum {
	TURN_POLL_MS = 100,   /* how often one who waits should try */
	TURN_STUCK_MS = 5000, /* many polls, also on a busy machine */
};

struct turn_request {
	int dirfd;	  /* of the lock, borrowed */
	const char *name; /* of the lock */
	enum lock_mode mode;
	const char *who;    /* one word that is the same the next time: whose place it is */
	const char *holder; /* see lock_take() */
	/*
	 * Take the lock over from a holder that has given no sign of life for so long; 0: never.  At least
	 * several times what lies between two heartbeats.
	 */
	int64_t ttl_ms;
	struct uuid
		boot; /* of this machine (store/done_log.h); none: what others have seen is not known */
};

/* Whether to take a place in the queue where the lock is not to be had at once. */
enum turn_patience { TURN_NOW, TURN_WAITS };

struct turn *turn_new(const struct turn_request *request);
/* Another ttl_ms than the one that was asked for first. */
void turn_set_ttl(struct turn *turn, int64_t ttl_ms);
/* Try once. ERR_LOCKED says who holds it or that others are first; else as lock_take(). */
struct lock *turn_try(struct turn *turn, enum turn_patience patience, int64_t now_ms,
		      struct err *err);
/* After a lock was taken over: whose it was, one line; "" otherwise. */
const char *turn_seized_from(const struct turn *turn);
void turn_free(struct turn *turn);

#endif
