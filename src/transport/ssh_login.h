/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Logging in without anybody at the keyboard: keys in files, then the ssh-agent's, then the
 * password file.
 *
 * File keys come first so that an agent with many keys does not use up the attempts a
 * server allows; an encrypted key file is left to the agent.  No key is offered twice.
 */
#ifndef TRANSPORT_SSH_LOGIN_H
#define TRANSPORT_SSH_LOGIN_H

struct config;
struct err;
struct ssh_options;
struct ssh_session;

/*
 * 0 when logged in.  -1: ERR_DENIED with user, host, the keys that were tried and what the
 * server would take, or ERR_UNREACHABLE when the connection went away.
 */
int ssh_login(struct ssh_session *session, const struct ssh_options *options,
	      const struct config *config, struct err *err);

#endif
