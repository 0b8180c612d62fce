/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The little DER (X.690) that lies between SSH's keys and OpenSSL's: private keys in the
 * forms d2i_PrivateKey() reads (PKCS#1, RFC 8017 A.1.2; SEC 1, RFC 5915), and sequences of
 * two integers (RSA public keys, ECDSA signatures).
 *
 * SSH and DER write integers in the same way, so their bytes go over as they are.  This way
 * works with every OpenSSL since 1.1.1, without functions that 3.0 has deprecated.
 */
#ifndef TRANSPORT_SSH_DER_H
#define TRANSPORT_SSH_DER_H

#include "transport/ssh_wire.h"

struct ssh_rsa {
	struct ssh_bytes n, e, d, iqmp, p, q;
};

/* Append an RSAPrivateKey; the exponents modulo p-1 and q-1 are computed. */
int ssh_der_rsa(struct buf *out, const struct ssh_rsa *rsa);
/* Append an ECPrivateKey; `curve` is "nistp256", "nistp384" or "nistp521". */
int ssh_der_ecdsa(struct buf *out, struct ssh_bytes curve, struct ssh_bytes point,
		  struct ssh_bytes secret);
/* Take SEQUENCE { INTEGER, INTEGER } apart; a and b point into the input. */
int ssh_der_two_integers(const void *der, size_t len, struct ssh_bytes *a, struct ssh_bytes *b);

#endif
