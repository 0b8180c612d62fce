/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Being asked to stop: SIGINT, SIGTERM and SIGHUP set one flag, which the loops look at
 * whenever they wait.  A second signal ends the process at once.  SIGPIPE is ignored.
 */
#ifndef BASE_STOP_H
#define BASE_STOP_H

void stop_install(void);
/* The signal that asked us to stop, or 0. */
int stop_signal(void);
/*
 * Go on for a moment, to put things in order: stop_signal() says 0 again, and what it was is returned.
 * The same signal ends the process the next time.
 */
int stop_forgive(void);
/* Back to the defaults, in a child process. */
void stop_reset(void);

#endif
