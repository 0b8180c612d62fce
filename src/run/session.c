/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/log.h"
#include "base/version.h"
#include "config/config.h"
#include "model/owners.h"
#include "model/reconcile.h"
#include "peer/channel.h"
#include "peer/msg.h"
#include "peer/patience.h"
#include "peer/protocol.h"
#include "run/collect.h"
#include "run/hello.h"
#include "run/identity.h"
#include "run/limits.h"
#include "run/network.h"
#include "run/recall.h"
#include "run/report.h"
#include "run/trash.h"
#include "store/atomic.h"
#include "store/lock.h"
#include "transport/transport.h"
#include "tree/mountpoint.h"

/* Time stamps this much younger than the start of the run may still be ambiguous (a kernel tick is up to 10 ms). */
enum { SETTLE_MS = 30 };
/* The agent has to try once more when the time is over. */
enum { FORCE_MARGIN_MS = 2000 };
/* Bytes that wait to be told to the target: some 10,000 records. */
enum { TOLD_MAX = 512 * 1024 };
/* An agent that has given us up ends its operation first. */
enum { GHOST_MARGIN_MS = 15000 };
/* A lock that is granted as fast shows a short line: with PEER_WINDOW_NEAR it still carries 100 MiB/s. */
enum { NEAR_MS = 10 };
/* What a login may take beyond connecting, and how often that is looked at. */
enum { GREETING_S = 30, GREETING_POLL_MS = 1000 };

/*
 * The transport knows best why a connection ended (login refused, no agent there ...). Where something
 * answered that is no agent, what it said is worth more.
 */
static void explain_loss(struct session *session, enum side side, struct err *err)
{
	const struct session_side *peer = &session->sides[side];
	AUTO_BUF said = BUF_INIT;

	transport_failure(peer->transport, err);
	if (channel_is_greeted(peer->channel) || channel_received_bytes(peer->channel) == 0)
		return;
	channel_add_noise(peer->channel, &said);
	/* What it says is meant to look like a broken shell. */
	if (strncmp(buf_cstr(&said), "Syntax error", strlen("Syntax error")) == 0) {
		err_clear(err);
		err_set(err, ERR_DENIED,
			"the key is tied to osync's ssh_filter.sh on the %s, which does not let this "
			"through: set _REMOTE_TOKEN to the one that stands there%s",
			side_name(side),
			session->config->sudo_exec ? ", and allow sudo there" : "");
		return;
	}
	err_wrap(err, "what answered on the %s is not an osync agent (it said '%.100s')",
		 side_name(side), buf_cstr(&said));
}

int session_pump(struct session *session, int timeout_ms, struct err *err)
{
	struct channel *channels[SIDES] = { session->sides[0].channel, session->sides[1].channel };
	struct channel *failed = NULL;

	/* Whoever follows the log sees what was done before it is waited for more. */
	log_flush();
	limits_tick(session->limits);
	timeout_ms = limits_wait_ms(session->limits, timeout_ms);
	if (channel_pump(channels, SIDES, timeout_ms, &failed, err) == 0)
		return 0;
	session->cut = session->welcomed && failed && failed == channels[SIDE_TARGET] &&
		       err->kind == ERR_UNREACHABLE;
	for (int s = 0; s < SIDES; s++)
		if (failed == channels[s] && err->kind == ERR_UNREACHABLE &&
		    channel_has_ended(channels[s]))
			explain_loss(session, (enum side)s, err);
	return -1;
}

/* A login that succeeds and then starts no agent must not keep a run waiting for ever. */
static int check_greeting(const struct session *session, enum side side, struct err *err)
{
	int64_t limit_s = session->config->ssh_connect_timeout_s + GREETING_S;

	if (channel_is_greeted(session->sides[side].channel) ||
	    clock_monotonic_ms() - session->started_ms < limit_s * 1000)
		return 0;
	return err_set(
		err, ERR_UNREACHABLE,
		"no osync agent has answered on the %s for %lld s: does something wait there "
		"when it is logged in to (a start file of the shell, sudo)?",
		side_name(side), (long long)limit_s);
}

