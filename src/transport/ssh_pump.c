/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/ssh_pump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/text.h"
#include "transport/account.h"
#include "transport/lines.h"
#include "transport/ssh_session.h"

enum {
	BUFFER_SIZE = 256 * 1024, /* bytes a direction */
	/*
	 * Bytes; libssh2 gives room back when a quarter is used, so three quarters are on a long line at
	 * least: a little more than PEER_WINDOW. They are held only while our parent does not read. Much
	 * larger ones are slower on fast links.
	 */
	WINDOW_SIZE = 6 * 1024 * 1024,
	PACKET_SIZE = 32 * 1024,     /* bytes, what every server must take */
	UNANSWERED_MAX = 3,	     /* keepalives */
	OPEN_TIMEOUT_MS = 60 * 1000, /* channel and exec: a loaded server may be slow */
	PARTING_MS = 3 * 1000,	     /* for the agent's exit status, and after the parent left */
};

/* Bytes on their way: data[start..end). They do not move while libssh2 holds them. */
struct stretch {
	unsigned char *data;
	size_t start;
	size_t end;
};

struct pump {
	struct ssh_session *session;
	const struct ssh_pump_task *task;
	LIBSSH2_CHANNEL *channel;
	struct lines lines;	 /* the agent's standard error */
	struct stretch up, down; /* to the server, to the parent */
	bool exec_pending;	 /* the server has not yet said that the command runs */
	bool parent_ended;	 /* no more bytes from the parent */
	bool parent_gone;	 /* nor any to it */
	bool eof_sent;		 /* the server knows that */
	bool server_ended;	 /* no more bytes from the agent */
	bool down_shut;		 /* the parent knows that */
	bool closed;		 /* the channel is over, the exit status is known */
	int64_t parting_ms;	 /* deadline after one side has ended; 0: none has */
	int unanswered;		 /* keepalives */
	unsigned long received;	 /* the session's count when it was last looked at */
	int64_t tick_ms;	 /* when the last of them was due */
};

static size_t stretch_len(const struct stretch *stretch)
{
	return stretch->end - stretch->start;
}

static size_t stretch_room(const struct stretch *stretch)
{
	return BUFFER_SIZE - stretch->end;
}

static void stretch_take(struct stretch *stretch, size_t len)
{
	stretch->start += len;
	if (stretch->start == stretch->end)
		stretch->start = stretch->end = 0;
}

static void pump_release(struct pump *pump)
{
	lines_release(&pump->lines);
	free(pump->up.data);
	free(pump->down.data);
}

static void expect_end(struct pump *pump)
{
	if (pump->parting_ms == 0)
		pump->parting_ms = clock_monotonic_ms() + PARTING_MS;
}

/* The parent has closed its end: what is on its way to it has nowhere to go. */
static void parent_left(struct pump *pump)
{
	pump->parent_ended = true;
	pump->parent_gone = true;
	pump->down.start = pump->down.end = 0;
	expect_end(pump);
}

/* The steps: each returns 1 if it moved something, 0 if it cannot now, -1 on failure. --- */

static int step_from_parent(struct pump *pump)
{
	struct stretch *up = &pump->up;

	if (pump->parent_ended || stretch_room(up) == 0)
		return 0;
	ssize_t got = sys_link_read(pump->task->parent_fd, up->data + up->end, stretch_room(up));

	if (got > 0) {
		up->end += (size_t)got;
		return 1;
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got < 0)
		parent_left(pump);
	pump->parent_ended = true;
	return 1;
}

static int step_to_server(struct pump *pump)
{
	struct stretch *up = &pump->up;
	bool moved = false;

	while (stretch_len(up) > 0 && ssh_session_may_write(pump->session)) {
		/* After EAGAIN this is the same start with no less behind it, as libssh2 asks. */
		ssize_t sent = libssh2_channel_write_ex(
			pump->channel, 0, (char *)up->data + up->start, stretch_len(up));

		if (sent == LIBSSH2_ERROR_EAGAIN || sent == 0)
			break;
		if (sent < 0)
			return -1;
		stretch_take(up, (size_t)sent);
		moved = true;
	}
	return moved;
}

