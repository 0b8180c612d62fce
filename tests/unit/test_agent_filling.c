/* SPDX-License-Identifier: BSD-2-Clause */
/* New folders that an agent puts in place with the files in them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "model/entry.h"
#include "peer_help.h"
#include "tree/partial.h"
#include "tree_help.h"

#define STAGE "t/.osync_workdir/stage"

static void ask_folder(struct far *far, uint64_t id, const char *path)
{
	struct msg_op op = { .id = id, .kind = OP_MKDIR, .path = path, .filled = true };

	op.meta = (struct op_meta){ .mask = META_MODE | META_MTIME, .mode = 0750, .mtime_ns = 1 };
	op.source = (struct entry){ .type = ENTRY_DIR };
	far_op(far, &op);
}

static void ask_file(struct far *far, uint64_t id, const char *path)
{
	struct msg_op op = { .id = id, .kind = OP_PUT, .path = path };

	op.meta = (struct op_meta){ .mask = META_MODE | META_MTIME, .mode = 0640, .mtime_ns = 1 };
	op.source = (struct entry){ .type = ENTRY_FILE, .size = 1 };
	far_op(far, &op);
}

static void send_file(struct far *far, uint64_t id, const char *text)
{
	far_data(far, id, text);
	far_put_end(far, id, 1, text);
}

static void put(struct far *far, uint64_t id, const char *path, const char *text)
{
	ask_file(far, id, path);
	send_file(far, id, text);
}

static void well(struct far *far, uint64_t id)
{
	assert_int_equal(far_result(far, PEER_DONE, id), ERR_NONE);
}

static void test_a_folder_and_its_files_come_with_the_flush(void **state)
{
	AUTO_FAR far = far_prepared();

	ask_folder(&far, 1, "new");
	put(&far, 2, "new/one", "1");
	ask_folder(&far, 3, "new/sub");
	put(&far, 4, "new/sub/two", "2");
	put(&far, 5, "new/three", "3");
	put(&far, 6, "other", "4");
	/* An answer that is only given when all before it was looked at. */
	far_hash(&far, 7, "nothing", NULL);
	assert_int_not_equal(far_result(&far, PEER_HASHED, 7), ERR_PROTOCOL);
	assert_false(help_exists("t/new"));
	far_empty(&far, PEER_FLUSH);
	for (uint64_t id = 1; id <= 6; id++)
		well(&far, id);
	far_expect(&far, PEER_FLUSHED);
	assert_string_equal(help_read("t/new/one"), "1");
	assert_string_equal(help_read("t/new/sub/two"), "2");
	assert_string_equal(help_read("t/new/three"), "3");
	assert_string_equal(help_read("t/other"), "4");
	assert_int_equal(help_count(STAGE), 0);
}

/* One file of a folder has come in part: neither the folder nor anything in it or below is there, or said to be. */
static void test_a_folder_waits_for_its_files(void **state)
{
	struct msg_op link = { .id = 5, .kind = OP_SYMLINK, .path = "new/link" };
	AUTO_FAR far = far_prepared();

	link.source = (struct entry){ .type = ENTRY_SYMLINK, .link = "anywhere" };
	link.meta = (struct op_meta){ .mask = META_MTIME, .mtime_ns = 1 };
	ask_folder(&far, 1, "new");
	ask_file(&far, 2, "new/late");
	far_data(&far, 2, "2");
	put(&far, 3, "new/one", "1");
	ask_folder(&far, 4, "new/sub");
	far_op(&far, &link);
	ask_folder(&far, 6, "next");
	put(&far, 7, "next/file", "7");
	far_empty(&far, PEER_FLUSH);
	well(&far, 6);
	well(&far, 7);
	far_expect(&far, PEER_FLUSHED);
	assert_false(help_exists("t/new"));
	far_put_end(&far, 2, 1, "2");
	put(&far, 8, "new/more", "8");
	far_empty(&far, PEER_FLUSH);
	for (uint64_t id = 1; id <= 5; id++)
		well(&far, id);
	well(&far, 8);
	far_expect(&far, PEER_FLUSHED);
	assert_string_equal(help_read("t/new/late"), "2");
	assert_string_equal(help_read("t/new/more"), "8");
	assert_int_equal(help_count("t/new"), 5);
	assert_int_equal(help_count(STAGE), 0);
}

