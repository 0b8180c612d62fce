/* SPDX-License-Identifier: BSD-2-Clause */
#include "peer/channel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bucket.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/stop.h"
#include "base/sys.h"
#include "base/text.h"
#include "peer/msg.h"
#include "peer/packer.h"
#include "peer/patience.h"
#include "peer/protocol.h"
#include "peer/unpacker.h"

enum {
	CHANNEL_READ = 256 * 1024,
	/* Bulk frames are bounded by credit, answers by requests: more than this is an attack. */
	CHANNEL_IN_MAX = 64 * 1024 * 1024,
	CHANNELS_MAX = 2,
};

struct channel {
	int fd;
	const char *name;
	struct buf in;
	size_t taken; /* bytes of `in` the caller has dealt with */
	size_t seen;  /* bytes of `in` looked through for credit and pings */
	struct buf out;
	struct buf wire;	   /* frames on their way to the descriptor */
	size_t written;		   /* bytes of `wire` written */
	struct packer *packer;	   /* NULL: nothing is packed */
	struct unpacker *unpacker; /* NULL: nor may the agent */
	int64_t credit;		   /* bulk bytes we may still send */
	bool narrow;		   /* fewer than the agent would take */
	size_t last_bulk;	   /* size of the bulk frame handed out last */
	uint64_t owed;		   /* credit to give back */
	bool greeted;
	bool ended;
	struct buf noise;
	struct bucket rate; /* of what is written */
	int64_t heard_ms;
	int64_t said_ms;
	int64_t worked_ms;  /* when something came that is more than a sign of life */
	uint64_t read;	    /* bytes of files, as far as the agent has said */
	int64_t pumped_ms;  /* when we last looked */
	int64_t silence_ms; /* after which the agent is gone */
	uint64_t sent;
	uint64_t received;
};

struct channel *channel_new(int fd, const char *name)
{
	struct channel *channel = xcalloc(1, sizeof(*channel));

	channel->fd = fd;
	channel->name = name;
	channel->credit = PEER_WINDOW;
	channel->silence_ms = PEER_SILENCE_MS;
	channel->heard_ms = channel->said_ms = channel->worked_ms = channel->pumped_ms =
		clock_monotonic_ms();
	return channel;
}

void channel_free(struct channel *channel)
{
	if (!channel)
		return;
	buf_release(&channel->in);
	buf_release(&channel->out);
	buf_release(&channel->wire);
	packer_free(channel->packer);
	unpacker_free(channel->unpacker);
	buf_release(&channel->noise);
	free(channel);
}

void channel_set_silence(struct channel *channel, int64_t silence_ms)
{
	channel->silence_ms = silence_ms;
}

void channel_set_rate(struct channel *channel, int64_t rate)
{
	bucket_init(&channel->rate, rate, clock_monotonic_ms());
}

void channel_unpack(struct channel *channel)
{
	if (!channel->unpacker)
		channel->unpacker = unpacker_new();
}

void channel_pack(struct channel *channel, enum packer_mode mode)
{
	packer_free(channel->packer);
	channel->packer = packer_new(mode);
}

struct buf *channel_out(struct channel *channel)
{
	return &channel->out;
}

bool channel_may_send_bulk(const struct channel *channel)
{
	return channel->credit > 0;
}

void channel_narrow(struct channel *channel)
{
	if (!channel->narrow)
		channel->credit -= PEER_WINDOW - PEER_WINDOW_NEAR;
	channel->narrow = true;
}

void channel_spend(struct channel *channel, size_t size)
{
	channel->credit -= (int64_t)size;
}

const char *channel_noise(const struct channel *channel)
{
	return channel->noise.len ? (const char *)channel->noise.data : NULL;
}

bool channel_has_ended(const struct channel *channel)
{
	return channel->ended;
}

bool channel_is_greeted(const struct channel *channel)
{
	return channel->greeted;
}

uint64_t channel_sent_bytes(const struct channel *channel)
{
	return channel->sent;
}

uint64_t channel_received_bytes(const struct channel *channel)
{
	return channel->received;
}

