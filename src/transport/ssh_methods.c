/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/ssh_methods.h"

#include <stdint.h>
#include <string.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include "base/buf.h"
#include "base/text.h"
#include "transport/ssh_known.h"
#include "transport/ssh_wire.h"

enum {
	MSG_KEXINIT = 20,
	COOKIE_LEN = 16,
	PACKET_MAX = 35000, /* RFC 4253, section 6.1 */
};

static const struct {
	enum ssh_key_type type;
	const char *methods;
} hostkeys[] = {
	{ SSH_TYPE_ED25519, "ssh-ed25519" },
	{ SSH_TYPE_ECDSA_256, "ecdsa-sha2-nistp256" },
	{ SSH_TYPE_ECDSA_384, "ecdsa-sha2-nistp384" },
	{ SSH_TYPE_ECDSA_521, "ecdsa-sha2-nistp521" },
	{ SSH_TYPE_RSA, "rsa-sha2-512,rsa-sha2-256,ssh-rsa" },
};

void ssh_methods_hostkey(struct buf *out, unsigned known_types)
{
	for (int known = 1; known >= 0; known--)
		for (size_t i = 0; i < sizeof(hostkeys) / sizeof(hostkeys[0]); i++) {
			if (((known_types & hostkeys[i].type) != 0) != known)
				continue;
			if (out->len > 0)
				buf_addch(out, ',');
			buf_addstr(out, hostkeys[i].methods);
		}
}

const char *ssh_methods_cipher(bool strict_kex)
{
	return strict_kex ? "aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
			    "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"
			  : "aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
			    "aes128-ctr,aes192-ctr,aes256-ctr";
}

const char *ssh_methods_mac(bool strict_kex, bool sha256_is_fast)
{
	if (strict_kex)
		return sha256_is_fast ? "hmac-sha2-256-etm@openssh.com,hmac-sha2-256,"
					"hmac-sha2-512-etm@openssh.com,hmac-sha2-512"
				      : "hmac-sha2-512-etm@openssh.com,hmac-sha2-512,"
					"hmac-sha2-256-etm@openssh.com,hmac-sha2-256";
	return sha256_is_fast ? "hmac-sha2-256,hmac-sha2-512" : "hmac-sha2-512,hmac-sha2-256";
}

bool ssh_methods_sha256_is_fast(void)
{
#if defined(__x86_64__) || defined(__i386__)
	unsigned a = 0;
	unsigned b = 0;
	unsigned c = 0;
	unsigned d = 0;

	/* Leaf 7, EBX bit 29: the SHA extensions. */
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
#elif defined(__aarch64__)
	/* HWCAP_SHA2 */
	return getauxval(AT_HWCAP) >> 6 & 1;
#else
	return false;
#endif
}

static bool is_one_of(const char *name, size_t len, const char *const names[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return true;
	return false;
}

void ssh_methods_keep(struct buf *out, const char *list, const char *const supported[],
		      size_t count)
{
	while (*list) {
		size_t len = strcspn(list, ",");

		if (is_one_of(list, len, supported, count)) {
			if (out->len > 0)
				buf_addch(out, ',');
			buf_add(out, list, len);
		}
		list += len + (list[len] == ',');
	}
}

/* Skip the lines up to and including "SSH-2.0-...". */
static int skip_banner(struct ssh_wire *wire)
{
	for (;;) {
		size_t left = (size_t)(wire->end - wire->pos);
		const unsigned char *newline = left ? memchr(wire->pos, '\n', left) : NULL;

		if (!newline)
			return -1;
		bool banner = left >= 4 && memcmp(wire->pos, "SSH-", 4) == 0;

		wire->pos = newline + 1;
		if (banner)
			return 0;
	}
}

int ssh_methods_server_hostkeys(const void *greeting, size_t len, struct buf *out)
{
	struct ssh_wire wire = { NULL, NULL, false };

	ssh_wire_init(&wire, greeting, len);
	if (skip_banner(&wire) < 0)
		return -1;
	uint32_t packet_len = ssh_wire_u32(&wire);

	ssh_wire_u8(&wire); /* length of the padding */
	unsigned message = ssh_wire_u8(&wire);

	ssh_wire_raw(&wire, COOKIE_LEN);
	ssh_wire_string(&wire); /* key exchange methods */
	struct ssh_bytes list = ssh_wire_string(&wire);

	if (wire.bad || message != MSG_KEXINIT || packet_len > PACKET_MAX ||
	    memchr(list.data, '\0', list.len))
		return -1;
	AUTO_FREE char *text = xstrndup((const char *)list.data, list.len);

	text_add_escaped(out, text);
	return 0;
}

bool ssh_methods_only_rsa(const char *list)
{
	while (*list) {
		size_t len = strcspn(list, ",");

		if ((len < 7 || strncmp(list, "ssh-rsa", 7) != 0) &&
		    (len < 8 || strncmp(list, "rsa-sha2", 8) != 0))
			return false;
		list += len + (list[len] == ',');
	}
	return true;
}
