/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages: each comes out as it went in, and whatever is done to its bytes on the way, what comes
 * out is refused or makes sense.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/path.h"
#include "peer/frame.h"
#include "peer/listing.h"
#include "peer/msg.h"
#include "peer/protocol.h"
#include "tree/attrs.h"
#include "tree/changer.h"

static const struct uuid some_uuid = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

static struct entry entry_of(enum entry_type type)
{
	struct entry entry = { .type = (uint8_t)type,
			       .mode = 0640,
			       .uid = 1000,
			       .gid = UINT32_MAX,
			       .nlink = 1,
			       .ino = UINT64_MAX,
			       .size = 300,
			       .mtime_ns = 1700000000123456789,
			       .ctime_ns = -5,
			       .xattr = 77 };

	if (type == ENTRY_SYMLINK)
		entry.link = "../where/ever";
	if (type == ENTRY_FILE || type == ENTRY_SYMLINK) {
		entry.flags = ENTRY_HAS_DIGEST;
		memset(entry.digest.bytes, 0xd1, DIGEST_LEN);
	}
	return entry;
}

static struct err status_of(enum err_kind kind, int sys, const char *text)
{
	struct err status = { .kind = kind, .sys = sys };

	snprintf(status.msg, sizeof(status.msg), "%s", text);
	return status;
}

/* Samples -------------------------------------------------------------------- */

static void put_hello(struct buf *out)
{
	const struct msg_hello hello = { .version_min = 1,
					 .version_max = 300,
					 .clock_ns = -1700000000000000000,
					 .build = "0.1.0-dirty",
					 .profile = "home-0123456789abcdef",
					 .flags = PEER_HELLO_CREATE | PEER_HELLO_LIMITED,
					 .rate_kib = PEER_RATE_MAX,
					 .state_dir = "/var/lib/osync",
					 .silence_s = 3600,
					 .mount = "/mnt/disk",
					 .scan_flags = 7,
					 .fsync_mode = CHANGER_SYNC_FILE };

	msg_put_hello(out, &hello);
}

static void put_hello_short(struct buf *out)
{
	const struct msg_hello hello = {
		.build = "", .profile = "p", .silence_s = 180, .state_dir = ""
	};

	msg_put_hello(out, &hello);
}

static void put_welcome(struct buf *out)
{
	const struct msg_welcome welcome = { .version = 1,
					     .clock_ns = INT64_MIN,
					     .build = "b",
					     .identity = some_uuid,
					     .known = true,
					     .known_initiator = some_uuid,
					     .known_generation = UINT64_MAX,
					     .mark = UINT64_MAX - 1,
					     .can_chown = true,
					     .flags = PEER_WELCOME_FLAGS };

	msg_put_welcome(out, &welcome);
}

static void put_welcome_unknown(struct buf *out)
{
	const struct msg_welcome welcome = { .version = 1, .build = "" };

	msg_put_welcome(out, &welcome);
}

static void put_ready(struct buf *out)
{
	const struct msg_ready ready = { .status = status_of(ERR_SYSTEM, 28, "no space"),
					 .identity = some_uuid };

	msg_put_ready(out, &ready);
}

static void put_op(struct buf *out, enum op_kind kind, const char *from, const struct entry *source)
{
	const struct msg_op op = { .id = 1ULL << 40,
				   .kind = kind,
				   .path = "a folder/with\xff bytes",
				   .from = from,
				   .expect = entry_of(ENTRY_FILE),
				   .source = *source,
				   .meta = { .mask = META_MODE | META_UID,
					     .mode = 07777,
					     .uid = 12,
					     .gid = 34,
					     .mtime_ns = -1,
					     .user = "somebody" },
				   .attrs = (const unsigned char *)"attributes",
				   .attrs_len = 10 };

	msg_put_op(out, &op);
}

static void put_op_put(struct buf *out)
{
	const struct entry source = entry_of(ENTRY_FILE);

	put_op(out, OP_PUT, NULL, &source);
}

