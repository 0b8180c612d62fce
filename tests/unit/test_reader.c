/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "tree/reader.h"
#include "tree/root.h"
#include "tree/scan.h"
#include "tree_help.h"

static struct digest digest_at(struct root *root, const char *path)
{
	struct err err = ERR_INIT;
	struct entry entry = { 0 };

	if (reader_digest(root, path, NULL, HELP_SEED, &entry, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(entry.flags & ENTRY_HAS_DIGEST);
	return entry.digest;
}

static void test_digest_is_that_of_the_bytes(void **state)
{
	struct root *root = help_root();
	struct digest wanted = digest_of("hello", 5, HELP_SEED);
	struct digest none = digest_of("", 0, HELP_SEED);
	struct digest found = { { 0 } };

	(void)state;
	help_write("t/f", "hello");
	help_write("t/empty", "");
	found = digest_at(root, "f");
	assert_true(digest_same(&wanted, &found));
	found = digest_at(root, "empty");
	assert_true(digest_same(&none, &found));
	root_close(root);
}

static void test_i57_holes_are_reported_not_read(void **state)
{
	struct root *root = help_root();
	struct err err = ERR_INIT;
	struct reader *reader = NULL;
	enum reader_piece piece = READER_DATA;
	static char room[65536];
	uint64_t len = 0;
	uint64_t holes = 0;
	uint64_t data = 0;

	(void)state;
	help_sh("truncate -s 64M t/s; printf x | dd of=t/s bs=1 seek=20000000 conv=notrunc status=none");
	reader = reader_open(root, "s", NULL, HELP_SEED, &err);
	assert_non_null(reader);
	while ((piece = reader_next(reader, room, sizeof(room), &len, &err)) > READER_END) {
		holes += piece == READER_HOLE ? len : 0;
		data += piece == READER_DATA ? len : 0;
	}
	assert_int_equal(piece, READER_END);
	assert_int_equal(holes + data, 64 * 1024 * 1024);
	assert_true(data <= 65536);
	reader_free(reader);
	root_close(root);
}

static void test_sparse_and_dense_files_have_one_digest(void **state)
{
	struct root *root = help_root();
	struct digest sparse = { { 0 } };
	struct digest dense = { { 0 } };

	(void)state;
	help_sh("truncate -s 3000000 t/s; printf x | dd of=t/s bs=1 seek=1500000 conv=notrunc status=none;"
		"cp --sparse=never t/s t/d");
	sparse = digest_at(root, "s");
	dense = digest_at(root, "d");
	assert_true(digest_same(&sparse, &dense));
	root_close(root);
}

static enum err_kind open_kind(struct root *root, const char *path, const struct entry *expect)
{
	struct err err = ERR_INIT;
	struct reader *reader = reader_open(root, path, expect, HELP_SEED, &err);

	assert_null(reader);
	return err.kind;
}

static void test_i59_only_regular_files_are_opened(void **state)
{
	struct root *root = help_root();

	(void)state;
	help_sh("mkfifo t/p; mkdir t/d; echo x > t/f; ln -s f t/l");
	assert_int_equal(open_kind(root, "p", NULL), ERR_CHANGED);
	assert_int_equal(open_kind(root, "d", NULL), ERR_CHANGED);
	assert_int_equal(open_kind(root, "l", NULL), ERR_CHANGED);
	assert_int_equal(open_kind(root, "none", NULL), ERR_CHANGED);
	root_close(root);
}

static void test_another_file_than_expected_is_refused(void **state)
{
	struct root *root = help_root();
	struct entry expect = { 0 };
	struct entry out = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	help_write("t/f", "one");
	expect = help_entry(root, "f");
	expect.xattr = 99;
	assert_int_equal(reader_digest(root, "f", &expect, HELP_SEED, &out, &err), 0);
	assert_int_equal(out.xattr, 99);
	help_sh("echo two > t/g; touch -r t/f t/g; mv t/g t/f");
	assert_int_equal(open_kind(root, "f", &expect), ERR_CHANGED);
	root_close(root);
}

static void read_while(struct root *root, const char *edit)
{
	struct err err = ERR_INIT;
	struct reader *reader = NULL;
	enum reader_piece piece = READER_DATA;
	char room[4096];
	uint64_t len = 0;

	help_sh("rm -f t/f; head -c 20000 /dev/zero | tr '\\0' x > t/f; touch -d 2001-01-01 t/f");
	reader = reader_open(root, "f", NULL, HELP_SEED, &err);
	assert_non_null(reader);
	assert_int_equal(reader_next(reader, room, sizeof(room), &len, &err), READER_DATA);
	help_sh("%s", edit);
	while (piece > READER_END)
		piece = reader_next(reader, room, sizeof(room), &len, &err);
	assert_int_equal(piece, READER_ERROR);
	assert_int_equal(err.kind, ERR_CHANGED);
	assert_non_null(strstr(err.msg, "is being written to"));
	reader_free(reader);
}

static void test_i22_changes_while_reading_are_noticed(void **state)
{
	struct root *root = help_root();

	(void)state;
	read_while(root, "echo more >> t/f");
	read_while(root, "truncate -s 5000 t/f");
	read_while(root, "truncate -s 0 t/f");
	read_while(root, "printf y | dd of=t/f bs=1 seek=19000 conv=notrunc status=none");
	/* The time put back: ctime tells. */
	read_while(root, "printf y | dd of=t/f bs=1 seek=19000 conv=notrunc status=none;"
			 "touch -d 2001-01-01 t/f");
	root_close(root);
}

static void test_bytes_are_left_where_there_is_no_hole(void **state)
{
	static char room[65536];
	struct root *root = help_root();
	struct reader *reader = NULL;
	uint64_t offset = 0;
	uint64_t len = 0;

	(void)state;
	help_sh("head -c 65536 /dev/zero | tr '\\0' x > t/f; truncate -s 131072 t/f");
	reader = reader_open(root, "f", NULL, HELP_SEED, NULL);
	assert_non_null(reader);
	/* It is to be in the digest. */
	assert_false(reader_leave(reader, 4096, &offset));
	reader_undigested(reader);
	assert_false(reader_leave(reader, 131073, &offset));
	assert_false(reader_leave(reader, 65537, &offset));
	assert_true(reader_leave(reader, 8192, &offset));
	assert_int_equal(offset, 0);
	assert_true(reader_leave(reader, 4096, &offset));
	assert_int_equal(offset, 8192);
	assert_false(reader_leave(reader, 65536, &offset));
	assert_int_equal(reader_next(reader, room, sizeof(room), &len, NULL), READER_DATA);
	assert_int_equal(len, 65536 - 12288);
	assert_false(reader_leave(reader, 4096, &offset));
	assert_int_equal(reader_next(reader, room, sizeof(room), &len, NULL), READER_HOLE);
	assert_int_equal(reader_next(reader, room, sizeof(room), &len, NULL), READER_END);
	assert_false(reader_leave(reader, 1, &offset));
	reader_free(reader);
	root_close(root);
}

static void test_i21_young_files_are_racy(void **state)
{
	struct root *root = help_root();
	struct root_caps caps = *root_caps(root);
	struct entry entry = { 0 };

	(void)state;
	help_write("t/f", "x");
	caps.granularity_ns = 1000 * NS_PER_SEC;
	root_set_caps(root, &caps);
	assert_int_equal(reader_digest(root, "f", NULL, HELP_SEED, &entry, NULL), 0);
	assert_true(entry.flags & ENTRY_RACY);
	caps.granularity_ns = -1000 * NS_PER_SEC;
	root_set_caps(root, &caps);
	assert_int_equal(reader_digest(root, "f", NULL, HELP_SEED, &entry, NULL), 0);
	assert_false(entry.flags & ENTRY_RACY);
	root_close(root);
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(test_digest_is_that_of_the_bytes),
		TREE_TEST(test_i57_holes_are_reported_not_read),
		TREE_TEST(test_sparse_and_dense_files_have_one_digest),
		TREE_TEST(test_i59_only_regular_files_are_opened),
		TREE_TEST(test_another_file_than_expected_is_refused),
		TREE_TEST(test_i22_changes_while_reading_are_noticed),
		TREE_TEST(test_bytes_are_left_where_there_is_no_hole),
		TREE_TEST(test_i21_young_files_are_racy),
	};

	return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
