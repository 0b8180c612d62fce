/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/ssh_known.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "transport/ssh_wire.h"

enum {
	SSH_PORT = 22,
};

struct word {
	const char *text;
	size_t len;
};

static const struct {
	const char *name, *title, *scan;
	enum ssh_key_type type;
} key_types[] = {
	{ "ssh-ed25519", "ED25519", "ed25519", SSH_TYPE_ED25519 },
	{ "ecdsa-sha2-nistp256", "ECDSA", "ecdsa", SSH_TYPE_ECDSA_256 },
	{ "ecdsa-sha2-nistp384", "ECDSA", "ecdsa", SSH_TYPE_ECDSA_384 },
	{ "ecdsa-sha2-nistp521", "ECDSA", "ecdsa", SSH_TYPE_ECDSA_521 },
	{ "ssh-rsa", "RSA", "rsa", SSH_TYPE_RSA },
	{ "", "unknown", "ed25519", SSH_TYPE_OTHER },
};

enum { KEY_TYPES = sizeof(key_types) / sizeof(key_types[0]) };

enum ssh_key_type ssh_key_type_of(const char *name, size_t len)
{
	for (size_t i = 0; i < KEY_TYPES - 1; i++)
		if (strlen(key_types[i].name) == len && memcmp(key_types[i].name, name, len) == 0)
			return key_types[i].type;
	return SSH_TYPE_OTHER;
}

static size_t type_index(enum ssh_key_type type)
{
	size_t i = 0;

	while (i < KEY_TYPES - 1 && key_types[i].type != type)
		i++;
	return i;
}

const char *ssh_key_type_title(enum ssh_key_type type)
{
	return key_types[type_index(type)].title;
}

const char *ssh_key_type_scan(enum ssh_key_type type)
{
	return key_types[type_index(type)].scan;
}

enum ssh_key_type ssh_key_blob_type(const unsigned char *key, size_t key_len)
{
	struct ssh_wire wire = { NULL, NULL, false };

	ssh_wire_init(&wire, key, key_len);
	struct ssh_bytes name = ssh_wire_string(&wire);

	return ssh_key_type_of((const char *)name.data, name.len);
}

void ssh_key_fingerprint(struct buf *out, const unsigned char *key, size_t key_len)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];

	SHA256(key, key_len, hash);
	buf_addstr(out, "SHA256:");
	ssh_base64_encode(out, hash, sizeof(hash));
}

void ssh_known_name(struct buf *out, const char *host, int port)
{
	if (port == 0 || port == SSH_PORT)
		buf_addstr(out, host);
	else
		buf_addf(out, "[%s]:%d", host, port);
}

/* Whether text matches a pattern with * and ?, letters in either case. Iterative: O(n m). */
static bool glob(const char *pattern, size_t pattern_len, const char *text)
{
	const char *end = pattern + pattern_len;
	const char *star = NULL;
	const char *again = NULL;

	while (*text) {
		bool more = pattern < end;

		if (more && *pattern == '*') {
			star = ++pattern;
			again = text;
		} else if (more && (*pattern == '?' || tolower((unsigned char)*pattern) ==
							       tolower((unsigned char)*text))) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star;
			text = ++again;
		} else {
			return false;
		}
	}
	while (pattern < end && *pattern == '*')
		pattern++;
	return pattern == end;
}

