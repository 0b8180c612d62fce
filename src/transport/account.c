/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/account.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "transport/lines.h"

void account_encode(struct buf *out, const struct err *err)
{
	enc_uint(out, err->kind);
	enc_uint(out, (uint64_t)(err->sys > 0 ? err->sys : 0));
	enc_bytes(out, err->msg, strnlen(err->msg, sizeof(err->msg) - 1));
}

/* One line without anything that could steer a terminal. */
static void copy_message(char *to, const unsigned char *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (from[i] < 0x20 || from[i] == 0x7f) ? '?' : (char)from[i];
	to[len] = '\0';
}

int account_decode(const void *data, size_t len, struct err *err)
{
	struct dec dec = { NULL, NULL, false };

	dec_init(&dec, data, len);
	uint32_t kind = dec_u32(&dec);
	uint32_t sys = dec_u32(&dec);
	size_t msg_len = 0;
	const unsigned char *msg = dec_bytes(&dec, sizeof(err->msg) - 1, &msg_len);

	if (!dec_done(&dec) || kind == ERR_NONE || kind > ERR_SIGNAL || sys > 4095)
		return -1;
	char text[sizeof(err->msg)];

	copy_message(text, msg, msg_len);
	err_set_at(err, (enum err_kind)kind, (int)sys, ERR_WHERE, "%s", text);
	return 0;
}

/* What shells say, with 127 or (the csh family, sudo) with 1. */
static bool is_not_found(int status, const char *last)
{
	if (status == 127)
		return true;
	return status == 1 && strcasestr(last, "command not found");
}

/* What the OpenSSH client says, with 255. */
static bool is_refused_login(int status, const char *last)
{
	return status == 255 &&
	       (strstr(last, "Permission denied") || strstr(last, "Host key verification failed") ||
		strstr(last, "Too many authentication failures"));
}

/*
 * What sudo says, with 1, in any language behind its name: it wants a password and has nobody to ask, or
 * it does not know this command.
 */
static bool is_refused_by_sudo(int status, const char *last)
{
	const char *line = last;

	for (const char *next = last; (next = strstr(next, LINES_JOINT)); line = next)
		next += strlen(LINES_JOINT);
	return status == 1 &&
	       (strncmp(line, "sudo: ", strlen("sudo: ")) == 0 ||
		strstr(last, "is not allowed to execute") || strstr(last, "is not in the sudoers"));
}

int account_of_exit(const char *place, const char *osync, int status, const char *last,
		    struct err *err)
{
	const char *colon = *last ? ": " : "";

	if (status == 0)
		return 0;
	if (strstr(last, "error while loading shared libraries"))
		return err_set(
			err, ERR_UNREACHABLE,
			"osync cannot start on %s, it lacks a library (%.200s): install libssh2-1, "
			"libxxhash0, libarchive13 and libzstd1 there",
			place, last);
	if (status == 126)
		return err_set(err, ERR_UNREACHABLE,
			       "no osync agent on %s: '%s' cannot be run there (make it executable "
			       "or set REMOTE_OSYNC_PATH)%s%.160s",
			       place, osync, colon, last);
	if (is_not_found(status, last))
		return err_set(err, ERR_UNREACHABLE,
			       "no osync agent on %s: '%s' not found in the server's PATH: install "
			       "osync there or set REMOTE_OSYNC_PATH%s%.160s%s",
			       place, osync, *last ? " (" : "", last, *last ? ")" : "");
	if (is_refused_login(status, last))
		return err_set(err, ERR_DENIED, "%s refused the login%s%.300s", place, colon, last);
	if (is_refused_by_sudo(status, last))
		return err_set(
			err, ERR_DENIED,
			"sudo on %s does not run this osync without a password: the sudoers there "
			"need the line that packaging/sudoers.d/osync shows (%.200s)",
			place, last);
	return err_set(err, ERR_UNREACHABLE, "the agent on %s ended with status %d%s%.300s", place,
		       status, colon, last);
}
