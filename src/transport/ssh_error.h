/* SPDX-License-Identifier: BSD-2-Clause */
/* What a failure inside libssh2 means to a person. Pure. */
#ifndef TRANSPORT_SSH_ERROR_H
#define TRANSPORT_SSH_ERROR_H

#include <stdbool.h>

struct err;

struct ssh_failure {
	int code;	     /* LIBSSH2_ERROR_... */
	const char *message; /* libssh2's own words, escaped */
	const char *host;
	const char *doing;  /* "exchanging keys with", "logging in at": a host follows */
	const char *reason; /* the server's words when it disconnected, or "" */
	const char *proxy;  /* the last lines of a proxy's standard error, or "" */
	bool timed_out;
};

/* Fill err (ERR_UNREACHABLE) with one line, the most telling source first. Returns -1. */
int ssh_error(const struct ssh_failure *failure, struct err *err);

#endif
