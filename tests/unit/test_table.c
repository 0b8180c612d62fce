/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table as a map: what is put is read again, in order, in both files' forms.
 * What crashes and damage do to it is in test_table_damage.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/path.h"
#include "box.h"
#include "store/table.h"
#include "table_help.h"

static void a_table_without_files_is_empty_and_writes_none(void **state)
{
	AUTO_TABLE *table = help_open(TABLE_WRITE);
	struct table_cursor *cursor = table_cursor_new(table);
	const char *path = NULL;
	const void *value = NULL;
	size_t len = 0;

	assert_int_equal(table_count(table), 0);
	assert_null(table_head(table, &len));
	assert_int_equal(table_next(cursor, &path, &value, &len), 0);
	assert_int_equal(table_next(cursor, &path, &value, &len), 0);
	table_cursor_free(cursor);
	assert_int_equal(table_flush(table, NULL), 0);
	assert_int_equal(table_fold(table, NULL), 0);
	assert_false(table_should_fold(table));
	assert_int_equal(box_names(), 0);
}

static void what_was_flushed_is_there_after_reopening(void **state)
{
	help_run("b=2 a=1 ^H1 . c=3 -b ^H2 a=one .");
	help_expect("^H2 a=one c=3");
	assert_true(box_exists("t.journal"));
	assert_false(box_exists("t.base"));
}

static void what_was_not_flushed_is_not(void **state)
{
	help_run("a=1 . b=2");
	help_expect("a=1");
}

/* One has slept while the other worked: what it had in hand belongs to a table that is no more. */
static void i42_who_was_overtaken_appends_nothing(void **state)
{
	const char *late = "late=1 .";
	struct err err = ERR_INIT;
	struct table *asleep = NULL;

	help_run("a=1 .");
	asleep = help_open(TABLE_WRITE);
	help_run("b=2 .");
	assert_int_equal(help_step(asleep, &late, &err), 0);
	assert_int_equal(help_step(asleep, &late, &err), -1);
	assert_int_equal(err.kind, ERR_LOCKED);
	help_table_close(&asleep);
	help_expect("a=1 b=2");

	/* The same where the journal was folded meanwhile. */
	asleep = help_open(TABLE_WRITE);
	help_run("c=3 . ! d=4 .");
	late = "late=1 .";
	err_clear(&err);
	assert_int_equal(help_script(asleep, late, &err), -1);
	assert_int_equal(err.kind, ERR_LOCKED);
	help_table_close(&asleep);
	help_expect("a=1 b=2 c=3 d=4");
}

static void folding_changes_the_files_and_not_the_table(void **state)
{
	help_run("b=2 a=1 ^H1 . c=3 -b . !");
	assert_true(box_exists("t.base"));
	assert_int_equal(box_names(), 1);
	help_expect("^H1 a=1 c=3");
	help_run("b=4 -c -nothing . !");
	help_expect("^H1 a=1 b=4");
	help_run("^H2 . d=1 -d !");
	help_expect("^H2 a=1 b=4");
	assert_int_equal(box_names(), 1);
}

static void folding_flushes_first(void **state)
{
	help_run("a=1 !");
	help_expect("a=1");
}

static void a_table_can_go_on_after_folding(void **state)
{
	help_run("a=1 ! b=2 . c=3 . ! -a . d=4 !");
	help_expect("b=2 c=3 d=4");
}

static void a_table_can_become_empty_again(void **state)
{
	help_run("a=1 b=2 ! -a -b .");
	help_expect("");
	help_run("!");
	help_run("x=1 -x !");
	help_expect("");
}

static void folding_with_nothing_new_writes_nothing(void **state)
{
	AUTO_BUF before = BUF_INIT;
	AUTO_BUF after = BUF_INIT;

	help_run("a=1 !");
	assert_true(box_read("t.base", &before));
	help_run("! . !");
	assert_true(box_read("t.base", &after));
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.data, after.data, before.len);
}

static void a_cursor_sees_the_table_as_it_was_opened(void **state)
{
	const char *path = NULL;
	const void *value = NULL;
	size_t len = 0;

	help_run("a=1 b=2 c=3 ! d=4 .");
	AUTO_TABLE *table = help_open(TABLE_WRITE);
	struct table_cursor *cursor = table_cursor_new(table);

	assert_int_equal(table_next(cursor, &path, &value, &len), 1);
	help_script(table, "-b e=5 d=changed ^new ! f=6 .", NULL);
	for (const char *next = "bcd"; *next; next++) {
		assert_int_equal(table_next(cursor, &path, &value, &len), 1);
		assert_int_equal(path[0], *next);
	}
	assert_memory_equal(value, "4", 1);
	assert_int_equal(table_next(cursor, &path, &value, &len), 0);
	assert_int_equal(table_count(table), 4);
	assert_null(table_head(table, &len));
	table_cursor_free(cursor);
	help_expect("^new a=1 c=3 d=changed e=5 f=6");
}

