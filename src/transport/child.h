/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting the helper process of a transport.
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

#include <sys/types.h>

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

#endif
