/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/ssh_key.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "transport/ssh_der.h"
#include "transport/ssh_wire.h"

static const char begin_openssh[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
static const char end_openssh[] = "-----END OPENSSH PRIVATE KEY-----";
/* With its terminating NUL, which is part of the format. */
static const char openssh_magic[] = "openssh-key-v1";
static const char rsa_name[] = "rsa-sha2-512";

struct ssh_key {
	EVP_PKEY *pkey;
	const EVP_MD *md; /* NULL: the key kind hashes by itself (Ed25519) */
	struct buf blob;
};

void ssh_key_free(struct ssh_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pkey);
	buf_release(&key->blob);
	free(key);
}

void ssh_key_cleanup(struct ssh_key **key)
{
	ssh_key_free(*key);
}

const struct buf *ssh_key_public(const struct ssh_key *key)
{
	return &key->blob;
}

/* From OpenSSH's format ------------------------------------------------------- */

static EVP_PKEY *pkey_from_der(int type, const struct buf *der)
{
	const unsigned char *pos = der->data;

	return d2i_PrivateKey(type, NULL, &pos, (long)der->len);
}

/* n, e, d, iqmp, p, q. */
static EVP_PKEY *read_rsa(struct ssh_wire *wire)
{
	struct ssh_rsa rsa = { 0 };
	AUTO_SECRET der = BUF_INIT;

	rsa.n = ssh_wire_string(wire);
	rsa.e = ssh_wire_string(wire);
	rsa.d = ssh_wire_string(wire);
	rsa.iqmp = ssh_wire_string(wire);
	rsa.p = ssh_wire_string(wire);
	rsa.q = ssh_wire_string(wire);
	if (wire->bad || ssh_der_rsa(&der, &rsa) < 0)
		return NULL;
	return pkey_from_der(EVP_PKEY_RSA, &der);
}

/* Curve, public point, secret number. */
static EVP_PKEY *read_ecdsa(struct ssh_wire *wire)
{
	AUTO_SECRET der = BUF_INIT;
	struct ssh_bytes curve = ssh_wire_string(wire);
	struct ssh_bytes point = ssh_wire_string(wire);
	struct ssh_bytes secret = ssh_wire_string(wire);

	if (wire->bad || ssh_der_ecdsa(&der, curve, point, secret) < 0)
		return NULL;
	return pkey_from_der(EVP_PKEY_EC, &der);
}

/* The public key, then the secret one with the public one behind it. */
static EVP_PKEY *read_ed25519(struct ssh_wire *wire)
{
	struct ssh_bytes public = ssh_wire_string(wire);
	struct ssh_bytes secret = ssh_wire_string(wire);

	if (wire->bad || public.len != 32 || secret.len != 64)
		return NULL;
	return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret.data, 32);
}

static int bad_kind(const char *name, struct ssh_bytes kind, struct err *err)
{
	return err_set(
		err, ERR_DENIED,
		"a key of the kind '%.*s' needs TRANSPORT=command with the OpenSSH client: '%s'",
		(int)(kind.len < 60 ? kind.len : 60), (const char *)kind.data, name);
}

static EVP_PKEY *read_private(const char *name, struct ssh_bytes section, struct err *err)
{
	struct ssh_wire wire = { NULL, NULL, false };
	EVP_PKEY *pkey = NULL;

	ssh_wire_init(&wire, section.data, section.len);
	uint32_t check = ssh_wire_u32(&wire);
	bool intact = check == ssh_wire_u32(&wire);
	struct ssh_bytes kind = ssh_wire_string(&wire);

	if (ssh_bytes_are(kind, "ssh-rsa"))
		pkey = read_rsa(&wire);
	else if (ssh_bytes_are(kind, "ssh-ed25519"))
		pkey = read_ed25519(&wire);
	else if (kind.len > 11 && memcmp(kind.data, "ecdsa-sha2-", 11) == 0)
		pkey = read_ecdsa(&wire);
	else if (kind.len > 0) {
		bad_kind(name, kind, err);
		return NULL;
	}
	if (!pkey || !intact) {
		EVP_PKEY_free(pkey);
		err_set(err, ERR_DENIED, "the key file '%s' is damaged", name);
		return NULL;
	}
	return pkey;
}

static int encrypted(const char *name, struct err *err)
{
	return err_set_at(err, ERR_DENIED, EKEYREJECTED, ERR_WHERE,
			  "the key '%s' is encrypted: load it into ssh-agent (ssh-add), or use a "
			  "key without a passphrase, since nobody can type one for a scheduled run",
			  name);
}