static int step_eof(struct pump *pump)
{
	if (!pump->parent_ended || pump->eof_sent || stretch_len(&pump->up) > 0)
		return 0;
	int rc = libssh2_channel_send_eof(pump->channel);

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return 0;
	pump->eof_sent = true;
	return rc < 0 ? -1 : 1;
}

/*
 * Also what makes libssh2 take in everything else while the parent does not read: replies
 * to keepalives, room in the window, a new key exchange.
 */
static int step_stderr(struct pump *pump)
{
	char chunk[8192];
	ssize_t got = 0;
	bool moved = false;

	while ((got = libssh2_channel_read_ex(pump->channel, SSH_EXTENDED_DATA_STDERR, chunk,
					      sizeof(chunk))) > 0) {
		lines_feed(&pump->lines, chunk, (size_t)got);
		moved = true;
	}
	return got < 0 && got != LIBSSH2_ERROR_EAGAIN ? -1 : moved;
}

static int step_from_server(struct pump *pump)
{
	struct stretch *down = &pump->down;
	bool moved = false;

	while (!pump->server_ended && stretch_room(down) > 0) {
		ssize_t got = libssh2_channel_read_ex(
			pump->channel, 0, (char *)down->data + down->end, stretch_room(down));

		if (got > 0 && !pump->parent_gone)
			down->end += (size_t)got;
		moved = moved || got > 0;
		if (got == 0 || got == LIBSSH2_ERROR_EAGAIN)
			break;
		if (got < 0)
			return -1;
	}
	if (!pump->server_ended && libssh2_channel_eof(pump->channel)) {
		pump->server_ended = true;
		expect_end(pump);
		moved = true;
	}
	return moved;
}

static int step_to_parent(struct pump *pump)
{
	struct stretch *down = &pump->down;
	bool moved = false;

	while (!pump->parent_gone && stretch_len(down) > 0) {
		ssize_t sent = sys_link_send(pump->task->parent_fd, down->data + down->start,
					     stretch_len(down));

		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			parent_left(pump);
		if (sent <= 0)
			break;
		stretch_take(down, (size_t)sent);
		moved = true;
	}
	if (pump->server_ended && !pump->down_shut && stretch_len(down) == 0) {
		shutdown(pump->task->parent_fd, SHUT_WR);
		pump->down_shut = true;
		moved = true;
	}
	return moved;
}

/* The answer to "exec" comes while the first bytes are already on their way. */
static int step_exec(struct pump *pump)
{
	if (!pump->exec_pending)
		return 0;
	int rc = libssh2_channel_process_startup(pump->channel, "exec", 4, pump->task->command,
						 (unsigned)strlen(pump->task->command));

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return 0;
	pump->exec_pending = false;
	return rc < 0 ? -1 : 1;
}

/* Once the agent's output has ended: its exit status comes with the channel's close. */
static int step_close(struct pump *pump)
{
	if (!pump->server_ended || pump->closed)
		return 0;
	int rc = libssh2_channel_wait_closed(pump->channel);

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return 0;
	pump->closed = true;
	return 1;
}

/* Run all steps once; -1 on failure, with the name of what failed in *doing. */
static int run_steps(struct pump *pump, const char **doing)
{
	static const struct {
		int (*step)(struct pump *pump);
		const char *doing;
	} steps[] = {
		{ step_exec, "starting the agent on" },
		{ step_from_parent, "" },
		{ step_to_server, "sending to" },
		{ step_eof, "sending to" },
		{ step_from_server, "receiving from" },
		{ step_stderr, "receiving from" },
		{ step_to_parent, "" },
		{ step_close, "receiving from" },
	};
	int moved = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int rc = steps[i].step(pump);

		*doing = steps[i].doing;
		if (rc < 0)
			return -1;
		moved |= rc;
	}
	return moved;
}

