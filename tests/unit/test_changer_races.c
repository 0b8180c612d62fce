/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Somebody else works on the same path at the worst moments. Whatever they wrote, and
 * whatever was there before, must be found again: in the tree or in the trash.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "changer_help.h"
#include "tree/reader.h"
#include "tree/root.h"
#include "tree_help.h"

static const struct entry absent = { .type = ENTRY_ABSENT };

/* What a user may do to t/f. */
static const struct {
	const char *command;
	bool writes_user; /* "user" exists afterwards */
} edits[] = {
	{ "printf user > t/f", true },
	{ "printf user > u && mv u t/f", true },
	{ "printf user > u && touch -r t/f u && mv u t/f", true },
	{ "rm t/f", false },
	{ "mv t/f t/moved", false },
	{ "mv t/f t/moved; printf user > t/f", true },
	{ "rm t/f; mkdir t/f; printf user > t/f/x", true },
	{ "rm t/f; printf user > t/w; ln -s w t/f", true },
	{ "printf user > t/f; chmod 0600 t/f", true },
	{ "chmod 0600 t/f", false },
};

enum { EDITS = sizeof(edits) / sizeof(edits[0]) };

static int put_file(struct bench *bench, const struct entry *expect)
{
	return bench_put(bench, "f", "new", expect);
}

static int put_link(struct bench *bench, const struct entry *expect)
{
	return bench_put_link(bench, "f", "new", expect);
}

static int put_folder(struct bench *bench, const struct entry *expect)
{
	return bench_put_folder(bench, "f", expect);
}

static int delete_it(struct bench *bench, const struct entry *expect)
{
	return bench_delete(bench, "f", expect);
}

static int move_it(struct bench *bench, const struct entry *expect)
{
	return bench_move(bench, "f", "g", expect);
}

static int chmod_it(struct bench *bench, const struct entry *expect)
{
	return bench_chmod(bench, "f", 0640, expect);
}

typedef int operation(struct bench *bench, const struct entry *expect);

static operation *const operations[] = { put_file,  put_link, put_folder,
					 delete_it, move_it,  chmod_it };

enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]) };

static struct bench fresh(const char *content)
{
	help_sh("rm -rf t; mkdir t");
	if (content)
		help_write("t/f", content);
	return bench_open(CHANGER_SYNC_OFF);
}

static void without_exchange(struct bench *bench)
{
	struct root_caps caps = *root_caps(bench->root);

	caps.exchange = false;
	caps.noreplace = false;
	root_set_caps(bench->root, &caps);
}

/* One operation with one edit in the middle of it. */
static void race(operation *operate, const char *point, int edit, const char *content)
{
	struct bench bench = fresh(content);
	struct entry expect = help_entry(bench.root, "f");
	bool after = strcmp(point, "between-exchange-and-look") == 0;
	int done = 0;

	bench_at(point, edits[edit].command);
	done = operate(&bench, &expect);
	bench_at(NULL, NULL);
	if (done < 0)
		assert_true(bench.err.kind == ERR_CHANGED || bench.err.kind == ERR_SYSTEM);
	if (edits[edit].writes_user && !help_holds("t", "user"))
		fail_msg("'user' is lost: %s at %s", edits[edit].command, point);
	/* What was displaced is out of the user's reach. */
	if (content && after && operate != chmod_it && operate != move_it &&
	    !help_holds("t", content))
		fail_msg("'%s' is lost: %s at %s", content, edits[edit].command, point);
	assert_int_equal(help_count(STAGE), 0);
	bench_close(&bench);
}

static void test_i28_edits_before_the_change_survive(void **state)
{
	(void)state;
	for (int op = 0; op < OPERATIONS; op++) {
		for (int edit = 0; edit < EDITS; edit++) {
			race(operations[op], "before-look", edit, "old");
			race(operations[op], "before-place", edit, "old");
		}
	}
}

/* After it: what the user finds at the path is the new content, or nothing. */
static void test_i29_edits_after_the_change_survive(void **state)
{
	static const int possible[] = { 0, 1, 3, 4, 5, 8 };

	(void)state;
	for (size_t i = 0; i < sizeof(possible) / sizeof(possible[0]); i++)
		race(put_file, "between-exchange-and-look", possible[i], "old");
	race(delete_it, "between-exchange-and-look", 0, "old");
	race(move_it, "between-exchange-and-look", 0, "old");
	race(chmod_it, "between-exchange-and-look", 0, "old");
	race(chmod_it, "between-exchange-and-look", 1, "old");
}

