/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/sys.h"

enum {
	CAPTURE_MAX = 1024 * 1024, /* bytes; `ssh -G` prints 8 KiB */
	REAP_POLL_MS = 10, /* how often a child is looked for that does not tell of its end */
	FIRST_FREE_FD = 3,
};

int process_socketpair(int pair[2], struct err *err)
{
	if (sys_socketpair(pair) < 0)
		return err_sys(err, errno, "cannot make a socket pair");
	return 0;
}

int process_pipe(int ends[2], struct err *err)
{
	if (sys_pipe(ends) < 0)
		return err_sys(err, errno, "cannot make a pipe");
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	return 0;
}

void process_default_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void process_die_with(pid_t parent, int signal)
{
	prctl(PR_SET_PDEATHSIG, signal);
	/* It may have ended before the call. */
	if (getppid() != parent)
		_exit(128 + signal);
}

static void close_range_of(unsigned first, unsigned last)
{
	if (first > last || syscall(SYS_close_range, first, last, 0U) == 0)
		return;
	/* Linux before 5.9. */
	long limit = sysconf(_SC_OPEN_MAX);

	for (unsigned fd = first; fd <= last && (long)fd < limit; fd++)
		close((int)fd);
}

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void process_close_all_but(int *fds, size_t count)
{
	unsigned next = FIRST_FREE_FD;

	qsort(fds, count, sizeof(fds[0]), compare_fds);
	for (size_t i = 0; i < count; i++) {
		close_range_of(next, (unsigned)fds[i] - 1);
		next = (unsigned)fds[i] + 1;
	}
	close_range_of(next, ~0U);
}

void process_close_all(void)
{
	close_range_of(FIRST_FREE_FD, ~0U);
}

int process_lift_above_stdio(int fd)
{
	int above = fd < 0 ? fd : process_above_stdio(fd);

	if (above != fd)
		cleanup_close(&fd);
	return above;
}

int process_above_stdio(int fd)
{
	return fd >= FIRST_FREE_FD ? fd : fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
}

void process_null_stdio(void)
{
	AUTO_CLOSE int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(null_fd, STDIN_FILENO);
	dup2(null_fd, STDOUT_FILENO);
	if (null_fd < FIRST_FREE_FD)
		steal_fd(&null_fd);
}

static noreturn void become(char *const argv[], const struct process_stdio *stdio)
{
	int wanted[3] = { stdio->in, stdio->out, stdio->error };
	int null_fd = open("/dev/null", O_RDWR);

	/* First out of the way, then into place: the three may be each other. */
	for (int i = 0; i < 3; i++)
		wanted[i] = fcntl(wanted[i] < 0 ? null_fd : wanted[i], F_DUPFD, FIRST_FREE_FD);
	for (int i = 0; i < 3; i++)
		dup2(wanted[i], i);
	process_close_all();
	execvp(argv[0], argv);
	_exit(127);
}

pid_t process_spawn(char *const argv[], const struct process_stdio *stdio, struct err *err)
{
	pid_t parent = getpid();
	pid_t pid = sys_fork();

	if (pid < 0)
		return err_sys(err, errno, "cannot start '%s'", argv[0]);
	if (pid == 0) {
		process_default_signals();
		process_die_with(parent, SIGTERM);
		become(argv, stdio);
	}
	return pid;
}

int process_wait(pid_t pid, int64_t deadline_ms)
{
	/* Readable once the process has ended. */
	AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int status = 0;

	for (;;) {
		struct pollfd ended = { .fd = pidfd, .events = POLLIN };
		pid_t got = waitpid(pid, &status, WNOHANG);
		int64_t left_ms = deadline_ms - clock_monotonic_ms();

		if (got == pid)
			return status;
		if ((got < 0 && errno != EINTR) || left_ms <= 0)
			return -1;
		/* Once only: it may have ended, and a debugger is still to be told first. */
		if (poll(&ended, 1, pidfd < 0 ? REAP_POLL_MS : (int)left_ms) > 0)
			cleanup_close(&pidfd);
	}
}

/* Read fd to its end or until the deadline. */
static void collect(int fd, int64_t deadline_ms, struct buf *out)
{
	char chunk[4096];

	for (;;) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		int64_t left_ms = deadline_ms - clock_monotonic_ms();

		if (left_ms <= 0 || poll(&ready, 1, (int)left_ms) == 0)
			return;
		ssize_t got = sys_link_read(fd, chunk, sizeof(chunk));

		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0 || out->len >= CAPTURE_MAX)
			return;
		buf_add(out, chunk, (size_t)got);
	}
}

int process_capture(char *const argv[], int64_t timeout_ms, struct buf *out, struct err *err)
{
	int ends[2] = { -1, -1 };
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

	if (process_pipe(ends, err) < 0)
		return -1;
	AUTO_CLOSE int output = ends[0];
	AUTO_CLOSE int input = ends[1];
	struct process_stdio stdio = { .in = -1, .out = input, .error = input };
	pid_t pid = process_spawn(argv, &stdio, err);

	if (pid < 0)
		return -1;
	cleanup_close(&input);
	input = -1;
	collect(output, deadline_ms, out);
	int status = process_wait(pid, deadline_ms);

	if (status < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		return err_set(err, ERR_SYSTEM, "'%s' did not end within %lld s", argv[0],
			       (long long)(timeout_ms / 1000));
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