int session_wait(struct session *session, enum side side, struct frame *frame, struct err *err)
{
	for (;;) {
		int got = channel_next(session->sides[side].channel, frame, err);

		if (got != 0)
			return got < 0 ? -1 : 0;
		if (check_greeting(session, side, err) < 0 ||
		    session_pump(session, GREETING_POLL_MS, err) < 0)
			return -1;
	}
}

/* Both sides, but for one that is lost. */
static int pump_alone(struct session *session, enum side side, struct err *err)
{
	struct session_side *other = &session->sides[side_other(side)];
	struct channel *channels[SIDES] = { session->sides[side].channel, other->channel };
	struct channel *failed = NULL;
	struct err why = ERR_INIT;

	limits_tick(session->limits);
	if (channel_pump(channels, other->lost ? 1 : SIDES, GREETING_POLL_MS, &failed, &why) == 0)
		return 0;
	if (failed && failed == other->channel) {
		other->lost = true;
		return 0;
	}
	*err = why;
	return -1;
}

int session_wait_alone(struct session *session, enum side side, struct frame *frame,
		       struct err *err)
{
	for (;;) {
		int got = channel_next(session->sides[side].channel, frame, err);

		if (got != 0)
			return got < 0 ? -1 : 0;
		if (pump_alone(session, side, err) < 0)
			return -1;
	}
}

int session_expect(const struct frame *frame, uint8_t type, struct err *err)
{
	return frame->type == type ? 0 : msg_malformed(frame, err);
}

/* The agent's clock minus ours. Less than a second is the time a message takes. */
static int64_t plausible_skew(int64_t agent_ns)
{
	int64_t ns = 0;

	/* Nobody's clock is centuries away: whatever that number is, it is no time. */
	if (__builtin_sub_overflow(agent_ns, clock_realtime_ns(), &ns))
		return 0;
	return ns > -NS_PER_SEC && ns < NS_PER_SEC ? 0 : ns;
}

static int take_welcome(struct session *session, enum side side, struct err *err)
{
	struct session_side *peer = &session->sides[side];
	struct msg_welcome welcome;
	struct arena arena = ARENA_INIT;
	struct frame frame;
	int status = 0;

	if (session_wait(session, side, &frame, err) < 0 ||
	    session_expect(&frame, PEER_WELCOME, err) < 0)
		return -1;
	status = msg_get_welcome(&frame, &arena, &welcome, err);
	if (status == 0 && welcome.version != PEER_VERSION)
		status = msg_malformed(&frame, err);
	if (status == 0 && side == SIDE_TARGET)
		session->skew_ns = plausible_skew(welcome.clock_ns);
	if (status == 0 && strcmp(welcome.build, version_build) != 0)
		log_info("the agent on the %s is another build of osync (%s)", side_name(side),
			 welcome.build);
	arena_release(&arena);
	session->welcomed |= status == 0 && side == SIDE_TARGET;
	peer->identity = welcome.identity;
	peer->known = welcome.known;
	peer->known_initiator = welcome.known_initiator;
	peer->known_generation = welcome.known_generation;
	peer->mark = welcome.mark;
	peer->can_chown = welcome.can_chown;
	peer->hooks = (welcome.flags & PEER_WELCOME_HOOKS) != 0;
	peer->fetches = (welcome.flags & PEER_WELCOME_FETCHES) != 0;
	peer->read_only = (welcome.flags & PEER_WELCOME_READ_ONLY) != 0;
	peer->has_state = (welcome.flags & PEER_WELCOME_STATE) != 0;
	if (welcome.flags & PEER_WELCOME_PACKED)
		channel_pack(peer->channel, hello_packing(session->config, side));
	if (channel_noise(peer->channel))
		log_warn("the login on the %s prints '%.200s' before the agent starts; skipped",
			 side_name(side), channel_noise(peer->channel));
	return status;
}

