/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting processes: programs with nothing inherited but their standard streams, and what a
 * fork of this program does first.
 *
 * A death signal at the parent's end is bound to the thread that forked: that is the main
 * thread.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;
struct err;

/* The three standard descriptors of a program; -1 is /dev/null. */
struct process_stdio {
	int in, out, error;
};

/*
 * Start a program found in PATH, with default signals, a death signal, and no descriptors
 * but these three.  Where it cannot be executed it exits with 127.  -1 if fork fails.
 */
pid_t process_spawn(char *const argv[], const struct process_stdio *stdio, struct err *err);

/*
 * Run a program and collect its standard output and error (at most 1 MiB) in out.  Killed
 * after timeout_ms.  Returns the exit status (128+n for a signal), or -1 with err set.
 */
int process_capture(char *const argv[], int64_t timeout_ms, struct buf *out, struct err *err);

/* Wait for a child until the deadline (clock_monotonic_ms); its wait status, or -1. */
int process_wait(pid_t pid, int64_t deadline_ms);

/* A close-on-exec stream socket pair. */
int process_socketpair(int pair[2], struct err *err);
/* A close-on-exec pipe whose reading end does not block. */
int process_pipe(int ends[2], struct err *err);

/*
 * This descriptor, or where it is a standard one, one above in its place: this process may have been
 * started without its own, and what is printed must not get into a file.  -1 and errno as they are.
 */
int process_lift_above_stdio(int fd);

/* For a child that was just forked ------------------------------------------------------ */

/* The default action for every signal, and none blocked. */
void process_default_signals(void);
/* Get this signal when the parent ends; end at once if it has done so already. */
void process_die_with(pid_t parent, int signal);
/* This descriptor, or a copy above the standard ones: a parent may have been started without them. */
int process_above_stdio(int fd);
/* Standard input and output are /dev/null; standard error stays. */
void process_null_stdio(void);
/* Close everything above standard error except these, which stand there too. They get sorted. */
void process_close_all_but(int *fds, size_t count);
/* Close everything above standard error. */
void process_close_all(void);

#endif
