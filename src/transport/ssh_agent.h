/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client of ssh-agent (draft-miller-ssh-agent): which keys it has, and its signatures.
 *
 * libssh2 1.10 has one too, but cannot ask for the SHA-2 signatures without which servers
 * refuse RSA keys.
 */
#ifndef TRANSPORT_SSH_AGENT_H
#define TRANSPORT_SSH_AGENT_H

#include <stddef.h>

#include "base/buf.h"

struct err;

enum {
	SSH_AGENT_KEYS_MAX = 64, /* an agent with more is cut short */
};

struct ssh_agent_key {
	struct buf blob; /* public key in wire form */
	char *comment;	 /* escaped */
};

struct ssh_agent {
	int fd;
	struct ssh_agent_key keys[SSH_AGENT_KEYS_MAX];
	size_t count;
};

#define SSH_AGENT_INIT   \
	{                \
		.fd = -1 \
	}
#define AUTO_AGENT AUTO(ssh_agent_close) struct ssh_agent

/* Connect to the socket and list the keys. Every answer is waited for at most 60 s. */
int ssh_agent_open(struct ssh_agent *agent, const char *socket_path, struct err *err);
void ssh_agent_close(struct ssh_agent *agent);

/*
 * Append the signature's value (without the name of its algorithm) that key `index` makes
 * of data[0..len); RSA keys sign with SHA-512.
 */
int ssh_agent_sign(struct ssh_agent *agent, size_t index, const void *data, size_t len,
		   struct buf *out, struct err *err);

/* Read an agent's list of keys (message 12) into agent->keys. Pure; -1 if it is not one. */
int ssh_agent_parse_keys(struct ssh_agent *agent, const void *message, size_t len);
/* Append the value out of a signature (message 14); -1 if it is not one. Pure. */
int ssh_agent_parse_signature(const void *message, size_t len, struct buf *out);

#endif
