/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run a command with /bin/sh -c and hold on to everything that it starts.
 *
 *	shell_start
 *	while (shell_step(...)) ...	take its output; until then other things may be done
 *	shell_result
 *	shell_free
 *
 * The command inherits no descriptor: its standard input is /dev/null or what it is given, standard
 * output and error are one pipe that is read here.  It has default signals, a session of its own
 * without a terminal, and this process's environment with what is added.
 *
 * When shell_step() says that the command has ended, nothing that it started is left, however it
 * detached itself: what a command leaves in the background ends with it (base/keeper.h says how, and
 * what is not held).  The same happens when its time is over, when shell_stop() asks for it, and when
 * this process ends or is killed.
 *
 * Memory is bounded: of the output the first SHELL_OUTPUT_MAX bytes are handed out, the rest is read
 * and counted.
 */
#ifndef BASE_SHELL_H
#define BASE_SHELL_H

#include <stdint.h>

struct buf;
struct err;
struct shell;

enum { SHELL_OUTPUT_MAX = 64 * 1024 /* bytes; osync 1.3 logged 16 KiB */ };

struct shell_job {
	const char *command;
	const char *const *environment; /* "NAME=VALUE" to add, NULL at the end; NULL: none */
	int input;			/* becomes standard input (borrowed); -1: /dev/null */
	int64_t limit_ms;		/* 0: none */
};

/* NULL where there can be no process for it. */
struct shell *shell_start(const struct shell_job *job, struct err *err);

/*
 * Wait up to timeout_ms for output, for the end or for something to read from `other` (-1: nothing), and
 * append output to `out` as it came.  1 while the command runs, 0 when it has ended.
 */
int shell_step(struct shell *shell, int other, int timeout_ms, struct buf *out);

/* Ask that it be ended; shell_step() then sees it end within some 5 s. */
void shell_stop(struct shell *shell);

/* After its end: 0 if it exited with 0; -1 and "ended with status 3", "did not end within 5 s ...". */
int shell_result(const struct shell *shell, struct err *err);

/* Stop it if it still runs, and wait until it has ended. */
void shell_free(struct shell *shell);

#endif