static void test_i30_created_meanwhile(void **state)
{
	static operation *const creating[] = { put_file, put_link, put_folder };

	(void)state;
	for (int op = 0; op < 3; op++) {
		race(creating[op], "before-look", 0, NULL);
		race(creating[op], "before-place", 0, NULL);
	}
	race(put_file, "between-exchange-and-look", 1, NULL);
}

/* The version that came out of the path was not the expected one, and it is in its place again. */
static void test_unexpected_version_is_put_back(void **state)
{
	static operation *const displacing[] = { put_file, put_link, put_folder, delete_it,
						 move_it };

	(void)state;
	for (int op = 0; op < 5; op++) {
		for (int how = 0; how < 2; how++) {
			struct bench bench = fresh("old");
			struct entry expect = help_entry(bench.root, "f");

			if (how == 1)
				without_exchange(&bench);
			bench_at("before-place", "printf user > u && mv u t/f");
			assert_int_equal(displacing[op](&bench, &expect), -1);
			bench_at(NULL, NULL);
			assert_int_equal(bench.err.kind, ERR_CHANGED);
			assert_string_equal(help_read("t/f"), "user");
			assert_false(help_exists("t/g"));
			/* A file that was in place for a moment may be open somewhere. */
			assert_int_equal(help_count(RUN), how == 0 && displacing[op] == put_file);
			bench_close(&bench);
		}
	}
}

/* An old version that is written to in place while it is being displaced, as a logger would do. */
static void test_displaced_version_written_in_place_is_put_back(void **state)
{
	struct bench bench = fresh("old");
	struct entry expect = help_entry(bench.root, "f");

	(void)state;
	bench_at("between-exchange-and-look", "printf user >> " RUN "/f");
	assert_int_equal(put_file(&bench, &expect), -1);
	assert_string_equal(help_read("t/f"), "olduser");
	/* What was in place for that moment has the name in the trash. */
	bench_at("between-exchange-and-look", "printf user >> " RUN "/f~2");
	expect = help_entry(bench.root, "f");
	assert_int_equal(delete_it(&bench, &expect), -1);
	assert_string_equal(help_read("t/f"), "olduseruser");
	bench_close(&bench);
}

static void test_name_taken_before_putting_back_keeps_it_in_the_trash(void **state)
{
	struct bench bench = fresh("old");
	struct entry expect = help_entry(bench.root, "f");

	(void)state;
	bench_at("between-exchange-and-look", "printf more >> " RUN "/f; printf user > t/f");
	assert_int_equal(delete_it(&bench, &expect), -1);
	assert_int_equal(bench.err.kind, ERR_CHANGED);
	assert_non_null(strstr(bench.err.msg, "in the trash"));
	assert_string_equal(help_read("t/f"), "user");
	assert_string_equal(help_read(RUN "/f"), "oldmore");
	bench_close(&bench);
}

/* A full folder comes out, has to go back, and the new file at its place is touched meanwhile. */
static void test_put_back_that_is_raced_itself_drops_nothing(void **state)
{
	(void)state;
	for (int edit = 0; edit < EDITS; edit++) {
		struct bench bench = { .root = NULL };
		struct entry expect = { 0 };

		help_sh("rm -rf t; mkdir -p t/f; printf inside > t/f/i");
		bench = bench_open(CHANGER_SYNC_OFF);
		expect = help_entry(bench.root, "f");
		bench_at("before-put-back", edits[edit].command);
		assert_int_equal(put_file(&bench, &expect), -1);
		bench_at(NULL, NULL);
		assert_true(help_holds("t", "inside"));
		if (edits[edit].writes_user)
			assert_true(help_holds("t", "user"));
		assert_int_equal(help_count(STAGE), 0);
		bench_close(&bench);
	}
}

static void test_i36_file_put_into_a_folder_that_goes(void **state)
{
	static operation *const displacing[] = { put_file, put_link, delete_it };

	(void)state;
	for (int op = 0; op < 3; op++) {
		for (int how = 0; how < 2; how++) {
			struct bench bench = { .root = NULL };
			struct entry expect = { 0 };

			help_sh("rm -rf t; mkdir -p t/f");
			bench = bench_open(CHANGER_SYNC_OFF);
			if (how == 1)
				without_exchange(&bench);
			expect = help_entry(bench.root, "f");
			bench_at("before-place", "printf user > t/f/x");
			assert_int_equal(displacing[op](&bench, &expect), -1);
			assert_int_equal(bench.err.kind, ERR_CHANGED);
			assert_string_equal(help_read("t/f/x"), "user");
			bench_close(&bench);
		}
	}
}