/* PROTOCOL.key of OpenSSH. */
static EVP_PKEY *parse_openssh(const char *name, const char *text, struct err *err)
{
	AUTO_SECRET raw = BUF_INIT;
	struct ssh_wire wire = { NULL, NULL, false };
	const char *body = text + strlen(begin_openssh);
	const char *end = strstr(body, end_openssh);

	/* So that it never grows, and no copy stays behind. */
	buf_reserve(&raw, strlen(body));
	int decoded = end ? ssh_base64_decode(&raw, body, (size_t)(end - body)) : -1;

	ssh_wire_init(&wire, buf_cstr(&raw), raw.len);
	struct ssh_bytes magic = ssh_wire_raw(&wire, sizeof(openssh_magic));
	struct ssh_bytes cipher = ssh_wire_string(&wire);

	ssh_wire_string(&wire); /* key derivation */
	ssh_wire_string(&wire); /* its options */
	uint32_t keys = ssh_wire_u32(&wire);

	ssh_wire_string(&wire); /* public key */
	struct ssh_bytes section = ssh_wire_string(&wire);

	if (decoded < 0 || wire.bad || keys != 1 ||
	    memcmp(magic.data, openssh_magic, sizeof(openssh_magic)) != 0) {
		err_set(err, ERR_DENIED, "the key file '%s' is damaged", name);
		return NULL;
	}
	if (!ssh_bytes_are(cipher, "none")) {
		encrypted(name, err);
		return NULL;
	}
	return read_private(name, section, err);
}

/* From PEM -------------------------------------------------------------------- */

/* OpenSSL asks here for a passphrase: note that it did, and have none. */
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static EVP_PKEY *parse_pem(const char *name, const char *text, struct err *err)
{
	bool asked = false;
	BIO *bio = BIO_new_mem_buf(text, -1);
	EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked) : NULL;

	BIO_free(bio);
	if (!pkey && asked)
		encrypted(name, err);
	else if (!pkey)
		err_set(err, ERR_DENIED, "'%s' does not hold a private key that can be read", name);
	return pkey;
}

/* The public half ------------------------------------------------------------- */

static void put_text(struct buf *out, const char *text)
{
	ssh_put_string(out, text, strlen(text));
}

static int set_rsa(struct ssh_key *key, const struct buf *der)
{
	struct ssh_bytes n = { NULL, 0 };
	struct ssh_bytes e = { NULL, 0 };

	if (ssh_der_two_integers(der->data, der->len, &n, &e) < 0)
		return -1;
	key->md = EVP_sha512();
	put_text(&key->blob, rsa_name);
	ssh_put_string(&key->blob, e.data, e.len);
	ssh_put_string(&key->blob, n.data, n.len);
	return 0;
}

static int set_ecdsa(struct ssh_key *key, const struct buf *der)
{
	AUTO_FREE char *name = NULL;
	int bits = EVP_PKEY_bits(key->pkey);

	key->md = bits == 256 ? EVP_sha256() : bits == 384 ? EVP_sha384() : EVP_sha512();
	if (bits != 256 && bits != 384 && bits != 521)
		return -1;
	name = xasprintf("ecdsa-sha2-nistp%d", bits);
	put_text(&key->blob, name);
	put_text(&key->blob, name + strlen("ecdsa-sha2-"));
	ssh_put_string(&key->blob, der->data, der->len);
	return 0;
}

static int set_ed25519(struct ssh_key *key)
{
	unsigned char public[32];
	size_t len = sizeof(public);

	if (EVP_PKEY_get_raw_public_key(key->pkey, public, &len) != 1)
		return -1;
	put_text(&key->blob, "ssh-ed25519");
	ssh_put_string(&key->blob, public, len);
	return 0;
}

static int set_public(struct ssh_key *key)
{
	AUTO_BUF der = BUF_INIT;
	int kind = EVP_PKEY_id(key->pkey);

	if (kind == EVP_PKEY_ED25519)
		return set_ed25519(key);
	if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_EC)
		return -1;
	int len = i2d_PublicKey(key->pkey, NULL);

	if (len <= 0)
		return -1;
	unsigned char *pos = buf_extend(&der, (size_t)len);

	i2d_PublicKey(key->pkey, &pos);
	return kind == EVP_PKEY_RSA ? set_rsa(key, &der) : set_ecdsa(key, &der);
}