static void put_op_move(struct buf *out)
{
	const struct entry source = entry_of(ENTRY_ABSENT);

	put_op(out, OP_MOVE, "it/was here", &source);
}

static void put_op_symlink(struct buf *out)
{
	const struct entry source = entry_of(ENTRY_SYMLINK);

	put_op(out, OP_SYMLINK, "", &source);
}

static void put_result(struct buf *out, uint8_t type, enum err_kind kind)
{
	const struct msg_result result = { .id = 7,
					   .status = status_of(kind, kind ? 2 : 0,
							       kind ? "it is gone" : ""),
					   .entry = entry_of(kind ? ENTRY_ABSENT : ENTRY_FILE),
					   .attrs = (const unsigned char *)"\0\1\2",
					   .attrs_len = 3 };

	msg_put_result(out, type, &result);
}

static void put_hashed(struct buf *out)
{
	put_result(out, PEER_HASHED, ERR_NONE);
}

static void put_done(struct buf *out)
{
	put_result(out, PEER_DONE, ERR_CHANGED);
}

static void put_read_end(struct buf *out)
{
	put_result(out, PEER_READ_END, ERR_NONE);
}

static void put_attrs_is(struct buf *out)
{
	put_result(out, PEER_ATTRS_IS, ERR_SYSTEM);
}

static void put_locked(struct buf *out)
{
	const struct msg_locked locked = { .status = status_of(ERR_LOCKED, 0, "7@host other"),
					   .seized = "8@host older since 20260101-000000 UTC",
					   .caps = PEER_CAP_SYMLINKS | PEER_CAP_RESPELLS,
					   .step_ns = 2000000000 };

	msg_put_locked(out, &locked);
}

static void put_hook(struct buf *out)
{
	static const char *const environment[] = { "OSYNC_A=one\ntwo=2", "OSYNC_B=", NULL };
	const struct msg_hook hook = { .command = "true; \"$OSYNC_A\"",
				       .limit_ms = 86400000,
				       .keeps_root = true,
				       .environment = environment };

	msg_put_hook(out, &hook);
}

static void put_finished(struct buf *out)
{
	const struct err status = ERR_INIT;

	msg_put_status(out, PEER_FINISHED, &status);
}

static void put_listing(struct buf *out, uint8_t type)
{
	struct listing_writer writer = LISTING_WRITER_INIT(type);
	const struct listing_item items[] = {
		{ .path = "a", .kind = PEER_ITEM_ENTRY, .entry = entry_of(ENTRY_DIR) },
		{ .path = "a/b", .kind = PEER_ITEM_ENTRY, .entry = entry_of(ENTRY_SYMLINK) },
		{ .path = "a/bc", .kind = PEER_ITEM_GONE },
		{ .path = "b",
		  .kind = PEER_ITEM_PROBLEM,
		  .entry = entry_of(ENTRY_SPECIAL),
		  .problem = "permission denied" },
	};

	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		listing_add(&writer, &items[i]);
	listing_take(&writer, out);
	listing_writer_release(&writer);
}

static void put_list(struct buf *out)
{
	put_listing(out, PEER_LIST);
}

static void put_record(struct buf *out)
{
	put_listing(out, PEER_RECORD);
}

static void (*const samples[])(struct buf *out) = {
	put_hello,  put_hello_short, put_welcome,  put_welcome_unknown,
	put_ready,  put_op_put,	     put_op_move,  put_op_symlink,
	put_hashed, put_done,	     put_read_end, put_attrs_is,
	put_locked, put_hook,	     put_finished, put_list,
	put_record,
};
enum { SAMPLES = sizeof(samples) / sizeof(samples[0]) };

/* Decode and encode again ------------------------------------------------------- */

static void assert_path(const char *path)
{
	assert_true(path_valid(path, strlen(path)));
}

static void assert_entry(const struct entry *entry)
{
	assert_in_range(entry->type, ENTRY_ABSENT, ENTRY_SPECIAL);
	assert_in_range(entry->mode, 0, 07777);
}

