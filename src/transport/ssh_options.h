/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything that has to be known before connecting: the configuration, completed by the
 * user's own ssh configuration, completed by defaults.
 *
 * The ssh configuration is not parsed here: `ssh -G HOST` prints what the OpenSSH client
 * would do, and that is read.  Without that client (and without SSH_CONFIG_FILE) the
 * built-in defaults of OpenSSH stand in.  What osync.conf says wins: it is handed to
 * `ssh -G` as options, so that both see the same host, port, user and key.
 */
#ifndef TRANSPORT_SSH_OPTIONS_H
#define TRANSPORT_SSH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "transport/quote.h"

struct config;
struct err;

enum {
	SSH_FILES_MAX = 16, /* identity files, known_hosts files: more are ignored */
};

struct ssh_files {
	char *paths[SSH_FILES_MAX];
	size_t count;
};

struct ssh_options {
	struct arena arena; /* owns every string below */
	const char *home;   /* of the user in the password file, as OpenSSH takes it */
	const char *local_user;
	const char *given_host; /* as the user wrote it: what messages name */
	char *host;		/* where to connect to */
	char *port;
	char *user;
	struct ssh_files identities; /* private keys, best first */
	bool identities_only;	     /* from an agent, only these keys */
	char *identity_agent;	     /* socket, or NULL for none */
	struct ssh_files known_hosts;
	char *user_known_hosts; /* the one where ssh notes new hosts; NULL: none */
	char *host_key_alias;	/* NULL: none */
	char *proxy_jump;	/* NULL: none */
	char *proxy_command;	/* NULL: none */
	char *strict_checking;	/* as ssh prints it; only to explain that it has no effect */
	int connect_timeout_s;
};

#define SSH_OPTIONS_INIT            \
	{                           \
		.arena = ARENA_INIT \
	}
#define AUTO_SSH_OPTIONS AUTO(ssh_options_release) struct ssh_options

void ssh_options_release(struct ssh_options *options);

/*
 * Read what `ssh -G` printed ("key value" lines; unknown ones are skipped) into options,
 * with ~ and tokens in file names expanded.  Pure; uses home and local_user.
 */
void ssh_options_parse(struct ssh_options *options, const char *text);

/* Ask `ssh -G`, then fill in defaults and what the configuration says. */
int ssh_options_load(const struct config *config, struct ssh_options *options, struct err *err);

/* The name under which the host stands in known_hosts, without its port. */
const char *ssh_options_key_name(const struct ssh_options *options);
/* What the %-tokens of ssh_config stand for; points into options. */
struct quote_tokens ssh_options_tokens(const struct ssh_options *options);
int ssh_options_port(const struct ssh_options *options);

#endif