/* Waiting ---------------------------------------------------------------------- */

/* Until the next thing that happens by itself. */
static int poll_timeout(const struct pump *pump, int64_t now_ms)
{
	int64_t until_ms = pump->parting_ms;

	if (pump->task->keepalive_s > 0) {
		int64_t due_ms = pump->tick_ms + (int64_t)pump->task->keepalive_s * 1000;

		until_ms = until_ms == 0 || due_ms < until_ms ? due_ms : until_ms;
	}
	if (until_ms == 0)
		return -1;
	return until_ms <= now_ms ? 0 : (int)(until_ms - now_ms);
}

static int wait_for_more(struct pump *pump, struct err *err)
{
	struct ssh_session *session = pump->session;
	struct pollfd polls[2] = {
		{ .fd = session->link.fd, .events = POLLIN },
		{ .fd = pump->parent_gone ? -1 : pump->task->parent_fd },
	};

	if (ssh_session_has_queue(session))
		polls[0].events |= POLLOUT;
	if (!pump->parent_ended && stretch_room(&pump->up) > 0)
		polls[1].events |= POLLIN;
	if (stretch_len(&pump->down) > 0)
		polls[1].events |= POLLOUT;
	ssh_link_acknowledge(&session->link);
	poll(polls, 2, poll_timeout(pump, clock_monotonic_ms()));
	if (ssh_session_flush(session) < 0)
		return err_set(err, ERR_UNREACHABLE, "the connection to '%s' was lost",
			       session->host);
	/* With nothing left to read from it, a parent that hung up would wake us for ever. */
	if ((polls[1].revents & (POLLHUP | POLLERR)) && pump->parent_ended)
		parent_left(pump);
	if (session->link.error_fd >= 0)
		lines_drain(&session->proxy_lines, session->link.error_fd);
	return 0;
}

/*
 * Whoever was heard of within the interval is alive.  Otherwise a keepalive that wants a
 * reply goes out; counted are those that nothing followed, so a machine that slept does not
 * wake up to a connection it gives up unasked.
 */
static int keep_alive(struct pump *pump, struct err *err)
{
	struct ssh_session *session = pump->session;
	int64_t interval_ms = (int64_t)pump->task->keepalive_s * 1000;
	int64_t now_ms = clock_monotonic_ms();
	int unused = 0;

	/* Not by comparing times: an answer may come within the same millisecond. */
	if (session->received != pump->received) {
		pump->received = session->received;
		pump->tick_ms = session->heard_ms;
		pump->unanswered = 0;
	}
	if (interval_ms == 0 || now_ms - pump->tick_ms < interval_ms)
		return 0;
	if (pump->unanswered == UNANSWERED_MAX)
		return err_set(
			err, ERR_UNREACHABLE,
			"'%s' has not answered for %lld s (SSH_KEEPALIVE): the connection is "
			"taken for dead",
			session->host, (long long)(now_ms - session->heard_ms) / 1000);
	unsigned long before = session->sent;

	pump->tick_ms = now_ms;
	/* What fails here fails in the next step as well, which says so better. */
	libssh2_keepalive_send(session->lib, &unused);
	/* libssh2 does not send two within two seconds. */
	if (session->sent != before)
		pump->unanswered++;
	return 0;
}

/* The end ---------------------------------------------------------------------- */

/* The command was ended by a signal; 0 if it was not. */
static int exit_by_signal(struct pump *pump, const char *last, struct err *err)
{
	AUTO_BUF shown = BUF_INIT;
	char *name = NULL;
	size_t name_len = 0;

	libssh2_channel_get_exit_signal(pump->channel, &name, &name_len, NULL, NULL, NULL, NULL);
	if (!name || name_len == 0)
		return 0;
	AUTO_FREE char *text = xstrndup(name, name_len);

	text_add_escaped(&shown, text);
	libssh2_free(pump->session->lib, name);
	return err_set(err, ERR_UNREACHABLE, "the agent on '%s' was ended by signal %s%s%.300s",
		       pump->session->host, buf_cstr(&shown), *last ? ": " : "", last);
}

