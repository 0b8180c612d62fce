/* SPDX-License-Identifier: BSD-2-Clause */
#include "setup/host.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "transport/meet.h"

/* Whether the text is the fingerprint, with or without its kind of digest in front. */
static bool is_print(struct meeting *meeting, const char *text)
{
	const char *print = buf_cstr(&meeting->fingerprint);

	return strcmp(text, print) == 0 || strcmp(text, strchr(print, ':') + 1) == 0;
}

static bool terminal_is_there(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

/* As ssh asks: "yes", or the fingerprint as it was told by the server's owner. */
static bool person_agrees(struct meeting *meeting, const char *host)
{
	char line[256] = "";

	printf("The %s key of '%s' is %s.\n"
	       "Compare it with what is said on the server itself, by\n"
	       "  for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done\n"
	       "Is it there (yes, no, or the fingerprint)? ",
	       meeting->kind, host, buf_cstr(&meeting->fingerprint));
	(void)fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return false;
	line[strcspn(line, "\r\n")] = '\0';
	return strcmp(line, "yes") == 0 || is_print(meeting, line);
}

static int unknown(struct meeting *meeting, const char *host, struct err *err)
{
	return err_set(err, ERR_DENIED,
		       "'%s' is not in known_hosts: its %s key is %s; compare that with the "
		       "server's own, then run this again with --accept-hostkey=%s",
		       host, meeting->kind, buf_cstr(&meeting->fingerprint),
		       buf_cstr(&meeting->fingerprint));
}

/* 0 where it may be noted. */
static int ask(struct meeting *meeting, const char *host, enum host_consent consent,
	       const char *fingerprint, struct err *err)
{
	switch (consent) {
	case HOST_ANY:
		return 0;
	case HOST_PRINT:
		if (is_print(meeting, fingerprint))
			return 0;
		return err_set(err, ERR_DENIED,
			       "the %s key of '%s' is %s, and not %.100s: it is not trusted",
			       meeting->kind, host, buf_cstr(&meeting->fingerprint), fingerprint);
	case HOST_ASK:
	default:
		if (!terminal_is_there())
			return unknown(meeting, host, err);
		if (person_agrees(meeting, host))
			return 0;
		return err_set(err, ERR_DENIED, "the key of '%s' is not trusted", host);
	}
}

int host_introduce(const struct config *config, enum host_consent consent, const char *fingerprint,
		   struct err *err)
{
	AUTO_MEETING meeting = MEETING_INIT;
	const char *host = config->target.host;

	if (meet_server(config, &meeting, err) < 0)
		return -1;
	if (meeting.known) {
		printf("server    '%s' is known by its %s key %s\n", host, meeting.kind,
		       buf_cstr(&meeting.fingerprint));
		return 0;
	}
	if (ask(&meeting, host, consent, fingerprint, err) < 0 || meet_remember(&meeting, err) < 0)
		return -1;
	printf("server    the %s key %s of '%s' is noted in %s\n", meeting.kind,
	       buf_cstr(&meeting.fingerprint), host, meeting.file);
	return 0;
}
