/* SPDX-License-Identifier: BSD-2-Clause */
#include "batch/attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/process.h"
#include "base/sys.h"
#include "run/outcome.h"
#include "run/report.h"

enum {
	READ_BYTES = 16 * 1024,	 /* at once */
	LINE_BYTES = 256 * 1024, /* a line that is longer is handed out in pieces */
	DRAIN_READS = 64,	 /* after its end: more than a pipe holds */
	EXIT_NOT_EXECUTED = 127, /* as the shell has it */
};

/* What it prints on one descriptor. */
struct stream {
	int fd; /* -1: at its end */
	struct buf pending;
};

struct attempt {
	pid_t pid; /* 0: it has been waited for */
	struct stream streams[ATTEMPT_POLLS];
	int told_fd;
};

/* Starting ----------------------------------------------------------------------- */

static noreturn void become(const char *const argv[], int out, int error, int tell)
{
	int kept = ATTEMPT_TELL_FD;
	int wanted[] = { open("/dev/null", O_RDONLY | O_CLOEXEC), out, error, tell };

	/* First out of the way, then into place: they may be each other. */
	for (int i = 0; i <= ATTEMPT_TELL_FD; i++)
		wanted[i] = fcntl(wanted[i], F_DUPFD_CLOEXEC, ATTEMPT_TELL_FD + 1);
	for (int i = 0; i <= ATTEMPT_TELL_FD; i++)
		dup2(wanted[i], i);
	process_close_all_but(&kept, 1);
	execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
	_exit(EXIT_NOT_EXECUTED);
}

static pid_t spawn(const char *const argv[], const int out[2], const int error[2],
		   const int tell[2])
{
	pid_t parent = getpid();
	pid_t pid = sys_fork();

	if (pid == 0) {
		process_default_signals();
		process_die_with(parent, SIGTERM);
		setpgid(0, 0);
		become(argv, out[1], error[1], tell[1]);
	}
	return pid;
}

static void close_ends(int ends[2])
{
	for (int i = 0; i < 2; i++) {
		cleanup_close(&ends[i]);
		ends[i] = -1;
	}
}

struct attempt *attempt_start(const char *const argv[], struct err *err)
{
	int pipes[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	struct attempt *attempt = NULL;
	pid_t pid = -1;

	if (process_pipe(pipes[0], err) == 0 && process_pipe(pipes[1], err) == 0 &&
	    process_pipe(pipes[2], err) == 0) {
		pid = spawn(argv, pipes[0], pipes[1], pipes[2]);
		if (pid < 0)
			err_sys(err, errno, "cannot start a process");
	}
	if (pid > 0) {
		attempt = xcalloc(1, sizeof(*attempt));
		attempt->pid = pid;
		attempt->streams[0].fd = steal_fd(&pipes[0][0]);
		attempt->streams[1].fd = steal_fd(&pipes[1][0]);
		attempt->told_fd = steal_fd(&pipes[2][0]);
	}
	for (int i = 0; i < 3; i++)
		close_ends(pipes[i]);
	return attempt;
}

/* Reading ------------------------------------------------------------------------ */

void attempt_polls(const struct attempt *attempt, struct pollfd polls[static ATTEMPT_POLLS])
{
	for (int i = 0; i < ATTEMPT_POLLS; i++)
		polls[i] = (struct pollfd){ .fd = attempt->streams[i].fd, .events = POLLIN };
}

/* Hand out the whole lines; what is behind the last stays, unless it is too much or the end. */
static void hand_out(struct stream *stream, bool all, attempt_line_fn *line, void *arg, bool error)
{
	char *text = buf_cstr(&stream->pending);
	char *end = NULL;
	size_t taken = 0;

	while ((end = memchr(text + taken, '\n', stream->pending.len - taken))) {
		*end = '\0';
		line(arg, text + taken, error);
		taken = (size_t)(end - text) + 1;
	}
	if (taken < stream->pending.len && (all || stream->pending.len - taken > LINE_BYTES)) {
		line(arg, text + taken, error);
		taken = stream->pending.len;
	}
	buf_consume(&stream->pending, taken);
}

/* One read. Whether there was something. */
static bool read_more(struct stream *stream)
{
	char chunk[READ_BYTES];
	ssize_t got = stream->fd < 0 ? 0 : sys_link_read(stream->fd, chunk, sizeof(chunk));

	if (got > 0) {
		buf_add(&stream->pending, chunk, (size_t)got);
	} else if (stream->fd >= 0 && (got == 0 || (errno != EAGAIN && errno != EINTR))) {
		cleanup_close(&stream->fd);
		stream->fd = -1;
	}
	return got > 0;
}

void attempt_read(struct attempt *attempt, attempt_line_fn *line, void *arg)
{
	for (int i = 0; i < ATTEMPT_POLLS; i++)
		if (read_more(&attempt->streams[i]))
			hand_out(&attempt->streams[i], false, line, arg, i > 0);
}

/* Ending ------------------------------------------------------------------------- */

static void take_end(struct attempt *attempt, int status, struct attempt_end *end)
{
	ssize_t got = sys_link_read(attempt->told_fd, end, sizeof(*end));
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

	/* What it told last may not be how it ended. */
	if (got != (ssize_t)sizeof(*end) || !end->told || end->code != code)
		*end = (struct attempt_end){ .code = code };
	end->message[sizeof(end->message) - 1] = '\0';
}

bool attempt_ended(struct attempt *attempt, struct attempt_end *end, attempt_line_fn *line,
		   void *arg)
{
	int status = 0;

	if (waitpid(attempt->pid, &status, WNOHANG) != attempt->pid)
		return false;
	attempt->pid = 0;
	for (int i = 0; i < ATTEMPT_POLLS; i++) {
		/* Not to its end: something that it has left behind may keep that open. */
		for (int reads = 0; reads < DRAIN_READS && read_more(&attempt->streams[i]); reads++)
			;
		hand_out(&attempt->streams[i], true, line, arg, i > 0);
	}
	take_end(attempt, status, end);
	return true;
}

void attempt_signal(const struct attempt *attempt, int signal)
{
	if (attempt->pid > 0)
		kill(attempt->pid, signal);
}

void attempt_free(struct attempt *attempt)
{
	if (!attempt)
		return;
	if (attempt->pid > 0) {
		kill(attempt->pid, SIGKILL);
		while (waitpid(attempt->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	for (int i = 0; i < ATTEMPT_POLLS; i++) {
		cleanup_close(&attempt->streams[i].fd);
		buf_release(&attempt->streams[i].pending);
	}
	cleanup_close(&attempt->told_fd);
	free(attempt);
}

int attempt_begin(void)
{
	struct stat st;

	if (fstat(ATTEMPT_TELL_FD, &st) < 0 || !S_ISFIFO(st.st_mode))
		return -1;
	/* The kernel has taken it from the file's name: "exe". */
	prctl(PR_SET_NAME, "osync");
	return fcntl(ATTEMPT_TELL_FD, F_SETFD, FD_CLOEXEC);
}

void attempt_tell(const struct outcome *outcome)
{
	struct attempt_end end = { .code = outcome->code,
				   .told = true,
				   .finished = !err_is_set(&outcome->err),
				   .look = outcome->look };

	if (!end.finished)
		snprintf(end.message, sizeof(end.message), "%s", outcome->err.msg);
	else if (outcome->failed > 0)
		snprintf(end.message, sizeof(end.message), "%" PRIu64 " paths are still pending",
			 outcome->failed);
	/* Where it cannot be told the exit status has to do. */
	(void)sys_link_write(ATTEMPT_TELL_FD, &end, sizeof(end));
}
