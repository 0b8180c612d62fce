/* SPDX-License-Identifier: BSD-2-Clause */
#include "peer_help.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/codec.h"
#include "model/filter.h"
#include "peer/agent.h"
#include "peer/listing.h"
#include "store/lock.h"

/* Nobody waits this long in vain: a test that does has failed. */
enum { LONG_MS = 60000 };

void far_close(struct far *far)
{
	if (far->fd >= 0)
		close(far->fd);
	far->fd = -1;
	if (far->pid > 0) {
		kill(far->pid, SIGKILL);
		waitpid(far->pid, NULL, 0);
	}
	far->pid = -1;
	buf_release(&far->out);
	buf_release(&far->in);
}

struct far far_start(void)
{
	const struct agent_options options = { .dir = "t", .role = "target agent" };

	return far_start_as(&options);
}

static struct far start_on(int kind, const struct agent_options *options)
{
	struct far far = { .fd = -1, .pid = -1 };
	int fds[2] = { -1, -1 };

	assert_int_equal(socketpair(AF_UNIX, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	far.pid = fork();
	assert_true(far.pid >= 0);
	if (far.pid == 0) {
		close(fds[0]);
		_exit(agent_serve(fds[1], fds[1], options));
	}
	close(fds[1]);
	far.fd = fds[0];
	return far;
}

struct far far_start_as(const struct agent_options *options)
{
	return start_on(SOCK_STREAM, options);
}

struct far far_start_in_records(void)
{
	const struct agent_options options = { .dir = "t", .role = "target agent" };

	return start_on(SOCK_SEQPACKET, &options);
}

/* The descriptor is ready for reading (1) or, where there is something to write, for writing. */
static short wait_for(struct far *far)
{
	struct pollfd fd = { .fd = far->fd, .events = far->out.len ? POLLIN | POLLOUT : POLLIN };

	assert_int_equal(poll(&fd, 1, LONG_MS), 1);
	return fd.revents;
}

static void send_some(struct far *far)
{
	ssize_t put = send(far->fd, far->out.data, far->out.len, MSG_NOSIGNAL);

	if (put > 0)
		buf_consume(&far->out, (size_t)put);
	else if (errno != EAGAIN)
		buf_reset(&far->out); /* It has gone; what it said is still to be read. */
}

/* Read what is there; false at the end. */
static bool receive_some(struct far *far)
{
	ssize_t got = 0;

	buf_reserve(&far->in, 65536);
	got = recv(far->fd, far->in.data + far->in.len, 65536, 0);
	if (got > 0)
		far->in.len += (size_t)got;
	return got > 0 || (got < 0 && errno == EAGAIN);
}

static bool move_some(struct far *far)
{
	short ready = wait_for(far);

	if (ready & POLLOUT)
		send_some(far);
	return !(ready & (POLLIN | POLLHUP | POLLERR)) || receive_some(far);
}

/* The next frame of what has come, behind the greeting. */
static bool take_frame(struct far *far)
{
	size_t size = 0;

	if (far->used == 0 && far->in.len >= PEER_GREETING_LEN) {
		assert_memory_equal(far->in.data, PEER_GREETING, PEER_GREETING_LEN);
		far->used = PEER_GREETING_LEN;
	}
	if (far->used == 0 || frame_parse(far->in.data + far->used, far->in.len - far->used,
					  &far->frame, &size, NULL) <= 0)
		return false;
	far->used += size;
	return true;
}

unsigned far_next(struct far *far)
{
	/* The frame before is over: only what is behind it is kept. */
	if (far->used > 1024 * 1024) {
		buf_consume(&far->in, far->used - PEER_GREETING_LEN);
		memcpy(far->in.data, PEER_GREETING, PEER_GREETING_LEN);
		far->used = PEER_GREETING_LEN;
	}
	while (far->out.len > 0 || !take_frame(far))
		if (!move_some(far))
			return take_frame(far) ? far->frame.type : 0;
	return far->frame.type;
}

void far_expect(struct far *far, unsigned type)
{
	assert_int_equal(far_next(far), type);
}

enum err_kind far_status(struct far *far, unsigned type)
{
	struct msg_locked locked = { .status = ERR_INIT };
	struct err status = ERR_INIT;

	far_expect(far, type);
	if (type == PEER_LOCKED) {
		assert_int_equal(msg_get_locked(&far->frame, &locked, NULL), 0);
		return locked.status.kind;
	}
	assert_int_equal(msg_get_status(&far->frame, &status, NULL), 0);
	return status.kind;
}

enum err_kind far_result(struct far *far, unsigned type, uint64_t id)
{
	struct arena arena = ARENA_INIT;
	struct msg_result result;

	far_expect(far, type);
	assert_int_equal(msg_get_result(&far->frame, &arena, &result, NULL), 0);
	assert_int_equal(result.id, id);
	arena_release(&arena);
	return result.status.kind;
}

int far_end(struct far *far)
{
	int status = 0;

	while (far->out.len > 0 && move_some(far))
		continue;
	shutdown(far->fd, SHUT_WR);
	while (move_some(far))
		continue;
	assert_int_equal(waitpid(far->pid, &status, 0), far->pid);
	far->pid = -1;
	assert_true(WIFEXITED(status));
	far_close(far);
	return WEXITSTATUS(status);
}

void far_refuses(struct far *far, enum err_kind kind)
{
	assert_int_equal(far_status(far, PEER_ERROR), kind);
	assert_int_equal(far_next(far), 0);
	assert_int_equal(far_end(far), 1);
}

/* Requests ---------------------------------------------------------------------- */

void far_hello(struct far *far, unsigned flags)
{
	const struct msg_hello hello = { .version_min = PEER_VERSION,
					 .version_max = PEER_VERSION,
					 .build = "test",
					 .profile = "profile",
					 .place = "place",
					 .flags = flags,
					 .silence_s = 180,
					 .state_dir = "" };

	msg_put_hello(&far->out, &hello);
}

void far_lock(struct far *far, unsigned mode, const char *holder)
{
	size_t start = frame_begin(&far->out, PEER_LOCK);

	enc_u8(&far->out, mode);
	enc_str(&far->out, holder);
	enc_u8(&far->out, 0);
	enc_uint(&far->out, 0);
	enc_uint(&far->out, 0);
	frame_end(&far->out, start);
}

void far_prepare(struct far *far, const char *run)
{
	const struct uuid identity = { { 1 } };
	const struct uuid initiator = { { 2 } };
	size_t start = frame_begin(&far->out, PEER_PREPARE);

	enc_str(&far->out, run);
	msg_enc_uuid(&far->out, &identity);
	msg_enc_uuid(&far->out, &initiator);
	enc_le64(&far->out, FAR_GENERATION);
	enc_uint(&far->out, 0);
	enc_uint(&far->out, 0);
	frame_end(&far->out, start);
}

struct far far_welcomed(unsigned flags)
{
	struct far far = far_start();

	far_hello(&far, flags);
	far_expect(&far, PEER_WELCOME);
	return far;
}

struct far far_locked(void)
{
	struct far far = far_welcomed(0);

	far_lock(&far, LOCK_HOLD, "test");
	assert_int_equal(far_status(&far, PEER_LOCKED), ERR_NONE);
	return far;
}

struct far far_prepared(void)
{
	struct far far = far_locked();
	struct msg_ready ready;

	far_prepare(&far, "run");
	far_expect(&far, PEER_READY);
	assert_int_equal(msg_get_ready(&far.frame, &ready, NULL), 0);
	assert_int_equal(ready.status.kind, ERR_NONE);
	return far;
}

void far_scan(struct far *far, unsigned less)
{
	struct filter *filter = filter_new();
	size_t start = frame_begin(&far->out, PEER_SCAN);

	enc_u8(&far->out, less);
	enc_le64(&far->out, FAR_SEED);
	filter_encode(&far->out, filter);
	frame_end(&far->out, start);
	filter_free(filter);
}

void far_hash(struct far *far, uint64_t id, const char *path, const struct entry *expect)
{
	msg_put_hash(&far->out, id, path, FAR_SEED, expect);
}

void far_attrs(struct far *far, uint64_t id, const char *path)
{
	size_t start = frame_begin(&far->out, PEER_ATTRS);

	enc_uint(&far->out, id);
	enc_str(&far->out, path);
	frame_end(&far->out, start);
}

void far_read(struct far *far, uint64_t id, const char *path, const struct entry *expect)
{
	size_t start = frame_begin(&far->out, PEER_READ);

	enc_uint(&far->out, id);
	enc_str(&far->out, path);
	entry_encode(&far->out, expect);
	enc_u8(&far->out, 1);
	frame_end(&far->out, start);
}

void far_op(struct far *far, const struct msg_op *op)
{
	msg_put_op(&far->out, op);
}

void far_data(struct far *far, uint64_t id, const char *text)
{
	size_t start = frame_begin(&far->out, PEER_DATA);

	enc_uint(&far->out, id);
	enc_raw(&far->out, text, strlen(text));
	frame_end(&far->out, start);
}

void far_hole(struct far *far, uint64_t id, uint64_t len)
{
	size_t start = frame_begin(&far->out, PEER_HOLE);

	enc_uint(&far->out, id);
	enc_uint(&far->out, len);
	frame_end(&far->out, start);
}

void far_put_end(struct far *far, uint64_t id, int complete, const char *text)
{
	/* Keyed with the seed of SCAN, of which there was none. */
	const struct digest digest = digest_of(text, strlen(text), 0);
	size_t start = frame_begin(&far->out, PEER_PUT_END);

	enc_uint(&far->out, id);
	enc_u8(&far->out, complete != 0);
	enc_raw(&far->out, digest.bytes, DIGEST_LEN);
	enc_bytes(&far->out, "", 0);
	frame_end(&far->out, start);
}

void far_record(struct far *far, const char *path, const struct entry *entry)
{
	struct listing_writer writer = LISTING_WRITER_INIT(PEER_RECORD);
	struct listing_item item = { .path = path, .kind = PEER_ITEM_GONE };

	if (entry) {
		item.kind = PEER_ITEM_ENTRY;
		item.entry = *entry;
	}
	listing_add(&writer, &item);
	listing_take(&writer, &far->out);
	listing_writer_release(&writer);
}

void far_commit(struct far *far, uint64_t generation)
{
	size_t start = frame_begin(&far->out, PEER_COMMIT);

	enc_le64(&far->out, generation);
	frame_end(&far->out, start);
}

void far_empty(struct far *far, uint8_t type)
{
	msg_put_empty(&far->out, type);
}
