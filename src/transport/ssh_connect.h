/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From options to a connected descriptor: TCP, or a proxy program on a socket pair.
 * libssh2 takes either.
 */
#ifndef TRANSPORT_SSH_CONNECT_H
#define TRANSPORT_SSH_CONNECT_H

#include <sys/types.h>

struct config;
struct err;
struct ssh_options;

struct ssh_link {
	int fd;	      /* non-blocking, close-on-exec; owned by the caller */
	int error_fd; /* the proxy's standard error, non-blocking; -1 without a proxy */
};

/*
 * All addresses of the host are tried in order, each for its share of the connect timeout.
 * With ProxyJump, `ssh -W HOST:PORT JUMP` is started; with ProxyCommand, that command.
 *
 * A link that stops carrying data is noticed by the kernel after four keepalive intervals
 * (TCP_USER_TIMEOUT), one that is idle by the keepalives of transport/ssh_pump.
 */
int ssh_connect(const struct ssh_options *options, const struct config *config,
		struct ssh_link *link, struct err *err);

/*
 * To be called before waiting for the server: what has come is acknowledged at once.  A server does
 * not send its next small packet before that (RFC 896, which sshd leaves on where there is no
 * terminal), and the kernel waits 40 ms for something to send the acknowledgement along with.
 */
void ssh_link_acknowledge(const struct ssh_link *link);

#endif
