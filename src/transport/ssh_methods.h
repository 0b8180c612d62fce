/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which algorithms osync asks a server for, and what a server offers.  Pure.
 *
 * The lists name more than the running libssh2 may know; ssh_methods_keep() leaves out what it
 * does not (libssh2 would do that too, with a memcpy of overlapping ranges).  Never: CBC, arcfour, MD5, SHA-1 MACs.  Key exchange methods
 * are left to libssh2, whose own order is good and whose extension markers must stay in it.
 */
#ifndef TRANSPORT_SSH_METHODS_H
#define TRANSPORT_SSH_METHODS_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

/*
 * Append the host key algorithms: the known kinds (bits of enum ssh_key_type) first, so that
 * a server is asked for the key that known_hosts can vouch for.
 */
void ssh_methods_hostkey(struct buf *out, unsigned known_types);
/*
 * With `strict_kex` (libssh2 1.11.1 and later) also those that are open to prefix truncation
 * ("Terrapin", CVE-2023-48795) without it: chacha20-poly1305 and encrypt-then-mac.
 */
const char *ssh_methods_cipher(bool strict_kex);
/* The MACs, the faster first: SHA-256 where the processor has instructions for it. */
const char *ssh_methods_mac(bool strict_kex, bool sha256_is_fast);
bool ssh_methods_sha256_is_fast(void);

/* Append those names of a list that stand in supported[0..count), in the list's order. */
void ssh_methods_keep(struct buf *out, const char *list, const char *const supported[],
		      size_t count);

/*
 * Append the server's list of host key algorithms, escaped, from the first bytes it sent
 * (its banner and the unencrypted KEXINIT, RFC 4253 section 7.1); -1 if they do not hold it.
 */
int ssh_methods_server_hostkeys(const void *greeting, size_t len, struct buf *out);
/* Whether that list holds nothing but RSA. */
bool ssh_methods_only_rsa(const char *hostkeys);

#endif
