/* SPDX-License-Identifier: BSD-2-Clause */
#include "peer/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/sys.h"
#include "peer/agent_internal.h"
#include "peer/frame.h"
#include "peer/packer.h"
#include "peer/patience.h"
#include "peer/protocol.h"
#include "peer/pulse.h"
#include "peer/unpacker.h"
#include "store/lock.h"
#include "tree/reader.h"

enum {
	AGENT_READ = 256 * 1024, /* bytes asked from the descriptor at once */
	AGENT_WRITE = 64 * 1024, /* collected output that is written without waiting for more */
	AGENT_WRITE_MS = 20,	 /* for how long it is collected at most */
	AGENT_CREDIT = PEER_WINDOW_NEAR / 4, /* owed credit that is given back at once */
	AGENT_BEAT_MS = 10000,		     /* heartbeat of the lock */
	AGENT_EXIT_FAILURE = 1,
};

static int check_stop(struct err *err)
{
	return stop_signal() ? err_set(err, ERR_SIGNAL, "stopped by signal %d", stop_signal()) : 0;
}

static void beat(struct agent *agent)
{
	int64_t now = clock_monotonic_ms();

	if (agent->lock && !agent->dry && now - agent->last_beat_ms >= patience_ms(AGENT_BEAT_MS)) {
		lock_beat(agent->lock);
		agent->last_beat_ms = now;
	}
}

/*
 * Until something can be written, on a line that takes nothing or with a limit that forbids it. An
 * initiator that takes nothing for so long is gone, half-open.
 */
static int wait_output(struct agent *agent, int64_t *stuck_ms, struct err *err)
{
	struct pollfd out = { .fd = agent->out_fd, .events = POLLOUT };
	int64_t limit_ms = patience_ms(agent->silence_ms);
	int held_ms = bucket_wait_ms(&agent->rate);
	int slice_ms = (int)patience_ms(AGENT_BEAT_MS);
	int ready = 0;

	/* What a limit holds back is not to be asked about. */
	if (held_ms > 0)
		out.fd = -1;
	ready = poll(&out, 1, held_ms > 0 && held_ms < slice_ms ? held_ms : slice_ms);
	if (stop_signal())
		return check_stop(err);
	if (ready < 0 && errno != EINTR)
		return err_sys(err, errno, "cannot wait for the initiator");
	/* The line may be slow for longer than a lock may be silent. */
	beat(agent);
	if (held_ms > 0 || ready > 0)
		*stuck_ms = clock_monotonic_ms();
	if (clock_monotonic_ms() - *stuck_ms <= limit_ms)
		return 0;
	agent->mute = true;
	return err_set(err, ERR_UNREACHABLE, "the initiator has taken nothing for %lld s",
		       (long long)(limit_ms / 1000));
}

/* Nothing can be written now, and that is because of the line (or of its limit). */
static ssize_t waits_for_line(struct agent *agent)
{
	packer_note(agent->packer, clock_monotonic_ms(), 0, true);
	return 0;
}

/* Write what the limit allows: the number of bytes, 0 for none now. */
static ssize_t write_some(struct agent *agent, size_t done, struct err *err)
{
	size_t left = agent->wire.len - done;
	size_t may = bucket_allows(&agent->rate, left, clock_monotonic_ms());
	ssize_t n = 0;

	if (may == 0)
		return waits_for_line(agent);
	n = sys_link_write(agent->out_fd, agent->wire.data + done, may);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return waits_for_line(agent);
	if (n < 0)
		return err_sys(err, errno, "cannot write to the initiator");
	bucket_take(&agent->rate, (size_t)n);
	agent->said_ms = clock_monotonic_ms();
	packer_note(agent->packer, agent->said_ms, (size_t)n, (size_t)n < left);
	return n;
}

/* What was taken for the wire. */
static int write_wire(struct agent *agent, struct err *err)
{
	int64_t stuck_ms = clock_monotonic_ms();
	size_t done = 0;
	int status = 0;

	while (status == 0 && done < agent->wire.len && !agent->mute) {
		ssize_t n = write_some(agent, done, err);

		if (n < 0 || (n == 0 && wait_output(agent, &stuck_ms, err) < 0))
			status = -1;
		else
			done += (size_t)n;
	}
	buf_reset(&agent->wire);
	return status;
}

