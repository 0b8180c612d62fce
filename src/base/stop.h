/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Being asked to stop: SIGINT, SIGTERM and SIGHUP set one flag, which the loops look at
 * whenever they wait.  A second signal ends the process at once.  SIGPIPE is ignored.
 *
 * SIGALRM is one of them, for the time limit of a run (stop_after): a timer reaches a process whatever
 * it waits for.  Of several signals the first one counts.
 */
#ifndef BASE_STOP_H
#define BASE_STOP_H

#include <pthread.h>

void stop_install(void);
/* The signal that asked us to stop, or 0. */
int stop_signal(void);
/* Stop by SIGALRM in so many seconds, of time in which the machine is awake; 0: not any more. */
void stop_after(unsigned seconds);
/*
 * Go on for a moment, to put things in order: stop_signal() says 0 again, and what it was is returned.
 * No time limit is left.
 * The same signal ends the process the next time.
 */
int stop_forgive(void);
/* Back to the defaults, in a child process. */
void stop_reset(void);
/*
 * Start a thread that no signal is delivered to: they are for the one that looks at stop_signal().
 * Returns an error number, 0 for none; the caller joins `thread`.
 */
int stop_start_thread(pthread_t *thread, void *(*body)(void *arg), void *arg);

#endif
