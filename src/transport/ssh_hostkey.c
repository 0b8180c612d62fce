/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/ssh_hostkey.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "config/config.h"
#include "transport/quote.h"
#include "transport/ssh_known.h"
#include "transport/ssh_options.h"
#include "transport/ssh_session.h"
#include "transport/ssh_wire.h"

/* The server's key, and how to speak of it. */
struct host_key {
	const unsigned char *data;
	size_t len;
	enum ssh_key_type type;
	struct buf fingerprint;
};

static void scan_files(const struct ssh_options *options, const char *name, struct ssh_bytes key,
		       struct ssh_known *known)
{
	struct ssh_known_query query = { .host = name, .key = key.data, .key_len = key.len };

	for (size_t i = 0; i < options->known_hosts.count; i++) {
		AUTO_BUF text = BUF_INIT;
		const char *path = options->known_hosts.paths[i];

		if (ssh_read_whole(path, &text) < 0) {
			if (errno != ENOENT)
				log_warn("cannot read '%s': %s", path, strerrordesc_np(errno));
			continue;
		}
		ssh_known_scan(known, buf_cstr(&text), text.len, path, &query);
	}
}

void ssh_hostkey_name(struct buf *out, const struct ssh_options *options)
{
	int port = options->host_key_alias ? 0 : ssh_options_port(options);

	ssh_known_name(out, ssh_options_key_name(options), port);
}

/*
 * Under [host]:port first; like ssh, a line for the bare host will do as well.  Without a key
 * (data is NULL) only the known kinds are collected.
 */
static struct ssh_known look_up(const struct ssh_options *options, struct ssh_bytes key)
{
	AUTO_BUF name = BUF_INIT;
	struct ssh_known known = SSH_KNOWN_INIT;
	struct ssh_known bare = SSH_KNOWN_INIT;

	ssh_hostkey_name(&name, options);
	scan_files(options, buf_cstr(&name), key, &known);
	if (strcmp(buf_cstr(&name), ssh_options_key_name(options)) == 0)
		return known;
	scan_files(options, ssh_options_key_name(options), key, &bare);
	enum ssh_known_verdict verdict = ssh_known_verdict(&bare);
	bool silent = ssh_known_verdict(&known) == SSH_KNOWN_UNKNOWN && known.types == 0;

	if (verdict == SSH_KNOWN_REVOKED || (silent && (verdict == SSH_KNOWN_MATCH || !key.data)))
		return bare;
	return known;
}

unsigned ssh_hostkey_known_types(const struct ssh_options *options)
{
	return look_up(options, (struct ssh_bytes){ NULL, 0 }).types;
}

/*
 * The command that adds the host.  ssh-keyscan reaches it only directly and knows it only by
 * its own name; otherwise one login by hand does it.
 */
static void add_remedy(struct buf *out, const struct ssh_options *options,
		       const struct config *config, const struct host_key *key)
{
	const char *file = options->user_known_hosts;

	if (options->host_key_alias || options->proxy_jump || options->proxy_command || !file) {
		buf_addstr(out, "ssh ");
		if (config->ssh_config_file)
			buf_addf(out, "-F %s ", config->ssh_config_file);
		if (config->ssh_known_hosts_file)
			buf_addf(out, "-o UserKnownHostsFile=%s ", config->ssh_known_hosts_file);
		if (config->target.port)
			buf_addf(out, "-p %d ", config->target.port);
		buf_addf(out, "%s@%s", options->user, options->given_host);
		return;
	}
	buf_addf(out, "ssh-keyscan -t %s ", ssh_key_type_scan(key->type));
	if (ssh_options_port(options) != 22)
		buf_addf(out, "-p %s ", options->port);
	buf_addf(out, "%s >> ", options->host);
	quote_if_needed(out, file);
}

static int unknown(const struct ssh_options *options, const struct config *config,
		   const struct host_key *key, struct err *err)
{
	AUTO_BUF remedy = BUF_INIT;
	const char *strict = options->strict_checking;
	bool asks = strcmp(strict, "ask") == 0 || strcmp(strict, "yes") == 0 ||
		    strcmp(strict, "true") == 0;

	if (!asks)
		log_warn("StrictHostKeyChecking %s of the ssh configuration has no effect: osync "
			 "never trusts a host that is not in known_hosts",
			 strict);
	add_remedy(&remedy, options, config, key);
	return err_set(err, ERR_DENIED,
		       "'%s' is not in known_hosts: its %s key is %s; compare that with the "
		       "server's own, then run: %s",
		       options->given_host, ssh_key_type_title(key->type),
		       (const char *)key->fingerprint.data, buf_cstr(&remedy));
}