static void assert_status(const struct err *status)
{
	assert_in_range(status->kind, ERR_NONE, ERR_SIGNAL);
	assert_non_null(memchr(status->msg, '\0', sizeof(status->msg)));
}

static int recode_hello(const struct frame *frame, struct arena *arena, struct buf *out,
			struct err *err)
{
	struct msg_hello hello;

	if (msg_get_hello(frame, arena, &hello, err) < 0)
		return -1;
	assert_path(hello.profile);
	assert_null(strchr(hello.profile, '/'));
	assert_int_not_equal(hello.profile[0], '.');
	assert_true(hello.state_dir[0] == '\0' || hello.state_dir[0] == '/');
	assert_in_range(hello.fsync_mode, CHANGER_SYNC_BATCH, CHANGER_SYNC_OFF);
	msg_put_hello(out, &hello);
	return 0;
}

static int recode_welcome(const struct frame *frame, struct arena *arena, struct buf *out,
			  struct err *err)
{
	struct msg_welcome welcome;

	if (msg_get_welcome(frame, arena, &welcome, err) < 0)
		return -1;
	assert_non_null(welcome.build);
	msg_put_welcome(out, &welcome);
	return 0;
}

static int recode_locked(const struct frame *frame, struct buf *out, struct err *err)
{
	struct msg_locked locked;

	if (msg_get_locked(frame, &locked, err) < 0)
		return -1;
	assert_status(&locked.status);
	assert_true(locked.step_ns > 0 && (uint64_t)locked.step_ns <= PEER_STEP_MAX_NS);
	assert_true(locked.caps <= PEER_CAPS);
	msg_put_locked(out, &locked);
	return 0;
}

static int recode_ready(const struct frame *frame, struct buf *out, struct err *err)
{
	struct msg_ready ready;

	if (msg_get_ready(frame, &ready, err) < 0)
		return -1;
	assert_status(&ready.status);
	msg_put_ready(out, &ready);
	return 0;
}

static int recode_op(const struct frame *frame, struct arena *arena, struct buf *out,
		     struct err *err)
{
	struct msg_op op;

	if (msg_get_op(frame, arena, &op, err) < 0)
		return -1;
	assert_in_range(op.kind, OP_MKDIR, OP_META);
	assert_path(op.path);
	if (op.kind == OP_MOVE || op.kind == OP_LINK || op.kind == OP_COPY || op.from[0])
		assert_path(op.from);
	assert_entry(&op.expect);
	assert_entry(&op.source);
	assert_in_range(op.meta.mode, 0, 07777);
	assert_in_range(op.attrs_len, 0, ATTRS_MAX);
	msg_put_op(out, &op);
	return 0;
}

static int recode_result(const struct frame *frame, struct arena *arena, struct buf *out,
			 struct err *err)
{
	struct msg_result result;

	if (msg_get_result(frame, arena, &result, err) < 0)
		return -1;
	assert_status(&result.status);
	assert_entry(&result.entry);
	assert_in_range(result.attrs_len, 0, ATTRS_MAX);
	msg_put_result(out, frame->type, &result);
	return 0;
}

static int recode_status(const struct frame *frame, struct buf *out, struct err *err)
{
	struct err status = ERR_INIT;

	if (msg_get_status(frame, &status, err) < 0)
		return -1;
	assert_status(&status);
	msg_put_status(out, frame->type, &status);
	return 0;
}

static int recode_listing(const struct frame *frame, struct arena *arena, struct buf *out,
			  struct err *err)
{
	struct listing_writer writer = LISTING_WRITER_INIT(frame->type);
	struct listing_reader reader;
	struct listing_item item;
	int got = 0;

	listing_reader_init(&reader, frame);
	while ((got = listing_read(&reader, arena, &item, err)) > 0) {
		if (item.kind != PEER_ITEM_PROBLEM)
			assert_path(item.path);
		assert_in_range(item.kind, PEER_ITEM_ENTRY, PEER_ITEM_SAME);
		if (item.kind == PEER_ITEM_PROBLEM)
			assert_non_null(item.problem);
		assert_entry(&item.entry);
		listing_add(&writer, &item);
	}
	listing_reader_release(&reader);
	listing_take(&writer, out);
	listing_writer_release(&writer);
	return got;
}

