/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opens a transport without the rest of the program:
 *
 *	transporttool [KEY=VALUE...]
 *
 * Standard input goes to the far end, what comes from there to standard output, each with
 * its own end of file.  After the far end's, prints why the connection ended:
 * "failure KIND MESSAGE" on standard error, KIND as in enum err_kind.
 *
 * Keys: those of the table below, and host, port, user, path, transport=command.
 * stop=BYTES  close the transport after that many bytes from there.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "config/config.h"
#include "peer/agent.h"
#include "transport/transport.h"

static char osync[] = "osync";
static struct config config = { .remote_osync_path = osync,
				.ssh_connect_timeout_s = 20,
				.ssh_keepalive_s = 30,
				.log_level = LOG_WARN,
				.target = { .remote = true } };
static long stop = -1;

/* Stands in for the agent: sends back what comes, in capitals. */
int agent_serve(int in_fd, int out_fd, const struct agent_options *options)
{
	char chunk[4096];
	ssize_t got = 0;

	if (strcmp(options->dir, "/fail") == 0)
		return 42;
	while ((got = read(in_fd, chunk, sizeof(chunk))) > 0) {
		for (ssize_t i = 0; i < got; i++)
			if (chunk[i] >= 'a' && chunk[i] <= 'z')
				chunk[i] = (char)(chunk[i] - 'a' + 'A');
		if (write(out_fd, chunk, (size_t)got) != got)
			return 1;
	}
	return 0;
}

static int set(const char *key, char *value)
{
	const struct {
		const char *key;
		char **text;
		int *number;
		bool *flag;
	} table[] = {
		{ "host", &config.target.host, NULL, NULL },
		{ "user", &config.target.user, NULL, NULL },
		{ "port", NULL, &config.target.port, NULL },
		{ "path", &config.target.path, NULL, NULL },
		{ "remote", NULL, NULL, &config.target.remote },
		{ "command", &config.transport_command, NULL, NULL },
		{ "key_file", &config.ssh_key_file, NULL, NULL },
		{ "password_file", &config.ssh_password_file, NULL, NULL },
		{ "known_hosts", &config.ssh_known_hosts_file, NULL, NULL },
		{ "config_file", &config.ssh_config_file, NULL, NULL },
		{ "ignore_known_hosts", NULL, NULL, &config.ssh_ignore_known_hosts },
		{ "compression", NULL, NULL, &config.ssh_compression },
		{ "connect_timeout", NULL, &config.ssh_connect_timeout_s, NULL },
		{ "keepalive", NULL, &config.ssh_keepalive_s, NULL },
		{ "osync", &config.remote_osync_path, NULL, NULL },
		{ "sudo", NULL, NULL, &config.sudo_exec },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].key, key) != 0)
			continue;
		if (table[i].text)
			*table[i].text = value;
		else if (table[i].number)
			*table[i].number = (int)strtol(value, NULL, 10);
		else
			*table[i].flag = strcmp(value, "yes") == 0;
		return 0;
	}
	if (strcmp(key, "transport") == 0)
		config.transport =
			strcmp(value, "command") == 0 ? TRANSPORT_COMMAND : TRANSPORT_SSH;
	else if (strcmp(key, "log") == 0)
		config.log_level = (enum log_level)strtol(value, NULL, 10);
	else if (strcmp(key, "stop") == 0)
		stop = strtol(value, NULL, 10);
	else
		return -1;
	return 0;
}

/* Write everything to a descriptor that may not block. */
static int put(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd ready = { .fd = fd, .events = POLLOUT };

			poll(&ready, 1, -1);
			continue;
		}
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Bytes waiting for the transport. */
static struct {
	char data[256 * 1024];
	size_t start, end;
	bool ended, shut;
} up;

static void feed(int fd)
{
	if (!up.ended && up.start == up.end) {
		ssize_t got = read(STDIN_FILENO, up.data, sizeof(up.data));

		up.start = 0;
		up.end = got > 0 ? (size_t)got : 0;
		up.ended = got <= 0;
	}
	if (up.start < up.end) {
		ssize_t sent = send(fd, up.data + up.start, up.end - up.start, MSG_NOSIGNAL);

		if (sent > 0)
			up.start += (size_t)sent;
		else if (sent < 0 && errno != EAGAIN)
			up.ended = true, up.start = up.end;
	}
	if (up.ended && up.start == up.end && !up.shut) {
		shutdown(fd, SHUT_WR);
		up.shut = true;
	}
}

static void pump(int fd)
{
	static char down[256 * 1024];
	long total = 0;

	for (;;) {
		bool idle = up.start == up.end;
		struct pollfd polls[] = {
			{ .fd = fd, .events = (short)(POLLIN | (idle ? 0 : POLLOUT)) },
			{ .fd = up.ended || !idle ? -1 : STDIN_FILENO, .events = POLLIN },
		};

		poll(polls, 2, -1);
		if (polls[1].revents || !idle)
			feed(fd);
		ssize_t got = read(fd, down, sizeof(down));

		if (got == 0 || (got < 0 && errno != EAGAIN))
			return;
		if (got > 0 && put(STDOUT_FILENO, down, (size_t)got) < 0)
			return;
		total += got > 0 ? got : 0;
		if (stop >= 0 && total >= stop)
			return;
	}
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;

	for (int i = 1; i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		if (equals)
			*equals = '\0';
		if (!equals || set(argv[i], equals + 1) < 0) {
			fprintf(stderr, "transporttool: what is '%s'?\n", argv[i]);
			return 64;
		}
	}
	log_setup(config.log_level, "osync");
	struct transport *transport = transport_open_target(&config, &err);

	if (!transport) {
		fprintf(stderr, "failure %d %s\n", (int)err.kind, err.msg);
		return 1;
	}
	pump(transport_fd(transport));
	if (stop < 0) {
		transport_failure(transport, &err);
		fprintf(stderr, "failure %d %s\n", (int)err.kind, err.msg);
	}
	transport_close(transport);
	return 0;
}
