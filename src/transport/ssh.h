/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ssh transport: everything that happens in the child process that owns the libssh2
 * session.  The rest of the program sees a socket.
 *
 *	options  (ssh_options)  what osync.conf, ~/.ssh/config and defaults say
 *	link     (ssh_connect)  TCP, ProxyJump or ProxyCommand
 *	session  (ssh_session)  algorithms and keys exchanged
 *	host key (ssh_hostkey)  known_hosts
 *	login    (ssh_login)    key files, ssh-agent, password file
 *	pump     (ssh_pump)     one exec channel, both directions at once
 *
 * Files that include <libssh2.h> are named ssh*; no others do.
 */
#ifndef TRANSPORT_SSH_H
#define TRANSPORT_SSH_H

struct err;

/* The body of the helper process (child_start); `config` is a struct config. */
int ssh_run(int fd, const void *config, struct err *err);

#endif
