/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LOCK: one asks, and may wait.  The agent waits for him, in its loop, so that the lock passes to the next in
 * the queue within TURN_POLL_MS however long the line between the two sides is.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/sys.h"
#include "peer/agent_internal.h"
#include "peer/frame.h"
#include "peer/patience.h"
#include "peer/protocol.h"
#include "peer/pulse.h"
#include "store/done_log.h"
#include "store/lock.h"
#include "store/table.h"
#include "store/turn.h"
#include "tree/changer.h"
#include "tree/inodes.h"
#include "tree/partial.h"
#include "tree/probe.h"
#include "tree/root.h"

#define LOCK_NAME "lock"

/*
 * What must be known of the file system before anything is looked at. Only a run that may write
 * probes, and only where no run before it did.
 */
static int learn_root(struct agent *agent, int64_t before_ns, struct err *err)
{
	int64_t ctime_ns = lock_ctime_ns(agent->lock);

	if (!root_recall(agent->root) && !agent->dry && root_probe(agent->root, err) < 0)
		return -1;
	if (ctime_ns != 0)
		root_clock_seen(agent->root, before_ns, ctime_ns);
	return 0;
}

/* Of a root that is not there: what it is likely to be. */
static unsigned caps_to_tell(const struct root *root, const struct root_caps *caps)
{
	return (caps->hardlinks ? PEER_CAP_HARDLINKS : 0U) |
	       (caps->symlinks ? PEER_CAP_SYMLINKS : 0U) | (caps->xattrs ? PEER_CAP_XATTRS : 0U) |
	       (caps->acls ? PEER_CAP_ACLS : 0U) | (caps->modes ? PEER_CAP_MODES : 0U) |
	       (caps->chown ? PEER_CAP_OWNERS : 0U) | (caps->respells ? PEER_CAP_RESPELLS : 0U) |
	       (caps->clock_offset_ns == 0 ? PEER_CAP_CLOCK : 0U) |
	       (root && inodes_last(root_fd(root)) ? PEER_CAP_INODES : 0U);
}

/* Before what a killed run did is recorded by the next one, it is made durable. */
static void recall_done(struct agent *agent, struct msg_locked *locked, struct buf *done)
{
	int workdir = agent->lock && !agent->dry ? root_workdir(agent->root) : -1;

	if (workdir < 0 || done_log_read(workdir, agent->profile, &agent->boot,
					 &locked->done_generation, done) == 0)
		return;
	if (agent->fsync_mode != CHANGER_SYNC_OFF && sys_syncfs(workdir) < 0)
		return;
	locked->done = done->data;
	locked->done_len = done->len;
}

static void put_locked(struct agent *agent, const struct err *status)
{
	const struct root_caps likely = probe_defaults();
	const struct root_caps *caps = agent->root ? root_caps(agent->root) : &likely;
	struct msg_locked locked = { .status = *status,
				     .caps = caps_to_tell(agent->root, caps),
				     .step_ns = caps->step_ns };
	AUTO_BUF done = BUF_INIT;

	if (agent->turn)
		snprintf(locked.seized, sizeof(locked.seized), "%s", turn_seized_from(agent->turn));
	recall_done(agent, &locked, &done);
	msg_put_locked(&agent->out, &locked);
}

/* What LOCK asks for. */
struct request {
	unsigned mode;
	const char *holder;
	unsigned flags;
	uint64_t wait_ms;
	uint64_t ttl_ms;
};

static int get_request(const struct agent *agent, const struct frame *frame, struct arena *arena,
		       struct request *request, struct err *err)
{
	struct dec dec;

	dec_init(&dec, frame->data, frame->len);
	request->mode = dec_u8(&dec);
	request->holder = dec_str(&dec, LOCK_HOLDER_MAX, arena);
	request->flags = dec_u8(&dec);
	request->wait_ms = dec_uint(&dec);
	request->ttl_ms = dec_uint(&dec);
	if (!dec_done(&dec) || request->mode != (agent->dry ? LOCK_PEEK : LOCK_HOLD) ||
	    (request->flags & ~(unsigned)PEER_LOCK_QUEUE) || request->wait_ms > PEER_LOCK_WAIT_MS ||
	    request->ttl_ms > PEER_LOCK_TTL_MAX_MS)
		return msg_malformed(frame, err);
	return 0;
}

