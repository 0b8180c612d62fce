/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes that the ssh transport did not write: from a server, an agent, another process, or
 * files that anybody may have edited.
 *
 * The first byte of the input chooses the reader.  Promised is, beyond no crash: what an
 * account says is one printable line; a line of known_hosts never matches a key it does not
 * hold; base64 that was read is written again the same.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "transport/account.h"
#include "transport/lines.h"
#include "transport/ssh_agent.h"
#include "transport/ssh_der.h"
#include "transport/ssh_key.h"
#include "transport/ssh_known.h"
#include "transport/ssh_methods.h"
#include "transport/ssh_options.h"
#include "transport/ssh_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_account(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;

	if (account_decode(data, size, &err) < 0)
		return;
	assert(err_is_set(&err));
	for (const char *c = err.msg; *c; c++)
		assert((unsigned char)*c >= 0x20 && *c != 0x7f);
}

static void read_known_hosts(const uint8_t *data, size_t size)
{
	static const unsigned char key[] = "\0\0\0\13ssh-ed25519\0\0\0\4none";
	struct ssh_known known = SSH_KNOWN_INIT;
	struct ssh_known_query query = { "[host.example]:2222", key, sizeof(key) - 1 };

	ssh_known_scan(&known, (const char *)data, size, "file", &query);
	enum ssh_known_verdict verdict = ssh_known_verdict(&known);

	assert((verdict == SSH_KNOWN_UNKNOWN) == (ssh_known_place(&known).file == NULL));
	/* "AAAAC3NzaC1lZDI1NTE5AAAABG5vbmU": without these letters it cannot be known. */
	if (verdict == SSH_KNOWN_MATCH)
		assert(memmem(data, size, "AAAAC3NzaC1lZDI1NTE5AAAABG5vbmU", 31));
}

static void read_agent(const uint8_t *data, size_t size)
{
	AUTO_AGENT agent = SSH_AGENT_INIT;
	AUTO_BUF out = BUF_INIT;

	ssh_agent_parse_keys(&agent, data, size);
	assert(agent.count <= SSH_AGENT_KEYS_MAX);
	for (size_t i = 0; i < agent.count; i++)
		ssh_key_login_form(agent.keys[i].blob.data, agent.keys[i].blob.len, &out);
	ssh_agent_parse_signature(data, size, &out);
}

static void sign_with(const char *name, const void *data, size_t size)
{
	AUTO_KEY *key = NULL;
	AUTO_BUF signature = BUF_INIT;

	if (ssh_key_parse(name, data, size, &key, NULL) == 0)
		ssh_key_sign(key, "x", 1, &signature, NULL);
}

/* As a file, and as the inside of one in OpenSSH's format. */
static void read_key(const uint8_t *data, size_t size)
{
	AUTO_BUF text = BUF_INIT;

	sign_with("raw", data, size);
	buf_addstr(&text, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	ssh_base64_encode(&text, data, size);
	buf_addstr(&text, "\n-----END OPENSSH PRIVATE KEY-----\n");
	sign_with("wrapped", text.data, text.len);
}

static void read_base64(const uint8_t *data, size_t size)
{
	AUTO_BUF raw = BUF_INIT;
	AUTO_BUF text = BUF_INIT;
	AUTO_BUF again = BUF_INIT;

	if (ssh_base64_decode(&raw, (const char *)data, size) < 0 || raw.len == 0)
		return;
	ssh_base64_encode(&text, raw.data, raw.len);
	assert(ssh_base64_decode(&again, buf_cstr(&text), text.len) == 0);
	assert(again.len == raw.len && memcmp(again.data, raw.data, raw.len) == 0);
}

static void read_greeting(const uint8_t *data, size_t size)
{
	AUTO_BUF out = BUF_INIT;
	struct ssh_bytes a = { NULL, 0 };
	struct ssh_bytes b = { NULL, 0 };

	if (ssh_methods_server_hostkeys(data, size, &out) == 0)
		ssh_methods_only_rsa(buf_cstr(&out));
	ssh_der_two_integers(data, size, &a, &b);
}

static void read_options(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = xstrndup((const char *)data, size);
	AUTO_SSH_OPTIONS options = SSH_OPTIONS_INIT;

	options.home = "/home/user";
	options.local_user = "user";
	options.given_host = "host";
	options.host = arena_strdup(&options.arena, "host");
	options.port = arena_strdup(&options.arena, "22");
	options.user = arena_strdup(&options.arena, "user");
	ssh_options_parse(&options, text);
	assert(options.identities.count <= SSH_FILES_MAX);
	assert(options.known_hosts.count <= SSH_FILES_MAX);
	assert(ssh_options_port(&options) > 0);
}

static void read_lines(const uint8_t *data, size_t size)
{
	AUTO_LINES lines = LINES_INIT("host");
	AUTO_BUF last = BUF_INIT;

	lines_feed(&lines, data, size);
	lines_end(&lines);
	lines_last(&lines, &last);
	for (size_t i = 0; i < last.len; i++)
		assert(last.data[i] >= 0x20 && last.data[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(const uint8_t *data, size_t size) = {
		read_account, read_known_hosts, read_agent,   read_key,
		read_base64,  read_greeting,	read_options, read_lines,
	};

	log_setup(LOG_QUIET, "fuzz");
	if (size == 0)
		return 0;
	readers[data[0] % (sizeof(readers) / sizeof(readers[0]))](data + 1, size - 1);
	return 0;
}