static void add_noise(const struct channel *channel, size_t len, struct buf *out)
{
	AUTO_FREE char *text = xmalloc(len + 1);

	for (size_t i = 0; i < len; i++)
		text[i] = channel->in.data[i] ? (char)channel->in.data[i] : '?';
	text[len] = '\0';
	text_add_escaped(out, text);
}

void channel_add_noise(const struct channel *channel, struct buf *out)
{
	add_noise(channel, channel->in.len, out);
}

/* Skip what is printed before the greeting; 1 when it has come, 0 when not yet. */
static int find_greeting(struct channel *channel, struct err *err)
{
	unsigned char *at = NULL;

	/* First, for it is asked after every read, whatever has piled up by then. */
	if (channel->greeted)
		return 1;
	if (channel->in.len)
		at = memmem(channel->in.data, channel->in.len, PEER_GREETING, PEER_GREETING_LEN);
	if ((at ? (size_t)(at - channel->in.data) : channel->in.len) > PEER_NOISE_MAX)
		return err_set(err, ERR_UNREACHABLE, "what answers on the %s is not an osync agent",
			       channel->name);
	if (!at)
		return 0;
	add_noise(channel, (size_t)(at - channel->in.data), &channel->noise);
	if (channel->noise.len)
		buf_cstr(&channel->noise);
	buf_consume(&channel->in, (size_t)(at - channel->in.data) + PEER_GREETING_LEN);
	channel->greeted = true;
	return 1;
}

static int take_credit(struct channel *channel, const struct frame *frame, struct err *err)
{
	uint64_t credit = 0;

	if (msg_get_number(frame, &credit, err) < 0)
		return -1;
	if (credit > PEER_WINDOW || channel->credit + (int64_t)credit > PEER_WINDOW)
		return msg_malformed(frame, err);
	channel->credit += (int64_t)credit;
	return 0;
}

/* The frame at this place of what has come, as frame_parse(). */
static int parse(const struct channel *channel, size_t at, struct frame *frame, size_t *size,
		 struct err *err)
{
	int got = frame_parse(channel->in.data + at, channel->in.len - at, frame, size, err);

	if (got < 0)
		return err_wrap(err, "%s", channel->name);
	frame->from = channel->name;
	return got;
}

static int check_amount(const struct channel *channel, struct err *err)
{
	return channel->in.len <= CHANNEL_IN_MAX
		       ? 0
		       : err_set(err, ERR_PROTOCOL, "the %s sends more than it was asked for",
				 channel->name);
}

/* Look through what has come: credit counts at once, however much waits in front of it. */
static int look_through(struct channel *channel, struct err *err)
{
	int got = find_greeting(channel, err);

	while (got > 0) {
		struct frame frame;
		size_t size = 0;

		got = parse(channel, channel->seen, &frame, &size, err);
		if (got <= 0)
			break;
		if (frame.type == PEER_PACKED) {
			if (unpacker_replace(channel->unpacker, &channel->in, channel->seen, size,
					     &frame, err) < 0 ||
			    check_amount(channel, err) < 0)
				return -1;
			continue;
		}
		if (frame.type == PEER_CREDIT && take_credit(channel, &frame, err) < 0)
			return -1;
		channel->seen += size;
	}
	return got < 0 ? -1 : 0;
}

static void give_back(struct channel *channel)
{
	channel->owed += channel->last_bulk;
	channel->last_bulk = 0;
	if (channel->owed < PEER_WINDOW / 4)
		return;
	msg_put_number(&channel->out, PEER_CREDIT, channel->owed);
	channel->owed = 0;
}

/* Memory is moved only when a good part has been dealt with. */
static void drop_taken(struct channel *channel)
{
	if (channel->taken < channel->in.len && channel->taken < PEER_WINDOW / 4)
		return;
	buf_consume(&channel->in, channel->taken);
	channel->seen -= channel->taken;
	channel->taken = 0;
}