static int write_all(struct agent *agent, struct err *err)
{
	while (agent->out.len > 0) {
		packer_take(agent->packer, &agent->out, &agent->wire);
		if (write_wire(agent, err) < 0)
			return -1;
	}
	return 0;
}

int agent_flush(struct agent *agent, struct err *err)
{
	int status = 0;

	pulse_rest(agent->pulse);
	status = write_all(agent, err);
	/* After half a frame nothing that is said makes sense. */
	agent->mute = agent->mute || status < 0;
	if (status == 0)
		pulse_work(agent->pulse);
	return status;
}

bool agent_is_left(const struct agent *agent)
{
	struct pollfd fd = { .fd = agent->out_fd };

	return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLERR | POLLHUP));
}

void agent_spend(struct agent *agent, size_t size)
{
	agent->credit -= (int64_t)size;
}

void agent_job_add(struct agent *agent, const struct job *job)
{
	struct job *copy = xmalloc(sizeof(*copy));

	*copy = *job;
	copy->next = NULL;
	*agent->jobs_end = copy;
	agent->jobs_end = &copy->next;
	agent->job_count++;
}

static int on_credit(struct agent *agent, const struct frame *frame, struct err *err)
{
	uint64_t credit = 0;

	if (msg_get_number(frame, &credit, err) < 0)
		return -1;
	if (credit > PEER_WINDOW || agent->credit + (int64_t)credit > PEER_WINDOW)
		return msg_malformed(frame, err);
	agent->credit += (int64_t)credit;
	return 0;
}

/* What may come in any state, and what needs a welcome first. */
static int dispatch_session(struct agent *agent, const struct frame *frame, struct err *err)
{
	switch (frame->type) {
	case PEER_HELLO:
		return agent_on_hello(agent, frame, err);
	case PEER_CREDIT:
		return on_credit(agent, frame, err);
	case PEER_PING:
		msg_put_number(&agent->out, PEER_PONG, reader_total());
		return 0;
	case PEER_PONG:
		return 0;
	case PEER_BYE:
		agent->done = true;
		return 0;
	default:
		return msg_malformed(frame, err);
	}
}

static int dispatch_request(struct agent *agent, const struct frame *frame, struct err *err)
{
	switch (frame->type) {
	case PEER_LOCK:
		return agent_on_lock(agent, frame, err);
	case PEER_PREPARE:
		return agent_on_prepare(agent, frame, err);
	case PEER_SCAN:
		return agent_on_scan(agent, frame, err);
	case PEER_HASH:
		return agent_on_hash(agent, frame, err);
	case PEER_ATTRS:
		return agent_on_attrs(agent, frame, err);
	case PEER_STORED:
		return agent_on_stored(agent, frame, err);
	case PEER_TIDY:
		return agent_on_tidy(agent, frame, err);
	case PEER_HOOK:
		return agent_on_hook(agent, frame, err);
	case PEER_READ:
		return agent_on_read(agent, frame, err);
	case PEER_SUMS:
		return agent_on_sums(agent, frame, err);
	case PEER_READ_CHANGES:
		return agent_on_read_changes(agent, frame, err);
	default:
		return dispatch_session(agent, frame, err);
	}
}

/* Everything that changes something needs PREPARE. */
static int dispatch_change(struct agent *agent, const struct frame *frame, struct err *err)
{
	switch (frame->type) {
	case PEER_OP:
		return agent_on_op(agent, frame, err);
	case PEER_DATA:
		return agent_on_data(agent, frame, err);
	case PEER_HOLE:
		return agent_on_hole(agent, frame, err);
	case PEER_COPY:
		return agent_on_copy(agent, frame, err);
	case PEER_BASIS:
		return agent_on_basis(agent, frame, err);
	case PEER_FETCH:
		return agent_on_fetch(agent, frame, err);
	case PEER_PUT_END:
		return agent_on_put_end(agent, frame, err);
	case PEER_FLUSH:
		return agent_on_flush(agent, frame, err);
	case PEER_RECORDED:
		return agent_on_recorded(agent, frame, err);
	case PEER_FINISH:
		return agent_on_finish(agent, frame, err);
	case PEER_RECORD:
		return agent_on_record(agent, frame, err);
	case PEER_FORGET:
		return agent_on_forget(agent, frame, err);
	case PEER_COMMIT:
		return agent_on_commit(agent, frame, err);
	default:
		return dispatch_request(agent, frame, err);
	}
}