/* Another folder than the one that was to be renamed, with the user's files in it, is not. */
static void test_i28_another_folder_is_not_renamed_in_its_place(void **state)
{
	static const char *const points[] = { "before-look", "before-place" };

	(void)state;
	for (int at = 0; at < 2; at++) {
		struct bench bench = { .root = NULL };
		struct entry expect = { 0 };

		help_sh("rm -rf t; mkdir -p t/f; printf old > t/f/x");
		bench = bench_open(CHANGER_SYNC_OFF);
		expect = help_entry(bench.root, "f");
		bench_at(points[at], "mv t/f t/moved; mkdir t/f; printf user > t/f/x");
		assert_int_equal(move_it(&bench, &expect), -1);
		bench_at(NULL, NULL);
		assert_int_equal(bench.err.kind, ERR_CHANGED);
		assert_string_equal(help_read("t/f/x"), "user");
		assert_string_equal(help_read("t/moved/x"), "old");
		assert_false(help_exists("t/g"));
		bench_close(&bench);
	}
}

static void test_i34_parent_replaced_by_a_link(void **state)
{
	struct bench bench = { .root = NULL };

	(void)state;
	help_sh("mkdir -p t/d outside; printf out > outside/f; printf in > t/d/f");
	bench = bench_open(CHANGER_SYNC_OFF);
	help_sh("mv t/d t/gone; ln -s ../outside t/d");
	assert_int_equal(bench_put(&bench, "d/f", "new", &absent), -1);
	assert_int_equal(bench.err.kind, ERR_CHANGED);
	assert_int_equal(bench_delete(&bench, "d/f", &absent), -1);
	assert_string_equal(help_read("outside/f"), "out");
	bench_close(&bench);
}

/*
 * A child exchanges tokens into the path as fast as it can, and keeps what comes out: nobody
 * knowingly drops a version, so every one must be there in the end. The path is never absent.
 */
static void hammer(int tokens)
{
	for (int i = 0; i < tokens; i++) {
		char token[32];
		char out[32];

		snprintf(token, sizeof(token), "<token-%d>", i);
		snprintf(out, sizeof(out), "out/%d", i);
		help_write("u", token);
		if (renameat2(AT_FDCWD, "u", AT_FDCWD, "t/f", RENAME_EXCHANGE) < 0 ||
		    rename("u", out) < 0)
			_exit(1);
		usleep(200);
	}
	_exit(0);
}

static void test_i29_i31_hammered_path_loses_no_version(void **state)
{
	enum { TOKENS = 400 };
	struct bench bench = fresh("old");
	AUTO_BUF token = BUF_INIT;
	pid_t pid = 0;
	int status = 0;
	int placed = 0;
	int tried = 0;
	const char *all = NULL;

	(void)state;
	help_sh("mkdir out");
	pid = fork();
	if (pid == 0)
		hammer(TOKENS);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		struct entry expect = { 0 };

		if (reader_digest(bench.root, "f", NULL, HELP_SEED, &expect, NULL) < 0)
			continue;
		tried++;
		placed += bench_put(&bench, "f", "new", &expect) == 0;
	}
	assert_int_equal(status, 0);
	help_sh("cat out/* t/f > all; for f in " RUN "/*; do test ! -e $f || cat $f >> all; done");
	all = help_read("all");
	assert_non_null(strstr(all, "old"));
	for (int i = 0; i < TOKENS; i++) {
		buf_reset(&token);
		buf_addf(&token, "<token-%d>", i);
		if (!strstr(all, buf_cstr(&token)))
			fail_msg("%s is lost, %d of %d were placed", buf_cstr(&token), placed,
				 tried);
	}
	assert_int_equal(help_count(STAGE), 0);
	bench_close(&bench);
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(test_i28_edits_before_the_change_survive),
		TREE_TEST(test_i29_edits_after_the_change_survive),
		TREE_TEST(test_i30_created_meanwhile),
		TREE_TEST(test_unexpected_version_is_put_back),
		TREE_TEST(test_displaced_version_written_in_place_is_put_back),
		TREE_TEST(test_name_taken_before_putting_back_keeps_it_in_the_trash),
		TREE_TEST(test_put_back_that_is_raced_itself_drops_nothing),
		TREE_TEST(test_i36_file_put_into_a_folder_that_goes),
		TREE_TEST(test_i28_another_folder_is_not_renamed_in_its_place),
		TREE_TEST(test_i34_parent_replaced_by_a_link),
		TREE_TEST(test_i29_i31_hammered_path_loses_no_version),
	};

	return cmocka_run_group_tests_name("changer_races", tests, NULL, NULL);
}