/* A folder that can only be read can be looked at, and it can give. */
static int check_writable(const struct session *session, enum side side, struct err *err)
{
	const struct config *config = session->config;

	if (!session->sides[side].read_only || config->dry_run ||
	    !reconcile_gives((enum direction)config->sync_type, side_other(side)))
		return 0;
	return err_set(
		err, ERR_DENIED,
		"the %s can only be read (osync agent --read-only runs there): nothing was "
		"changed; SYNC_TYPE=target2initiator takes over what is there, and --dry-run "
		"shows what differs",
		side_name(side));
}

/* A failure to reach or open one side names that side. */
static int open_side(struct session *session, enum side side, struct err *err)
{
	AUTO_FREE char *dir = identity_folder(session->config, side);

	hello_send(session, side);
	if (take_welcome(session, side, err) == 0)
		return check_writable(session, side, err);
	if (err->kind == ERR_SYSTEM && err->sys == ENOENT)
		return err_set(
			err, ERR_GUARD,
			"the %s's folder '%.300s' is missing: is its disk mounted? nothing was changed "
			"(a folder that was never synced is made with CREATE_DIRS=yes)",
			side_name(side), dir);
	if (err->kind == ERR_SYSTEM || err->kind == ERR_GUARD)
		err_wrap(err, "%s", side_name(side));
	return -1;
}

/* Ours is looked at before the other side is even asked to make its folder. */
static int check_mountpoint(const struct config *config, struct err *err)
{
	const char *point = config->mountpoint[SIDE_INITIATOR];

	if (!point || mountpoint_check(config->initiator_dir, point, err) == 0)
		return 0;
	return err_wrap(err, "%s", side_name(SIDE_INITIATOR));
}

static int connect_side(struct session *session, enum side side, struct err *err)
{
	struct session_side *peer = &session->sides[side];
	AUTO_FREE char *list_dir = saved_folder(session->config);
	AUTO_FREE char *list_name = saved_name(session->config);

	peer->transport =
		side == SIDE_INITIATOR
			? transport_open_initiator(session->config, list_dir, list_name, err)
			: transport_open_target(session->config, err);
	if (!peer->transport)
		return -1;
	peer->channel = channel_new(transport_fd(peer->transport), side_name(side));
	channel_set_silence(peer->channel, session->config->peer_timeout_s * INT64_C(1000));
	if (hello_packing(session->config, side) != PACKER_OFF)
		channel_unpack(peer->channel);
	channel_set_rate(peer->channel, hello_rate_kib(session->config, side) * INT64_C(1024));
	return 0;
}

int session_open(struct session *session, const struct config *config, struct report *report,
		 const char *run, struct err *err)
{
	*session = (struct session){ .limits = session->limits,
				     .again = session->again,
				     .config = config,
				     .report = report,
				     .run = run,
				     .owners = owners_new(),
				     .started_ms = clock_monotonic_ms(),
				     .saved = SAVED_INIT,
				     .records = LISTING_WRITER_INIT(PEER_RECORD) };
	if (check_mountpoint(config, err) < 0 || network_check(config, err) < 0)
		return -1;
	if (identity_open_list(session, TABLE_READ, err) < 0)
		return -1;
	if (identity_of_initiator(session, err) < 0)
		return -1;
	if (connect_side(session, SIDE_INITIATOR, err) < 0 ||
	    connect_side(session, SIDE_TARGET, err) < 0)
		return -1;
	/* The target first: it may remember that the initiator's folder was there. */
	if (open_side(session, SIDE_TARGET, err) < 0 || open_side(session, SIDE_INITIATOR, err) < 0)
		return -1;
	log_info("connected: the clocks differ by %.1f s", (double)session->skew_ns / 1e9);
	return identity_check(session, err);
}

/*
 * With FORCE_STRANGER_LOCK_RESUME there is time to see that a holder gives no sign of life; and after
 * the line broke, for our own agent at its other end to find that out.
 */
static int64_t lock_wait_ms(const struct session *session)
{
	const struct config *config = session->config;
	int64_t wait_ms = config->lock_wait_s * 1000;
	int64_t watch_ms = patience_ms(PEER_LOCK_TTL_MIN_MS) + FORCE_MARGIN_MS;
	int64_t ghost_ms = patience_ms(config->peer_timeout_s * INT64_C(1000)) + GHOST_MARGIN_MS;

	if (config->force_unlock && wait_ms < watch_ms)
		wait_ms = watch_ms;
	return session->again && wait_ms < ghost_ms ? ghost_ms : wait_ms;
}

