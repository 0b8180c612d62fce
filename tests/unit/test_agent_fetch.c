/* SPDX-License-Identifier: BSD-2-Clause */
/* An agent that takes files from the other root, which is on this machine: FETCH. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/digest.h"
#include "model/entry.h"
#include "peer/agent.h"
#include "peer_help.h"
#include "store/lock.h"
#include "tree/scan.h"
#include "tree_help.h"

#define STAGE "t/.osync_workdir/stage"

static void hello(struct far *far, unsigned flags)
{
	const struct msg_hello hello = { .version_min = PEER_VERSION,
					 .version_max = PEER_VERSION,
					 .build = "test",
					 .profile = "profile",
					 .flags = flags,
					 .silence_s = 180,
					 .scan_flags = SCAN_XATTR,
					 .state_dir = "" };

	msg_put_hello(&far->out, &hello);
}

/* What WELCOME says of an agent of "t" that was told of this folder. */
static bool is_offered(const char *other, unsigned flags)
{
	const struct agent_options options = { .dir = "t",
					       .other_dir = other,
					       .role = "target agent" };
	AUTO_FAR far = far_start_as(&options);
	struct arena arena = ARENA_INIT;
	struct msg_welcome welcome;

	hello(&far, flags);
	far_expect(&far, PEER_WELCOME);
	assert_int_equal(msg_get_welcome(&far.frame, &arena, &welcome, NULL), 0);
	arena_release(&arena);
	return (welcome.flags & PEER_WELCOME_FETCHES) != 0;
}

/* "t" is ready for operations, and "other" is within reach. */
static struct far prepared(void)
{
	const struct agent_options options = {
		.dir = "t", .other_dir = "other", .role = "target agent", .alone = true
	};
	struct far far = { .fd = -1, .pid = -1 };

	help_sh("mkdir -p other/folder outside; echo kept > outside/secret;"
		" ln -s ../outside other/out; ln -s ../outside/secret other/secret");
	far = far_start_as(&options);
	hello(&far, 0);
	far_expect(&far, PEER_WELCOME);
	far_lock(&far, LOCK_HOLD, "test");
	assert_int_equal(far_status(&far, PEER_LOCKED), ERR_NONE);
	far_prepare(&far, "run");
	far_expect(&far, PEER_READY);
	return far;
}

static struct entry there(const char *path)
{
	AUTO_FREE char *full = xasprintf("other/%s", path);

	return help_stat(full);
}

static void ask_put(struct far *far, uint64_t id, const char *path, uint64_t size)
{
	struct msg_op op = { .id = id, .kind = OP_PUT, .path = path };

	op.meta = (struct op_meta){ .mask = META_MODE | META_MTIME | META_XATTR,
				    .mode = 0640,
				    .mtime_ns = 1 };
	op.source = (struct entry){ .type = ENTRY_FILE, .size = size };
	far_op(far, &op);
}

static void ask_fetch(struct far *far, uint64_t id, const char *from, const struct entry *expect)
{
	size_t start = frame_begin(&far->out, PEER_FETCH);

	msg_enc_read(&far->out, id, from, expect, true);
	enc_u8(&far->out, 1);
	frame_end(&far->out, start);
}

/* As it is there now. */
static void fetch(struct far *far, uint64_t id, const char *path, const char *from)
{
	const struct entry expect = there(from);

	ask_put(far, id, path, expect.size);
	ask_fetch(far, id, from, &expect);
}

static void well(struct far *far, unsigned type, uint64_t id)
{
	assert_int_equal(far_result(far, type, id), ERR_NONE);
}

static void flush(struct far *far)
{
	far_empty(far, PEER_FLUSH);
}

/* Neither read nor placed, and said so twice. */
static void expect_not_fetched(struct far *far, uint64_t id, enum err_kind kind)
{
	assert_int_equal(far_result(far, PEER_FETCHED, id), kind);
	flush(far);
	assert_int_equal(far_result(far, PEER_DONE, id), ERR_CHANGED);
	far_expect(far, PEER_FLUSHED);
	assert_int_equal(help_count("t"), 1);
	assert_int_equal(help_count(STAGE), 0);
	assert_string_equal(help_read("outside/secret"), "kept\n");
}

static void test_it_is_offered_where_there_is_another_root(void **state)
{
	(void)state;
	help_sh("mkdir other; echo > file");
	assert_true(is_offered("other", 0));
	assert_false(is_offered(NULL, 0));
	assert_false(is_offered("missing", 0));
	assert_false(is_offered("file", 0));
	assert_false(is_offered("other", PEER_HELLO_DRY));
	assert_false(help_exists("missing"));
}

