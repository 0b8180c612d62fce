/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/ssh_connect.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/process.h"
#include "config/config.h"
#include "transport/quote.h"
#include "transport/ssh_options.h"

enum {
	ADDRESS_MIN_MS = 3000, /* the least that an address gets, however many there are */
	DEAD_AFTER = 4,	       /* keepalive intervals: three unanswered, and the first's */
	ARGS_MAX = 20,
};

static void set_option(int fd, int level, int name, int value)
{
	/* Only an improvement: what the kernel does not have is done without. */
	if (setsockopt(fd, level, name, &value, sizeof(value)) < 0)
		log_debug("ssh: socket option %d/%d: errno %d", level, name, errno);
}

static void tune(int fd, int keepalive_s)
{
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (keepalive_s > 0)
		set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, keepalive_s * DEAD_AFTER * 1000);
}

void ssh_link_acknowledge(const struct ssh_link *link)
{
	int on = 1;

	/* It does not last. A proxy's socket has no such thing. */
	(void)setsockopt(link->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

/* Connect one address; the descriptor, or -1 with errno. */
static int connect_address(const struct addrinfo *address, int timeout_ms)
{
	AUTO_CLOSE int fd =
		socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
		       address->ai_protocol);
	int failure = 0;
	socklen_t len = sizeof(failure);

	if (fd < 0)
		return -1;
	if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return steal_fd(&fd);
	if (errno != EINPROGRESS)
		return -1;
	struct pollfd ready = { .fd = fd, .events = POLLOUT };

	if (poll(&ready, 1, timeout_ms) == 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0 || failure != 0) {
		errno = failure ? failure : errno;
		return -1;
	}
	return steal_fd(&fd);
}

static int count_addresses(const struct addrinfo *list)
{
	int count = 0;

	for (; list; list = list->ai_next)
		count++;
	return count ? count : 1;
}

static int connect_any(const struct addrinfo *list, int timeout_ms)
{
	int share_ms = timeout_ms / count_addresses(list);
	int fd = -1;

	if (share_ms < ADDRESS_MIN_MS)
		share_ms = timeout_ms < ADDRESS_MIN_MS ? timeout_ms : ADDRESS_MIN_MS;
	for (; list && fd < 0; list = list->ai_next)
		fd = connect_address(list, share_ms);
	return fd;
}

static void free_addresses(struct addrinfo **list)
{
	if (*list)
		freeaddrinfo(*list);
}

static int connect_tcp(const struct ssh_options *options, int keepalive_s, struct err *err)
{
	struct addrinfo wanted = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	AUTO(free_addresses) struct addrinfo *list = NULL;
	int rc = getaddrinfo(options->host, options->port, &wanted, &list);

	if (rc != 0)
		return err_set(err, ERR_UNREACHABLE, "cannot find the host '%s': %s", options->host,
			       rc == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(rc));
	int fd = connect_any(list, options->connect_timeout_s * 1000);
	int failure = errno;

	if (fd >= 0) {
		tune(fd, keepalive_s);
		return fd;
	}
	if (failure == ETIMEDOUT)
		return err_set(err, ERR_UNREACHABLE, "no answer from '%s' port %s within %d s",
			       options->host, options->port, options->connect_timeout_s);
	return err_set_at(err, ERR_UNREACHABLE, failure, ERR_WHERE,
			  "cannot connect to '%s' port %s: %s", options->host, options->port,
			  strerrordesc_np(failure));
}

/* Start a program as the other end of link->fd. */
static int start_proxy(char *const argv[], struct ssh_link *link, struct err *err)
{
	int pair[2] = { -1, -1 };
	int ends[2] = { -1, -1 };

	if (process_socketpair(pair, err) < 0)
		return -1;
	AUTO_CLOSE int ours = pair[0];
	AUTO_CLOSE int theirs = pair[1];

	if (process_pipe(ends, err) < 0)
		return -1;
	AUTO_CLOSE int error_read = ends[0];
	AUTO_CLOSE int error_write = ends[1];
	struct process_stdio stdio = { .in = theirs, .out = theirs, .error = error_write };

	if (process_spawn(argv, &stdio, err) < 0)
		return -1;
	fcntl(ours, F_SETFL, O_NONBLOCK);
	link->fd = steal_fd(&ours);
	link->error_fd = steal_fd(&error_read);
	return 0;
}

static int connect_command(const struct ssh_options *options, struct ssh_link *link,
			   struct err *err)
{
	AUTO_BUF line = BUF_INIT;
	struct quote_tokens tokens = ssh_options_tokens(options);
	char shell[] = "/bin/sh";
	char option[] = "-c";

	/* So that the shell is the proxy, and not its parent. */
	buf_addstr(&line, "exec ");
	if (quote_expand(&line, options->proxy_command, &tokens, true, err) < 0)
		return err_wrap(err, "ProxyCommand");
	log_info("connecting to %s through: %s", options->given_host, buf_cstr(&line) + 5);
	char *argv[] = { shell, option, buf_cstr(&line), NULL };

	return start_proxy(argv, link, err);
}

/*
 * "a,user@b:22" is: ssh -J a -W HOST:PORT ssh://user@b:22.  The client of OpenSSH logs in
 * at the jump hosts, with its own configuration and its own known_hosts.
 */
static int connect_jump(const struct ssh_options *options, const struct config *config,
			struct ssh_link *link, struct err *err)
{
	const char *comma = strrchr(options->proxy_jump, ',');
	const char *last = comma ? comma + 1 : options->proxy_jump;
	const char *scheme = strncmp(last, "ssh://", 6) == 0 ? "" : "ssh://";
	bool bare = strchr(options->host, ':') != NULL;
	AUTO_FREE char *aim = xasprintf(bare ? "[%s]:%s" : "%s:%s", options->host, options->port);
	AUTO_FREE char *jump = xasprintf("%s%s", scheme, last);
	AUTO_FREE char *before =
		xstrndup(options->proxy_jump, comma ? (size_t)(comma - options->proxy_jump) : 0);
	char words[][24] = { "ssh", "-o", "BatchMode=yes", "-F", "-J", "-W", "--" };
	char *argv[ARGS_MAX];
	size_t n = 0;

	argv[n++] = words[0];
	argv[n++] = words[1];
	argv[n++] = words[2];
	if (config->ssh_config_file) {
		argv[n++] = words[3];
		argv[n++] = config->ssh_config_file;
	}
	if (comma) {
		argv[n++] = words[4];
		argv[n++] = before;
	}
	argv[n++] = words[5];
	argv[n++] = aim;
	argv[n++] = words[6];
	argv[n++] = jump;
	argv[n] = NULL;
	log_info("connecting to %s through %s", options->given_host, options->proxy_jump);
	return start_proxy(argv, link, err);
}

int ssh_connect(const struct ssh_options *options, const struct config *config,
		struct ssh_link *link, struct err *err)
{
	*link = (struct ssh_link){ .fd = -1, .error_fd = -1 };
	if (options->proxy_jump)
		return connect_jump(options, config, link, err);
	if (options->proxy_command)
		return connect_command(options, link, err);
	log_info("connecting to %s port %s", options->host, options->port);
	link->fd = connect_tcp(options, config->ssh_keepalive_s, err);
	return link->fd < 0 ? -1 : 0;
}
