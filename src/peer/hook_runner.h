/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that runs hooks for an agent.
 *
 * An agent confines itself to its root (base/confine.h), and so would be everything that it starts.
 * Hooks are run by a process that was forked before, which serves one request after the other: it
 * takes HOOK frames and answers with OUTPUT frames and one HOOKED.  It ends, with everything a hook has
 * started, when the agent shuts the connection or is gone.
 *
 *	hook_runner_start	before the agent is confined and before it has a second thread
 *	hook_runner_ask		a HOOK frame
 *	hook_runner_take	when hook_runner_fd() can be read, until HOOKED has come
 *	hook_runner_stop
 */
#ifndef PEER_HOOK_RUNNER_H
#define PEER_HOOK_RUNNER_H

struct buf;
struct err;
struct frame;
struct hook_runner;

/* NULL where there can be no such process. `role` names it in logs (kept, not copied). */
struct hook_runner *hook_runner_start(const char *role, struct err *err);

/* Readable when there is something to take. */
int hook_runner_fd(const struct hook_runner *runner);

/* Start what this frame asks for, which was checked. One that runs is ended first, and reported as well. */
int hook_runner_ask(struct hook_runner *runner, const struct frame *frame, struct err *err);

/*
 * Append the OUTPUT frames that are complete to `out`.  0 when there is more to come, behind
 * hook_runner_fd(); 1 when the hook has ended, with how in *status: then ask again if another one is open.
 * A runner that is gone counts as a hook that failed.
 */
int hook_runner_take(struct hook_runner *runner, struct buf *out, struct err *status);

/* End a hook that runs and everything it started, and the runner; waits for that. NULL does nothing. */
void hook_runner_stop(struct hook_runner *runner);

#endif