static int64_t lock_ttl_ms(const struct config *config)
{
	return config->force_unlock ? PEER_LOCK_TTL_MIN_MS : config->lock_ttl_s * 1000;
}

static void put_lock(struct session *session, enum side side, int64_t wait_ms)
{
	const struct config *config = session->config;
	struct buf *out = channel_out(session->sides[side].channel);
	AUTO_FREE char *holder = identity_holder(config);
	size_t start = frame_begin(out, PEER_LOCK);

	enc_u8(out, config->dry_run || session->sides[side].read_only ? LOCK_PEEK : LOCK_HOLD);
	enc_str(out, holder);
	enc_u8(out, lock_wait_ms(session) > 0 ? PEER_LOCK_QUEUE : 0);
	enc_uint(out, (uint64_t)wait_ms);
	enc_uint(out, (uint64_t)lock_ttl_ms(config));
	frame_end(out, start);
}

/* Whose lock was taken is said, also where nobody asked. */
static void report_seized(struct session *session, enum side side, const char *seized)
{
	AUTO_FREE char *text = xasprintf(
		"the lock on the %s was held by %s, which has given no sign of life for "
		"too long: it was taken over, and what still ran there changes nothing more",
		side_name(side), seized);

	report_warning(session->report, text);
}

/* Ask for one side's lock; the answer comes within wait_ms. */
static int try_lock(struct session *session, enum side side, int64_t wait_ms, struct err *err)
{
	struct msg_locked locked = { .status = ERR_INIT };
	struct frame frame;

	int64_t asked_ms = clock_monotonic_ms();

	put_lock(session, side, wait_ms);
	/* The first one is answered at once, and mostly well. */
	if (side == SIDE_TARGET && wait_ms == 0)
		collect_ahead(session);
	if (session_wait(session, side, &frame, err) < 0 ||
	    session_expect(&frame, PEER_LOCKED, err) < 0 ||
	    msg_get_locked(&frame, &locked, err) < 0)
		return -1;
	/* The answer comes at once, if the line lets it. */
	if (wait_ms == 0 && clock_monotonic_ms() - asked_ms < NEAR_MS)
		channel_narrow(session->sides[side].channel);
	session->sides[side].caps = locked.caps;
	session->sides[side].step_ns = locked.step_ns;
	recall_keep(&session->sides[side].recall, &locked);
	if (locked.seized[0])
		report_seized(session, side, locked.seized);
	if (!err_is_set(&locked.status))
		return 0;
	*err = locked.status;
	return err_wrap(err, "%s", side_name(side));
}

/* The first answer comes at once: it says whom the others are waited for. */
static int wait_for_lock(struct session *session, enum side side, int64_t deadline_ms,
			 struct err *err)
{
	int64_t wait_ms = 0;

	while (try_lock(session, side, wait_ms, err) < 0) {
		int64_t left_ms = deadline_ms - clock_monotonic_ms();

		if (err->kind != ERR_LOCKED || left_ms <= 0)
			return -1;
		if (wait_ms == 0)
			log_info("waiting up to %d s: %s", (int)(left_ms / 1000), err->msg);
		err_clear(err);
		if (collect_drop_ahead(session, err) < 0)
			return -1;
		wait_ms = left_ms < PEER_LOCK_WAIT_MS ? left_ms : PEER_LOCK_WAIT_MS;
	}
	return 0;
}

int session_lock(struct session *session, struct err *err)
{
	int64_t deadline_ms = clock_monotonic_ms() + lock_wait_ms(session);
	int ours = 0;

	for (int s = 0; s < SIDES; s++)
		if (wait_for_lock(session, (enum side)s, deadline_ms, err) < 0)
			return -1;
	ours = identity_is_still_ours(session, err);
	if (ours <= 0)
		return ours < 0 ? -1 : 1;
	session->locked = true;
	log_info("both sides are locked");
	if (session->no_history)
		return 0;
	/* Another run of this profile may have changed it while we waited. */
	if (identity_open_list(session, session->config->dry_run ? TABLE_READ : TABLE_WRITE, err) <
	    0)
		return -1;
	switch (recall(session, err)) {
	case 0:
		return 0;
	case 1:
		/* A list shows what it was when it was opened. */
		return identity_open_list(session, TABLE_WRITE, err);
	default:
		return -1;
	}
}

