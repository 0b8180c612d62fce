/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting processes: the helper process of a transport, and programs run by one.
 *
 * A helper is a fork of this program that holds one end of a socket pair and the writing
 * end of a private pipe for its account (transport/account.h), and no other descriptor
 * above standard error.  It has default signal dispositions, a session of its own (Ctrl-C
 * in the terminal reaches the parent only, and nothing can ask the terminal for a
 * passphrase), and ends when its parent does: by SIGTERM, and by end of file.
 *
 * SIGTERM at the parent's end is bound to the thread that called child_start(): that is
 * the main thread.
 */
#ifndef TRANSPORT_CHILD_H
#define TRANSPORT_CHILD_H

#include <stdint.h>
#include <sys/types.h>

struct buf;
struct err;

struct child {
	pid_t pid;
	int fd;	     /* the parent's end of the socket pair, non-blocking */
	int account; /* where the child's account can be read */
};

/*
 * Fork a helper that runs body(fd, arg, &err) and exits with what that returns.  `fd` is the
 * helper's end of the socket pair (blocking); an error left in err becomes the account.
 */
int child_start(struct child *child, int (*body)(int fd, const void *arg, struct err *err),
		const void *arg, struct err *err);

/* The three standard descriptors of a program; -1 is /dev/null. */
struct child_stdio {
	int in, out, error;
};

/*
 * Start a program found in PATH, with default signals, a death signal, and no descriptors
 * but these three.  Where it cannot be executed it exits with 127.  -1 if fork fails.
 */
pid_t child_spawn(char *const argv[], const struct child_stdio *stdio, struct err *err);

/*
 * Run a program and collect its standard output and error (at most 1 MiB) in out.  Killed
 * after timeout_ms.  Returns the exit status (128+n for a signal), or -1 with err set.
 */
int child_capture(char *const argv[], int64_t timeout_ms, struct buf *out, struct err *err);

/* Wait for a child until the deadline (clock_monotonic_ms); its wait status, or -1. */
int child_wait(pid_t pid, int64_t deadline_ms);

/* A close-on-exec stream socket pair. */
int child_socketpair(int pair[2], struct err *err);
/* A close-on-exec pipe whose reading end does not block. */
int child_pipe(int ends[2], struct err *err);

#endif
