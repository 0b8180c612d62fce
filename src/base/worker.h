/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A second processor for one piece of work at a time, beside a thread that goes on serving a connection.
 *
 *	worker_new
 *	worker_begin		what the work touches is its own from here on ...
 *	worker_fd		readable once it is done
 *	worker_end		... up to here, where all that it has done is seen
 *	worker_free
 *
 * Signals are never delivered to the work.  It runs in a thread started by worker_begin(), so that what
 * the caller has given up for good until then (base/confine.h) is given up for the work as well.
 *
 * Where no thread can be started, the work is done by the caller, in worker_begin().  So it is in builds
 * with fault points where a test steers them (base/fault.h): what is counted must come in one order.
 */
#ifndef BASE_WORKER_H
#define BASE_WORKER_H

#include <stdbool.h>

struct worker;

struct worker *worker_new(void);
/* Waits for work that is under way. NULL does nothing. */
void worker_free(struct worker *worker);
/* Have `work` done. Not while other work is under way. `arg` is borrowed until worker_end(). */
void worker_begin(struct worker *worker, void (*work)(void *arg), void *arg);
/* Whether worker_begin() was called, and worker_end() was not called since. */
bool worker_is_busy(const struct worker *worker);
/* Whether worker_end() would not wait. */
bool worker_is_done(const struct worker *worker);
/* To be polled while it is busy. */
int worker_fd(const struct worker *worker);
/* Wait until the work is done. Does nothing where none is under way. */
void worker_end(struct worker *worker);

#endif
