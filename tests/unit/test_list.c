/* SPDX-License-Identifier: BSD-2-Clause */
/* The saved list: heads and records come back, and what makes no sense is never believed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "box.h"
#include "store/list.h"

static const struct list_head some_head = { .identity = { { { 1, 2, 3 } }, { { 4, 5, 6 } } },
					    .generation = UINT64_MAX,
					    .next = 7,
					    .seed = 0x0123456789abcdef,
					    .complete = 9 };

static struct base some_base(uint64_t size)
{
	struct base base = { .type = ENTRY_FILE };

	memset(base.digest.bytes, 0x5a, DIGEST_LEN);
	for (int s = 0; s < SIDES; s++)
		base.side[s] = (struct entry){ .type = ENTRY_FILE,
					       .flags = ENTRY_HAS_DIGEST,
					       .mode = 0600,
					       .ino = 10 + (uint64_t)s,
					       .size = size,
					       .mtime_ns = -1,
					       .ctime_ns = 5,
					       .digest = base.digest };
	return base;
}

static struct list *open_well(enum table_mode mode, struct list_head *head, bool *exists)
{
	struct err err = ERR_INIT;
	struct list *list = list_open(box_dirfd(), "l", mode, head, exists, &err);

	assert_string_equal(err.msg, "");
	assert_non_null(list);
	return list;
}

/* Its paths, one behind the other; all records must be some_base() of the size given. */
static void expect_paths(const char *paths, uint64_t size)
{
	struct list_head head;
	bool exists = false;
	struct list *list = open_well(TABLE_READ, &head, &exists);
	struct list_cursor *cursor = list_cursor_new(list);
	const struct base expected = some_base(size);
	AUTO_BUF found = BUF_INIT;
	const char *path = NULL;
	struct base base;
	uint64_t count = 0;

	while (list_next(cursor, &path, &base, NULL) == 1) {
		buf_addf(&found, "%s%s", count++ ? " " : "", path);
		assert_int_equal(base.type, expected.type);
		assert_true(digest_same(&base.digest, &expected.digest));
		for (int s = 0; s < SIDES; s++)
			assert_true(entry_same_stat(&base.side[s], &expected.side[s]));
	}
	assert_string_equal(buf_cstr(&found), paths);
	assert_int_equal(list_count(list), count);
	list_cursor_free(cursor);
	list_close(list);
}

static void write_list(const char *const paths[], size_t count, uint64_t size)
{
	struct list_head head;
	bool exists = false;
	struct list *list = open_well(TABLE_WRITE, &head, &exists);
	const struct base base = some_base(size);

	list_set_head(list, &some_head);
	for (size_t i = 0; i < count; i++)
		list_put(list, paths[i], &base);
	assert_int_equal(list_flush(list, NULL), 0);
	list_close(list);
}

static void test_a_list_that_never_was_does_not_exist(void **state)
{
	struct list_head head = some_head;
	bool exists = true;
	struct list *list = open_well(TABLE_READ, &head, &exists);

	assert_false(exists);
	assert_int_equal(head.generation, 0);
	assert_true(uuid_is_none(&head.identity[SIDE_TARGET]));
	assert_int_equal(list_count(list), 0);
	list_close(list);
	assert_int_equal(box_names(), 0);
}

static void test_the_head_comes_back(void **state)
{
	struct list_head head = { .generation = 0 };
	bool exists = false;
	struct list *list = NULL;

	write_list(NULL, 0, 0);
	list = open_well(TABLE_READ, &head, &exists);
	assert_true(exists);
	for (int s = 0; s < SIDES; s++)
		assert_true(uuid_same(&head.identity[s], &some_head.identity[s]));
	assert_true(head.generation == some_head.generation);
	assert_true(head.next == some_head.next);
	assert_true(head.seed == some_head.seed);
	assert_true(head.complete == 9);
	assert_false(head.no_import);
	list_close(list);
}

static void test_that_osyncs_lists_do_not_count_comes_back(void **state)
{
	struct list_head head = some_head;
	bool exists = false;
	struct list *list = NULL;

	write_list(NULL, 0, 0);
	list = open_well(TABLE_WRITE, &head, &exists);
	head.no_import = true;
	list_set_head(list, &head);
	assert_int_equal(list_flush(list, NULL), 0);
	list_close(list);
	list = open_well(TABLE_READ, &head, &exists);
	assert_true(head.no_import);
	assert_true(head.complete == 9);
	list_close(list);
}

static void test_records_come_back_in_order(void **state)
{
	static const char *const paths[] = { "b", "a/b", "a", "a-", "\xff" };

	write_list(paths, 5, 300);
	expect_paths("a a/b a- b \xff", 300);
}

