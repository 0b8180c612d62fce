/* SPDX-License-Identifier: BSD-2-Clause */
/* The initiator's end of a connection, with the test as the agent at the other end of a socket. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/stop.h"
#include "peer/channel.h"
#include "peer/frame.h"
#include "peer/msg.h"
#include "peer/packer.h"
#include "peer/protocol.h"

struct link {
	int far; /* the agent's end */
	int near;
	struct channel *channel;
};

static struct link link_open(void)
{
	int fds[2] = { -1, -1 };
	struct link link;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	link = (struct link){ .far = fds[0], .near = fds[1] };
	link.channel = channel_new(link.near, "target");
	return link;
}

static void link_close(struct link *link)
{
	channel_free(link->channel);
	close(link->near);
	if (link->far >= 0)
		close(link->far);
}

#define AUTO_LINK AUTO(link_close) struct link

static void hang_up(struct link *link)
{
	close(link->far);
	link->far = -1;
}

/* Move what there is; does not wait. */
static int pump(struct link *link, struct err *err)
{
	struct channel *failed = NULL;
	int status = channel_pump(&link->channel, 1, 0, &failed, err);

	assert_int_equal(err->kind == ERR_NONE, status == 0);
	if (status < 0 && err->kind != ERR_SIGNAL)
		assert_ptr_equal(failed, link->channel);
	return status;
}

static void pump_well(struct link *link)
{
	struct err err = ERR_INIT;

	assert_int_equal(pump(link, &err), 0);
}

/* Say something as the agent, and let the channel hear it all. */
static void say(struct link *link, const void *data, size_t len)
{
	const unsigned char *at = data;

	while (len > 0) {
		ssize_t put = send(link->far, at, len, MSG_NOSIGNAL);

		assert_true(put > 0 || errno == EAGAIN);
		pump_well(link);
		if (put > 0) {
			at += put;
			len -= (size_t)put;
		}
	}
	pump_well(link);
}

static void say_buf(struct link *link, const struct buf *buf)
{
	say(link, buf->data, buf->len);
}

static void greet(struct link *link)
{
	say(link, PEER_GREETING, PEER_GREETING_LEN);
}

static size_t add_bulk(struct buf *out, size_t len)
{
	size_t start = frame_begin(out, PEER_LIST);

	memset(buf_extend(out, len), 'x', len);
	return frame_end(out, start);
}

static void add_credit(struct buf *out, uint64_t credit)
{
	size_t start = frame_begin(out, PEER_CREDIT);

	enc_uint(out, credit);
	frame_end(out, start);
}

/* The type of the next frame, 0 for none yet. */
static unsigned next_type(struct link *link)
{
	struct frame frame = { 0 };
	struct err err = ERR_INIT;
	int got = channel_next(link->channel, &frame, &err);

	assert_in_range(got, 0, 1);
	return got ? frame.type : 0;
}

/* All that the channel has written so far. */
static void listen_to(struct link *link, struct buf *out)
{
	ssize_t got = 0;

	do {
		pump_well(link);
		buf_reserve(out, 65536);
		got = recv(link->far, out->data + out->len, 65536, 0);
		if (got > 0)
			out->len += (size_t)got;
	} while (got > 0);
}

/* A run that was stopped does not believe what the agents said before they may have given it up. */
static void test_i42_one_who_slept_for_too_long_does_not_go_on(void **state)
{
	struct link link = link_open();
	struct channel *failed = NULL;
	struct err err = ERR_INIT;

	greet(&link);
	/* Three minutes are 18 ms, less twice the 15 s between two signs of life. */
	setenv("OSYNC_HURRY", "10000", 1);
	clock_sleep_ms(30);
	assert_int_equal(channel_pump(&link.channel, 1, 0, &failed, &err), -1);
	unsetenv("OSYNC_HURRY");
	assert_int_equal(err.kind, ERR_UNREACHABLE);
	assert_non_null(strstr(err.msg, "this run was stopped"));
	assert_null(failed);
	link_close(&link);
}

/* Greeting -------------------------------------------------------------------- */

