/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/command.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sys.h"
#include "config/config.h"
#include "transport/account.h"
#include "transport/lines.h"
#include "transport/quote.h"

static const char origin[] = "TRANSPORT_COMMAND";

static pid_t start(int fd, int error_fd, const struct config *config, struct err *err)
{
	AUTO_BUF line = BUF_INIT;
	AUTO_BUF shown = BUF_INIT;
	struct quote_agent agent = quote_agent_of(config);
	struct quote_agent agent_shown = quote_agent_shown(config);
	struct process_stdio stdio = { .in = fd, .out = fd, .error = error_fd };
	char shell[] = "/bin/sh";
	char option[] = "-c";

	quote_command(&line, config->transport_command, &agent);
	quote_command(&shown, config->transport_command, &agent_shown);
	log_info("connecting: %s", buf_cstr(&shown));
	char *argv[] = { shell, option, buf_cstr(&line), NULL };

	return process_spawn(argv, &stdio, err);
}

/* A descriptor that becomes readable when a child has ended. */
static int child_events(struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);

	return fd >= 0 ? fd : err_sys(err, errno, "cannot watch for the command's end");
}

/*
 * Relay standard error until the command has ended.  Not until end of file: a process that
 * it left in the background (an ssh control master) may hold the pipe for hours.
 */
static int watch(pid_t pid, int error_fd, int events_fd, struct lines *lines)
{
	struct pollfd polls[] = { { .fd = events_fd, .events = POLLIN },
				  { .fd = error_fd, .events = POLLIN } };
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		struct signalfd_siginfo info;

		poll(polls, 2, -1);
		ssize_t ignored = read(events_fd, &info, sizeof(info));

		(void)ignored;
		if (polls[1].fd >= 0 && !lines_drain(lines, error_fd))
			polls[1].fd = -1;
	}
	if (polls[1].fd >= 0)
		lines_drain(lines, error_fd);
	lines_end(lines);
	return status;
}

int command_run(int fd, const void *config, struct err *err)
{
	const struct config *wanted = config;
	AUTO_LINES lines = LINES_INIT(origin);
	AUTO_BUF last = BUF_INIT;
	int ends[2] = { -1, -1 };

	sys_set_role("transport");
	signal(SIGPIPE, SIG_IGN);
	AUTO_CLOSE int events = child_events(err);

	if (events < 0 || process_pipe(ends, err) < 0)
		return 1;
	AUTO_CLOSE int error_read = ends[0];
	pid_t pid = start(fd, ends[1], wanted, err);

	/* Only the command holds them from here on, so that its end is end of file. */
	close(ends[1]);
	close(fd);
	if (pid < 0)
		return 1;
	int status = watch(pid, error_read, events, &lines);

	lines_last(&lines, &last);
	if (WIFSIGNALED(status))
		err_set(err, ERR_UNREACHABLE, "%s was ended by signal %d: %s", origin,
			WTERMSIG(status), buf_cstr(&last));
	else
		account_of_exit(origin, wanted->remote_osync_path, WEXITSTATUS(status),
				buf_cstr(&last), err);
	return err_is_set(err);
}
