/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is this the server it was last time?  known_hosts is asked, never written.
 *
 * Before the handshake it tells which kinds of key to ask for, after it whether the key is
 * right.  Unlike ssh, nobody can be asked here, and a run that syncs somebody's only copy
 * does not trust a first look: an unknown key is refused with the command that adds it.
 */
#ifndef TRANSPORT_SSH_HOSTKEY_H
#define TRANSPORT_SSH_HOSTKEY_H

struct buf;
struct config;
struct err;
struct ssh_options;
struct ssh_session;

/* The kinds of key (bits of enum ssh_key_type) that known_hosts has for the host. */
unsigned ssh_hostkey_known_types(const struct ssh_options *options);

/*
 * 0 if the key of the session's server is known (or SSH_IGNORE_KNOWN_HOSTS is set, which is
 * logged); otherwise -1 with ERR_DENIED: unknown, changed, revoked, or only a certificate
 * authority speaks for it.
 */
int ssh_hostkey_check(struct ssh_session *session, const struct ssh_options *options,
		      const struct config *config, struct err *err);

/*
 * For somebody who can be asked: 1 where the key is known, 0 where nothing is known of this host; it
 * is appended to `out` in either case.  All else is refused as by ssh_hostkey_check().
 */
int ssh_hostkey_meet(struct ssh_session *session, const struct ssh_options *options,
		     const struct config *config, struct buf *out, struct err *err);

/* Append the name under which this host stands in known_hosts. */
void ssh_hostkey_name(struct buf *out, const struct ssh_options *options);

#endif