static void test_the_greeting_may_come_byte_by_byte(void **state)
{
	static const char hello[] = "Welcome to \033[1mhost\033[0m\r\n\0osyn " PEER_GREETING;
	AUTO_LINK link = link_open();

	for (size_t i = 0; i < sizeof(hello) - 1; i++) {
		assert_false(channel_is_greeted(link.channel));
		say(&link, hello + i, 1);
	}
	assert_true(channel_is_greeted(link.channel));
	assert_int_equal(next_type(&link), 0);
}

static void test_noise_before_the_greeting_is_told_printably(void **state)
{
	static const char hello[] = "Welcome\033[1m!\n" PEER_GREETING;
	AUTO_LINK link = link_open();

	assert_null(channel_noise(link.channel));
	say(&link, hello, sizeof(hello) - 1);
	assert_string_equal(channel_noise(link.channel), "Welcome\\x1b[1m!\\n");
}

static void test_no_noise_is_no_noise(void **state)
{
	AUTO_LINK link = link_open();

	greet(&link);
	assert_null(channel_noise(link.channel));
}

static void test_what_comes_with_the_greeting_is_not_lost(void **state)
{
	AUTO_BUF stream = BUF_INIT;
	AUTO_LINK link = link_open();

	buf_addstr(&stream, "noise");
	buf_add(&stream, PEER_GREETING, PEER_GREETING_LEN);
	msg_put_empty(&stream, PEER_FLUSHED);
	msg_put_empty(&stream, PEER_DONE);
	say_buf(&link, &stream);
	assert_int_equal(next_type(&link), PEER_FLUSHED);
	assert_int_equal(next_type(&link), PEER_DONE);
	assert_int_equal(next_type(&link), 0);
}

static void test_endless_noise_is_no_agent(void **state)
{
	AUTO_LINK link = link_open();
	AUTO_BUF said = BUF_INIT;
	struct err err = ERR_INIT;
	char noise[4096];
	size_t sent = 0;

	memset(noise, '.', sizeof(noise));
	while (sent < 2 * PEER_NOISE_MAX) {
		assert_true(send(link.far, noise, sizeof(noise), MSG_NOSIGNAL) == sizeof(noise));
		sent += sizeof(noise);
		if (pump(&link, &err) < 0)
			break;
	}
	assert_int_equal(err.kind, ERR_UNREACHABLE);
	assert_non_null(strstr(err.msg, "not an osync agent"));
	assert_in_range(sent, PEER_NOISE_MAX, PEER_NOISE_MAX + 2 * sizeof(noise));
	channel_add_noise(link.channel, &said);
	assert_int_equal(said.len, sent);
}

static void test_one_who_leaves_without_a_greeting_is_quoted(void **state)
{
	AUTO_LINK link = link_open();
	AUTO_BUF said = BUF_INIT;
	struct err err = ERR_INIT;

	say(&link, "osync: not found\n", 17);
	hang_up(&link);
	assert_int_equal(pump(&link, &err), -1);
	assert_int_equal(err.kind, ERR_UNREACHABLE);
	assert_false(channel_is_greeted(link.channel));
	channel_add_noise(link.channel, &said);
	assert_string_equal(buf_cstr(&said), "osync: not found\\n");
}

/* Frames ---------------------------------------------------------------------- */

static void test_frames_may_be_cut_anywhere(void **state)
{
	AUTO_BUF stream = BUF_INIT;
	const struct err status = { .kind = ERR_LOCKED, .msg = "somebody" };

	msg_put_status(&stream, PEER_LOCKED, &status);
	msg_put_empty(&stream, PEER_FLUSHED);
	for (size_t cut = 1; cut < stream.len; cut++) {
		bool first_is_there = cut >= stream.len - FRAME_HEAD;
		AUTO_LINK link = link_open();
		struct err told = ERR_INIT;
		struct frame frame = { 0 };

		greet(&link);
		say(&link, stream.data, cut);
		assert_int_equal(channel_next(link.channel, &frame, NULL), first_is_there);
		if (!first_is_there) {
			say(&link, stream.data + cut, stream.len - cut);
			assert_int_equal(channel_next(link.channel, &frame, NULL), 1);
		}
		assert_int_equal(frame.type, PEER_LOCKED);
		assert_int_equal(msg_get_status(&frame, &told, NULL), 0);
		assert_string_equal(told.msg, "somebody");
		if (first_is_there)
			say(&link, stream.data + cut, stream.len - cut);
		assert_int_equal(next_type(&link), PEER_FLUSHED);
	}
}