static int other_type(const struct ssh_options *options, const struct config *config,
		      const struct host_key *key, struct ssh_place place, struct err *err)
{
	AUTO_BUF remedy = BUF_INIT;

	add_remedy(&remedy, options, config, key);
	return err_set(
		err, ERR_DENIED,
		"'%s' is known by a key of another kind (%s:%d) than the %s key it shows now, "
		"%s; compare that with the server's own, then run: %s",
		options->given_host, place.file, place.line, ssh_key_type_title(key->type),
		(const char *)key->fingerprint.data, buf_cstr(&remedy));
}

static int judge(const struct ssh_options *options, const struct config *config,
		 const struct host_key *key, struct err *err)
{
	struct ssh_known known = look_up(options, (struct ssh_bytes){ key->data, key->len });
	struct ssh_place place = ssh_known_place(&known);
	const char *title = ssh_key_type_title(key->type);
	const char *print = (const char *)key->fingerprint.data;

	switch (ssh_known_verdict(&known)) {
	case SSH_KNOWN_MATCH:
		log_debug("ssh: host key %s is in %s:%d", print, place.file, place.line);
		return 0;
	case SSH_KNOWN_CHANGED:
		return err_set(
			err, ERR_DENIED,
			"THE HOST KEY OF '%s' HAS CHANGED: somebody may be listening in, or the "
			"server was set up anew; its %s key is now %s, which is not the one in "
			"%s:%d: ask its administrator before you remove that line",
			options->given_host, title, print, place.file, place.line);
	case SSH_KNOWN_REVOKED:
		return err_set(err, ERR_DENIED, "the host key of '%s' (%s %s) is revoked in %s:%d",
			       options->given_host, title, print, place.file, place.line);
	case SSH_KNOWN_OTHER_TYPE:
		return other_type(options, config, key, place, err);
	case SSH_KNOWN_AUTHORITY:
		return err_set(
			err, ERR_DENIED,
			"only a certificate authority speaks for '%s' (%s:%d), which osync's "
			"own SSH cannot check: use TRANSPORT=command with the OpenSSH client, "
			"or add the host's key %s itself",
			options->given_host, place.file, place.line, print);
	case SSH_KNOWN_UNKNOWN:
	default:
		return unknown(options, config, key, err);
	}
}

/* Its key, valid as long as the session; the caller owns the fingerprint. */
static int key_of(struct ssh_session *session, struct host_key *key, struct err *err)
{
	int kind = 0;

	key->data = (const unsigned char *)libssh2_session_hostkey(session->lib, &key->len, &kind);
	if (!key->data)
		return ssh_session_error(session, "reading the host key of", err);
	key->type = ssh_key_blob_type(key->data, key->len);
	ssh_key_fingerprint(&key->fingerprint, key->data, key->len);
	buf_cstr(&key->fingerprint);
	return 0;
}

static void host_key_release(struct host_key *key)
{
	buf_release(&key->fingerprint);
}

int ssh_hostkey_check(struct ssh_session *session, const struct ssh_options *options,
		      const struct config *config, struct err *err)
{
	AUTO(host_key_release) struct host_key key = { .fingerprint = BUF_INIT };

	if (key_of(session, &key, err) < 0)
		return -1;
	if (!config->ssh_ignore_known_hosts)
		return judge(options, config, &key, err);
	log_warn("SSH_IGNORE_KNOWN_HOSTS: the host key of '%s' (%s %s) is not checked",
		 options->given_host, ssh_key_type_title(key.type), buf_cstr(&key.fingerprint));
	return 0;
}

int ssh_hostkey_meet(struct ssh_session *session, const struct ssh_options *options,
		     const struct config *config, struct buf *out, struct err *err)
{
	AUTO(host_key_release) struct host_key key = { .fingerprint = BUF_INIT };
	struct ssh_known known = SSH_KNOWN_INIT;

	if (key_of(session, &key, err) < 0)
		return -1;
	buf_add(out, key.data, key.len);
	known = look_up(options, (struct ssh_bytes){ key.data, key.len });
	if (ssh_known_verdict(&known) == SSH_KNOWN_UNKNOWN)
		return 0;
	return judge(options, config, &key, err) < 0 ? -1 : 1;
}
