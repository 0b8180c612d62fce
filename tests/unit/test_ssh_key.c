/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys and agents: what is read from files and sockets, and what signatures are worth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "transport/ssh_agent.h"
#include "transport/ssh_der.h"
#include "transport/ssh_key.h"
#include "transport/ssh_wire.h"

static void base64_there_and_back(void **state)
{
	static const char *const table[][2] = {
		{ "", "" },	   { "f", "Zg" },	 { "fo", "Zm8" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg" }, { "\xff\xfe\xfd", "//79" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		AUTO_BUF text = BUF_INIT;
		AUTO_BUF back = BUF_INIT;

		ssh_base64_encode(&text, (const unsigned char *)table[i][0], strlen(table[i][0]));
		assert_string_equal(buf_cstr(&text), table[i][1]);
		assert_int_equal(ssh_base64_decode(&back, table[i][1], strlen(table[i][1])), 0);
		assert_string_equal(buf_cstr(&back), table[i][0]);
	}
}

static void base64_that_is_none_is_refused(void **state)
{
	static const char *const table[] = { "A", "AAAAA", "A=A=", "AB!D", "AA==AA", "AB\x80" };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		AUTO_BUF out = BUF_INIT;

		assert_int_equal(ssh_base64_decode(&out, table[i], strlen(table[i])), -1);
	}
	AUTO_BUF out = BUF_INIT;

	assert_int_equal(ssh_base64_decode(&out, "Zm\n9v YmE=", 10), 0);
	assert_string_equal(buf_cstr(&out), "fooba");
}

static void a_string_beyond_the_end_is_bad(void **state)
{
	struct ssh_wire wire = { NULL, NULL, false };

	(void)state;
	ssh_wire_init(&wire, "\0\0\0\3abc\xff\xff\xff\xffxyz", 14);
	assert_true(ssh_bytes_are(ssh_wire_string(&wire), "abc"));
	assert_int_equal(ssh_wire_string(&wire).len, 0);
	assert_true(wire.bad);
	assert_int_equal(ssh_wire_u32(&wire), 0);
}

static void two_integers_are_taken_apart(void **state)
{
	static const unsigned char der[] = { 0x30, 0x08, 0x02, 0x03, 0x00,
					     0x80, 0x01, 0x02, 0x01, 0x05 };
	struct ssh_bytes a = { NULL, 0 };
	struct ssh_bytes b = { NULL, 0 };

	(void)state;
	assert_int_equal(ssh_der_two_integers(der, sizeof(der), &a, &b), 0);
	assert_int_equal(a.len, 3);
	assert_int_equal(b.data[0], 5);
	for (size_t len = 0; len < sizeof(der); len++)
		assert_int_equal(ssh_der_two_integers(der, len, &a, &b), -1);
}

/* Keys ------------------------------------------------------------------------ */

static EVP_PKEY *generate(int type, int detail)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(type, NULL);
	EVP_PKEY *pkey = NULL;

	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	if (type == EVP_PKEY_RSA)
		assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, detail), 1);
	if (type == EVP_PKEY_EC)
		assert_int_equal(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, detail), 1);
	assert_int_equal(EVP_PKEY_keygen(ctx, &pkey), 1);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static void add_pem(struct buf *out, EVP_PKEY *pkey, char *passphrase)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const EVP_CIPHER *cipher = passphrase ? EVP_aes_128_cbc() : NULL;
	char *text = NULL;

	assert_int_equal(
		PEM_write_bio_PKCS8PrivateKey(bio, pkey, cipher, NULL, 0, NULL, passphrase), 1);
	long len = BIO_get_mem_data(bio, &text);

	buf_add(out, text, (size_t)len);
	BIO_free(bio);
}