/* Why the agent ended the session; one that does not say is not well-behaved either. */
static int take_error(const struct channel *channel, const struct frame *frame, struct err *err)
{
	struct err status = ERR_INIT;

	if (msg_get_status(frame, &status, err) < 0)
		return -1;
	if (!err_is_set(&status))
		return msg_malformed(frame, err);
	*err = status;
	/* These are about the conversation itself, so it matters which one. */
	if (err->kind == ERR_PROTOCOL || err->kind == ERR_UNREACHABLE)
		err_wrap(err, "%s", channel->name);
	return -1;
}

/* A sign of life, and of work where more has been read. */
static int take_pong(struct channel *channel, const struct frame *frame, struct err *err)
{
	uint64_t read = 0;

	if (msg_get_number(frame, &read, err) < 0)
		return -1;
	if (read <= channel->read)
		return 0;
	channel->read = read;
	channel->worked_ms = clock_monotonic_ms();
	return 0;
}

int channel_next(struct channel *channel, struct frame *frame, struct err *err)
{
	give_back(channel);
	drop_taken(channel);
	while (channel->taken < channel->seen) {
		size_t size = 0;

		if (parse(channel, channel->taken, frame, &size, err) <= 0)
			return -1;
		channel->taken += size;
		if (frame->type == PEER_CREDIT)
			continue;
		if (frame->type == PEER_PONG) {
			if (take_pong(channel, frame, err) < 0)
				return -1;
			continue;
		}
		if (frame->type == PEER_ERROR)
			return take_error(channel, frame, err);
		if (frame_is_bulk(frame->type))
			channel->last_bulk = size;
		channel->worked_ms = clock_monotonic_ms();
		return 1;
	}
	return 0;
}

static int lost(struct channel *channel, int errnum, struct err *err)
{
	channel->ended = true;
	if (errnum && errnum != EPIPE && errnum != ECONNRESET) {
		err_sys(err, errnum, "the connection to the %s broke", channel->name);
		err->kind = ERR_UNREACHABLE;
		return -1;
	}
	return err_set(err, ERR_UNREACHABLE, "the connection to the %s ended", channel->name);
}

/* The end of the stream is an error only when nothing that came before it is left to deal with. */
static int pump_in(struct channel *channel, struct err *err)
{
	ssize_t got = 0;

	if (check_amount(channel, err) < 0)
		return -1;
	buf_reserve(&channel->in, CHANNEL_READ);
	got = sys_link_read(channel->fd, channel->in.data + channel->in.len, CHANNEL_READ);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0) {
		channel->ended = true;
		return channel->taken < channel->seen ? 0 : lost(channel, got < 0 ? errno : 0, err);
	}
	channel->in.len += (size_t)got;
	channel->received += (uint64_t)got;
	channel->heard_ms = clock_monotonic_ms();
	return look_through(channel, err);
}

/* Whether there is something to write. What is on its way goes first. */
static bool has_output(struct channel *channel)
{
	if (channel->written == channel->wire.len) {
		buf_reset(&channel->wire);
		channel->written = 0;
		packer_take(channel->packer, &channel->out, &channel->wire);
	}
	return channel->wire.len > 0;
}

