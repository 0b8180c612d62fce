/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processes that stand between this program and a shell command, so that nothing the command
 * starts outlives it.  Used by base/shell only; nothing in here returns to the caller's code.
 *
 *	parent --- control (socket) --- keeper --- /bin/sh -c COMMAND --- ...
 *	   '--------- guard ---------------'
 *
 * The keeper adopts what loses its parent (PR_SET_CHILD_SUBREAPER): a process that has forked twice
 * or left its session is the keeper's own child in the end.  It ends everything
 *
 *  - when the command has ended,
 *  - when the parent shuts its end of the control socket, or is gone, however that came,
 *  - when it is asked to by SIGTERM, SIGINT or SIGHUP, or the guard is gone:
 *
 * SIGTERM first, SIGKILL KEEPER_TERM_MS later, until there is no child left or KEEPER_KILL_MS have
 * passed.  Only its own children and their process groups are signalled: these cannot be anybody
 * else's, since a child's number is free again only when it was waited for.  Then it tells the parent
 * with one struct keeper_end and exits.
 *
 * The guard does nothing but wait for the keeper, as its parent and as the next to adopt: a command
 * that kills its parent with SIGKILL finds the guard behind it, which then kills all there is.
 *
 * What is not held: a process that runs as another user (sudo) need not take our signals and is
 * counted in `left`; what a service was asked to start (systemd-run, at, docker) is none of the
 * command's descendants; and a command may kill guard and keeper both.  Without /proc only the
 * command's own process group is known.
 */
#ifndef BASE_KEEPER_H
#define BASE_KEEPER_H

#include <stdbool.h>
#include <stdnoreturn.h>
#include <sys/types.h>

enum {
	KEEPER_TERM_MS = 2000, /* from being asked to being killed */
	KEEPER_KILL_MS = 2000, /* for as long as it is tried to kill what does not go */
};

struct keeper_end {
	int status;    /* wait status of the shell; -1: it did not end by itself */
	unsigned left; /* children that could not be ended */
};

/* What the keeper needs. */
struct keeper_job {
	const char *command;
	const char *const *environment; /* "NAME=VALUE" to add, NULL at the end; NULL: none */
	int input;			/* -1: /dev/null */
	int output;			/* standard output and error */
	int control;
};

/* In a process that was just forked: be the guard, with a keeper and the command. */
noreturn void keeper_run(const struct keeper_job *job);

#endif