/* r and s, as two strings, back into what OpenSSL verifies. */
static void add_ecdsa_der(struct buf *out, const struct buf *signature)
{
	struct ssh_wire wire = { NULL, NULL, false };

	ssh_wire_init(&wire, signature->data, signature->len);
	struct ssh_bytes r = ssh_wire_string(&wire);
	struct ssh_bytes s = ssh_wire_string(&wire);

	assert_false(wire.bad);
	buf_addch(out, 0x30);
	if (r.len + s.len + 4 >= 0x80)
		buf_addch(out, 0x81);
	buf_addch(out, (int)(r.len + s.len + 4));
	buf_addch(out, 2);
	buf_addch(out, (int)r.len);
	buf_add(out, r.data, r.len);
	buf_addch(out, 2);
	buf_addch(out, (int)s.len);
	buf_add(out, s.data, s.len);
}

static void assert_signs(EVP_PKEY *pkey, const EVP_MD *md, const char *algorithm)
{
	static const char message[] = "what is signed at a login";
	AUTO_BUF pem = BUF_INIT;
	AUTO_BUF signature = BUF_INIT;
	AUTO_BUF der = BUF_INIT;
	AUTO_KEY *key = NULL;
	struct ssh_wire wire = { NULL, NULL, false };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	add_pem(&pem, pkey, NULL);
	assert_int_equal(ssh_key_parse("test", pem.data, pem.len, &key, NULL), 0);
	ssh_wire_init(&wire, ssh_key_public(key)->data, ssh_key_public(key)->len);
	assert_true(ssh_bytes_are(ssh_wire_string(&wire), algorithm));
	assert_int_equal(ssh_key_sign(key, message, sizeof(message), &signature, NULL), 0);
	if (EVP_PKEY_id(pkey) == EVP_PKEY_EC)
		add_ecdsa_der(&der, &signature);
	else
		buf_add(&der, signature.data, signature.len);
	assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, md, NULL, pkey), 1);
	assert_int_equal(EVP_DigestVerify(ctx, der.data, der.len, (const unsigned char *)message,
					  sizeof(message)),
			 1);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
}

static void signatures_verify_for_every_kind(void **state)
{
	(void)state;
	assert_signs(generate(EVP_PKEY_RSA, 2048), EVP_sha512(), "rsa-sha2-512");
	assert_signs(generate(EVP_PKEY_ED25519, 0), NULL, "ssh-ed25519");
	assert_signs(generate(EVP_PKEY_EC, NID_X9_62_prime256v1), EVP_sha256(),
		     "ecdsa-sha2-nistp256");
	assert_signs(generate(EVP_PKEY_EC, NID_secp384r1), EVP_sha384(), "ecdsa-sha2-nistp384");
	assert_signs(generate(EVP_PKEY_EC, NID_secp521r1), EVP_sha512(), "ecdsa-sha2-nistp521");
}

static void an_encrypted_key_says_so(void **state)
{
	AUTO_BUF pem = BUF_INIT;
	AUTO_KEY *key = NULL;
	struct err err = ERR_INIT;
	char passphrase[] = "secret";
	EVP_PKEY *pkey = generate(EVP_PKEY_ED25519, 0);

	(void)state;
	add_pem(&pem, pkey, passphrase);
	assert_int_equal(ssh_key_parse("test", pem.data, pem.len, &key, &err), -1);
	assert_int_equal(err.kind, ERR_DENIED);
	assert_int_equal(err.sys, EKEYREJECTED);
	assert_non_null(strstr(err.msg, "encrypted"));
	EVP_PKEY_free(pkey);
}

static void what_is_no_key_is_refused(void **state)
{
	static const char *const table[] = {
		"",
		"ssh-ed25519 AAAA\n",
		"-----BEGIN OPENSSH PRIVATE KEY-----\n",
		"-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n",
		"-----BEGIN OPENSSH PRIVATE KEY-----\n!\n-----END OPENSSH PRIVATE KEY-----\n",
		"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		AUTO_KEY *key = NULL;
		struct err err = ERR_INIT;

		assert_int_equal(ssh_key_parse("test", table[i], strlen(table[i]), &key, &err), -1);
		assert_int_equal(err.kind, ERR_DENIED);
		assert_null(key);
	}
}