static void test_without_another_root_it_is_refused(void **state)
{
	const struct entry expect = { .type = ENTRY_FILE };
	AUTO_FAR far = far_prepared();

	(void)state;
	ask_put(&far, 1, "file", 0);
	ask_fetch(&far, 1, "file", &expect);
	far_refuses(&far, ERR_PROTOCOL);
}

/* What FETCHED says is what READ_END would have said. */
static void expect_described(struct far *far, const char *path)
{
	const char *content = help_read(path);
	struct digest digest = digest_of(content, strlen(content), 0);
	struct entry entry = help_stat(path);
	struct arena arena = ARENA_INIT;
	struct msg_result result;

	far_expect(far, PEER_FETCHED);
	assert_int_equal(msg_get_result(&far->frame, &arena, &result, NULL), 0);
	assert_int_equal(result.status.kind, ERR_NONE);
	assert_true(entry_same_stat(&result.entry, &entry));
	assert_true(result.entry.flags & ENTRY_HAS_DIGEST);
	assert_true(digest_same(&result.entry.digest, &digest));
	arena_release(&arena);
}

static void test_a_file_comes_with_its_attributes(void **state)
{
	AUTO_FAR far = prepared();

	(void)state;
	help_write("other/folder/file", "content");
	help_sh("setfattr -n user.colour -v blue other/folder/file");
	fetch(&far, 1, "new", "folder/file");
	expect_described(&far, "other/folder/file");
	assert_false(help_exists("t/new"));
	flush(&far);
	well(&far, PEER_DONE, 1);
	far_expect(&far, PEER_FLUSHED);
	help_sh("cmp other/folder/file t/new && test $(stat -c %%a t/new) = 640 &&"
		" getfattr -n user.colour t/new | grep -q blue");
	assert_int_equal(help_count(STAGE), 0);
	assert_int_equal(far_end(&far), 0);
}

static void test_files_of_all_sizes_are_fetched_in_order(void **state)
{
	static const char *const names[] = { "empty", "small", "big", "sparse", "last" };
	enum { FILES = sizeof(names) / sizeof(names[0]) };
	AUTO_FAR far = prepared();

	(void)state;
	help_sh("cd other; : > empty; printf x > small; head -c 9000001 /dev/urandom > big;"
		" printf x > sparse; truncate -s 20M sparse; printf y >> sparse;"
		" truncate -s 30M sparse; printf last > last");
	for (uint64_t id = 0; id < FILES; id++)
		fetch(&far, id, names[id], names[id]);
	/* It is answered while there is something to copy. */
	far_empty(&far, PEER_PING);
	far_expect(&far, PEER_PONG);
	for (uint64_t id = 0; id < FILES; id++)
		well(&far, PEER_FETCHED, id);
	flush(&far);
	for (uint64_t id = 0; id < FILES; id++)
		well(&far, PEER_DONE, id);
	far_expect(&far, PEER_FLUSHED);
	help_sh("for f in empty small big sparse last; do cmp other/$f t/$f || exit 1; done;"
		" test $(stat -c %%b t/sparse) -le 64");
}

static void test_many_small_files_are_fetched(void **state)
{
	enum { MANY = 700 };
	AUTO_FAR far = prepared();

	(void)state;
	help_sh("cd other; for i in $(seq 0 %d); do echo $i > $i; done", MANY - 1);
	for (unsigned id = 0; id < MANY; id++) {
		AUTO_FREE char *name = xasprintf("%u", id);

		fetch(&far, id, name, name);
	}
	for (unsigned id = 0; id < MANY; id++)
		well(&far, PEER_FETCHED, id);
	flush(&far);
	for (unsigned id = 0; id < MANY; id++)
		well(&far, PEER_DONE, id);
	far_expect(&far, PEER_FLUSHED);
	help_sh("for i in $(seq 0 %d); do cmp other/$i t/$i || exit 1; done", MANY - 1);
}

/* FLUSH comes in between: what has not come to its end is in the next one. */
static void test_a_new_folder_is_filled_with_what_is_fetched(void **state)
{
	struct msg_op folder = { .id = 1, .kind = OP_MKDIR, .path = "new", .filled = true };
	AUTO_FAR far = prepared();

	(void)state;
	folder.meta = (struct op_meta){ .mask = META_MODE, .mode = 0750 };
	folder.source = (struct entry){ .type = ENTRY_DIR };
	help_write("other/one", "1");
	help_write("other/two", "2");
	far_op(&far, &folder);
	fetch(&far, 2, "new/one", "one");
	fetch(&far, 3, "new/two", "two");
	flush(&far);
	well(&far, PEER_FETCHED, 2);
	well(&far, PEER_FETCHED, 3);
	far_expect(&far, PEER_FLUSHED);
	assert_false(help_exists("t/new"));
	flush(&far);
	for (uint64_t id = 1; id <= 3; id++)
		well(&far, PEER_DONE, id);
	far_expect(&far, PEER_FLUSHED);
	assert_string_equal(help_read("t/new/one"), "1");
	assert_string_equal(help_read("t/new/two"), "2");
	assert_int_equal(help_count("t/new"), 2);
	assert_int_equal(help_count(STAGE), 0);
}

