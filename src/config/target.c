/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/target.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"

#define SCHEME	 "ssh://"
#define EXPECTED "expected ssh://[USER@]HOST[:PORT]/PATH"

enum {
	NAME_BYTES_MAX = 255, /* of a host (RFC 1035) or a user */
	PORT_MAX = 65535,
};

/* A piece of the text. */
struct span {
	const char *start;
	size_t len;
};

bool target_is_url(const char *text)
{
	return strncmp(text, SCHEME, strlen(SCHEME)) == 0;
}

void target_release(struct target *target)
{
	free(target->user);
	free(target->host);
	free(target->path);
	*target = (struct target){ 0 };
}

/* USER or HOST, which end up on the command line of other programs. */
static int check_name(const char *what, struct span name, struct err *err)
{
	if (name.len == 0)
		return err_set(err, ERR_CONFIG, "the %s is empty; %s", what, EXPECTED);
	if (name.len > NAME_BYTES_MAX)
		return err_set(err, ERR_CONFIG, "the %s is longer than %d bytes", what,
			       NAME_BYTES_MAX);
	if (name.start[0] == '-')
		return err_set(err, ERR_CONFIG, "the %s must not begin with '-'", what);
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.start[i];

		if (c <= ' ' || c == 0x7f)
			return err_set(err, ERR_CONFIG,
				       "the %s must not hold blanks or control characters", what);
	}
	return 0;
}

static int parse_port(struct span text, int *port, struct err *err)
{
	int value = 0;
	bool good = text.len > 0 && text.len <= 5;

	for (size_t i = 0; good && i < text.len; i++) {
		good = text.start[i] >= '0' && text.start[i] <= '9';
		value = value * 10 + (text.start[i] - '0');
	}
	if (!good || value < 1 || value > PORT_MAX)
		return err_set(err, ERR_CONFIG, "the port '%.*s' is not a number from 1 to %d",
			       (int)(text.len < 20 ? text.len : 20), text.start, PORT_MAX);
	*port = value;
	return 0;
}

/* Take "[v6]" or "name" off the front of the host and port in *rest. */
static int take_host(struct span *rest, struct span *host, struct err *err)
{
	bool bracket = rest->len > 0 && rest->start[0] == '[';
	char stop = bracket ? ']' : ':';
	const char *end = memchr(rest->start, stop, rest->len);
	size_t taken = end ? (size_t)(end - rest->start) : rest->len;

	if (bracket && !end)
		return err_set(err, ERR_CONFIG, "the ']' after the address is missing; %s",
			       EXPECTED);
	*host = (struct span){ rest->start + bracket, taken - bracket };
	taken += bracket;
	*rest = (struct span){ rest->start + taken, rest->len - taken };
	if (!bracket && rest->len > 0 && memchr(rest->start + 1, ':', rest->len - 1))
		return err_set(err, ERR_CONFIG,
			       "an IPv6 address needs brackets: ssh://[ADDRESS]:PORT/PATH");
	return check_name("host", *host, err);
}

/* HOST[:PORT] */
static int parse_host_port(struct span rest, struct target *target, struct err *err)
{
	struct span host = { NULL, 0 };

	if (take_host(&rest, &host, err) < 0)
		return -1;
	if (rest.len > 0 && rest.start[0] != ':')
		return err_set(err, ERR_CONFIG, "only ':PORT' may follow ']'; %s", EXPECTED);
	if (rest.len > 0 &&
	    parse_port((struct span){ rest.start + 1, rest.len - 1 }, &target->port, err) < 0)
		return -1;
	target->host = xstrndup(host.start, host.len);
	return 0;
}

/* [USER@]HOST[:PORT]; the last '@' counts, a user may hold others. */
static int parse_authority(struct span text, struct target *target, struct err *err)
{
	const char *at = memrchr(text.start, '@', text.len);
	struct span user = { text.start, at ? (size_t)(at - text.start) : 0 };

	if (!at)
		return parse_host_port(text, target, err);
	if (check_name("user", user, err) < 0)
		return -1;
	if (memchr(user.start, ':', user.len))
		return err_set(err, ERR_CONFIG,
			       "no password may stand in the address; use SSH_PASSWORD_FILE");
	target->user = xstrndup(user.start, user.len);
	return parse_host_port((struct span){ at + 1, text.len - user.len - 1 }, target, err);
}

/* A copy without trailing slashes; the root stays "/". */
static char *without_trailing(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	return xstrndup(path, len);
}

static int parse_path(const char *path, struct target *target, struct err *err)
{
	if (strncmp(path, "~/", 2) == 0 || strcmp(path, "~") == 0) {
		path += 1;
		path += strspn(path, "/");
		if (!*path)
			path = ".";
	}
	if (path[0] == '~')
		return err_set(err, ERR_CONFIG,
			       "'~USER' is not known here: write the folder out, or './~USER'");
	if (!*path)
		return err_set(err, ERR_CONFIG,
			       "the folder is missing: ssh://HOST/DIR is below the login folder, "
			       "ssh://HOST//DIR is absolute");
	target->path = without_trailing(path);
	return 0;
}

static int parse_url(const char *text, struct target *target, struct err *err)
{
	const char *authority = text + strlen(SCHEME);
	size_t len = strcspn(authority, "/");

	if (parse_authority((struct span){ authority, len }, target, err) < 0)
		return -1;
	target->remote = true;
	return parse_path(authority[len] ? authority + len + 1 : "", target, err);
}

/* "host:path" or "scheme://...": meant as something else than a folder here. */
static int check_local(const char *text, struct err *err)
{
	const char *colon = strchr(text, ':');
	const char *slash = strchr(text, '/');

	if (!*text)
		return err_set(err, ERR_CONFIG, "the folder is empty");
	if (!colon || (slash && slash < colon))
		return 0;
	if (strncmp(colon, "://", 3) == 0)
		return err_set(err, ERR_CONFIG, "'%.*s' is not a scheme known here; %s",
			       (int)(colon - text < 20 ? colon - text : 20), text, EXPECTED);
	return err_set(err, ERR_CONFIG,
		       "for a server write ssh://HOST//PATH; for a folder here put './' in front");
}

int target_parse(const char *text, struct target *out, struct err *err)
{
	AUTO(target_release) struct target target = { 0 };

	if (target_is_url(text)) {
		if (parse_url(text, &target, err) < 0)
			return -1;
	} else {
		if (check_local(text, err) < 0)
			return -1;
		target.path = without_trailing(text);
	}
	*out = target;
	target = (struct target){ 0 };
	return 0;
}