/*
 * Of which there are too many to look at the lock for each: reading changes nothing, bytes go to a staged file
 * of our own, up to their end, and an operation looks itself in front of each change (tree/changer.h). What is
 * about the line has nothing to do with it.
 */
static bool is_frequent(uint8_t type)
{
	return type == PEER_READ || type == PEER_FETCH || type == PEER_OP || type == PEER_DATA ||
	       type == PEER_HOLE || type == PEER_COPY || type == PEER_PUT_END ||
	       type == PEER_CREDIT || type == PEER_PING || type == PEER_PONG;
}

static int look_at_lock(struct agent *agent, uint8_t type, struct err *err)
{
	if (!agent->ops || is_frequent(type))
		return 0;
	/* They come while the next FLUSH is under way, and only the cache is theirs. */
	if (type == PEER_RECORD)
		return agent_lock_check(agent, err);
	agent_ops_rest(agent);
	return agent->lock ? lock_fence(agent->lock, err) : 0;
}

static int dispatch(struct agent *agent, const struct frame *frame, struct err *err)
{
	if (look_at_lock(agent, frame->type, err) < 0)
		return -1;
	if (agent->ops)
		return dispatch_change(agent, frame, err);
	if (agent->welcomed)
		return dispatch_request(agent, frame, err);
	return dispatch_session(agent, frame, err);
}

static void give_back_credit(struct agent *agent, const struct frame *frame, size_t size)
{
	if (!frame_is_bulk(frame->type))
		return;
	agent->owed += size;
	if (agent->owed < AGENT_CREDIT)
		return;
	msg_put_number(&agent->out, PEER_CREDIT, agent->owed);
	agent->owed = 0;
}

/* What was dealt with leaves its room to what unpacks: that is much more than what has come. */
static int unpack_input(struct agent *agent, const struct frame *frame, size_t size,
			struct err *err)
{
	if (unpacker_replace(agent->unpacker, &agent->in, agent->in_used, size, frame, err) < 0)
		return -1;
	buf_consume(&agent->in, agent->in_used);
	agent->in_used = 0;
	return 0;
}

/* Deal with all complete frames that are there. */
static int handle_input(struct agent *agent, struct err *err)
{
	while (!agent->done) {
		struct frame frame = { 0 };
		size_t size = 0;
		int got = frame_parse(agent->in.data + agent->in_used,
				      agent->in.len - agent->in_used, &frame, &size, err);

		if (got <= 0) {
			buf_consume(&agent->in, agent->in_used);
			agent->in_used = 0;
			return got;
		}
		frame.from = "initiator";
		if (frame.type == PEER_PACKED) {
			if (unpack_input(agent, &frame, size, err) < 0)
				return -1;
			continue;
		}
		if (dispatch(agent, &frame, err) < 0 || check_stop(err) < 0)
			return -1;
		arena_release(&agent->arena);
		give_back_credit(agent, &frame, size);
		agent->in_used += size;
		if (agent->out.len >= AGENT_WRITE && agent_flush(agent, err) < 0)
			return -1;
	}
	return 0;
}

/* Read once; the end of the stream sets done. */
static int read_input(struct agent *agent, struct err *err)
{
	ssize_t got = 0;

	buf_reserve(&agent->in, AGENT_READ);
	got = sys_link_read(agent->in_fd, agent->in.data + agent->in.len, AGENT_READ);
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (got < 0)
		return err_sys(err, errno, "cannot read from the initiator");
	if (got == 0)
		agent->done = true;
	agent->in.len += (size_t)got;
	return 0;
}

/*
 * One who is told much over a slow line has nothing to answer for longer than the initiator waits for a
 * word, and it has no room for a question in all that.
 */
static void answer_unasked(struct agent *agent)
{
	if (agent->welcomed && agent->out.len == 0 && agent->heard_ms > agent->said_ms &&
	    clock_monotonic_ms() - agent->said_ms >= patience_ms(PEER_PING_MS))
		msg_put_number(&agent->out, PEER_PONG, reader_total());
}

/* How long there may be nothing to do but to listen. */
static int idle_ms(const struct agent *agent)
{
	int64_t beat_ms = patience_ms(AGENT_BEAT_MS);
	int report_ms = agent_ops_wait_ms(agent);

	if (agent_job_ready(agent))
		return 0;
	if (report_ms >= 0 && report_ms < beat_ms)
		return report_ms;
	return agent->lock_waits && beat_ms > TURN_POLL_MS ? TURN_POLL_MS : (int)beat_ms;
}