static void test_a_frame_too_long_ends_it(void **state)
{
	AUTO_LINK link = link_open();
	AUTO_BUF stream = BUF_INIT;
	struct err err = ERR_INIT;

	greet(&link);
	enc_le32(&stream, PEER_FRAME_MAX + 1);
	enc_u8(&stream, PEER_LIST);
	assert_true(send(link.far, stream.data, stream.len, 0) == (ssize_t)stream.len);
	assert_int_equal(pump(&link, &err), -1);
	assert_int_equal(err.kind, ERR_PROTOCOL);
}

static void test_what_was_said_before_leaving_is_heard(void **state)
{
	AUTO_LINK link = link_open();
	AUTO_BUF stream = BUF_INIT;
	struct err err = ERR_INIT;

	greet(&link);
	msg_put_empty(&stream, PEER_FLUSHED);
	msg_put_empty(&stream, PEER_DONE);
	buf_add(&stream, "\1\0", 2); /* and half a frame, of which nothing can be made */
	say_buf(&link, &stream);
	hang_up(&link);
	pump_well(&link);
	assert_int_equal(next_type(&link), PEER_FLUSHED);
	pump_well(&link);
	assert_int_equal(next_type(&link), PEER_DONE);
	assert_int_equal(next_type(&link), 0);
	assert_int_equal(pump(&link, &err), -1);
	assert_int_equal(err.kind, ERR_UNREACHABLE);
}

static void test_having_something_to_say_does_not_hide_what_was_said(void **state)
{
	AUTO_LINK link = link_open();
	AUTO_BUF stream = BUF_INIT;
	struct err err = ERR_INIT;

	greet(&link);
	msg_put_empty(&stream, PEER_FLUSHED);
	say_buf(&link, &stream);
	hang_up(&link);
	msg_put_empty(channel_out(link.channel), PEER_FLUSH);
	pump_well(&link);
	assert_int_equal(next_type(&link), PEER_FLUSHED);
	assert_int_equal(pump(&link, &err), -1);
	assert_int_equal(err.kind, ERR_UNREACHABLE);
}

static void expect_error(const struct err *status, enum err_kind kind, const char *text)
{
	AUTO_LINK link = link_open();
	AUTO_BUF stream = BUF_INIT;
	struct frame frame = { 0 };
	struct err err = ERR_INIT;

	greet(&link);
	msg_put_status(&stream, PEER_ERROR, status);
	say_buf(&link, &stream);
	assert_int_equal(channel_next(link.channel, &frame, &err), -1);
	assert_int_equal(err.kind, kind);
	assert_non_null(strstr(err.msg, text));
}

static void test_an_error_of_the_agent_is_the_error(void **state)
{
	const struct err status = { .kind = ERR_SYSTEM, .sys = ENOENT, .msg = "no folder" };

	expect_error(&status, ERR_SYSTEM, "no folder");
}

/* Else the run would end as failed with the exit status of success. */
static void test_an_error_that_is_none_is_an_error_all_the_same(void **state)
{
	const struct err status = ERR_INIT;

	expect_error(&status, ERR_PROTOCOL, "malformed");
}

/* Else its number, which may be anything, would become part of our exit status. */
static void test_a_signal_of_the_agent_is_not_ours(void **state)
{
	const struct err status = { .kind = ERR_SIGNAL, .sys = 128, .msg = "stopped by signal 15" };

	expect_error(&status, ERR_UNREACHABLE, "stopped by signal 15");
}

static void test_an_error_cannot_command_the_terminal(void **state)
{
	const struct err status = { .kind = ERR_SYSTEM,
				    .msg = "a\033]0;b\ac\nd\xc2\x9b"
					   "e\x7f \xc3\xa4" };

	expect_error(&status, ERR_SYSTEM, "a?]0;b?c?d\xc2?e? \xc3\xa4");
}

