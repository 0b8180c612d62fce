/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/ssh_der.h"

#include <openssl/bn.h>
#include <string.h>

#include "base/buf.h"

enum {
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_SEQUENCE = 0x30,
	DER_PARAMETERS = 0xa0, /* [0], constructed */
	DER_PUBLIC_KEY = 0xa1, /* [1], constructed */
	NUMBER_MAX = 2048,     /* bytes: 16384-bit RSA, which is as large as ssh-keygen goes */
	SECRET_ROOM = 16384,   /* a whole private key: the buffer must not grow (and copy) */
};

static void put_header(struct buf *out, int tag, size_t len)
{
	buf_addch(out, tag);
	if (len >= 0x100)
		buf_addch(out, 0x82), buf_addch(out, (int)(len >> 8 & 0xff));
	else if (len >= 0x80)
		buf_addch(out, 0x81);
	buf_addch(out, (int)(len & 0xff));
}

static void put(struct buf *out, int tag, const void *data, size_t len)
{
	put_header(out, tag, len);
	buf_add(out, data, len);
}

static void free_number(BIGNUM **number)
{
	BN_clear_free(*number);
}

static void free_ctx(BN_CTX **ctx)
{
	BN_CTX_free(*ctx);
}

/* d mod (prime - 1). */
static int put_exponent(struct buf *out, struct ssh_bytes d, struct ssh_bytes prime)
{
	AUTO(free_ctx) BN_CTX *ctx = BN_CTX_secure_new();
	AUTO(free_number) BIGNUM *number = BN_bin2bn(d.data, (int)d.len, NULL);
	AUTO(free_number) BIGNUM *modulus = BN_bin2bn(prime.data, (int)prime.len, NULL);
	AUTO(free_number) BIGNUM *result = BN_secure_new();
	unsigned char bytes[NUMBER_MAX + 1] = { 0 };

	if (!ctx || !number || !modulus || !result || BN_is_zero(modulus) || BN_is_one(modulus) ||
	    !BN_sub_word(modulus, 1) || !BN_mod(result, number, modulus, ctx) ||
	    BN_num_bytes(result) > NUMBER_MAX)
		return -1;
	/* The zero in front keeps the number positive. */
	size_t len = (size_t)BN_bn2bin(result, bytes + 1);
	size_t skip = len > 0 && !(bytes[1] & 0x80);

	put(out, DER_INTEGER, bytes + skip, len + 1 - skip);
	explicit_bzero(bytes, sizeof(bytes));
	return 0;
}

int ssh_der_rsa(struct buf *out, const struct ssh_rsa *rsa)
{
	AUTO_SECRET body = BUF_INIT;
	const struct ssh_bytes first[] = { rsa->n, rsa->e, rsa->d, rsa->p, rsa->q };

	buf_reserve(&body, SECRET_ROOM);
	buf_reserve(out, SECRET_ROOM);
	put(&body, DER_INTEGER, "", 1); /* version 0 */
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		if (first[i].len == 0 || first[i].len > NUMBER_MAX + 1)
			return -1;
		put(&body, DER_INTEGER, first[i].data, first[i].len);
	}
	if (rsa->iqmp.len == 0 || rsa->iqmp.len > NUMBER_MAX + 1 ||
	    put_exponent(&body, rsa->d, rsa->p) < 0 || put_exponent(&body, rsa->d, rsa->q) < 0)
		return -1;
	put(&body, DER_INTEGER, rsa->iqmp.data, rsa->iqmp.len);
	put(out, DER_SEQUENCE, body.data, body.len);
	return 0;
}

static const struct {
	const char *name;
	const char *oid; /* with its header */
	size_t oid_len;
} curves[] = {
	{ "nistp256", "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10 },
	{ "nistp384", "\x06\x05\x2b\x81\x04\x00\x22", 7 },
	{ "nistp521", "\x06\x05\x2b\x81\x04\x00\x23", 7 },
};

static void put_point(struct buf *out, struct ssh_bytes point)
{
	AUTO_BUF bits = BUF_INIT;

	put_header(&bits, DER_BIT_STRING, point.len + 1);
	buf_addch(&bits, 0); /* unused bits at the end */
	buf_add(&bits, point.data, point.len);
	put(out, DER_PUBLIC_KEY, bits.data, bits.len);
}

int ssh_der_ecdsa(struct buf *out, struct ssh_bytes curve, struct ssh_bytes point,
		  struct ssh_bytes secret)
{
	AUTO_SECRET body = BUF_INIT;
	size_t i = 0;

	while (i < 3 && !ssh_bytes_are(curve, curves[i].name))
		i++;
	if (i == 3 || point.len == 0 || point.len > 256 || secret.len == 0 || secret.len > 128)
		return -1;
	buf_reserve(&body, SECRET_ROOM);
	buf_reserve(out, SECRET_ROOM);
	/* The zero that keeps an integer positive is not part of an octet string. */
	bool positive = secret.len > 1 && secret.data[0] == 0;

	put(&body, DER_INTEGER, "\x01", 1); /* version */
	put(&body, DER_OCTET_STRING, secret.data + positive, secret.len - positive);
	put(&body, DER_PARAMETERS, curves[i].oid, curves[i].oid_len);
	put_point(&body, point);
	put(out, DER_SEQUENCE, body.data, body.len);
	return 0;
}

/* The contents of the element at the front. */
static struct ssh_bytes take(struct ssh_wire *wire, unsigned tag)
{
	bool right = ssh_wire_u8(wire) == tag;
	size_t len = ssh_wire_u8(wire);

	if (len == 0x81) {
		len = ssh_wire_u8(wire);
	} else if (len == 0x82) {
		len = ssh_wire_u8(wire);
		len = len << 8 | ssh_wire_u8(wire);
	} else if (len > 0x82) {
		wire->bad = true;
	}
	if (!right)
		wire->bad = true;
	return ssh_wire_raw(wire, len);
}

int ssh_der_two_integers(const void *der, size_t len, struct ssh_bytes *a, struct ssh_bytes *b)
{
	struct ssh_wire outer = { NULL, NULL, false };
	struct ssh_wire inner = { NULL, NULL, false };

	ssh_wire_init(&outer, der, len);
	struct ssh_bytes body = take(&outer, DER_SEQUENCE);

	ssh_wire_init(&inner, body.data, body.len);
	*a = take(&inner, DER_INTEGER);
	*b = take(&inner, DER_INTEGER);
	return outer.bad || inner.bad ? -1 : 0;
}