static int recode_hook(const struct frame *frame, struct arena *arena, struct buf *out,
		       struct err *err)
{
	struct msg_hook hook;
	int status = msg_get_hook(frame, arena, &hook, err);

	if (status == 0)
		msg_put_hook(out, &hook);
	return status;
}

static int recode(const struct frame *frame, struct arena *arena, struct buf *out, struct err *err)
{
	switch (frame->type) {
	case PEER_HELLO:
		return recode_hello(frame, arena, out, err);
	case PEER_WELCOME:
		return recode_welcome(frame, arena, out, err);
	case PEER_READY:
		return recode_ready(frame, out, err);
	case PEER_LOCKED:
		return recode_locked(frame, out, err);
	case PEER_HOOK:
		return recode_hook(frame, arena, out, err);
	case PEER_OP:
		return recode_op(frame, arena, out, err);
	case PEER_HASHED:
	case PEER_DONE:
	case PEER_READ_END:
	case PEER_ATTRS_IS:
		return recode_result(frame, arena, out, err);
	case PEER_LIST:
	case PEER_RECORD:
		return recode_listing(frame, arena, out, err);
	default:
		return recode_status(frame, out, err);
	}
}

/* The payload in memory of its own, so that a byte read too many is found. */
static int recode_bytes(uint8_t type, const unsigned char *data, size_t len, struct buf *out)
{
	AUTO_FREE unsigned char *copy = xmalloc(len + (len == 0));
	const struct frame frame = { type, copy, len, NULL };
	struct arena arena = ARENA_INIT;
	struct err err = ERR_INIT;
	int status = 0;

	memcpy(copy, data, len);
	status = recode(&frame, &arena, out, &err);
	assert_int_equal(err.kind, status < 0 ? ERR_PROTOCOL : ERR_NONE);
	arena_release(&arena);
	return status;
}

/* What decoded is the same value when it is decoded again. */
static void assert_stable(uint8_t type, const struct buf *once)
{
	AUTO_BUF twice = BUF_INIT;

	if (once->len == 0)
		return;
	assert_int_equal(
		recode_bytes(type, once->data + FRAME_HEAD, once->len - FRAME_HEAD, &twice), 0);
	assert_int_equal(twice.len, once->len);
	assert_memory_equal(twice.data, once->data, once->len);
}

/* Tests ---------------------------------------------------------------------------- */

static void test_every_message_comes_out_as_it_went_in(void **state)
{
	for (size_t i = 0; i < SAMPLES; i++) {
		AUTO_BUF sent = BUF_INIT;
		AUTO_BUF again = BUF_INIT;

		samples[i](&sent);
		assert_int_equal(recode_bytes(sent.data[4], sent.data + FRAME_HEAD,
					      sent.len - FRAME_HEAD, &again),
				 0);
		assert_int_equal(again.len, sent.len);
		assert_memory_equal(again.data, sent.data, sent.len);
	}
}

static void test_a_message_cut_short_is_refused(void **state)
{
	for (size_t i = 0; i < SAMPLES; i++) {
		AUTO_BUF sent = BUF_INIT;

		samples[i](&sent);
		for (size_t len = 0; len < sent.len - FRAME_HEAD; len++) {
			uint8_t type = sent.data[4];
			AUTO_BUF out = BUF_INIT;
			int status = recode_bytes(type, sent.data + FRAME_HEAD, len, &out);

			/* A listing may end after any item. */
			if (type != PEER_LIST && type != PEER_RECORD)
				assert_int_equal(status, -1);
			else if (status == 0)
				assert_stable(type, &out);
		}
	}
}