/* An Ed25519 key in OpenSSH's format. */
static void add_openssh_body(struct buf *raw, const char *cipher, const char *kind)
{
	AUTO_BUF section = BUF_INIT;
	unsigned char secret[64] = { 1 };

	ssh_put_u32(&section, 7);
	ssh_put_u32(&section, 7);
	ssh_put_string(&section, kind, strlen(kind));
	ssh_put_string(&section, secret, 32);
	ssh_put_string(&section, secret, 64);
	buf_add(raw, "openssh-key-v1", 15);
	ssh_put_string(raw, cipher, strlen(cipher));
	ssh_put_string(raw, "none", 4);
	ssh_put_string(raw, "", 0);
	ssh_put_u32(raw, 1);
	ssh_put_string(raw, "", 0);
	ssh_put_string(raw, section.data, section.len);
}

static int parse_openssh(const struct buf *raw, size_t len, struct ssh_key **key, struct err *err)
{
	AUTO_BUF text = BUF_INIT;

	buf_addstr(&text, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	ssh_base64_encode(&text, raw->data, len);
	buf_addstr(&text, "\n-----END OPENSSH PRIVATE KEY-----\n");
	return ssh_key_parse("test", text.data, text.len, key, err);
}

static void every_cut_of_an_openssh_key_is_damage(void **state)
{
	AUTO_BUF raw = BUF_INIT;

	(void)state;
	add_openssh_body(&raw, "none", "ssh-ed25519");
	for (size_t len = 1; len <= raw.len; len++) {
		AUTO_KEY *key = NULL;

		assert_int_equal(parse_openssh(&raw, len, &key, NULL), len == raw.len ? 0 : -1);
	}
}

static void kinds_that_cannot_be_used_are_named(void **state)
{
	AUTO_BUF sk = BUF_INIT;
	AUTO_BUF locked = BUF_INIT;
	AUTO_KEY *key = NULL;
	struct err err = ERR_INIT;

	(void)state;
	add_openssh_body(&sk, "none", "sk-ssh-ed25519@openssh.com");
	assert_int_equal(parse_openssh(&sk, sk.len, &key, &err), -1);
	assert_non_null(strstr(err.msg, "sk-ssh-ed25519@openssh.com"));
	assert_non_null(strstr(err.msg, "TRANSPORT=command"));
	add_openssh_body(&locked, "aes256-ctr", "ssh-ed25519");
	assert_int_equal(parse_openssh(&locked, locked.len, &key, &err), -1);
	assert_int_equal(err.sys, EKEYREJECTED);
}

static void a_public_key_gets_the_name_of_its_signature(void **state)
{
	static const struct {
		const char *kind, *login;
	} table[] = {
		{ "ssh-rsa", "rsa-sha2-512" },
		{ "ssh-ed25519", "ssh-ed25519" },
		{ "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521" },
		{ "ssh-dss", NULL },
		{ "sk-ssh-ed25519@openssh.com", NULL },
		{ "ssh-ed25519-cert-v01@openssh.com", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		AUTO_BUF blob = BUF_INIT;
		AUTO_BUF out = BUF_INIT;
		AUTO_BUF expected = BUF_INIT;

		ssh_put_string(&blob, table[i].kind, strlen(table[i].kind));
		ssh_put_string(&blob, "rest", 4);
		assert_int_equal(ssh_key_login_form(blob.data, blob.len, &out),
				 table[i].login != NULL);
		if (!table[i].login)
			continue;
		ssh_put_string(&expected, table[i].login, strlen(table[i].login));
		ssh_put_string(&expected, "rest", 4);
		assert_int_equal(out.len, expected.len);
		assert_memory_equal(out.data, expected.data, out.len);
	}
}

static void a_file_that_is_too_large_or_missing_is_told(void **state)
{
	char name[] = "/tmp/osync-test-XXXXXX";
	AUTO_CLOSE int fd = mkstemp(name);
	AUTO_BUF out = BUF_INIT;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ssh_read_file(name, &out), 0);
	assert_int_equal(out.len, 0);
	assert_int_equal(ftruncate(fd, 64 * 1024), 0);
	assert_int_equal(ssh_read_file(name, &out), -1);
	assert_int_equal(errno, EFBIG);
	unlink(name);
	assert_int_equal(ssh_read_file(name, &out), -1);
	assert_int_equal(errno, ENOENT);
}

/* Agents ------------------------------------------------------------------------ */

static void an_agents_keys_are_read(void **state)
{
	AUTO_AGENT agent = SSH_AGENT_INIT;
	AUTO_BUF message = BUF_INIT;

	(void)state;
	buf_addch(&message, 12);
	ssh_put_u32(&message, 2);
	ssh_put_string(&message, "blob1", 5);
	ssh_put_string(&message, "me@here", 7);
	ssh_put_string(&message, "blob2", 5);
	ssh_put_string(&message, "\x1b", 1);
	assert_int_equal(ssh_agent_parse_keys(&agent, message.data, message.len), 0);
	assert_int_equal(agent.count, 2);
	assert_string_equal(agent.keys[0].comment, "me@here");
	assert_string_equal(agent.keys[1].comment, "\\x1b");
	assert_memory_equal(agent.keys[1].blob.data, "blob2", 5);
	for (size_t len = 0; len < message.len; len++) {
		AUTO_AGENT cut = SSH_AGENT_INIT;

		assert_int_equal(ssh_agent_parse_keys(&cut, message.data, len), -1);
	}
}

static void a_crowded_agent_is_cut_short(void **state)
{
	AUTO_AGENT agent = SSH_AGENT_INIT;
	AUTO_BUF message = BUF_INIT;

	(void)state;
	buf_addch(&message, 12);
	ssh_put_u32(&message, 1000);
	for (int i = 0; i < 1000; i++) {
		ssh_put_string(&message, "b", 1);
		ssh_put_string(&message, "c", 1);
	}
	assert_int_equal(ssh_agent_parse_keys(&agent, message.data, message.len), 0);
	assert_int_equal(agent.count, SSH_AGENT_KEYS_MAX);
}

static void a_signature_loses_its_wrapping(void **state)
{
	AUTO_BUF inner = BUF_INIT;
	AUTO_BUF message = BUF_INIT;
	AUTO_BUF out = BUF_INIT;

	(void)state;
	ssh_put_string(&inner, "rsa-sha2-512", 12);
	ssh_put_string(&inner, "value", 5);
	buf_addch(&message, 14);
	ssh_put_string(&message, inner.data, inner.len);
	assert_int_equal(ssh_agent_parse_signature(message.data, message.len, &out), 0);
	assert_string_equal(buf_cstr(&out), "value");
	for (size_t len = 0; len < message.len; len++)
		assert_int_equal(ssh_agent_parse_signature(message.data, len, &out), -1);
	message.data[0] = 5; /* failure */
	assert_int_equal(ssh_agent_parse_signature(message.data, message.len, &out), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_there_and_back),
		cmocka_unit_test(base64_that_is_none_is_refused),
		cmocka_unit_test(a_string_beyond_the_end_is_bad),
		cmocka_unit_test(two_integers_are_taken_apart),
		cmocka_unit_test(signatures_verify_for_every_kind),
		cmocka_unit_test(an_encrypted_key_says_so),
		cmocka_unit_test(what_is_no_key_is_refused),
		cmocka_unit_test(every_cut_of_an_openssh_key_is_damage),
		cmocka_unit_test(kinds_that_cannot_be_used_are_named),
		cmocka_unit_test(a_public_key_gets_the_name_of_its_signature),
		cmocka_unit_test(a_file_that_is_too_large_or_missing_is_told),
		cmocka_unit_test(an_agents_keys_are_read),
		cmocka_unit_test(a_crowded_agent_is_cut_short),
		cmocka_unit_test(a_signature_loses_its_wrapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