static void test_credit_and_pongs_are_not_handed_out(void **state)
{
	AUTO_LINK link = link_open();
	AUTO_BUF stream = BUF_INIT;

	greet(&link);
	add_credit(&stream, 0);
	msg_put_number(&stream, PEER_PONG, 0);
	msg_put_empty(&stream, PEER_FLUSHED);
	add_credit(&stream, 0);
	say_buf(&link, &stream);
	assert_int_equal(next_type(&link), PEER_FLUSHED);
	assert_int_equal(next_type(&link), 0);
}

static void test_bytes_are_counted(void **state)
{
	AUTO_LINK link = link_open();
	AUTO_BUF heard = BUF_INIT;

	say(&link, "noise", 5);
	greet(&link);
	assert_int_equal(channel_received_bytes(link.channel), 5 + PEER_GREETING_LEN);
	msg_put_empty(channel_out(link.channel), PEER_FLUSH);
	assert_int_equal(channel_sent_bytes(link.channel), 0);
	listen_to(&link, &heard);
	assert_int_equal(channel_sent_bytes(link.channel), FRAME_HEAD);
	assert_int_equal(heard.len, FRAME_HEAD);
}

/* More than the socket takes at once. */
static void test_much_is_sent_piece_by_piece_and_in_order(void **state)
{
	AUTO_LINK link = link_open();
	AUTO_BUF expected = BUF_INIT;
	AUTO_BUF heard = BUF_INIT;

	for (int i = 0; i < 200; i++)
		buf_addf(&expected, "%08d%*s", i, 16384, "");
	buf_add(channel_out(link.channel), expected.data, expected.len);
	listen_to(&link, &heard);
	assert_int_equal(heard.len, expected.len);
	assert_memory_equal(heard.data, expected.data, expected.len);
	assert_int_equal(channel_out(link.channel)->len, 0);
}

/* Credit ------------------------------------------------------------------------ */

static void test_a_short_line_carries_less_at_once(void **state)
{
	AUTO_LINK link = link_open();

	channel_narrow(link.channel);
	channel_spend(link.channel, PEER_WINDOW_NEAR);
	assert_false(channel_may_send_bulk(link.channel));
}

static void test_credit_runs_out_and_comes_back(void **state)
{
	AUTO_LINK link = link_open();
	AUTO_BUF stream = BUF_INIT;

	greet(&link);
	assert_true(channel_may_send_bulk(link.channel));
	channel_spend(link.channel, PEER_WINDOW - 1);
	assert_true(channel_may_send_bulk(link.channel));
	channel_spend(link.channel, 100);
	assert_false(channel_may_send_bulk(link.channel));
	/* It counts at once, behind whatever nobody has asked for yet. */
	msg_put_empty(&stream, PEER_FLUSHED);
	add_credit(&stream, 100);
	say_buf(&link, &stream);
	assert_true(channel_may_send_bulk(link.channel));
	assert_int_equal(next_type(&link), PEER_FLUSHED);
}

static void refuse_credit(uint64_t credit, size_t spent)
{
	AUTO_LINK link = link_open();
	AUTO_BUF stream = BUF_INIT;
	struct err err = ERR_INIT;

	greet(&link);
	channel_spend(link.channel, spent);
	add_credit(&stream, credit);
	assert_true(send(link.far, stream.data, stream.len, 0) == (ssize_t)stream.len);
	assert_int_equal(pump(&link, &err), -1);
	assert_int_equal(err.kind, ERR_PROTOCOL);
}

static void test_more_credit_than_was_spent_is_refused(void **state)
{
	refuse_credit(1, 0);
	refuse_credit(101, 100);
	refuse_credit(PEER_WINDOW + 1, PEER_WINDOW + 1);
	refuse_credit(UINT64_MAX, 100);
	refuse_credit((uint64_t)INT64_MAX + 1, 100);
}

static void test_what_is_dealt_with_is_given_back_as_credit(void **state)
{
	AUTO_LINK link = link_open();
	AUTO_BUF heard = BUF_INIT;
	AUTO_BUF stream = BUF_INIT;
	struct frame frame = { 0 };
	struct dec dec;
	size_t frame_size = 0;
	size_t size = 0;

	greet(&link);
	for (int i = 0; i < 2; i++)
		frame_size = add_bulk(&stream, PEER_WINDOW / 8);
	say_buf(&link, &stream);
	assert_int_equal(next_type(&link), PEER_LIST);
	assert_int_equal(next_type(&link), PEER_LIST);
	/* The second is still in the caller's hands. */
	listen_to(&link, &heard);
	assert_int_equal(heard.len, 0);
	assert_int_equal(next_type(&link), 0);
	listen_to(&link, &heard);
	assert_int_equal(frame_parse(heard.data, heard.len, &frame, &size, NULL), 1);
	assert_int_equal(size, heard.len);
	assert_int_equal(frame.type, PEER_CREDIT);
	dec_init(&dec, frame.data, frame.len);
	assert_int_equal(dec_uint(&dec), 2 * frame_size);
}