static void test_i22_what_is_another_version_by_now_is_not_fetched(void **state)
{
	AUTO_FAR far = prepared();
	struct entry expect = { 0 };

	(void)state;
	help_write("other/file", "as listed");
	expect = there("file");
	help_sh("sleep 0.02; printf ' and more' >> other/file");
	ask_put(&far, 1, "file", expect.size);
	ask_fetch(&far, 1, "file", &expect);
	expect_not_fetched(&far, 1, ERR_CHANGED);
}

static void test_i22_what_is_gone_is_not_fetched(void **state)
{
	AUTO_FAR far = prepared();
	struct entry expect = { 0 };

	(void)state;
	help_write("other/folder/file", "as listed");
	expect = there("folder/file");
	help_sh("rm -r other/folder");
	ask_put(&far, 1, "file", expect.size);
	ask_fetch(&far, 1, "folder/file", &expect);
	expect_not_fetched(&far, 1, ERR_CHANGED);
}

static void test_i22_what_is_written_to_meanwhile_is_not_fetched(void **state)
{
	static const char *const sizes[] = { "100", "9000001" };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct far far = { 0 };

		help_sh("rm -rf other");
		setenv("OSYNC_POINT", "copying=printf x >> other/file", 1);
		far = prepared();
		unsetenv("OSYNC_POINT");
		help_sh("head -c %s /dev/urandom > other/file; sleep 0.02", sizes[i]);
		fetch(&far, 1, "file", "file");
		expect_not_fetched(&far, 1, ERR_CHANGED);
		far_close(&far);
	}
}

static void test_i34_no_link_is_followed(void **state)
{
	static const char *const paths[] = { "out/secret", "secret" };

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct far far = { 0 };
		struct entry expect = { 0 };

		help_sh("rm -rf other");
		far = prepared();
		expect = help_stat("outside/secret");
		ask_put(&far, 1, "file", expect.size);
		ask_fetch(&far, 1, paths[i], &expect);
		expect_not_fetched(&far, 1, ERR_CHANGED);
		far_close(&far);
	}
}

static void test_i34_no_path_leads_out_or_to_what_is_osyncs_own(void **state)
{
	static const char *const paths[] = { "../outside/secret", "/etc/passwd", "",
					     "folder/../../outside/secret" };
	struct entry expect = { .type = ENTRY_FILE };

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		AUTO_FAR far = { .fd = -1 };

		help_sh("rm -rf other");
		far = prepared();
		ask_put(&far, 1, "file", 0);
		ask_fetch(&far, 1, paths[i], &expect);
		far_refuses(&far, ERR_PROTOCOL);
	}
	AUTO_FAR far = { .fd = -1 };

	help_sh("rm -rf other");
	far = prepared();
	help_sh("mkdir other/.osync_workdir; echo own > other/.osync_workdir/identity");
	expect = there(".osync_workdir/identity");
	ask_put(&far, 1, "file", expect.size);
	ask_fetch(&far, 1, ".osync_workdir/identity", &expect);
	expect_not_fetched(&far, 1, ERR_PROTOCOL);
}

/* What stands in the way on this side is not said of the other one. */
static void test_i40_what_cannot_be_written_is_said_with_done(void **state)
{
	AUTO_FAR far = prepared();
	struct entry expect = { 0 };
	struct arena arena = ARENA_INIT;
	struct msg_result result;

	(void)state;
	help_write("other/file", "content");
	expect = there("file");
	/* More than any file system can hold. */
	ask_put(&far, 1, "file", UINT64_C(1) << 63);
	ask_fetch(&far, 1, "file", &expect);
	far_expect(&far, PEER_FETCHED);
	assert_int_equal(msg_get_result(&far.frame, &arena, &result, NULL), 0);
	assert_int_equal(result.status.kind, ERR_NONE);
	assert_int_equal(result.entry.type, ENTRY_ABSENT);
	arena_release(&arena);
	flush(&far);
	assert_int_equal(far_result(&far, PEER_DONE, 1), ERR_SYSTEM);
	far_expect(&far, PEER_FLUSHED);
	assert_int_equal(help_count("t"), 1);
}