/* "|1|salt|hash": HMAC-SHA1 of the name with the salt as key, both in base64. */
static bool hashed_matches(struct word field, const char *host)
{
	AUTO_BUF salt = BUF_INIT;
	AUTO_BUF hash = BUF_INIT;
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned mac_len = 0;
	const char *from = field.text + 3;
	const char *end = field.text + field.len;
	const char *bar = memchr(from, '|', (size_t)(end - from));

	if (!bar || ssh_base64_decode(&salt, from, (size_t)(bar - from)) < 0 ||
	    ssh_base64_decode(&hash, bar + 1, (size_t)(end - bar - 1)) < 0 || salt.len == 0)
		return false;
	AUTO_FREE char *lower = xstrdup(host);

	for (char *c = lower; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	HMAC(EVP_sha1(), salt.data, (int)salt.len, (unsigned char *)lower, strlen(lower), mac,
	     &mac_len);
	return hash.len == mac_len && memcmp(hash.data, mac, mac_len) == 0;
}

/* Whether the list of patterns names the host; a pattern behind ! forbids it. */
static bool field_matches(struct word field, const char *host)
{
	bool matched = false;

	if (field.len > 3 && memcmp(field.text, "|1|", 3) == 0)
		return hashed_matches(field, host);
	while (field.len > 0) {
		const char *comma = memchr(field.text, ',', field.len);
		size_t len = comma ? (size_t)(comma - field.text) : field.len;
		bool negated = field.text[0] == '!';

		if (len > negated && glob(field.text + negated, len - negated, host)) {
			if (negated)
				return false;
			matched = true;
		}
		field.text += comma ? len + 1 : len;
		field.len -= comma ? len + 1 : len;
	}
	return matched;
}

static struct word next_word(struct word *line)
{
	while (line->len > 0 && (*line->text == ' ' || *line->text == '\t'))
		line->text++, line->len--;
	struct word word = { line->text, 0 };

	while (line->len > 0 && *line->text != ' ' && *line->text != '\t')
		line->text++, line->len--, word.len++;
	return word;
}

static bool word_is(struct word word, const char *text)
{
	return word.len == strlen(text) && memcmp(word.text, text, word.len) == 0;
}

static void note(struct ssh_place *place, struct ssh_place here)
{
	if (!place->file)
		*place = here;
}

/* One line that names our host: marker, kind and key. */
static void weigh(struct ssh_known *known, struct word marker, struct word type, struct word key,
		  struct ssh_place here, const struct ssh_known_query *query)
{
	AUTO_BUF blob = BUF_INIT;
	enum ssh_key_type bit = ssh_key_type_of(type.text, type.len);

	if (word_is(marker, "@cert-authority")) {
		note(&known->authority, here);
		return;
	}
	if (ssh_base64_decode(&blob, key.text, key.len) < 0 || blob.len == 0)
		return;
	bool same = query->key && blob.len == query->key_len &&
		    memcmp(blob.data, query->key, blob.len) == 0;

	if (marker.len > 0) {
		if (same && word_is(marker, "@revoked"))
			note(&known->revoked, here);
		return;
	}
	known->types |= bit;
	if (!query->key)
		return;
	if (same)
		note(&known->matched, here);
	else if (bit == ssh_key_blob_type(query->key, query->key_len))
		note(&known->changed, here);
	else
		note(&known->other_type, here);
}

static void scan_line(struct ssh_known *known, struct word line, struct ssh_place here,
		      const struct ssh_known_query *query)
{
	struct word marker = { line.text, 0 };
	struct word hosts = next_word(&line);

	if (hosts.len > 0 && hosts.text[0] == '@') {
		marker = hosts;
		hosts = next_word(&line);
	}
	struct word type = next_word(&line);
	struct word key = next_word(&line);

	if (hosts.len == 0 || hosts.text[0] == '#' || key.len == 0)
		return;
	if (field_matches(hosts, query->host))
		weigh(known, marker, type, key, here, query);
}

void ssh_known_scan(struct ssh_known *known, const char *text, size_t len, const char *file,
		    const struct ssh_known_query *query)
{
	struct ssh_place here = { file, 0 };

	while (len > 0) {
		const char *newline = memchr(text, '\n', len);
		struct word line = { text, newline ? (size_t)(newline - text) : len };
		size_t step = newline ? line.len + 1 : line.len;

		here.line++;
		while (line.len > 0 && line.text[line.len - 1] == '\r')
			line.len--;
		scan_line(known, line, here, query);
		text += step;
		len -= step;
	}
}

enum ssh_known_verdict ssh_known_verdict(const struct ssh_known *known)
{
	if (known->revoked.file)
		return SSH_KNOWN_REVOKED;
	if (known->matched.file)
		return SSH_KNOWN_MATCH;
	if (known->changed.file)
		return SSH_KNOWN_CHANGED;
	if (known->other_type.file)
		return SSH_KNOWN_OTHER_TYPE;
	return known->authority.file ? SSH_KNOWN_AUTHORITY : SSH_KNOWN_UNKNOWN;
}

struct ssh_place ssh_known_place(const struct ssh_known *known)
{
	switch (ssh_known_verdict(known)) {
	case SSH_KNOWN_REVOKED:
		return known->revoked;
	case SSH_KNOWN_MATCH:
		return known->matched;
	case SSH_KNOWN_CHANGED:
		return known->changed;
	case SSH_KNOWN_OTHER_TYPE:
		return known->other_type;
	case SSH_KNOWN_AUTHORITY:
		return known->authority;
	case SSH_KNOWN_UNKNOWN:
	default:
		return (struct ssh_place){ NULL, 0 };
	}
}
