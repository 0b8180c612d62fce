/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * known_hosts, read and never written (format: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").
 *
 * Pure.  One struct ssh_known collects what all files say about one host:
 *
 *	struct ssh_known known = SSH_KNOWN_INIT;
 *	for each file: ssh_known_scan(&known, text, len, file, &query);
 *	switch (ssh_known_verdict(&known)) ...
 *
 * Without a key in the query only `types` is collected: which kinds of host key to ask the
 * server for.  Understood: lists of patterns with * ? !, hashed names, [host]:port,
 * @revoked.  @cert-authority lines are noticed, not used.  Lines that make no sense are
 * skipped, as ssh does.
 */
#ifndef TRANSPORT_SSH_KNOWN_H
#define TRANSPORT_SSH_KNOWN_H

#include <stddef.h>

struct buf;

/* Kinds of host key, as bits. */
enum ssh_key_type {
	SSH_TYPE_ED25519 = 1,
	SSH_TYPE_ECDSA_256 = 2,
	SSH_TYPE_ECDSA_384 = 4,
	SSH_TYPE_ECDSA_521 = 8,
	SSH_TYPE_RSA = 16,
	SSH_TYPE_OTHER = 32,
};

enum ssh_known_verdict {
	SSH_KNOWN_UNKNOWN,    /* no line for this host */
	SSH_KNOWN_MATCH,      /* a line has this key */
	SSH_KNOWN_OTHER_TYPE, /* lines for this host, but with keys of other kinds */
	SSH_KNOWN_CHANGED,    /* a line has another key of this kind */
	SSH_KNOWN_REVOKED,    /* a @revoked line has this key: stronger than a match */
	SSH_KNOWN_AUTHORITY,  /* only a @cert-authority line speaks for this host */
};

struct ssh_place {
	const char *file; /* NULL: not seen */
	int line;
};

struct ssh_known {
	struct ssh_place matched, other_type, changed, revoked, authority; /* the first of each */
	unsigned types; /* enum ssh_key_type of the plain lines for this host */
};

#define SSH_KNOWN_INIT                                              \
	{                                                           \
		{ 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, 0 \
	}

struct ssh_known_query {
	const char *host; /* what stands in the file: "host" or "[host]:port" (ssh_known_name) */
	const unsigned char *key; /* the server's key as it came over the wire, or NULL */
	size_t key_len;
};

/* Append the name under which a host stands in known_hosts; port 22 is not written. */
void ssh_known_name(struct buf *out, const char *host, int port);

/* Add what text[0..len) says; `file` is kept, not copied. O(len). */
void ssh_known_scan(struct ssh_known *known, const char *text, size_t len, const char *file,
		    const struct ssh_known_query *query);
enum ssh_known_verdict ssh_known_verdict(const struct ssh_known *known);
/* Where the line stands that the verdict rests on; file is NULL for SSH_KNOWN_UNKNOWN. */
struct ssh_place ssh_known_place(const struct ssh_known *known);

/* "ssh-ed25519" and so on to a bit. */
enum ssh_key_type ssh_key_type_of(const char *name, size_t len);
/* "ED25519", "ECDSA", "RSA": how ssh calls it. */
const char *ssh_key_type_title(enum ssh_key_type type);
/* The name of that kind for ssh-keyscan -t. */
const char *ssh_key_type_scan(enum ssh_key_type type);
/* The kind of a key in wire form. */
enum ssh_key_type ssh_key_blob_type(const unsigned char *key, size_t key_len);
/* Append "SHA256:..." as ssh prints it. */
void ssh_key_fingerprint(struct buf *out, const unsigned char *key, size_t key_len);

#endif
