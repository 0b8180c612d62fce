/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private keys in files, and signing with them.
 *
 * libssh2 1.10 signs with an RSA key in SHA-1, which today's servers refuse, so osync reads
 * keys and signs itself (OpenSSL) and gives libssh2 finished signatures.  The same code
 * then serves all kinds: RSA (as rsa-sha2-512, RFC 8332), ECDSA on the NIST curves,
 * Ed25519; from PEM files (PKCS#1, SEC 1, PKCS#8) and from OpenSSH's own format
 * (openssh-key-v1, what ssh-keygen writes today), all of them unencrypted: a cron job
 * cannot type a passphrase, that is what ssh-agent is for.
 *
 * Secrets are overwritten before their memory is freed.
 */
#ifndef TRANSPORT_SSH_KEY_H
#define TRANSPORT_SSH_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct err;
struct ssh_key;

/*
 * Read a key.  ERR_DENIED with one line on what is wrong with it: unreadable, encrypted
 * (err->sys is EKEYREJECTED then), of a kind that is not supported, damaged.
 */
int ssh_key_load(const char *path, struct ssh_key **out, struct err *err);
/* The same from memory; `name` is for messages. */
int ssh_key_parse(const char *name, const void *data, size_t len, struct ssh_key **out,
		  struct err *err);
void ssh_key_free(struct ssh_key *key);
void ssh_key_cleanup(struct ssh_key **key);
#define AUTO_KEY AUTO(ssh_key_cleanup) struct ssh_key

/*
 * The public key as it goes into a login request: its first string is the signature
 * algorithm, so for RSA that is rsa-sha2-512 and not ssh-rsa.  Owned by the key.
 */
const struct buf *ssh_key_public(const struct ssh_key *key);
/* Append the signature's value (without the name of its algorithm). */
int ssh_key_sign(const struct ssh_key *key, const void *data, size_t len, struct buf *out,
		 struct err *err);

/*
 * Turn a public key in wire form (from an agent, from a .pub file) into the form of
 * ssh_key_public().  False for kinds that cannot be used here: certificates, sk- keys, DSA.
 */
bool ssh_key_login_form(const void *blob, size_t len, struct buf *out);
/* Append the login form of the key in a .pub file; -1 if it has none. */
int ssh_key_load_public(const char *path, struct buf *out);

#endif