static void test_small_credit_is_saved_up(void **state)
{
	AUTO_LINK link = link_open();
	AUTO_BUF heard = BUF_INIT;
	AUTO_BUF stream = BUF_INIT;

	greet(&link);
	for (int i = 0; i < 10; i++)
		add_bulk(&stream, 10);
	say_buf(&link, &stream);
	while (next_type(&link) != 0)
		continue;
	listen_to(&link, &heard);
	assert_int_equal(heard.len, 0);
}

/* Move all of `frames` to `out`, packed. */
static void add_packed(struct packer *packer, struct buf *frames, struct buf *out)
{
	while (frames->len > 0) {
		AUTO_BUF wire = BUF_INIT;

		packer_take(packer, frames, &wire);
		buf_add(out, wire.data, wire.len);
	}
}

static void test_what_is_packed_counts_as_if_it_were_not(void **state)
{
	AUTO_LINK link = link_open();
	AUTO_BUF frames = BUF_INIT;
	AUTO_BUF stream = BUF_INIT;
	AUTO_BUF heard = BUF_INIT;
	struct packer *packer = packer_new(PACKER_ON);

	greet(&link);
	channel_unpack(link.channel);
	channel_spend(link.channel, PEER_WINDOW);
	for (int i = 0; i < 20; i++)
		add_bulk(&frames, 65536 - FRAME_HEAD);
	add_credit(&frames, 1);
	add_packed(packer, &frames, &stream);
	packer_free(packer);
	assert_in_range(stream.len, 1, 65536);
	say_buf(&link, &stream);
	/* Credit does so at once, and what is dealt with is given back as the sender has spent it. */
	assert_true(channel_may_send_bulk(link.channel));
	for (int i = 0; i < 20; i++)
		assert_int_equal(next_type(&link), PEER_LIST);
	assert_int_equal(next_type(&link), 0);
	listen_to(&link, &heard);
	assert_true(heard.len > 0);
}

static void test_what_was_not_agreed_on_is_refused(void **state)
{
	AUTO_LINK link = link_open();
	AUTO_BUF frames = BUF_INIT;
	AUTO_BUF stream = BUF_INIT;
	struct packer *packer = packer_new(PACKER_ON);
	struct err err = ERR_INIT;

	greet(&link);
	add_bulk(&frames, 1000);
	add_packed(packer, &frames, &stream);
	packer_free(packer);
	assert_int_equal(send(link.far, stream.data, stream.len, MSG_NOSIGNAL),
			 (ssize_t)stream.len);
	assert_int_equal(pump(&link, &err), -1);
	assert_int_equal(err.kind, ERR_PROTOCOL);
}

/* 128 MiB in some 30 KiB. */
static void test_packed_bulk_without_end_is_refused(void **state)
{
	AUTO_LINK link = link_open();
	AUTO_BUF stream = BUF_INIT;
	struct packer *packer = packer_new(PACKER_ON);
	struct err err = ERR_INIT;

	greet(&link);
	channel_unpack(link.channel);
	for (int i = 0; i < 1024; i++) {
		AUTO_BUF frames = BUF_INIT;

		add_bulk(&frames, 128 * 1024 - FRAME_HEAD);
		add_packed(packer, &frames, &stream);
	}
	packer_free(packer);
	assert_in_range(stream.len, 1, 128 * 1024);
	assert_int_equal(send(link.far, stream.data, stream.len, MSG_NOSIGNAL),
			 (ssize_t)stream.len);
	assert_int_equal(pump(&link, &err), -1);
	assert_int_equal(err.kind, ERR_PROTOCOL);
	assert_non_null(strstr(err.msg, "more than it was asked for"));
}

