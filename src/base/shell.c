/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/keeper.h"
#include "base/process.h"
#include "base/sys.h"

enum {
	STEP_READ = 16 * 1024, /* bytes of output taken at once */
	/* A keeper that does not answer is held up by somebody; it gets some seconds more. */
	GIVE_UP_MS = KEEPER_TERM_MS + 2 * KEEPER_KILL_MS + 2000,
	DRAIN_READS = 64, /* of the default size of a pipe, 64 KiB, and more */
};

struct shell {
	pid_t guard; /* 0: it has ended */
	int control;
	int output;
	int64_t limit_ms;
	int64_t deadline_ms; /* INT64_MAX: none */
	bool stopping;
	bool is_late; /* its time was over */
	bool is_told; /* `end` is what the keeper says */
	struct keeper_end end;
	uint64_t taken;	  /* bytes of output handed out */
	uint64_t dropped; /* and not */
};

struct shell *shell_start(const struct shell_job *job, struct err *err)
{
	struct keeper_job keeper = { .command = job->command,
				     .environment = job->environment,
				     .input = job->input };
	int pair[2] = { -1, -1 };
	int ends[2] = { -1, -1 };
	pid_t pid = -1;

	if (process_socketpair(pair, err) < 0)
		return NULL;
	AUTO_CLOSE int ours = pair[0];
	AUTO_CLOSE int theirs = pair[1];

	if (process_pipe(ends, err) < 0)
		return NULL;
	AUTO_CLOSE int output = ends[0];
	AUTO_CLOSE int input = ends[1];

	keeper.control = theirs;
	keeper.output = input;
	pid = sys_fork();
	if (pid == 0)
		keeper_run(&keeper);
	if (pid < 0) {
		err_sys(err, errno, "cannot start a process");
		return NULL;
	}
	struct shell *shell = xcalloc(1, sizeof(*shell));

	shell->guard = pid;
	shell->control = steal_fd(&ours);
	shell->output = steal_fd(&output);
	shell->limit_ms = job->limit_ms;
	shell->deadline_ms = job->limit_ms > 0 ? clock_monotonic_ms() + job->limit_ms : INT64_MAX;
	return shell;
}

static void take(struct shell *shell, const char *data, size_t len, struct buf *out)
{
	size_t room = (size_t)(SHELL_OUTPUT_MAX - shell->taken);
	size_t now = len < room ? len : room;

	buf_add(out, data, now);
	shell->taken += now;
	shell->dropped += len - now;
}

/* One read; whether there was something. */
static bool take_output(struct shell *shell, struct buf *out)
{
	char chunk[STEP_READ];
	ssize_t got = -1;

	if (shell->output < 0)
		return false;
	got = sys_link_read(shell->output, chunk, sizeof(chunk));
	if (got > 0) {
		take(shell, chunk, (size_t)got, out);
	} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
		cleanup_close(&shell->output);
		shell->output = -1;
	}
	return got > 0;
}

/* The keeper is through, or is not to be waited for any more. */
static void finish(struct shell *shell, struct buf *out)
{
	if (process_wait(shell->guard, clock_monotonic_ms() + KEEPER_KILL_MS + 1000) < 0) {
		kill(shell->guard, SIGKILL);
		waitpid(shell->guard, NULL, 0);
	}
	shell->guard = 0;
	/* What could not be ended may go on writing: no more than a pipe holds is of interest. */
	for (int i = 0; i < DRAIN_READS && take_output(shell, out); i++)
		;
	if (shell->dropped > 0)
		buf_addf(out, "\n[%" PRIu64 " more bytes of output]\n", shell->dropped);
}

static void take_end(struct shell *shell)
{
	shell->is_told = sys_link_read(shell->control, &shell->end, sizeof(shell->end)) ==
			 (ssize_t)sizeof(shell->end);
}

int shell_step(struct shell *shell, int other, int timeout_ms, struct buf *out)
{
	int64_t left_ms = shell->deadline_ms - clock_monotonic_ms();
	struct pollfd polls[] = { { .fd = shell->control, .events = POLLIN },
				  { .fd = shell->output, .events = POLLIN },
				  { .fd = other, .events = POLLIN } };

	if (shell->guard == 0)
		return 0;
	if (left_ms < timeout_ms)
		timeout_ms = left_ms > 0 ? (int)left_ms : 0;
	if (poll(polls, sizeof(polls) / sizeof(polls[0]), timeout_ms) < 0)
		return 1;
	if (polls[1].revents)
		take_output(shell, out);
	if (polls[0].revents)
		take_end(shell);
	if (polls[0].revents || (shell->stopping && clock_monotonic_ms() >= shell->deadline_ms)) {
		finish(shell, out);
		return 0;
	}
	if (clock_monotonic_ms() >= shell->deadline_ms) {
		shell->is_late = true;
		shell_stop(shell);
	}
	return 1;
}

void shell_stop(struct shell *shell)
{
	if (shell->guard == 0 || shell->stopping)
		return;
	shell->stopping = true;
	shell->deadline_ms = clock_monotonic_ms() + GIVE_UP_MS;
	shutdown(shell->control, SHUT_WR);
}

int shell_result(const struct shell *shell, struct err *err)
{
	int status = shell->end.status;

	if (shell->is_told && shell->end.left > 0)
		return err_set(err, ERR_SYSTEM,
			       "left %u processes behind that cannot be ended (another user's?)",
			       shell->end.left);
	if (shell->is_late)
		return err_set(err, ERR_SYSTEM, "did not end within %" PRId64 " s and was ended",
			       (shell->limit_ms + 999) / 1000);
	if (!shell->is_told)
		return err_set(err, ERR_SYSTEM,
			       "killed the process that kept it; everything was ended");
	if (status == -1)
		return err_set(err, ERR_SYSTEM, "was asked to end");
	if (WIFSIGNALED(status))
		return err_set(err, ERR_SYSTEM, "was ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return err_set(err, ERR_SYSTEM, "ended with status %d", WEXITSTATUS(status));
	return 0;
}

void shell_free(struct shell *shell)
{
	AUTO_BUF unread = BUF_INIT;

	if (!shell)
		return;
	shell_stop(shell);
	while (shell_step(shell, -1, GIVE_UP_MS, &unread))
		buf_reset(&unread);
	cleanup_close(&shell->control);
	cleanup_close(&shell->output);
	free(shell);
}
