/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One libssh2 session on a connected descriptor.
 *
 * All bytes pass through two functions of ours, which takes three traps out of libssh2:
 *
 * - Sending never "would block" for libssh2: what the socket does not take is queued here.
 *   So no packet is ever half sent, which libssh2 1.10 cannot cope with when it has
 *   another one to send meanwhile (a window adjustment, a keepalive, a key exchange that
 *   the server starts).  Callers bound the queue: they write channel data only while
 *   ssh_session_may_write().
 * - Receiving notes when the server was last heard of, which is the reply tracking that
 *   libssh2's keepalives lack.
 * - The first bytes of the server are kept until the handshake is over: they tell which
 *   host keys it offers when the two cannot agree.
 *
 * libssh2 calls are non-blocking; SSH_RETRY() turns one into a blocking one with a
 * deadline, for everything before the pump.
 */
#ifndef TRANSPORT_SSH_SESSION_H
#define TRANSPORT_SSH_SESSION_H

#include <libssh2.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "transport/lines.h"
#include "transport/ssh_connect.h"

struct config;
struct err;

struct ssh_session {
	LIBSSH2_SESSION *lib;
	const char *host;	  /* what messages call the server; kept, not copied */
	struct ssh_link link;	  /* owned */
	int parent_fd;		  /* only watched for hanging up; -1: not */
	struct lines proxy_lines; /* what the proxy says on standard error */
	struct buf out;		  /* queued for the socket, from out_pos on */
	size_t out_pos;
	struct buf greeting; /* the server's first bytes, until the handshake is over */
	bool greeted;
	int64_t heard_ms;	/* clock_monotonic_ms of the last bytes received */
	unsigned long received; /* times anything came */
	unsigned long sent;	/* packets handed to transmit(): whether a call sent anything */
	int64_t deadline_ms;	/* of the SSH_RETRY() calls */
	const char *password;	/* for keyboard-interactive while that runs, else NULL */
	char reason[160];	/* the server's words when it disconnected, escaped, or "" */
};

/* Take over the link and start a session on it; nothing is sent yet. */
int ssh_session_open(struct ssh_session *session, const struct ssh_link *link, const char *host,
		     int parent_fd, struct err *err);
void ssh_session_close(struct ssh_session *session);
#define AUTO_SESSION AUTO(ssh_session_close) struct ssh_session

/* Choose algorithms and exchange keys. `known_types`: see ssh_methods_hostkey(). */
int ssh_session_handshake(struct ssh_session *session, const struct config *config,
			  unsigned known_types, int timeout_s, struct err *err);

/* Send what is queued as far as the socket takes it. 0, or -1 when the link is gone. */
int ssh_session_flush(struct ssh_session *session);
/* Whether channel data may be written now without the queue growing out of bounds. */
bool ssh_session_may_write(const struct ssh_session *session);
bool ssh_session_has_queue(const struct ssh_session *session);

/* Wait until there is something to read; -1 at the deadline, or when the parent hung up. */
int ssh_session_wait(struct ssh_session *session, struct err *err);

/* The result of a libssh2 call that returns a number, repeated until it has one. */
#define SSH_RETRY(session, call)                                                               \
	__extension__({                                                                        \
		ssize_t rc_ = 0;                                                               \
		do                                                                             \
			rc_ = (call);                                                          \
		while (rc_ == LIBSSH2_ERROR_EAGAIN && ssh_session_wait((session), NULL) == 0); \
		(int)rc_;                                                                      \
	})

/*
 * Say why a libssh2 call just failed: `doing` is "exchanging keys with", "logging in at".
 * Reads libssh2's last error, so it comes before any other call.  Always -1.
 */
int ssh_session_error(struct ssh_session *session, const char *doing, struct err *err);

#endif
