/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which profile of a batch runs next, and which once more.
 *
 *	schedule_next	the item that may start now, if any
 *	schedule_tried	a try has ended: is there to be another, and when
 *	schedule_expire	the batch's time is over: no more tries of what has been tried
 *	schedule_wait_ms	until the next one becomes due; what is due and was not started waits for a try to end
 *
 * Every item gets its first try, however long the others take: a limit of the whole must not keep
 * the last of them from being synced for ever.  The limit is for trying again.
 *
 * Two items that clash (places_clash(): a folder in common) never run at the same time; of those that
 * may run, the one that has been due for longest is first, which in the beginning is the order given.
 *
 * Tried again is what ends by itself: a target that cannot be reached or was lost on the way, a lock of
 * another run, and paths that are still pending (most often somebody was writing).  Not a run that
 * has failed as a whole (a command, its own time limit), a guard, a login that is refused, a wrong
 * configuration, or a run that somebody has ended: these want a person, and one try more would only
 * tell it again.
 *
 * Pure: no I/O, no clock.  Times are those of clock_monotonic_ms().
 */
#ifndef BATCH_SCHEDULE_H
#define BATCH_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SCHEDULE_JOBS_MAX = 64,
	SCHEDULE_WAIT_MAX_MS =
		15 * 60 * 1000, /* between two tries, unless the first wait was longer */
};

struct schedule_limits {
	unsigned jobs;	     /* at the same time; 1 or more */
	unsigned tries;	     /* of one item; 0: any number */
	int64_t deadline_ms; /* no item is tried again behind it; INT64_MAX: never */
	int64_t wait_ms;     /* before the second try */
};

enum schedule_state { SCHEDULE_WAITING, SCHEDULE_RUNNING, SCHEDULE_OVER };

struct schedule_item {
	enum schedule_state state;
	unsigned tries; /* begun */
	int64_t due_ms; /* of SCHEDULE_WAITING: not before */
};

/* Whether the items with these numbers may not run together. Symmetric. */
typedef bool schedule_clash_fn(void *arg, size_t one, size_t other);

/* The item to start, or `count`: none now. The caller counts its try and makes it SCHEDULE_RUNNING. */
size_t schedule_next(const struct schedule_item *items, size_t count,
		     const struct schedule_limits *limits, int64_t now_ms, schedule_clash_fn *clash,
		     void *arg);

/* How a try ended. */
struct schedule_try {
	int code;      /* exit code */
	bool finished; /* the run came to its end: with code 1, some paths are pending */
};

/* Whether what has ended so may be in order by itself soon. */
bool schedule_passes(const struct schedule_try *end);
/*
 * The wait after the n-th try, n >= 1: wait_ms, twice as long each time up to SCHEDULE_WAIT_MAX_MS, of which
 * `random` takes off up to a half, so that many machines that fail together do not come back together.
 */
int64_t schedule_backoff_ms(const struct schedule_limits *limits, unsigned tries, uint64_t random);
/* Whether an item with so many tries, this one with it, may be tried again at all at that time. */
bool schedule_may_repeat(const struct schedule_limits *limits, unsigned tries, int64_t at_ms);
/* A try of a SCHEDULE_RUNNING item has ended: it waits for the next one, or is over. */
void schedule_tried(struct schedule_item *item, const struct schedule_limits *limits,
		    const struct schedule_try *end, int64_t now_ms, uint64_t random);
/* What waits for another try behind the deadline is over. Returns how many. */
size_t schedule_expire(struct schedule_item *items, size_t count,
		       const struct schedule_limits *limits, int64_t now_ms);
/* The time until the next item becomes due; -1: none will that is not. */
int64_t schedule_wait_ms(const struct schedule_item *items, size_t count, int64_t now_ms);

#endif