/* The work folder, which is made where it is to be written to; -1 without err: nothing to lock. */
static int lock_folder(struct agent *agent, enum lock_mode mode, struct err *err)
{
	if (!agent->root || (mode == LOCK_HOLD && root_workdir_create(agent->root, err) < 0))
		return -1;
	return root_workdir(agent->root);
}

static int64_t ttl_of(const struct request *request)
{
	int64_t ttl_ms = (int64_t)request->ttl_ms;

	if (ttl_ms > 0 && ttl_ms < PEER_LOCK_TTL_MIN_MS)
		ttl_ms = PEER_LOCK_TTL_MIN_MS;
	return patience_ms(ttl_ms);
}

static void take_turn(struct agent *agent, const struct request *request, int workdir)
{
	const struct turn_request turn = { .dirfd = workdir,
					   .name = LOCK_NAME,
					   .mode = (enum lock_mode)request->mode,
					   .who = agent->profile,
					   .holder = request->holder,
					   .ttl_ms = ttl_of(request),
					   .boot = agent->boot };

	if (!agent->turn)
		agent->turn = turn_new(&turn);
	turn_set_ttl(agent->turn, turn.ttl_ms);
	agent->lock_patience = request->flags & PEER_LOCK_QUEUE ? TURN_WAITS : TURN_NOW;
	agent->lock_until_ms = clock_monotonic_ms() + (int64_t)request->wait_ms;
}

/* With the lock: before anything is looked at. */
static int begin_work(struct agent *agent, int64_t before_ns, struct err *err)
{
	if (learn_root(agent, before_ns, err) < 0)
		return -1;
	if (agent->dry)
		return 0;
	/* Folders as they were before a run that was killed. */
	changer_recover(agent->root);
	partial_make_room(agent->root);
	return 0;
}

/* Only now is the cache ours to write; it may have changed while we waited. */
static void answer(struct agent *agent, const struct err *status)
{
	agent->lock_waits = false;
	agent->lock_refused = err_is_set(status);
	if (!err_is_set(status) && agent->root && agent_open_state(agent, false, NULL) == 0)
		agent_open_cache(agent, agent->dry ? TABLE_READ : TABLE_WRITE);
	put_locked(agent, status);
}

/* Try once. Somebody else's lock is a status, not an end of the session. */
static void try_turn(struct agent *agent)
{
	int64_t now_ms = clock_monotonic_ms();
	int64_t before_ns = clock_file_ns();
	struct err status = ERR_INIT;

	agent->lock = turn_try(agent->turn, agent->lock_patience, now_ms, &status);
	if (!agent->lock && status.kind == ERR_LOCKED && now_ms < agent->lock_until_ms) {
		agent->lock_waits = true;
		agent->lock_next_ms = now_ms + TURN_POLL_MS;
		return;
	}
	if (agent->lock) {
		pulse_beat(agent->pulse, agent->dry ? NULL : agent->lock);
		begin_work(agent, before_ns, &status);
	}
	answer(agent, &status);
}

int agent_on_lock(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct err status = ERR_INIT;
	struct request request;
	int workdir = -1;

	if (get_request(agent, frame, &agent->arena, &request, err) < 0)
		return -1;
	/* Once, and before anything is listed: a listing walks the cache that is opened anew. */
	if (agent->lock || agent->lock_waits || agent->jobs)
		return msg_malformed(frame, err);
	workdir = lock_folder(agent, (enum lock_mode)request.mode, &status);
	/* A dry run on a folder without a work folder has nothing to lock. */
	if (workdir < 0) {
		answer(agent, &status);
		return 0;
	}
	take_turn(agent, &request, workdir);
	try_turn(agent);
	return 0;
}

void agent_lock_step(struct agent *agent)
{
	if (agent->lock_waits && clock_monotonic_ms() >= agent->lock_next_ms)
		try_turn(agent);
}

int agent_lock_check(const struct agent *agent, struct err *err)
{
	return agent->lock ? lock_check(agent->lock, err) : 0;
}

void agent_lock_close(struct agent *agent)
{
	turn_free(agent->turn);
	lock_free(agent->lock);
}