/* Or what was sent would be sent again where the line is cut, however much it was. */
static void test_a_folder_does_not_wait_for_files_that_have_not_begun_to_come(void **state)
{
	AUTO_FAR far = far_prepared();

	ask_folder(&far, 1, "new");
	put(&far, 2, "new/one", "1");
	ask_file(&far, 3, "new/two");
	far_data(&far, 3, "2");
	ask_file(&far, 4, "new/three");
	far_empty(&far, PEER_FLUSH);
	far_expect(&far, PEER_FLUSHED);
	far_put_end(&far, 3, 1, "2");
	ask_file(&far, 5, "new/four");
	far_data(&far, 4, "3");
	far_data(&far, 5, "4");
	far_empty(&far, PEER_FLUSH);
	for (uint64_t id = 1; id <= 3; id++)
		well(&far, id);
	far_expect(&far, PEER_FLUSHED);
	assert_int_equal(help_count("t/new"), 2);
	far_put_end(&far, 4, 1, "3");
	far_put_end(&far, 5, 1, "4");
	far_empty(&far, PEER_FLUSH);
	well(&far, 4);
	well(&far, 5);
	far_expect(&far, PEER_FLUSHED);
	assert_string_equal(help_read("t/new/three"), "3");
	assert_int_equal(help_count("t/new"), 4);
	assert_int_equal(help_count(STAGE), 0);
}

/* Nothing would be gained by putting it in place without any of them. */
static void test_a_folder_of_which_nothing_has_come_waits_for_all_of_it(void **state)
{
	AUTO_FAR far = far_prepared();

	ask_folder(&far, 1, "new");
	ask_file(&far, 2, "new/one");
	far_empty(&far, PEER_FLUSH);
	far_expect(&far, PEER_FLUSHED);
	assert_false(help_exists("t/new"));
	send_file(&far, 2, "1");
	far_empty(&far, PEER_FLUSH);
	well(&far, 1);
	well(&far, 2);
	far_expect(&far, PEER_FLUSHED);
	assert_string_equal(help_read("t/new/one"), "1");
}

/* Also while those that a FLUSH has taken are put in place beside the loop. */
static void test_a_folder_of_many_files_gets_all_of_them(void **state)
{
	enum { MANY = 700 };
	AUTO_FAR far = far_prepared();
	char path[32];

	ask_folder(&far, 1, "new");
	for (uint64_t id = 2; id < MANY; id++) {
		snprintf(path, sizeof(path), "new/%u", (unsigned)id);
		put(&far, id, path, "x");
		if (id == MANY / 2)
			far_empty(&far, PEER_FLUSH);
	}
	for (uint64_t id = 1; id <= MANY / 2; id++)
		well(&far, id);
	far_expect(&far, PEER_FLUSHED);
	far_empty(&far, PEER_FLUSH);
	for (uint64_t id = MANY / 2 + 1; id < MANY; id++)
		well(&far, id);
	far_expect(&far, PEER_FLUSHED);
	assert_int_equal(help_count("t/new"), MANY - 2);
	assert_int_equal(help_count(STAGE), 0);
}

static void test_what_is_called_off_is_not_in_the_folder(void **state)
{
	AUTO_FAR far = far_prepared();

	ask_folder(&far, 1, "new");
	ask_file(&far, 2, "new/off");
	far_data(&far, 2, "x");
	far_put_end(&far, 2, 0, "x");
	ask_file(&far, 3, "new/lie");
	far_data(&far, 3, "x");
	far_put_end(&far, 3, 1, "y");
	put(&far, 4, "new/good", "4");
	far_empty(&far, PEER_FLUSH);
	well(&far, 1);
	assert_int_equal(far_result(&far, PEER_DONE, 2), ERR_CHANGED);
	assert_int_equal(far_result(&far, PEER_DONE, 3), ERR_CHANGED);
	well(&far, 4);
	far_expect(&far, PEER_FLUSHED);
	assert_int_equal(help_count("t/new"), 1);
	assert_string_equal(help_read("t/new/good"), "4");
}

static void test_a_folder_that_cannot_come_brings_no_file(void **state)
{
	AUTO_FAR far = far_prepared();

	help_write("t/new", "mine");
	ask_folder(&far, 1, "new");
	put(&far, 2, "new/one", "1");
	far_empty(&far, PEER_FLUSH);
	assert_int_equal(far_result(&far, PEER_DONE, 1), ERR_CHANGED);
	assert_int_equal(far_result(&far, PEER_DONE, 2), ERR_CHANGED);
	far_expect(&far, PEER_FLUSHED);
	assert_string_equal(help_read("t/new"), "mine");
	assert_int_equal(help_count(STAGE), 0);
}

