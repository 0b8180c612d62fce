/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdnoreturn.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sys.h"
#include "transport/account.h"

static void send_account(int pipe_fd, const struct err *err)
{
	AUTO_BUF account = BUF_INIT;

	if (err->where)
		log_debug("transport: %s (%s)", err->msg, err->where);
	account_encode(&account, err);
	/* Smaller than the pipe, so it neither blocks nor comes in parts. */
	ssize_t ignored = write(pipe_fd, account.data, account.len);

	(void)ignored;
}

/* And the log: what a helper says belongs to the run. */
static void keep_open(int fd, int account)
{
	int kept[2 + LOG_FDS] = { fd, account };
	size_t count = 2 + (size_t)log_descriptors(kept + 2);

	log_enter_child();
	process_close_all_but(kept, count);
}

static noreturn void run_body(int fd, int account,
			      int (*body)(int fd, const void *arg, struct err *err),
			      const void *arg)
{
	struct err err = ERR_INIT;

	process_default_signals();
	setsid();
	fd = process_above_stdio(fd);
	account = process_above_stdio(account);
	process_null_stdio();
	keep_open(fd, account);
	int status = body(fd, arg, &err);

	if (err_is_set(&err))
		send_account(account, &err);
	_exit(status);
}

int child_start(struct child *child, int (*body)(int fd, const void *arg, struct err *err),
		const void *arg, struct err *err)
{
	int pair[2] = { -1, -1 };
	int ends[2] = { -1, -1 };
	pid_t parent = getpid();

	if (process_socketpair(pair, err) < 0)
		return -1;
	AUTO_CLOSE int ours = pair[0];
	AUTO_CLOSE int theirs = pair[1];

	if (process_pipe(ends, err) < 0)
		return -1;
	AUTO_CLOSE int account_read = ends[0];
	AUTO_CLOSE int account_write = ends[1];
	pid_t pid = sys_fork();

	if (pid < 0)
		return err_sys(err, errno, "cannot start a process");
	if (pid == 0) {
		process_die_with(parent, SIGTERM);
		run_body(theirs, account_write, body, arg);
	}
	fcntl(ours, F_SETFL, O_NONBLOCK);
	child->pid = pid;
	child->fd = steal_fd(&ours);
	child->account = steal_fd(&account_read);
	return 0;
}
