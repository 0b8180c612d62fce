/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/network.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/process.h"
#include "base/stop.h"
#include "base/text.h"
#include "config/config.h"
#include "transport/ssh_options.h"

enum {
	PING_LIMIT_MS = 10000,	 /* twice what ping is told; names may take long to look up */
	OTHERS_LIMIT_MS = 30000, /* for all of them */
	NO_ANSWER = 1,		 /* ping's exit status; busybox's for everything else, too */
};

#define PING_WAIT_S "5"

enum answer { SILENT, ANSWERS, UNKNOWN };

/* A line of what it said, for the log. */
static void log_unknown(const char *host, struct buf *said, const struct err *err)
{
	char *text = buf_cstr(said);
	AUTO_BUF shown = BUF_INIT;

	text[strcspn(text, "\r\n")] = '\0';
	text_add_escaped(&shown, err_is_set(err) ? err->msg : text);
	log_warn("'%.200s' cannot be pinged: %.200s", host,
		 shown.len ? buf_cstr(&shown) : "there is no ping here");
}

/* One ping is enough, and lost ones are repeated each second until the time is over. */
static enum answer ping(const char *host)
{
	const char *const words[] = { "ping", "-n", "-c", "1", "-w", PING_WAIT_S, "--", host };
	enum { WORDS = sizeof(words) / sizeof(words[0]) };
	struct arena arena = ARENA_INIT;
	AUTO_BUF said = BUF_INIT;
	struct err err = ERR_INIT;
	char *argv[WORDS + 1] = { NULL };
	int status = 0;

	for (size_t i = 0; i < WORDS; i++)
		argv[i] = arena_strdup(&arena, words[i]);
	status = process_capture(argv, PING_LIMIT_MS, &said, &err);
	arena_release(&arena);
	if (status == 0)
		return ANSWERS;
	/* The words are in the user's language, the number is not. */
	if (status == NO_ANSWER && strstr(buf_cstr(&said), "100%"))
		return SILENT;
	log_unknown(host, &said, &err);
	return UNKNOWN;
}

/* Where a connection would go to; NULL: through somebody else, who knows more of the way. */
static char *host_to_ping(const struct config *config, struct err *err)
{
	AUTO_SSH_OPTIONS options = SSH_OPTIONS_INIT;

	if (config->transport != TRANSPORT_SSH)
		return config->target.host ? xstrdup(config->target.host) : NULL;
	if (ssh_options_load(config, &options, err) < 0)
		return NULL;
	return options.proxy_jump || options.proxy_command ? NULL : xstrdup(options.host);
}

int network_check(const struct config *config, struct err *err)
{
	AUTO_FREE char *host = NULL;
	struct err why = ERR_INIT;

	if (!config->remote_host_ping || !config->target.remote)
		return 0;
	/* What is wrong there is said by the connection. */
	host = host_to_ping(config, &why);
	if (!host)
		log_info("REMOTE_HOST_PING: the target is not reached directly, and not pinged");
	if (!host || ping(host) != SILENT)
		return 0;
	return err_set(err, ERR_UNREACHABLE,
		       "'%.200s' does not answer a ping (REMOTE_HOST_PING=yes)", host);
}

/* The next of the hosts in the list, which moves behind it; NULL at its end. */
static char *next_host(const char **list)
{
	static const char between[] = " \t,;";
	size_t len = 0;
	char *host = NULL;

	*list += strspn(*list, between);
	len = strcspn(*list, between);
	if (len > 0)
		host = xstrndup(*list, len);
	*list += len;
	return host;
}

bool network_blame(const struct config *config, struct err *err)
{
	const char *list = config->third_party_hosts;
	int64_t deadline_ms = clock_monotonic_ms() + OTHERS_LIMIT_MS;
	int silent = 0;

	if (!list || !config->target.remote)
		return false;
	while (clock_monotonic_ms() < deadline_ms && stop_signal() == 0) {
		AUTO_FREE char *host = next_host(&list);
		enum answer answer = host ? ping(host) : UNKNOWN;

		if (!host)
			break;
		if (answer == ANSWERS) {
			err_wrap(err, "this machine is on-line ('%.100s' answers), but", host);
			return true;
		}
		silent += answer == SILENT;
	}
	if (silent > 0)
		err_wrap(err,
			 "this machine is off-line (nobody of REMOTE_3RD_PARTY_HOSTS answers)");
	return false;
}