static int pump_out(struct channel *channel, struct err *err)
{
	size_t left = has_output(channel) ? channel->wire.len - channel->written : 0;
	size_t may = bucket_allows(&channel->rate, left, clock_monotonic_ms());
	ssize_t put = 0;

	if (may == 0)
		return 0;
	put = sys_link_send(channel->fd, channel->wire.data + channel->written, may);
	if (put < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* What the agent said before it went away is worth reading first. */
	if (put < 0)
		return channel->taken < channel->seen ? 0 : lost(channel, errno, err);
	bucket_take(&channel->rate, (size_t)put);
	channel->written += (size_t)put;
	channel->sent += (uint64_t)put;
	channel->said_ms = clock_monotonic_ms();
	/* What stands behind it waits for the line, too. */
	packer_note(channel->packer, channel->said_ms, (size_t)put,
		    (size_t)put < left || channel->out.len > 0);
	return 0;
}

/* Keep the agent assured that we live, and notice when it does not. */
static int check_alive(struct channel *channel, struct err *err)
{
	int64_t now = clock_monotonic_ms();

	if (channel->ended && channel->taken >= channel->seen)
		return lost(channel, 0, err);
	if (now - channel->heard_ms > patience_ms(channel->silence_ms))
		return err_set(err, ERR_UNREACHABLE,
			       "the agent on the %s has said nothing for %lld s", channel->name,
			       (long long)(channel->silence_ms / 1000));
	if (channel->greeted && !has_output(channel) &&
	    now - channel->said_ms >= patience_ms(PEER_PING_MS))
		msg_put_empty(&channel->out, PEER_PING);
	return 0;
}

static int pump_one(struct channel *channel, short events, struct err *err)
{
	if ((events & (POLLIN | POLLHUP | POLLERR)) && pump_in(channel, err) < 0)
		return -1;
	if ((events & POLLOUT) && pump_out(channel, err) < 0)
		return -1;
	return check_alive(channel, err);
}

/* One may be idle while the other works; when both do nothing but live, this will never end. */
static int check_work(struct channel *const *channels, size_t count, struct err *err)
{
	int64_t limit_ms = patience_ms(PEER_STEP_MS);

	for (size_t i = 0; i < count; i++)
		if (clock_monotonic_ms() - channels[i]->worked_ms <= limit_ms)
			return 0;
	return err_set(err, ERR_UNREACHABLE,
		       "the agents live, but have done nothing for %d hours: is a disk hanging?",
		       PEER_STEP_MS / 3600000);
}

/*
 * One who was stopped for so long that the agents may have given him up, and let others at the folders,
 * must not go on with what they said before.
 */
static int check_awake(struct channel *const *channels, size_t count, struct err *err)
{
	int64_t now = clock_monotonic_ms();

	for (size_t i = 0; i < count; i++) {
		int64_t limit_ms =
			patience_ms(channels[i]->silence_ms) - 2 * patience_ms(PEER_PING_MS);
		int64_t asleep_ms = now - channels[i]->pumped_ms;

		channels[i]->pumped_ms = now;
		if (channels[i]->greeted && asleep_ms > limit_ms)
			return err_set(
				err, ERR_UNREACHABLE,
				"this run was stopped for %lld s, and may have been given up "
				"meanwhile; the next one goes on from here",
				(long long)(asleep_ms / 1000));
	}
	return 0;
}

/* What to wait for; where a limit forbids to write, *timeout_ms becomes the time for which it does. */
static struct pollfd want_of(struct channel *channel, int *timeout_ms)
{
	short want = POLLIN;

	if (has_output(channel)) {
		if (bucket_allows(&channel->rate, 1, clock_monotonic_ms()) > 0)
			want |= POLLOUT;
		else if (bucket_wait_ms(&channel->rate) < *timeout_ms)
			*timeout_ms = bucket_wait_ms(&channel->rate);
	}
	/* One that has ended would only wake us for nothing. */
	return (struct pollfd){ .fd = channel->ended ? -1 : channel->fd, .events = want };
}

int channel_pump(struct channel *const *channels, size_t count, int timeout_ms,
		 struct channel **failed, struct err *err)
{
	struct pollfd fds[CHANNELS_MAX];

	if (check_awake(channels, count, err) < 0)
		return -1;
	if (timeout_ms < 0 || timeout_ms > patience_ms(PEER_PING_MS))
		timeout_ms = (int)patience_ms(PEER_PING_MS);
	for (size_t i = 0; i < count; i++)
		fds[i] = want_of(channels[i], &timeout_ms);
	if (poll(fds, count, timeout_ms) < 0 && errno != EINTR)
		return err_sys(err, errno, "cannot wait for the agents");
	if (stop_signal()) {
		err_set(err, ERR_SIGNAL, "stopped by signal %d", stop_signal());
		err->sys = stop_signal();
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		if (pump_one(channels[i], fds[i].fd < 0 ? 0 : fds[i].revents, err) < 0) {
			*failed = channels[i];
			return -1;
		}
	}
	return check_work(channels, count, err);
}
