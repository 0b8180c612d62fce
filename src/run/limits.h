/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The time that a run may take, and what is said of a long one.
 *
 *	HARD_MAX_EXEC_TIME	ends it, as SIGTERM would: a timer's signal sets the same flag
 *				(base/stop.h), whatever the run is doing or waiting for
 *	SOFT_MAX_EXEC_TIME	once: a warning, and EXIT_LOOK
 *	KEEP_LOGGING		a line of what is being done, again and again
 *	SLOW_SYNC_TIME		the two commands of run/slow.h
 *
 * All count from limits_start(), with the waits for locks and the hooks, without START_JITTER (a run
 * that has not begun), and without the time for which the machine is suspended.
 *
 * Whatever is not the hard limit happens in limits_tick(), which everything that waits calls
 * (session_pump); what a run does between two waits is short.
 */
#ifndef RUN_LIMITS_H
#define RUN_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

struct config;
struct err;
struct report;
struct slow;

struct limits {
	const struct config *config;
	struct report *report;
	struct slow *slow; /* NULL: not asked for */
	int64_t start_ms;
	int64_t soft_ms;   /* when, by clock_monotonic_ms(); INT64_MAX: never (again) */
	int64_t word_ms;   /* when the next line is due */
	const char *doing; /* what limits_doing() was told last */
};

/* `run` names the run (kept, not copied). */
void limits_start(struct limits *limits, const struct config *config, struct report *report,
		  const char *run);
/* What is being done from now on (kept, not copied). */
void limits_doing(struct limits *limits, const char *what);
/* Do what is due. */
void limits_tick(struct limits *limits);
/* How long may be waited before the next tick, at most timeout_ms (negative: any time). */
int limits_wait_ms(const struct limits *limits, int timeout_ms);
/* The run is over: no more limits, and the second of the slow commands. */
void limits_end(struct limits *limits);

/* Where the run was stopped: why, in err. Returns whether it was. */
bool limits_blame(const struct config *config, struct err *err);

#endif