static int prepare_side(struct session *session, enum side side, uint64_t generation,
			struct err *err)
{
	struct buf *out = channel_out(session->sides[side].channel);
	struct uuid identity = side == SIDE_INITIATOR ? session->initiator : uuid_new();
	struct uuid none = { { 0 } };
	struct keep keep = trash_keep(session->config);
	struct msg_ready ready;
	struct frame frame;
	size_t start = frame_begin(out, PEER_PREPARE);

	enc_str(out, session->run);
	msg_enc_uuid(out, &identity);
	msg_enc_uuid(out, side == SIDE_TARGET ? &session->sides[SIDE_INITIATOR].identity : &none);
	enc_le64(out, generation);
	enc_uint(out, keep.trash_days);
	enc_uint(out, keep.pack_days);
	frame_end(out, start);
	if (session_wait(session, side, &frame, err) < 0 ||
	    session_expect(&frame, PEER_READY, err) < 0 || msg_get_ready(&frame, &ready, err) < 0)
		return -1;
	session->sides[side].identity = ready.identity;
	session->sides[side].partial = ready.partial;
	if (!err_is_set(&ready.status))
		return 0;
	*err = ready.status;
	return err_wrap(err, "%s", side_name(side));
}

/* One side of an entry, as the target's cache is to have it. */
static void tell_target(struct session *session, const char *path, const struct base *base)
{
	struct listing_item item = { .path = path, .kind = PEER_ITEM_GONE };

	if (session->sides[SIDE_TARGET].read_only)
		return;
	if (base && base->side[SIDE_TARGET].type != ENTRY_ABSENT) {
		item.kind = PEER_ITEM_ENTRY;
		item.entry = base->side[SIDE_TARGET];
		item.entry.flags &= (uint8_t) ~(ENTRY_HAS_DIGEST | ENTRY_RACY);
		item.entry.link = NULL;
	}
	listing_add(&session->records, &item);
	if (listing_is_full(&session->records))
		listing_take(&session->records, channel_out(session->sides[SIDE_TARGET].channel));
}

/*
 * A cache that does not match (the saved list was lost, or the target put back) would cost a full
 * listing on every run: have it forgotten, and say what the list holds.
 */
static int retell_target(struct session *session, struct err *err)
{
	struct list_cursor *cursor = NULL;
	const char *path = NULL;
	struct base base;
	int got = 0;

	msg_put_empty(channel_out(session->sides[SIDE_TARGET].channel), PEER_FORGET);
	cursor = list_cursor_new(session->saved.list);
	while ((got = list_next(cursor, &path, &base, err)) > 0) {
		tell_target(session, path, &base);
		if (session_make_room(session, err) < 0) {
			got = -1;
			break;
		}
	}
	list_cursor_free(cursor);
	return got;
}

static uint64_t new_generation(void)
{
	uint64_t generation = 0;

	/* Odd are the marks of runs that came to their end. */
	while (generation == 0)
		generation = random_u64() & ~UINT64_C(1);
	return generation;
}

static int write_head(struct session *session, struct err *err)
{
	list_set_head(session->saved.list, &session->saved.head);
	return list_flush(session->saved.list, err);
}

/*
 * The generation that this run begins. One that was begun and not made current is begun again: a
 * root may have it, and nothing was done under it.
 */
static int begin_generation(struct session *session, struct err *err)
{
	struct list_head *head = &session->saved.head;

	if (head->next == 0)
		head->next = new_generation();
	return session->saved.list ? write_head(session, err) : 0;
}

/* Both roots have it. */
static int make_current(struct session *session, struct err *err)
{
	struct list_head *head = &session->saved.head;

	head->generation = head->next;
	head->next = 0;
	for (int s = 0; s < SIDES; s++)
		head->identity[s] = session->sides[s].identity;
	return session->saved.list ? write_head(session, err) : identity_create_list(session, err);
}