static void test_a_message_with_a_byte_too_many_is_refused(void **state)
{
	for (size_t i = 0; i < SAMPLES; i++) {
		AUTO_BUF sent = BUF_INIT;
		AUTO_BUF out = BUF_INIT;

		samples[i](&sent);
		buf_addch(&sent, 0);
		assert_int_equal(recode_bytes(sent.data[4], sent.data + FRAME_HEAD,
					      sent.len - FRAME_HEAD, &out),
				 -1);
	}
}

static void test_a_flipped_bit_is_refused_or_makes_sense(void **state)
{
	for (size_t i = 0; i < SAMPLES; i++) {
		AUTO_BUF sent = BUF_INIT;

		samples[i](&sent);
		for (size_t bit = 8 * FRAME_HEAD; bit < 8 * sent.len; bit++) {
			AUTO_BUF out = BUF_INIT;

			sent.data[bit / 8] ^= (unsigned char)(1U << bit % 8);
			if (recode_bytes(sent.data[4], sent.data + FRAME_HEAD,
					 sent.len - FRAME_HEAD, &out) == 0)
				assert_stable(sent.data[4], &out);
			sent.data[bit / 8] ^= (unsigned char)(1U << bit % 8);
		}
	}
}

static void test_a_message_of_another_type_is_refused_or_makes_sense(void **state)
{
	static const uint8_t types[] = { PEER_HELLO,	PEER_WELCOME, PEER_READY, PEER_OP,
					 PEER_HASHED,	PEER_DONE,    PEER_LIST,  PEER_READ_END,
					 PEER_ATTRS_IS, PEER_ERROR };

	for (size_t i = 0; i < SAMPLES * sizeof(types); i++) {
		uint8_t type = types[i % sizeof(types)];
		AUTO_BUF sent = BUF_INIT;
		AUTO_BUF out = BUF_INIT;

		samples[i / sizeof(types)](&sent);
		if (recode_bytes(type, sent.data + FRAME_HEAD, sent.len - FRAME_HEAD, &out) == 0)
			assert_stable(type, &out);
	}
}

/* Values come out, not only bytes. */
static void test_fields_keep_their_meaning(void **state)
{
	AUTO_BUF sent = BUF_INIT;
	struct arena arena = ARENA_INIT;
	struct frame frame = { 0 };
	struct msg_op op;
	size_t size = 0;

	put_op_symlink(&sent);
	assert_int_equal(frame_parse(sent.data, sent.len, &frame, &size, NULL), 1);
	assert_int_equal(frame.type, PEER_OP);
	assert_int_equal(msg_get_op(&frame, &arena, &op, NULL), 0);
	assert_true(op.id == 1ULL << 40);
	assert_int_equal(op.kind, OP_SYMLINK);
	assert_string_equal(op.path, "a folder/with\xff bytes");
	assert_string_equal(op.from, "");
	assert_int_equal(op.expect.type, ENTRY_FILE);
	assert_int_equal(op.expect.size, 300);
	assert_string_equal(op.source.link, "../where/ever");
	assert_int_equal(op.meta.mask, META_MODE | META_UID);
	assert_int_equal(op.meta.mode, 07777);
	assert_int_equal(op.meta.uid, 12);
	assert_int_equal(op.meta.gid, 34);
	assert_true(op.meta.mtime_ns == -1);
	assert_string_equal(op.meta.user, "somebody");
	assert_string_equal(op.meta.group, "");
	assert_int_equal(op.attrs_len, 10);
	assert_memory_equal(op.attrs, "attributes", 10);
	arena_release(&arena);
}

static void test_paths_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = { "",	   "/",	  "/etc", "..", "../x", "a/../b",
					   "a/..", "./a", "a//b", "a/", ".",	"a/./b" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (int which = 0; which < 2; which++) {
			AUTO_BUF sent = BUF_INIT;
			AUTO_BUF out = BUF_INIT;
			const struct msg_op op = { .kind = OP_MOVE,
						   .path = which ? "good" : bad[i],
						   .from = which ? bad[i] : "good" };

			msg_put_op(&sent, &op);
			assert_int_equal(recode_bytes(PEER_OP, sent.data + FRAME_HEAD,
						      sent.len - FRAME_HEAD, &out),
					 -1);
		}
	}
}

