/* SPDX-License-Identifier: BSD-2-Clause */
#include "batch/schedule.h"

#include "run/report.h"

static bool may_start(const struct schedule_item *items, size_t count, size_t one,
		      schedule_clash_fn *clash, void *arg)
{
	for (size_t i = 0; i < count; i++)
		if (items[i].state == SCHEDULE_RUNNING && clash(arg, one, i))
			return false;
	return true;
}

static size_t running(const struct schedule_item *items, size_t count)
{
	size_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += items[i].state == SCHEDULE_RUNNING;
	return sum;
}

size_t schedule_next(const struct schedule_item *items, size_t count,
		     const struct schedule_limits *limits, int64_t now_ms, schedule_clash_fn *clash,
		     void *arg)
{
	size_t best = count;

	if (running(items, count) >= limits->jobs)
		return count;
	for (size_t i = 0; i < count; i++) {
		if (items[i].state != SCHEDULE_WAITING || items[i].due_ms > now_ms ||
		    (best < count && items[best].due_ms <= items[i].due_ms))
			continue;
		if (may_start(items, count, i, clash, arg))
			best = i;
	}
	return best;
}

bool schedule_passes(const struct schedule_try *end)
{
	return end->code == EXIT_UNREACHABLE || end->code == EXIT_LOCKED ||
	       (end->code == EXIT_FAILED && end->finished);
}

int64_t schedule_backoff_ms(const struct schedule_limits *limits, unsigned tries, uint64_t random)
{
	int64_t most =
		limits->wait_ms > SCHEDULE_WAIT_MAX_MS ? limits->wait_ms : SCHEDULE_WAIT_MAX_MS;
	int64_t wait = limits->wait_ms;

	for (unsigned i = 1; i < tries && wait < most; i++)
		wait *= 2;
	if (wait > most)
		wait = most;
	return wait - (int64_t)(random % ((uint64_t)wait / 2 + 1));
}

bool schedule_may_repeat(const struct schedule_limits *limits, unsigned tries, int64_t at_ms)
{
	return (limits->tries == 0 || tries < limits->tries) && at_ms <= limits->deadline_ms;
}

void schedule_tried(struct schedule_item *item, const struct schedule_limits *limits,
		    const struct schedule_try *end, int64_t now_ms, uint64_t random)
{
	int64_t due_ms = now_ms + schedule_backoff_ms(limits, item->tries, random);

	item->state = SCHEDULE_OVER;
	if (!schedule_passes(end) || !schedule_may_repeat(limits, item->tries, due_ms))
		return;
	item->state = SCHEDULE_WAITING;
	item->due_ms = due_ms;
}

size_t schedule_expire(struct schedule_item *items, size_t count,
		       const struct schedule_limits *limits, int64_t now_ms)
{
	size_t expired = 0;

	for (size_t i = 0; i < count; i++) {
		if (items[i].state != SCHEDULE_WAITING || items[i].tries == 0 ||
		    now_ms <= limits->deadline_ms)
			continue;
		items[i].state = SCHEDULE_OVER;
		expired++;
	}
	return expired;
}

int64_t schedule_wait_ms(const struct schedule_item *items, size_t count, int64_t now_ms)
{
	int64_t wait = -1;

	for (size_t i = 0; i < count; i++) {
		int64_t left = items[i].due_ms - now_ms;

		if (items[i].state == SCHEDULE_WAITING && left > 0 && (wait < 0 || left < wait))
			wait = left;
	}
	return wait;
}