static void test_what_is_forgotten_is_gone_and_what_is_put_again_is_new(void **state)
{
	static const char *const paths[] = { "a", "b", "c" };
	struct list_head head;
	bool exists = false;
	struct list *list = NULL;
	const struct base base = some_base(2);

	write_list(paths, 3, 1);
	list = open_well(TABLE_WRITE, &head, &exists);
	list_forget(list, "b");
	list_forget(list, "never there");
	list_put(list, "a", &base);
	list_put(list, "c", &base);
	assert_int_equal(list_flush(list, NULL), 0);
	list_close(list);
	expect_paths("a c", 2);
}

static void test_what_was_not_flushed_is_not_there(void **state)
{
	static const char *const paths[] = { "a" };
	struct list_head head;
	bool exists = false;
	struct list *list = NULL;
	const struct base base = some_base(1);

	write_list(paths, 1, 1);
	list = open_well(TABLE_WRITE, &head, &exists);
	list_put(list, "b", &base);
	list_close(list);
	expect_paths("a", 1);
}

static void test_tidying_changes_nothing(void **state)
{
	static const char *const paths[] = { "a", "b" };
	struct list_head head;
	bool exists = false;
	struct list *list = NULL;

	write_list(paths, 2, 1);
	list = open_well(TABLE_WRITE, &head, &exists);
	assert_int_equal(list_tidy(list, NULL), 0);
	list_close(list);
	expect_paths("a b", 1);
}

/* A table with this as head and, where there is a path, this as its value. */
static void write_table(const struct buf *head, const char *path, const void *value, size_t len)
{
	struct table *table = table_open(box_dirfd(), "l", TABLE_WRITE, NULL);

	assert_non_null(table);
	table_set_head(table, head->data, head->len);
	if (path)
		table_put(table, path, value, len);
	assert_int_equal(table_flush(table, NULL), 0);
	table_close(table);
}

static void good_head(struct buf *out, unsigned version)
{
	enc_uint(out, version);
	for (int i = 0; i < 32; i++)
		enc_u8(out, 1);
	for (int i = 0; i < 4; i++)
		enc_le64(out, 9);
}

static void refuse_head(const struct buf *head, const char *why)
{
	struct err err = ERR_INIT;
	struct list_head ignored;
	bool exists = false;

	write_table(head, NULL, NULL, 0);
	assert_null(list_open(box_dirfd(), "l", TABLE_READ, &ignored, &exists, &err));
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_non_null(strstr(err.msg, why));
}

static void test_heads_that_make_no_sense_are_refused(void **state)
{
	AUTO_BUF head = BUF_INIT;

	good_head(&head, 2);
	for (size_t len = 1; len < head.len; len++) {
		struct buf part = { head.data, len, len };

		refuse_head(&part, "damaged");
	}
	buf_addch(&head, 0);
	refuse_head(&head, "damaged");
	buf_reset(&head);
	good_head(&head, 1);
	refuse_head(&head, "another version");
}

/* The walk stops there: half a history is none. */
static void test_a_record_that_makes_no_sense_ends_the_walk(void **state)
{
	AUTO_BUF head = BUF_INIT;
	AUTO_BUF value = BUF_INIT;
	const struct base base = some_base(1);
	struct err err = ERR_INIT;
	struct list_head ignored;
	bool exists = false;
	const char *path = NULL;
	struct base found;

	good_head(&head, 2);
	base_encode(&value, &base);
	buf_addch(&value, 0);
	write_table(&head, "some/path", value.data, value.len);
	{
		struct list *list = open_well(TABLE_READ, &ignored, &exists);
		struct list_cursor *cursor = list_cursor_new(list);

		assert_int_equal(list_next(cursor, &path, &found, &err), -1);
		assert_int_equal(err.kind, ERR_CORRUPT);
		assert_non_null(strstr(err.msg, "some/path"));
		list_cursor_free(cursor);
		list_close(list);
	}
}

static void test_closing_nothing_does_nothing(void **state)
{
	list_close(NULL);
	list_cursor_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, box_setup, box_teardown)
		TEST(test_a_list_that_never_was_does_not_exist),
		TEST(test_the_head_comes_back),
		TEST(test_that_osyncs_lists_do_not_count_comes_back),
		TEST(test_records_come_back_in_order),
		TEST(test_what_is_forgotten_is_gone_and_what_is_put_again_is_new),
		TEST(test_what_was_not_flushed_is_not_there),
		TEST(test_tidying_changes_nothing),
		TEST(test_heads_that_make_no_sense_are_refused),
		TEST(test_a_record_that_makes_no_sense_ends_the_walk),
		TEST(test_closing_nothing_does_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