/* What became of the agent. */
static int outcome(struct pump *pump, struct err *err)
{
	AUTO_BUF last = BUF_INIT;

	step_stderr(pump);
	lines_end(&pump->lines);
	lines_last(&pump->lines, &last);
	if (!pump->closed)
		return 0;
	if (exit_by_signal(pump, buf_cstr(&last), err) < 0)
		return -1;
	AUTO_FREE char *place = xasprintf("'%s'", pump->session->host);

	return account_of_exit(place, pump->task->osync,
			       libssh2_channel_get_exit_status(pump->channel), buf_cstr(&last),
			       err);
}

/* The connection failed: what the agent or its shell said before is part of the news. */
static int broke(struct pump *pump, const char *doing, struct err *err)
{
	AUTO_BUF last = BUF_INIT;

	ssh_session_error(pump->session, doing, err);
	lines_end(&pump->lines);
	lines_last(&pump->lines, &last);
	if (last.len > 0 && err) {
		AUTO_FREE char *before = xstrdup(err->msg);

		err_set(err, err->kind, "%.250s (%.200s)", before, buf_cstr(&last));
	}
	return -1;
}

static bool is_over(const struct pump *pump)
{
	if (pump->closed && (pump->down_shut || pump->parent_gone))
		return true;
	/* A parent that still reads is waited for without limit. */
	if (pump->server_ended && !pump->down_shut && !pump->parent_gone)
		return false;
	return pump->parting_ms && clock_monotonic_ms() >= pump->parting_ms;
}

static int run(struct pump *pump, struct err *err)
{
	const char *doing = "";

	while (!is_over(pump)) {
		unsigned long received = pump->session->received;
		int moved = run_steps(pump, &doing);

		if (moved < 0 && pump->parent_gone)
			return 0;
		if (moved < 0)
			return broke(pump, doing, err);
		if (keep_alive(pump, err) < 0)
			return -1;
		/* What libssh2 took in for one step may be for another before it, and poll() tells no more of it. */
		if (!moved && pump->session->received == received && wait_for_more(pump, err) < 0)
			return -1;
	}
	return outcome(pump, err);
}

static int open_channel(struct pump *pump, struct err *err)
{
	static const char kind[] = "session";
	struct ssh_session *session = pump->session;

	session->deadline_ms = clock_monotonic_ms() + OPEN_TIMEOUT_MS;
	while (!(pump->channel = libssh2_channel_open_ex(session->lib, kind, sizeof(kind) - 1,
							 WINDOW_SIZE, PACKET_SIZE, NULL, 0)) &&
	       libssh2_session_last_errno(session->lib) == LIBSSH2_ERROR_EAGAIN &&
	       ssh_session_wait(session, NULL) == 0)
		;
	return pump->channel ? 0 : ssh_session_error(session, "opening a channel on", err);
}

int ssh_pump(struct ssh_session *session, const struct ssh_pump_task *task, struct err *err)
{
	AUTO(pump_release)
	struct pump pump = { .session = session,
			     .task = task,
			     .lines = LINES_INIT(session->host),
			     .exec_pending = true,
			     .tick_ms = clock_monotonic_ms() };

	pump.up.data = xmalloc(BUFFER_SIZE);
	pump.down.data = xmalloc(BUFFER_SIZE);
	fcntl(task->parent_fd, F_SETFL, O_NONBLOCK);
	if (open_channel(&pump, err) < 0)
		return -1;
	/* The interval is ours (keep_alive); this only asks for replies. */
	libssh2_keepalive_config(session->lib, 1, 1);
	log_debug("ssh: %s: running %s", session->host, task->shown);
	return run(&pump, err);
}
