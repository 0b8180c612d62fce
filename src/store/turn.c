/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/turn.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "store/queue.h"
#include "store/silence.h"

/* Nobody remembers a holder that was heard of just now: a heartbeat comes three times as often. */
static const int64_t REMEMBER_NS = 45 * NS_PER_SEC;

struct turn {
	struct turn_request request; /* strings are ours */
	char *name;
	char *who;
	char *holder;
	struct queue_place *place; /* NULL: none */
	int64_t free_since_ms;	   /* the lock is free, and others are first; 0: it is not */
	struct silence silence;
	bool remembered; /* what others have seen of the holder was read */
	struct buf seized_from;
};

struct turn *turn_new(const struct turn_request *request)
{
	struct turn *turn = xcalloc(1, sizeof(*turn));

	turn->request = *request;
	turn->name = xstrdup(request->name);
	turn->who = xstrdup(request->who);
	turn->holder = xstrdup(request->holder);
	return turn;
}

void turn_set_ttl(struct turn *turn, int64_t ttl_ms)
{
	turn->request.ttl_ms = ttl_ms;
}

void turn_free(struct turn *turn)
{
	if (!turn)
		return;
	queue_leave(turn->place, QUEUE_LATER);
	buf_release(&turn->seized_from);
	free(turn->name);
	free(turn->who);
	free(turn->holder);
	free(turn);
}

const char *turn_seized_from(const struct turn *turn)
{
	return turn->seized_from.len ? (const char *)turn->seized_from.data : "";
}

/* Whether those in front leave a free lock lying for so long that they must be asleep. */
static bool are_stuck(struct turn *turn, int64_t now_ms)
{
	if (!lock_is_free(turn->request.dirfd, turn->name)) {
		turn->free_since_ms = 0;
		return false;
	}
	if (turn->free_since_ms == 0)
		turn->free_since_ms = now_ms;
	return now_ms - turn->free_since_ms >= TURN_STUCK_MS;
}

static bool is_first(struct turn *turn, int64_t now_ms, unsigned *ahead)
{
	*ahead = turn->place ? queue_ahead(turn->place) : queue_length(turn->request.dirfd);
	return *ahead == 0 || are_stuck(turn, now_ms);
}

static void join(struct turn *turn)
{
	struct err why = ERR_INIT;

	if (turn->place)
		return;
	turn->place = queue_join(turn->request.dirfd, turn->who, &why);
	if (!turn->place)
		log_debug("without a place in the queue: %s", why.msg);
}

/* Worth a file that others can go on from: not for a holder that is simply at work. */
static void remember(struct turn *turn, int64_t silent_ms)
{
	int64_t age_ns = clock_realtime_ns() - turn->silence.mark.mtime_ns;

	if (silent_ms * NS_PER_MS >= REMEMBER_NS || age_ns >= REMEMBER_NS || age_ns <= -REMEMBER_NS)
		silence_save(turn->request.dirfd, &turn->request.boot, &turn->silence);
}

/* For how long the holder has been silent; 0 where that is not known. */
static int64_t silent_ms(struct turn *turn, int64_t now_ms, struct silence_mark *mark)
{
	int64_t ms = 0;

	if (!silence_look(turn->request.dirfd, turn->name, mark))
		return 0;
	if (!turn->remembered)
		silence_load(turn->request.dirfd, &turn->request.boot, &turn->silence);
	turn->remembered = true;
	ms = silence_seen(&turn->silence, mark, now_ms);
	remember(turn, ms);
	return ms;
}

/* err says who holds it, and keeps that where it is left to him. */
static struct lock *take_over(struct turn *turn, int64_t now_ms, struct err *err)
{
	const struct turn_request *request = &turn->request;
	struct silence_mark mark = { 0 };
	struct lock *lock = NULL;
	int64_t ms = 0;

	if (request->ttl_ms <= 0)
		return NULL;
	ms = silent_ms(turn, now_ms, &mark);
	if (ms < request->ttl_ms)
		return NULL;
	buf_reset(&turn->seized_from);
	lock_describe(request->dirfd, turn->name, &turn->seized_from);
	buf_cstr(&turn->seized_from); /* ended by a NUL, for turn_seized_from() */
	lock = lock_seize(request->dirfd, turn->name, &mark, turn->holder, err);
	if (!lock)
		buf_reset(&turn->seized_from);
	else
		silence_remove(request->dirfd);
	return lock;
}

static struct lock *take(struct turn *turn, int64_t now_ms, struct err *err)
{
	const struct turn_request *request = &turn->request;
	struct lock *lock = lock_take(request->dirfd, turn->name, request->mode, turn->holder, err);

	if (!lock && err->kind == ERR_LOCKED && request->mode == LOCK_HOLD)
		lock = take_over(turn, now_ms, err);
	if (!lock)
		return NULL;
	err_clear(err);
	if (!turn->place && request->mode == LOCK_HOLD)
		queue_forget(request->dirfd, turn->who);
	queue_leave(turn->place, QUEUE_SERVED);
	turn->place = NULL;
	return lock;
}

struct lock *turn_try(struct turn *turn, enum turn_patience patience, int64_t now_ms,
		      struct err *err)
{
	struct err ignored = ERR_INIT;
	struct lock *lock = NULL;
	unsigned ahead = 0;

	err = err ? err : &ignored;
	if (turn->request.mode == LOCK_PEEK)
		return take(turn, now_ms, err);
	if (is_first(turn, now_ms, &ahead))
		lock = take(turn, now_ms, err);
	else if (lock_is_free(turn->request.dirfd, turn->name))
		err_set(err, ERR_LOCKED, "%u others wait for '%s' and come first", ahead,
			turn->name);
	else
		lock_held_by_other(turn->request.dirfd, turn->name, err);
	if (!lock && err->kind == ERR_LOCKED && patience == TURN_WAITS)
		join(turn);
	return lock;
}