/* The second one is put there as any file is, and finds the first. */
static void test_one_name_is_given_to_one_file(void **state)
{
	AUTO_FAR far = far_prepared();

	ask_folder(&far, 1, "new");
	put(&far, 2, "new/one", "1");
	put(&far, 3, "new/one", "2");
	far_empty(&far, PEER_FLUSH);
	well(&far, 1);
	well(&far, 2);
	assert_int_equal(far_result(&far, PEER_DONE, 3), ERR_CHANGED);
	far_expect(&far, PEER_FLUSHED);
	assert_string_equal(help_read("t/new/one"), "1");
}

static void test_of_a_session_that_ends_nothing_stays_in_the_stage(void **state)
{
	AUTO_FAR far = far_prepared();

	ask_folder(&far, 1, "new");
	put(&far, 2, "new/one", "1");
	ask_file(&far, 3, "new/two");
	far_data(&far, 3, "x");
	far_end(&far);
	assert_false(help_exists("t/new"));
	assert_int_equal(help_count(STAGE), 0);
}

/* It is no name for anything that is synced, wherever it is: neither for a file in a folder that is new. */
static void test_the_name_of_the_work_folder_is_refused_in_a_new_folder(void **state)
{
	AUTO_FAR far = far_prepared();

	ask_folder(&far, 1, "new");
	put(&far, 2, "new/.osync_workdir", "2");
	far_empty(&far, PEER_FLUSH);
	well(&far, 1);
	assert_int_equal(far_result(&far, PEER_DONE, 2), ERR_PROTOCOL);
	far_expect(&far, PEER_FLUSHED);
	assert_int_equal(help_count("t/new"), 0);
}

/* A large file that is all there, whose folder waits for another one. */
static void test_a_large_file_that_waits_is_not_sent_again(void **state)
{
	enum { PIECE = 64 * 1024, PIECES = PARTIAL_MIN / PIECE };
	AUTO_FREE char *text = xcalloc(1, PARTIAL_MIN + 1);
	struct msg_op large = { .id = 2, .kind = OP_PUT, .path = "new/large" };
	AUTO_FAR far = far_prepared();

	memset(text, 'x', PARTIAL_MIN);
	large.meta = (struct op_meta){ .mask = META_MODE, .mode = 0640 };
	large.source = (struct entry){ .type = ENTRY_FILE, .size = PARTIAL_MIN };
	ask_folder(&far, 1, "new");
	far_op(&far, &large);
	ask_file(&far, 3, "new/small");
	for (int i = 0; i < PIECES; i++)
		far_data(&far, 2, text + PARTIAL_MIN - PIECE);
	far_put_end(&far, 2, 1, text);
	far_data(&far, 3, "3");
	far_empty(&far, PEER_FLUSH);
	while (far_next(&far) == PEER_CREDIT)
		continue;
	assert_int_equal(far.frame.type, PEER_FLUSHED);
	far_end(&far);
	assert_true(help_exists("t/new/large") || help_count("t/.osync_workdir/partial") == 1);
}

static void test_only_a_folder_can_be_filled(void **state)
{
	for (int kind = OP_MKDIR + 1; kind <= OP_META; kind++) {
		AUTO_FAR far = far_prepared();
		const struct msg_op op = { .id = 1,
					   .kind = (enum op_kind)kind,
					   .path = "path",
					   .from = "from",
					   .filled = true };

		far_op(&far, &op);
		far_refuses(&far, ERR_PROTOCOL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
		TEST(test_a_folder_and_its_files_come_with_the_flush),
		TEST(test_a_folder_waits_for_its_files),
		TEST(test_a_folder_does_not_wait_for_files_that_have_not_begun_to_come),
		TEST(test_a_folder_of_which_nothing_has_come_waits_for_all_of_it),
		TEST(test_a_folder_of_many_files_gets_all_of_them),
		TEST(test_what_is_called_off_is_not_in_the_folder),
		TEST(test_a_folder_that_cannot_come_brings_no_file),
		TEST(test_one_name_is_given_to_one_file),
		TEST(test_of_a_session_that_ends_nothing_stays_in_the_stage),
		TEST(test_the_name_of_the_work_folder_is_refused_in_a_new_folder),
		TEST(test_a_large_file_that_waits_is_not_sent_again),
		TEST(test_only_a_folder_can_be_filled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
