/* SPDX-License-Identifier: BSD-2-Clause */
#include "peer/hook_runner.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/process.h"
#include "base/shell.h"
#include "base/sys.h"
#include "peer/frame.h"
#include "peer/msg.h"
#include "peer/protocol.h"

enum {
	RUNNER_READ = 64 * 1024, /* bytes taken at once */
	RUNNER_STEP_MS = 60000,	 /* nothing depends on it: every event ends the wait */
	RUNNER_END_MS = 10000,	 /* ending a hook takes at most some seconds (base/keeper.h) */
};

struct hook_runner {
	pid_t pid;
	int fd;
	struct buf in; /* what has come and is no whole frame yet */
};

/* In the runner ------------------------------------------------------------------------- */

/* The next frame in `in`, reading until there is one: 1; 0 when the agent is gone. */
static int next_frame(int fd, struct buf *in, struct frame *frame, size_t *size)
{
	for (;;) {
		int got = frame_parse(in->data, in->len, frame, size, NULL);
		ssize_t more = 0;

		if (got != 0)
			return got > 0;
		buf_reserve(in, RUNNER_READ);
		more = sys_link_read(fd, in->data + in->len, RUNNER_READ);
		if (more < 0 && errno == EINTR)
			continue;
		if (more <= 0)
			return 0;
		in->len += (size_t)more;
	}
}

static bool send_all(int fd, const struct buf *out)
{
	size_t done = 0;

	while (done < out->len) {
		ssize_t put = sys_link_send(fd, out->data + done, out->len - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		done += (size_t)put;
	}
	return true;
}

static bool send_output(int fd, const struct buf *output)
{
	AUTO_BUF out = BUF_INIT;
	size_t start = frame_begin(&out, PEER_OUTPUT);

	if (output->len == 0)
		return true;
	buf_add(&out, output->data, output->len);
	frame_end(&out, start);
	return send_all(fd, &out);
}

static bool send_status(int fd, const struct err *status)
{
	AUTO_BUF out = BUF_INIT;

	msg_put_status(&out, PEER_HOOKED, status);
	return send_all(fd, &out);
}

enum ahead { AHEAD_NOTHING, AHEAD_REQUEST, AHEAD_END };

/* What waits to be read. */
static enum ahead look_ahead(int fd)
{
	char byte = 0;
	ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (got == 0)
		return AHEAD_END;
	return got > 0 ? AHEAD_REQUEST : AHEAD_NOTHING;
}

/*
 * Run it to its end, or until the next one is asked for (`ahead`: what is known of that already); false
 * when the agent is gone.
 */
static bool run_hook(int fd, const struct msg_hook *hook, enum ahead ahead)
{
	const struct shell_job job = { .command = hook->command,
				       .environment = hook->environment,
				       .input = -1,
				       .limit_ms = hook->limit_ms };
	struct err status = ERR_INIT;
	struct shell *shell = shell_start(&job, &status);
	AUTO_BUF output = BUF_INIT;
	bool told = true;
	int more = shell != NULL;

	while (more && told) {
		if (ahead == AHEAD_REQUEST)
			shell_stop(shell);
		more = shell_step(shell, ahead == AHEAD_REQUEST ? -1 : fd, RUNNER_STEP_MS, &output);
		ahead = ahead == AHEAD_NOTHING ? look_ahead(fd) : ahead;
		told = send_output(fd, &output) && ahead != AHEAD_END;
		buf_reset(&output);
	}
	if (shell && told)
		shell_result(shell, &status);
	shell_free(shell);
	return told && send_status(fd, &status);
}

static noreturn void serve(int fd, const char *role)
{
	struct arena arena = ARENA_INIT;
	AUTO_BUF in = BUF_INIT;
	struct frame frame;
	struct msg_hook hook;
	size_t size = 0;
	bool on = true;

	sys_set_role(role);
	process_default_signals();
	/* What there is to say goes to the agent. */
	log_close();
	fd = process_above_stdio(fd);
	process_null_stdio();
	process_close_all_but(&fd, 1);
	while (on && next_frame(fd, &in, &frame, &size)) {
		on = msg_get_hook(&frame, &arena, &hook, NULL) == 0 &&
		     run_hook(fd, &hook, in.len > size ? AHEAD_REQUEST : AHEAD_NOTHING);
		buf_consume(&in, size);
		arena_release(&arena);
	}
	_exit(0);
}

/* In the agent -------------------------------------------------------------------------- */

struct hook_runner *hook_runner_start(const char *role, struct err *err)
{
	int pair[2] = { -1, -1 };

	if (process_socketpair(pair, err) < 0)
		return NULL;
	AUTO_CLOSE int ours = pair[0];
	AUTO_CLOSE int theirs = pair[1];
	pid_t pid = sys_fork();

	if (pid == 0)
		serve(theirs, role);
	if (pid < 0) {
		err_sys(err, errno, "cannot start a process");
		return NULL;
	}
	struct hook_runner *runner = xcalloc(1, sizeof(*runner));

	runner->pid = pid;
	runner->fd = steal_fd(&ours);
	return runner;
}

int hook_runner_fd(const struct hook_runner *runner)
{
	return runner->fd;
}

int hook_runner_ask(struct hook_runner *runner, const struct frame *frame, struct err *err)
{
	AUTO_BUF out = BUF_INIT;
	size_t start = frame_begin(&out, PEER_HOOK);

	buf_add(&out, frame->data, frame->len);
	frame_end(&out, start);
	return send_all(runner->fd, &out)
		       ? 0
		       : err_sys(err, errno, "the process that runs hooks is gone");
}

/* Move whole frames; whether HOOKED was the last one. */
static bool move_frames(struct hook_runner *runner, struct buf *out, struct err *status)
{
	struct frame frame;
	size_t size = 0;

	while (frame_parse(runner->in.data, runner->in.len, &frame, &size, NULL) > 0) {
		bool ended = frame.type == PEER_HOOKED;

		if (ended)
			msg_get_status(&frame, status, status);
		else
			buf_add(out, runner->in.data, size);
		buf_consume(&runner->in, size);
		if (ended)
			return true;
	}
	return false;
}

int hook_runner_take(struct hook_runner *runner, struct buf *out, struct err *status)
{
	struct pollfd fd = { .fd = runner->fd, .events = POLLIN };
	ssize_t got = 0;

	/* One that was asked for before the last has ended may have come with it. */
	if (move_frames(runner, out, status))
		return 1;
	if (poll(&fd, 1, 0) <= 0)
		return 0;
	buf_reserve(&runner->in, RUNNER_READ);
	got = sys_link_read(runner->fd, runner->in.data + runner->in.len, RUNNER_READ);
	if (got < 0 && errno == EINTR)
		return 0;
	if (got <= 0) {
		err_set(status, ERR_SYSTEM, "killed the process that runs hooks");
		return 1;
	}
	runner->in.len += (size_t)got;
	return move_frames(runner, out, status);
}

void hook_runner_stop(struct hook_runner *runner)
{
	if (!runner)
		return;
	shutdown(runner->fd, SHUT_RDWR);
	if (process_wait(runner->pid, clock_monotonic_ms() + RUNNER_END_MS) < 0) {
		kill(runner->pid, SIGKILL);
		waitpid(runner->pid, NULL, 0);
	}
	close(runner->fd);
	buf_release(&runner->in);
	free(runner);
}