/* Loading and signing ---------------------------------------------------------- */

int ssh_key_parse(const char *name, const void *data, size_t len, struct ssh_key **out,
		  struct err *err)
{
	AUTO_SECRET text = BUF_INIT;

	buf_reserve(&text, len);
	buf_add(&text, data, len);
	const char *openssh = strstr(buf_cstr(&text), begin_openssh);
	EVP_PKEY *pkey =
		openssh ? parse_openssh(name, openssh, err) : parse_pem(name, buf_cstr(&text), err);

	if (!pkey)
		return -1;
	AUTO_KEY *key = xcalloc(1, sizeof(*key));

	key->pkey = pkey;
	if (set_public(key) < 0)
		return err_set(
			err, ERR_DENIED,
			"a key of this kind needs TRANSPORT=command with the OpenSSH client: '%s'",
			name);
	*out = steal_ptr(&key);
	return 0;
}

int ssh_key_load(const char *path, struct ssh_key **out, struct err *err)
{
	AUTO_SECRET text = BUF_INIT;

	if (ssh_read_file(path, &text) < 0)
		return err_set_at(err, ERR_DENIED, errno, ERR_WHERE,
				  "cannot read the key file '%s': %s", path,
				  strerrordesc_np(errno));
	return ssh_key_parse(path, text.data, text.len, out, err);
}

/* ECDSA signatures are two numbers, in DER from OpenSSL and as two strings in SSH. */
static int add_ecdsa_signature(const struct buf *der, struct buf *out)
{
	struct ssh_bytes r = { NULL, 0 };
	struct ssh_bytes s = { NULL, 0 };

	if (ssh_der_two_integers(der->data, der->len, &r, &s) < 0)
		return -1;
	ssh_put_string(out, r.data, r.len);
	ssh_put_string(out, s.data, s.len);
	return 0;
}

static int digest_sign(const struct ssh_key *key, const void *data, size_t len, struct buf *out)
{
	size_t size = 0;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool done = ctx && EVP_DigestSignInit(ctx, NULL, key->md, NULL, key->pkey) == 1 &&
		    EVP_DigestSign(ctx, NULL, &size, data, len) == 1;

	if (done) {
		unsigned char *signature = buf_extend(out, size);

		done = EVP_DigestSign(ctx, signature, &size, data, len) == 1;
		out->len = size;
	}
	EVP_MD_CTX_free(ctx);
	return done ? 0 : -1;
}

int ssh_key_sign(const struct ssh_key *key, const void *data, size_t len, struct buf *out,
		 struct err *err)
{
	AUTO_BUF signature = BUF_INIT;
	int rc = digest_sign(key, data, len, &signature);

	if (rc == 0 && EVP_PKEY_id(key->pkey) == EVP_PKEY_EC)
		rc = add_ecdsa_signature(&signature, out);
	else if (rc == 0)
		buf_add(out, signature.data, signature.len);
	return rc == 0 ? 0 : err_set(err, ERR_SYSTEM, "cannot sign with the key");
}

/* Public keys of others --------------------------------------------------------- */

bool ssh_key_login_form(const void *blob, size_t len, struct buf *out)
{
	static const char *const usable[] = { "ssh-ed25519", "ecdsa-sha2-nistp256",
					      "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521" };
	struct ssh_wire wire = { NULL, NULL, false };

	ssh_wire_init(&wire, blob, len);
	struct ssh_bytes name = ssh_wire_string(&wire);

	if (ssh_bytes_are(name, "ssh-rsa")) {
		put_text(out, rsa_name);
		buf_add(out, wire.pos, (size_t)(wire.end - wire.pos));
		return true;
	}
	for (size_t i = 0; i < sizeof(usable) / sizeof(usable[0]); i++)
		if (ssh_bytes_are(name, usable[i])) {
			buf_add(out, blob, len);
			return true;
		}
	return false;
}

int ssh_key_load_public(const char *path, struct buf *out)
{
	AUTO_BUF text = BUF_INIT;
	AUTO_BUF blob = BUF_INIT;

	if (ssh_read_file(path, &text) < 0)
		return -1;
	const char *key = buf_cstr(&text);

	key += strcspn(key, " ");
	key += strspn(key, " ");
	if (ssh_base64_decode(&blob, key, strcspn(key, " \r\n")) < 0 || blob.len == 0)
		return -1;
	return ssh_key_login_form(blob.data, blob.len, out) ? 0 : -1;
}
