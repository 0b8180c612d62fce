/* SPDX-License-Identifier: BSD-2-Clause */
/* What the initiator takes for work, and what only for a sign of life: PEER_STEP_MS. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "peer/channel.h"
#include "peer/frame.h"
#include "peer/msg.h"
#include "peer/protocol.h"

/* With it six hours are two seconds. */
#define HURRY "10000"

enum {
	STEP_MS = PEER_STEP_MS / 10000,
	A_WHILE_MS = STEP_MS * 6 / 10, /* two of them are too long */
};

struct link {
	int fds[2]; /* ours, the agent's */
	struct channel *channel;
};

static int setup(void **state)
{
	struct link *link = xcalloc(1, sizeof(*link));

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, link->fds) < 0)
		return -1;
	setenv("OSYNC_HURRY", HURRY, 1);
	link->channel = channel_new(link->fds[0], "target");
	channel_set_silence(link->channel, INT64_C(10) * PEER_STEP_MS);
	*state = link;
	return send(link->fds[1], PEER_GREETING, PEER_GREETING_LEN, 0) == PEER_GREETING_LEN ? 0
											    : -1;
}

static int teardown(void **state)
{
	struct link *link = *state;

	unsetenv("OSYNC_HURRY");
	channel_free(link->channel);
	close(link->fds[0]);
	close(link->fds[1]);
	free(link);
	return 0;
}

/* A while passes, and then these bytes come. */
static int hear(struct link *link, const struct buf *said, struct err *err)
{
	struct channel *failed = NULL;

	clock_sleep_ms(A_WHILE_MS);
	assert_int_equal(send(link->fds[1], said->data, said->len, 0), said->len);
	return channel_pump(&link->channel, 1, 0, &failed, err);
}

static int hear_pong(struct link *link, uint64_t read, struct err *err)
{
	AUTO_BUF said = BUF_INIT;
	struct frame frame = { 0 };

	msg_put_number(&said, PEER_PONG, read);
	if (hear(link, &said, err) < 0)
		return -1;
	assert_int_equal(channel_next(link->channel, &frame, err), 0);
	return 0;
}

static void expect_given_up(int status, const struct err *err)
{
	assert_int_equal(status, -1);
	assert_int_equal(err->kind, ERR_UNREACHABLE);
	assert_non_null(strstr(err->msg, "have done nothing for 6 hours"));
}

static void test_one_that_reads_may_take_its_time(void **state)
{
	struct link *link = *state;
	struct err err = ERR_INIT;

	for (uint64_t read = 1; read <= 3; read++)
		assert_int_equal(hear_pong(link, read, &err), 0);
	/* No more than before. */
	assert_int_equal(hear_pong(link, 3, &err), 0);
	expect_given_up(hear_pong(link, 3, &err), &err);
}

static void test_what_is_said_to_be_read_anew_is_no_work(void **state)
{
	struct link *link = *state;
	struct err err = ERR_INIT;

	assert_int_equal(hear_pong(link, 1000, &err), 0);
	assert_int_equal(hear_pong(link, 0, &err), 0);
	expect_given_up(hear_pong(link, 999, &err), &err);
}

static void test_a_pong_that_says_nothing_is_refused(void **state)
{
	struct link *link = *state;
	AUTO_BUF said = BUF_INIT;
	struct frame frame = { 0 };
	struct err err = ERR_INIT;

	msg_put_empty(&said, PEER_PONG);
	assert_int_equal(hear(link, &said, &err), 0);
	assert_int_equal(channel_next(link->channel, &frame, &err), -1);
	assert_int_equal(err.kind, ERR_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_one_that_reads_may_take_its_time),
		TEST(test_what_is_said_to_be_read_anew_is_no_work),
		TEST(test_a_pong_that_says_nothing_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