static void test_of_a_session_that_ends_midway_nothing_stays(void **state)
{
	AUTO_FAR far = prepared();

	(void)state;
	help_sh("head -c 50000000 /dev/zero > other/big; echo small > other/small");
	fetch(&far, 1, "big", "big");
	fetch(&far, 2, "small", "small");
	assert_int_equal(far_end(&far), 0);
	assert_int_equal(help_count("t"), 1);
	assert_int_equal(help_count(STAGE), 0);
}

/* Bytes that are sent for a file that is fetched, or the other way round; and what nobody has asked to put. */
static void test_what_makes_no_sense_is_refused(void **state)
{
	enum { DATA, HOLE, PUT_END, TWICE, BEHIND_DATA, UNKNOWN, CASES };

	(void)state;
	for (int i = 0; i < CASES; i++) {
		AUTO_FAR far = { .fd = -1 };
		struct entry expect = { 0 };

		help_sh("rm -rf other");
		far = prepared();
		help_sh("head -c 30000000 /dev/zero > other/big");
		if (i == BEHIND_DATA) {
			ask_put(&far, 1, "big", 30000000);
			far_data(&far, 1, "x");
		}
		expect = there("big");
		if (i != BEHIND_DATA && i != UNKNOWN)
			ask_put(&far, 1, "big", expect.size);
		ask_fetch(&far, 1, "big", &expect);
		if (i == DATA)
			far_data(&far, 1, "x");
		else if (i == HOLE)
			far_hole(&far, 1, 1);
		else if (i == PUT_END)
			far_put_end(&far, 1, 1, "");
		else if (i == TWICE)
			ask_fetch(&far, 1, "big", &expect);
		far_refuses(&far, ERR_PROTOCOL);
		assert_int_equal(help_count("t"), 1);
		assert_int_equal(help_count(STAGE), 0);
	}
}

static void test_nothing_is_fetched_before_a_prepare(void **state)
{
	const struct agent_options options = { .dir = "t",
					       .other_dir = "other",
					       .role = "target agent" };
	const struct entry expect = { .type = ENTRY_FILE };
	AUTO_FAR far = { .fd = -1 };

	(void)state;
	help_sh("mkdir other; echo x > other/file");
	far = far_start_as(&options);
	hello(&far, 0);
	far_expect(&far, PEER_WELCOME);
	far_lock(&far, LOCK_HOLD, "test");
	assert_int_equal(far_status(&far, PEER_LOCKED), ERR_NONE);
	ask_fetch(&far, 1, "file", &expect);
	far_refuses(&far, ERR_PROTOCOL);
}

/* The other agent has renamed a folder there: it is not looked into at its old place. */
static void test_a_folder_is_found_again_after_a_flush(void **state)
{
	AUTO_FAR far = prepared();

	(void)state;
	help_write("other/folder/one", "1");
	fetch(&far, 1, "one", "folder/one");
	well(&far, PEER_FETCHED, 1);
	flush(&far);
	well(&far, PEER_DONE, 1);
	far_expect(&far, PEER_FLUSHED);
	help_sh("mv other/folder other/moved; mkdir other/folder; echo 2 > other/folder/two");
	fetch(&far, 2, "two", "folder/two");
	well(&far, PEER_FETCHED, 2);
	flush(&far);
	well(&far, PEER_DONE, 2);
	far_expect(&far, PEER_FLUSHED);
	assert_string_equal(help_read("t/two"), "2\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
		TEST(test_it_is_offered_where_there_is_another_root),
		TEST(test_without_another_root_it_is_refused),
		TEST(test_a_file_comes_with_its_attributes),
		TEST(test_files_of_all_sizes_are_fetched_in_order),
		TEST(test_many_small_files_are_fetched),
		TEST(test_a_new_folder_is_filled_with_what_is_fetched),
		TEST(test_i22_what_is_another_version_by_now_is_not_fetched),
		TEST(test_i22_what_is_gone_is_not_fetched),
		TEST(test_i22_what_is_written_to_meanwhile_is_not_fetched),
		TEST(test_i34_no_link_is_followed),
		TEST(test_i34_no_path_leads_out_or_to_what_is_osyncs_own),
		TEST(test_i40_what_cannot_be_written_is_said_with_done),
		TEST(test_of_a_session_that_ends_midway_nothing_stays),
		TEST(test_what_makes_no_sense_is_refused),
		TEST(test_nothing_is_fetched_before_a_prepare),
		TEST(test_a_folder_is_found_again_after_a_flush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