/* Wait for input unless a job can go on. Ends the session when the initiator is silent too long. */
static int wait_input(struct agent *agent, struct err *err)
{
	struct pollfd fds[] = { { .fd = agent->in_fd, .events = POLLIN },
				{ .fd = agent_hook_fd(agent), .events = POLLIN },
				{ .fd = agent_ops_fd(agent), .events = POLLIN } };
	int64_t limit_ms = patience_ms(agent->silence_ms);
	int ready = 0;

	pulse_rest(agent->pulse);
	ready = poll(fds, sizeof(fds) / sizeof(fds[0]), idle_ms(agent));
	pulse_work(agent->pulse);
	if (ready < 0 && errno != EINTR)
		return err_sys(err, errno, "cannot wait for the initiator");
	if (ready > 0 && fds[1].revents)
		agent_hook_take(agent);
	if (ready > 0 && fds[0].revents) {
		agent->heard_ms = clock_monotonic_ms();
		return read_input(agent, err);
	}
	if (clock_monotonic_ms() - agent->heard_ms > limit_ms)
		return err_set(err, ERR_UNREACHABLE, "heard nothing from the initiator for %lld s",
			       (long long)(limit_ms / 1000));
	return 0;
}

/*
 * While there is more to do, answers are collected: many small files leave in one write. A long
 * job must not keep back what is ready, so nothing waits longer than AGENT_WRITE_MS.
 */
static int flush_when_due(struct agent *agent, int64_t *flushed_ms, struct err *err)
{
	int64_t now = clock_monotonic_ms();

	if (agent->out.len < AGENT_WRITE && agent_job_ready(agent) &&
	    now - *flushed_ms < AGENT_WRITE_MS)
		return 0;
	*flushed_ms = now;
	return agent_flush(agent, err);
}

static int serve_loop(struct agent *agent, struct err *err)
{
	int64_t flushed_ms = clock_monotonic_ms();

	agent->heard_ms = agent->said_ms = flushed_ms;
	while (!agent->done) {
		if (flush_when_due(agent, &flushed_ms, err) < 0 || wait_input(agent, err) < 0 ||
		    handle_input(agent, err) < 0)
			return -1;
		if (check_stop(err) < 0)
			return -1;
		if (!agent->done && agent_job_ready(agent) && agent_job_step(agent, err) < 0)
			return -1;
		if (!agent->done && agent_ops_wait_ms(agent) == 0 &&
		    agent_ops_report(agent, err) < 0)
			return -1;
		if (!agent->done)
			agent_lock_step(agent);
		if (agent_hook_check(agent, err) < 0)
			return -1;
		beat(agent);
		answer_unasked(agent);
	}
	return agent_flush(agent, err);
}

static void agent_close(struct agent *agent)
{
	agent_hook_close(agent);
	agent_jobs_free(agent);
	agent_sums_free(agent);
	agent_session_close(agent);
	buf_release(&agent->in);
	buf_release(&agent->out);
	buf_release(&agent->wire);
	packer_free(agent->packer);
	unpacker_free(agent->unpacker);
	arena_release(&agent->arena);
}

int agent_serve(int in_fd, int out_fd, const struct agent_options *options)
{
	struct err err = ERR_INIT;
	struct err ignored = ERR_INIT;
	struct agent agent = { .options = options,
			       .in_fd = in_fd,
			       .out_fd = out_fd,
			       .credit = PEER_WINDOW,
			       .state_fd = -1,
			       .list_fd = -1,
			       .silence_ms = PEER_SILENCE_MS };
	int flags = fcntl(out_fd, F_GETFL);
	int status = 0;

	/* A write that blocks could block for ever. */
	fcntl(out_fd, F_SETFL, flags | O_NONBLOCK);
	agent.jobs_end = &agent.jobs;
	sys_set_role(options->role);
	stop_install();
	buf_add(&agent.out, PEER_GREETING, PEER_GREETING_LEN);
	status = serve_loop(&agent, &err);
	if (status < 0) {
		log_debug("%s: %s", options->role, err.msg);
		buf_reset(&agent.out);
		msg_put_status(&agent.out, PEER_ERROR, &err);
		agent_flush(&agent, &ignored);
	}
	pulse_stop(agent.pulse);
	fcntl(out_fd, F_SETFL, flags);
	agent_close(&agent);
	return status < 0 ? AGENT_EXIT_FAILURE : 0;
}