/* Credit is the agent's business to keep; memory is ours to keep bounded. */
static void test_bulk_without_end_is_refused(void **state)
{
	AUTO_LINK link = link_open();
	AUTO_BUF stream = BUF_INIT;
	struct err err = ERR_INIT;
	uint64_t sent = 0;

	greet(&link);
	add_bulk(&stream, 65536 - FRAME_HEAD);
	while (sent < 512ULL * 1024 * 1024) {
		ssize_t put = send(link.far, stream.data, stream.len, MSG_NOSIGNAL);

		if (put < 0)
			assert_int_equal(errno, EAGAIN);
		/* A stream of frames all alike may be cut anywhere and go on at its beginning only whole. */
		if (put > 0 && (size_t)put < stream.len)
			break;
		sent += put > 0 ? (uint64_t)put : 0;
		if (pump(&link, &err) < 0)
			break;
	}
	assert_int_equal(err.kind, ERR_PROTOCOL);
	assert_non_null(strstr(err.msg, "more than it was asked for"));
}

/* Ends ---------------------------------------------------------------------------- */

static void test_one_of_two_that_fails_is_named(void **state)
{
	AUTO_LINK good = link_open();
	AUTO_LINK bad = link_open();
	struct channel *channels[] = { good.channel, bad.channel };
	struct channel *failed = NULL;
	struct err err = ERR_INIT;

	greet(&good);
	greet(&bad);
	hang_up(&bad);
	assert_int_equal(channel_pump(channels, 2, 0, &failed, &err), -1);
	assert_ptr_equal(failed, bad.channel);
	assert_int_equal(err.kind, ERR_UNREACHABLE);
}

static void test_a_signal_ends_the_wait(void **state)
{
	AUTO_LINK link = link_open();
	struct err err = ERR_INIT;

	stop_install();
	raise(SIGTERM);
	assert_int_equal(pump(&link, &err), -1);
	assert_int_equal(err.kind, ERR_SIGNAL);
	assert_int_equal(err.sys, SIGTERM);
	stop_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_greeting_may_come_byte_by_byte),
		cmocka_unit_test(test_noise_before_the_greeting_is_told_printably),
		cmocka_unit_test(test_no_noise_is_no_noise),
		cmocka_unit_test(test_what_comes_with_the_greeting_is_not_lost),
		cmocka_unit_test(test_endless_noise_is_no_agent),
		cmocka_unit_test(test_one_who_leaves_without_a_greeting_is_quoted),
		cmocka_unit_test(test_frames_may_be_cut_anywhere),
		cmocka_unit_test(test_a_frame_too_long_ends_it),
		cmocka_unit_test(test_what_was_said_before_leaving_is_heard),
		cmocka_unit_test(test_having_something_to_say_does_not_hide_what_was_said),
		cmocka_unit_test(test_an_error_of_the_agent_is_the_error),
		cmocka_unit_test(test_an_error_that_is_none_is_an_error_all_the_same),
		cmocka_unit_test(test_a_signal_of_the_agent_is_not_ours),
		cmocka_unit_test(test_an_error_cannot_command_the_terminal),
		cmocka_unit_test(test_credit_and_pongs_are_not_handed_out),
		cmocka_unit_test(test_bytes_are_counted),
		cmocka_unit_test(test_much_is_sent_piece_by_piece_and_in_order),
		cmocka_unit_test(test_credit_runs_out_and_comes_back),
		cmocka_unit_test(test_a_short_line_carries_less_at_once),
		cmocka_unit_test(test_more_credit_than_was_spent_is_refused),
		cmocka_unit_test(test_what_is_dealt_with_is_given_back_as_credit),
		cmocka_unit_test(test_small_credit_is_saved_up),
		cmocka_unit_test(test_bulk_without_end_is_refused),
		cmocka_unit_test(test_what_is_packed_counts_as_if_it_were_not),
		cmocka_unit_test(test_what_was_not_agreed_on_is_refused),
		cmocka_unit_test(test_packed_bulk_without_end_is_refused),
		cmocka_unit_test(test_one_of_two_that_fails_is_named),
		cmocka_unit_test(test_i42_one_who_slept_for_too_long_does_not_go_on),
		cmocka_unit_test(test_a_signal_ends_the_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