int session_prepare(struct session *session, struct err *err)
{
	bool history = session->saved.list != NULL;

	if (begin_generation(session, err) < 0)
		return -1;
	/* The initiator first: the target remembers its identity. */
	for (int s = 0; s < SIDES; s++)
		if (prepare_side(session, (enum side)s, session->saved.head.next, err) < 0)
			return -1;
	if (make_current(session, err) < 0)
		return -1;
	if ((session->retell || !history) && !session->sides[SIDE_TARGET].read_only &&
	    retell_target(session, err) < 0)
		return -1;
	session->prepared = true;
	log_info("this run is %s; what it replaces or deletes goes to the trash under that name",
		 session->run);
	return 0;
}

void session_edited(struct session *session)
{
	session->started_ms = clock_monotonic_ms();
}

void session_let_time_pass(const struct session *session)
{
	int64_t left = session->started_ms + SETTLE_MS - clock_monotonic_ms();

	if (left > 0)
		clock_sleep_ms(left);
}

void session_record(struct session *session, const char *path, const struct base *base)
{
	if (base)
		list_put(session->saved.list, path, base);
	else
		list_forget(session->saved.list, path);
	tell_target(session, path, base);
}

int session_make_room(struct session *session, struct err *err)
{
	if (list_is_full(session->saved.list) && list_flush(session->saved.list, err) < 0)
		return -1;
	while (channel_out(session->sides[SIDE_TARGET].channel)->len >= TOLD_MAX)
		if (session_pump(session, -1, err) < 0)
			return -1;
	return 0;
}

/* Both sides: a request that is answered with a status. */
static int ask_status(struct session *session, enum side side, uint8_t answer, struct err *err)
{
	struct err status = ERR_INIT;
	struct frame frame;

	if (session_wait(session, side, &frame, err) < 0 ||
	    session_expect(&frame, answer, err) < 0 || msg_get_status(&frame, &status, err) < 0)
		return -1;
	if (!err_is_set(&status))
		return 0;
	*err = status;
	return err_wrap(err, "%s", side_name(side));
}

static int commit_target(struct session *session, struct err *err)
{
	struct buf *out = channel_out(session->sides[SIDE_TARGET].channel);
	size_t start = 0;

	listing_take(&session->records, out);
	start = frame_begin(out, PEER_COMMIT);
	enc_le64(out, session->saved.head.generation);
	frame_end(out, start);
	return ask_status(session, SIDE_TARGET, PEER_COMMITTED, err);
}

int session_commit(struct session *session, struct err *err)
{
	for (int s = 0; s < SIDES; s++)
		if (!session->sides[s].read_only)
			msg_put_empty(channel_out(session->sides[s].channel), PEER_FINISH);
	for (int s = 0; s < SIDES; s++)
		if (!session->sides[s].read_only &&
		    ask_status(session, (enum side)s, PEER_FINISHED, err) < 0)
			return -1;
	session->saved.head.complete = session->saved.head.generation;
	if (write_head(session, err) < 0)
		return -1;
	if (!session->sides[SIDE_TARGET].read_only && commit_target(session, err) < 0)
		return -1;
	return list_tidy(session->saved.list, err);
}

/* Say goodbye and give it a moment to leave. */
static void say_bye(struct session *session)
{
	struct err ignored = ERR_INIT;

	for (int s = 0; s < SIDES; s++)
		if (!session->sides[s].channel)
			return;
	for (int s = 0; s < SIDES; s++)
		msg_put_empty(channel_out(session->sides[s].channel), PEER_BYE);
	session_pump(session, 0, &ignored);
}

void session_close(struct session *session)
{
	say_bye(session);
	for (int s = 0; s < SIDES; s++) {
		channel_free(session->sides[s].channel);
		transport_close(session->sides[s].transport);
		recall_release(&session->sides[s].recall);
	}
	saved_close(&session->saved);
	owners_free(session->owners);
	listing_writer_release(&session->records);
}
