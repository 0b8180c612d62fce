/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pump between one exec channel and the parent's socket: both directions at once, from
 * one poll loop, nothing blocking.
 *
 * End of file travels through: from the parent as channel EOF (the agent sees the end of its
 * input and may still answer), from the agent as the end of what the parent reads.  After
 * the agent's end its exit status is waited for, because it tells a lost agent from one
 * that was never there.
 *
 * Bounds: 256 KiB a direction here, the channel's window (2 MiB) inside libssh2, and the
 * session's queue.  Where the parent does not read, the window fills and the server stops;
 * what else the server sends is taken in all the same.
 */
#ifndef TRANSPORT_SSH_PUMP_H
#define TRANSPORT_SSH_PUMP_H

struct err;
struct ssh_session;

struct ssh_pump_task {
	const char *command; /* for the server's login shell */
	const char *shown;   /* the same for eyes: without what is secret */
	const char *osync;   /* REMOTE_OSYNC_PATH, for the message if it is not there */
	int parent_fd;	     /* stream socket, made non-blocking; not closed */
	int keepalive_s;     /* 0: none. Three unanswered ones end the connection */
};

/*
 * Open a channel, run the command, pump until one side ends.  0 after an orderly end with
 * exit status 0, or when the parent has hung up.  -1: ERR_UNREACHABLE or ERR_DENIED with
 * the agent's last words.
 */
int ssh_pump(struct ssh_session *session, const struct ssh_pump_task *task, struct err *err);

#endif