static void test_a_path_with_a_nul_is_refused(void **state)
{
	static const unsigned char path[] = { 3, 'a', '\0', 'b' };
	struct arena arena = ARENA_INIT;
	struct dec dec;

	dec_init(&dec, path, sizeof(path));
	msg_dec_path(&dec, &arena);
	assert_true(dec.bad);
	arena_release(&arena);
}

static void test_profiles_that_are_no_file_name_are_refused(void **state)
{
	static const char *const bad[] = { "", ".", "..", ".hidden", "a/b", "/a", "../a" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct msg_hello hello = {
			.build = "", .profile = bad[i], .silence_s = 180, .state_dir = ""
		};
		AUTO_BUF sent = BUF_INIT;
		AUTO_BUF out = BUF_INIT;

		msg_put_hello(&sent, &hello);
		assert_int_equal(recode_bytes(PEER_HELLO, sent.data + FRAME_HEAD,
					      sent.len - FRAME_HEAD, &out),
				 -1);
	}
}

static void test_a_relative_state_folder_is_refused(void **state)
{
	const struct msg_hello hello = {
		.build = "", .profile = "p", .silence_s = 180, .state_dir = "state"
	};
	AUTO_BUF sent = BUF_INIT;
	AUTO_BUF out = BUF_INIT;

	msg_put_hello(&sent, &hello);
	assert_int_equal(
		recode_bytes(PEER_HELLO, sent.data + FRAME_HEAD, sent.len - FRAME_HEAD, &out), -1);
}

static void test_a_long_status_is_cut(void **state)
{
	AUTO_BUF sent = BUF_INIT;
	struct err status = ERR_INIT;
	struct frame frame = { 0 };
	size_t start = frame_begin(&sent, PEER_ERROR);
	size_t size = 0;

	enc_u8(&sent, ERR_SYSTEM);
	enc_uint(&sent, 5);
	enc_uint(&sent, PEER_TEXT_MAX);
	memset(buf_extend(&sent, PEER_TEXT_MAX), 'x', PEER_TEXT_MAX);
	frame_end(&sent, start);
	assert_int_equal(frame_parse(sent.data, sent.len, &frame, &size, NULL), 1);
	assert_int_equal(msg_get_status(&frame, &status, NULL), 0);
	assert_int_equal(status.kind, ERR_SYSTEM);
	assert_int_equal(status.sys, 5);
	assert_int_equal(strlen(status.msg), sizeof(status.msg) - 1);
}

/* Else a person would read "osync: " and nothing behind it. */
static void test_a_failure_without_a_reason_says_so(void **state)
{
	const struct err silent = { .kind = ERR_SYSTEM };
	AUTO_BUF sent = BUF_INIT;
	struct err status = ERR_INIT;
	struct frame frame = { 0 };
	size_t size = 0;

	msg_put_status(&sent, PEER_ERROR, &silent);
	assert_int_equal(frame_parse(sent.data, sent.len, &frame, &size, NULL), 1);
	assert_int_equal(msg_get_status(&frame, &status, NULL), 0);
	assert_string_equal(status.msg, "it gives no reason");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_message_comes_out_as_it_went_in),
		cmocka_unit_test(test_a_message_cut_short_is_refused),
		cmocka_unit_test(test_a_message_with_a_byte_too_many_is_refused),
		cmocka_unit_test(test_a_flipped_bit_is_refused_or_makes_sense),
		cmocka_unit_test(test_a_message_of_another_type_is_refused_or_makes_sense),
		cmocka_unit_test(test_fields_keep_their_meaning),
		cmocka_unit_test(test_paths_that_are_none_are_refused),
		cmocka_unit_test(test_a_path_with_a_nul_is_refused),
		cmocka_unit_test(test_profiles_that_are_no_file_name_are_refused),
		cmocka_unit_test(test_a_relative_state_folder_is_refused),
		cmocka_unit_test(test_a_long_status_is_cut),
		cmocka_unit_test(test_a_failure_without_a_reason_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
