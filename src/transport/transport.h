/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A transport gives a connected descriptor to an agent, and nothing else.
 *
 * local    a forked agent on a socketpair (this machine, any mounted tree)
 * ssh      a child process that owns the libssh2 session and pumps bytes between one
 *          exec channel and a socketpair; libssh2 lives in that process only
 * command  a command whose stdin and stdout reach an agent
 *
 * Opening returns at once: connecting and logging in happen in the child.  What went
 * wrong there is read with transport_failure() when the descriptor ends early.
 */
#ifndef TRANSPORT_TRANSPORT_H
#define TRANSPORT_TRANSPORT_H

struct config;
struct err;
struct transport;

/* A forked agent for the initiator's folder, whose saved list is list_name in list_dir. */
struct transport *transport_open_initiator(const struct config *config, const char *list_dir,
					   const char *list_name, struct err *err);
/* The transport that the configuration's target asks for: local, ssh or command. */
struct transport *transport_open_target(const struct config *config, struct err *err);
/* Not to an agent: to what tells of the server's host key (transport/meet.h). The transport is ssh. */
struct transport *transport_open_meeting(const struct config *config, struct err *err);

/* The connected descriptor (a socket, non-blocking). Owned by the transport. */
int transport_fd(const struct transport *transport);

/*
 * Why the connection ended: waits for the child (up to a few seconds) and fills err with
 * its own account (kind ERR_UNREACHABLE, ERR_DENIED, ...: one clear line with the way out),
 * or says that the connection was lost. Always returns -1.
 */
int transport_failure(struct transport *transport, struct err *err);

/* Close the descriptor and reap the child, killing it if it does not end within 5 s. */
void transport_close(struct transport *transport);

#endif
