/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The account a transport's child gives of its end: one error value that crosses a private
 * pipe to the parent just before the child exits.
 *
 * The child talks to the network, so the parent reads the account as it reads any bytes it
 * did not write itself: bounded, with a known kind, and without control characters.
 * `where` stays behind (the child logs it): a pointer must not come from the other process.
 */
#ifndef TRANSPORT_ACCOUNT_H
#define TRANSPORT_ACCOUNT_H

#include <stddef.h>

struct buf;
struct err;

enum {
	ACCOUNT_MAX =
		1024, /* bytes of an encoded account; below PIPE_BUF, so one write is atomic */
};

/* Append the encoded form of `err` to out. */
void account_encode(struct buf *out, const struct err *err);
/* Fill `err` from data[0..len) and return 0, or return -1 where that is not an account. */
int account_decode(const void *data, size_t len, struct err *err);

/*
 * Say why the command that should have become an agent ended with this exit status.
 *
 * place   who ran it, as the user wrote it: a host, or "TRANSPORT_COMMAND"
 * osync   REMOTE_OSYNC_PATH, named where the shell did not find it
 * status  1..255 (0 is no failure: nothing is set then)
 * last    the last lines of its standard error, escaped, or ""
 *
 * ERR_UNREACHABLE, or ERR_DENIED where the lines are those of a refused OpenSSH login, or of sudo.
 * Returns -1, or 0 for status 0.
 */
int account_of_exit(const char *place, const char *osync, int status, const char *last,
		    struct err *err);

#endif