static void paths_come_in_path_order(void **state)
{
	help_run("a!=1 a=1 a/b=1 a/b/c=1 a-=1 ab=1 a/b!=1 A=1 .");
	help_expect("A=1 a=1 a/b=1 a/b/c=1 a/b!=1 a!=1 a-=1 ab=1");
	help_run("!");
	help_expect("A=1 a=1 a/b=1 a/b/c=1 a/b!=1 a!=1 a-=1 ab=1");
}

static void files_are_the_owners_alone(void **state)
{
	mode_t old = umask(0);
	struct stat st;

	help_run("a=1 ! b=1 .");
	umask(old);
	assert_int_equal(stat("t.base", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat("t.journal", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* The longest path there can be: components of 255 bytes. */
static char *longest_path(char last)
{
	char *path = xmalloc(PATH_BYTES_MAX + 1);

	for (size_t i = 0; i < PATH_BYTES_MAX; i++)
		path[i] = i % 256 == 255 ? '/' : 'p';
	path[PATH_BYTES_MAX - 1] = last;
	path[PATH_BYTES_MAX] = '\0';
	return path;
}

static void the_longest_paths_and_values_fit(void **state)
{
	AUTO_FREE char *first = longest_path('x');
	AUTO_FREE char *second = longest_path('y');
	AUTO_FREE char *big = xcalloc(1, TABLE_VALUE_MAX);

	for (int folded = 0; folded < 2; folded++) {
		AUTO_TABLE *table = help_open(TABLE_WRITE);

		if (!folded) {
			table_put(table, second, big, TABLE_VALUE_MAX);
			table_put(table, first, big, TABLE_VALUE_MAX);
			table_put(table, "e", "", 0);
			table_set_head(table, big, TABLE_VALUE_MAX);
		}
		assert_int_equal(table_fold(table, NULL), 0);
	}
	AUTO_TABLE *table = help_open(TABLE_READ);
	struct table_cursor *cursor = table_cursor_new(table);
	const char *path = NULL;
	const void *value = NULL;
	size_t len = 0;

	assert_non_null(table_head(table, &len));
	assert_int_equal(len, TABLE_VALUE_MAX);
	assert_int_equal(table_next(cursor, &path, &value, &len), 1);
	assert_int_equal(len, 0);
	assert_int_equal(table_next(cursor, &path, &value, &len), 1);
	assert_string_equal(path, first);
	assert_int_equal(table_next(cursor, &path, &value, &len), 1);
	assert_string_equal(path, second);
	assert_int_equal(len, TABLE_VALUE_MAX);
	assert_int_equal(table_next(cursor, &path, &value, &len), 0);
	table_cursor_free(cursor);
}

static void an_empty_head_is_a_head(void **state)
{
	for (int i = 0; i < 2; i++) {
		size_t len = 1;
		AUTO_TABLE *table = help_open(TABLE_WRITE);

		if (i == 0)
			table_set_head(table, "", 0);
		assert_int_equal(i == 0 ? table_flush(table, NULL) : table_fold(table, NULL), 0);
		AUTO_TABLE *again = help_open(TABLE_READ);
		assert_non_null(table_head(again, &len));
		assert_int_equal(len, 0);
	}
}

/* Against a plain array: value of path number i, or -1. */
enum { MODEL_PATHS = 3000 };

static void model_path(unsigned i, char out[static 64])
{
	/* Deep and shallow, with long common beginnings. */
	snprintf(out, 64, "d%u/some-longer-folder-name/%u%s", i % 7, i / 3 % 40,
		 i % 3 == 0   ? ""
		 : i % 3 == 1 ? "!"
			      : "/below");
	snprintf(out + strlen(out), 64 - strlen(out), "-%u", i);
}

static void model_check(const int *values)
{
	AUTO_TABLE *table = help_open(TABLE_READ);
	struct table_cursor *cursor = table_cursor_new(table);
	AUTO_BUF last = BUF_INIT;
	const char *path = NULL;
	const void *value = NULL;
	size_t len = 0;
	size_t seen = 0;
	size_t live = 0;

	while (table_next(cursor, &path, &value, &len)) {
		unsigned i = (unsigned)strtoul(strrchr(path, '-') + 1, NULL, 10);
		char want[64];
		int got = 0;

		model_path(i, want);
		assert_string_equal(path, want);
		assert_true(seen == 0 || path_cmp(buf_cstr(&last), path) < 0);
		assert_true(len >= sizeof(got));
		memcpy(&got, value, sizeof(got));
		assert_int_equal(got, values[i]);
		buf_reset(&last);
		buf_addstr(&last, path);
		seen++;
	}
	table_cursor_free(cursor);
	for (size_t i = 0; i < MODEL_PATHS; i++)
		live += values[i] >= 0;
	assert_int_equal(seen, live);
	assert_int_equal(table_count(table), live);
}

static void model_round(int *values, unsigned *seed, unsigned changes)
{
	AUTO_TABLE *table = help_open(TABLE_WRITE);
	unsigned char value[128] = { 0 };

	for (unsigned n = 0; n < changes; n++) {
		unsigned i = box_random(seed, MODEL_PATHS);
		char path[64];

		model_path(i, path);
		values[i] = box_random(seed, 4) == 0 ? -1 : (int)box_random(seed, 1000000);
		memcpy(value, &values[i], sizeof(values[i]));
		if (values[i] < 0)
			table_remove(table, path);
		else
			table_put(table, path, value, 4 + box_random(seed, 124));
		if (box_random(seed, 100) == 0)
			assert_int_equal(table_flush(table, NULL), 0);
	}
	assert_int_equal(box_random(seed, 2) ? table_flush(table, NULL) : table_fold(table, NULL),
			 0);
}

static void a_random_history_reads_as_its_model(void **state)
{
	AUTO_FREE int *values = xmalloc(MODEL_PATHS * sizeof(*values));
	unsigned seed = 1;

	for (size_t i = 0; i < MODEL_PATHS; i++)
		values[i] = -1;
	for (unsigned round = 0; round < 25; round++) {
		model_round(values, &seed, box_random(&seed, 1500));
		model_check(values);
	}
	/* Enough for several blocks. */
	assert_true(box_size("t.base") > 2 * 65536);
}

static void a_grown_journal_should_be_folded(void **state)
{
	AUTO_FREE char *big = xcalloc(1, TABLE_VALUE_MAX);
	AUTO_TABLE *table = help_open(TABLE_WRITE);

	table_put(table, "a", big, TABLE_VALUE_MAX);
	assert_int_equal(table_flush(table, NULL), 0);
	assert_false(table_should_fold(table));
	for (int i = 0; i < 4; i++)
		table_put(table, "a", big, TABLE_VALUE_MAX);
	assert_int_equal(table_flush(table, NULL), 0);
	assert_true(table_should_fold(table));
	assert_int_equal(table_fold(table, NULL), 0);
	assert_false(table_should_fold(table));
	AUTO_TABLE *again = help_open(TABLE_READ);
	assert_false(table_should_fold(again));
}

static void two_tables_in_one_folder_do_not_meet(void **state)
{
	struct table *other = table_open(box_dirfd(), "u", TABLE_WRITE, NULL);

	help_run("a=1 !");
	table_put(other, "b", "2", 1);
	assert_int_equal(table_flush(other, NULL), 0);
	table_close(other);
	help_expect("a=1");
	other = table_open(box_dirfd(), "u", TABLE_READ, NULL);
	assert_int_equal(table_count(other), 1);
	table_close(other);
}

static void closing_nothing_is_fine(void **state)
{
	table_close(NULL);
	table_cursor_free(NULL);
}

#define BOXED(test) cmocka_unit_test_setup_teardown(test, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(a_table_without_files_is_empty_and_writes_none),
		BOXED(what_was_flushed_is_there_after_reopening),
		BOXED(what_was_not_flushed_is_not),
		BOXED(i42_who_was_overtaken_appends_nothing),
		BOXED(folding_changes_the_files_and_not_the_table),
		BOXED(folding_flushes_first),
		BOXED(a_table_can_go_on_after_folding),
		BOXED(a_table_can_become_empty_again),
		BOXED(folding_with_nothing_new_writes_nothing),
		BOXED(a_cursor_sees_the_table_as_it_was_opened),
		BOXED(paths_come_in_path_order),
		BOXED(files_are_the_owners_alone),
		BOXED(the_longest_paths_and_values_fit),
		BOXED(an_empty_head_is_a_head),
		BOXED(a_random_history_reads_as_its_model),
		BOXED(a_grown_journal_should_be_folded),
		BOXED(two_tables_in_one_folder_do_not_meet),
		BOXED(closing_nothing_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
