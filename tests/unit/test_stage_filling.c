/* SPDX-License-Identifier: BSD-2-Clause */
/* A folder that is filled before it is put in place: with all that is in it, or nothing of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/random.h"
#include "base/sys.h"
#include "changer_help.h"
#include "model/entry.h"
#include "tree_help.h"

#define STAGE "t/.osync_workdir/stage"

static const struct entry absent = { .type = ENTRY_ABSENT };
static const struct meta folder_meta = { .mask = META_MODE | META_MTIME,
					 .mode = 0750,
					 .mtime_ns = INT64_C(86400000000000) };

static struct staged *begin(struct bench *bench)
{
	struct staged *folder = staged_filling(bench->changer, &bench->err);

	assert_non_null(folder);
	return folder;
}

static struct staged *file_in(struct bench *bench, struct staged *folder, const char *name,
			      const char *text)
{
	const struct meta meta = { .mask = META_MODE | META_MTIME, .mode = 0640, .mtime_ns = 1 };
	struct staged *file = staged_file_in(folder, name, 0640, &bench->err);

	assert_non_null(file);
	assert_true(staged_is_in_folder(file));
	assert_int_equal(staged_write(file, text, 1, &bench->err), 0);
	assert_int_equal(staged_finish(file, &meta, &bench->err), 0);
	return file;
}

static int place(struct bench *bench, struct staged *folder, const char *path, struct entry *result)
{
	assert_int_equal(staged_filled(folder, &folder_meta, &bench->err), 0);
	assert_int_equal(changer_sync_staged(bench->changer, &bench->err), 0);
	return changer_place(bench->changer, folder, path, &absent, result, &bench->err);
}

static void test_a_folder_comes_with_its_files(void **state)
{
	static const enum changer_sync_mode modes[] = { CHANGER_SYNC_BATCH, CHANGER_SYNC_FILE,
							CHANGER_SYNC_OFF };

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct bench bench = bench_open(modes[i]);
		struct staged *folder = begin(&bench);
		struct staged *one = file_in(&bench, folder, "one", "1");
		struct staged *two = file_in(&bench, folder, "two", "2");
		const struct digest digest = digest_of("2", 1, HELP_SEED);
		struct entry result = { 0 };
		struct entry there;

		assert_false(help_exists("t/new"));
		assert_int_equal(place(&bench, folder, "new", &result), 0);
		there = help_stat("t/new");
		assert_int_equal(there.ino, result.ino);
		assert_int_equal(there.mode, 0750);
		assert_int_equal(there.mtime_ns, folder_meta.mtime_ns);
		assert_int_equal(changer_placed_in(one, &result, &bench.err), 0);
		assert_int_equal(changer_placed_in(two, &result, &bench.err), 0);
		there = help_stat("t/new/two");
		assert_int_equal(there.ino, result.ino);
		assert_int_equal(there.ctime_ns, result.ctime_ns);
		assert_int_equal(there.mode, 0640);
		assert_true(result.flags & ENTRY_HAS_DIGEST);
		assert_true(digest_same(&result.digest, &digest));
		staged_free(folder);
		staged_free(one);
		staged_free(two);
		assert_string_equal(help_read("t/new/one"), "1");
		assert_int_equal(help_count("t/new"), 2);
		assert_int_equal(help_count(STAGE), 0);
		assert_int_equal(changer_sync(bench.changer, &bench.err), 0);
		bench_close(&bench);
		help_sh("rm -r t/new");
	}
}

static void test_a_name_that_is_taken_brings_nothing(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	struct staged *folder = begin(&bench);
	struct staged *file = file_in(&bench, folder, "one", "1");
	struct entry result = { 0 };

	help_sh("mkdir t/new && echo mine >t/new/mine");
	assert_int_equal(place(&bench, folder, "new", &result), -1);
	assert_int_equal(bench.err.kind, ERR_CHANGED);
	assert_int_equal(changer_placed_in(file, &result, &bench.err), -1);
	assert_int_equal(help_count("t/new"), 1);
	/* Whichever comes first. */
	staged_free(folder);
	assert_int_equal(help_count(STAGE), 1);
	staged_free(file);
	assert_int_equal(help_count(STAGE), 0);
	bench_close(&bench);
}

static void test_a_file_that_is_dropped_is_not_in_it(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	struct staged *folder = begin(&bench);
	struct staged *kept = file_in(&bench, folder, "kept", "1");
	struct entry result = { 0 };

	staged_free(file_in(&bench, folder, "dropped", "2"));
	assert_int_equal(place(&bench, folder, "new", &result), 0);
	assert_true(help_exists("t/new/kept"));
	assert_int_equal(help_count("t/new"), 1);
	staged_free(kept);
	staged_free(folder);
	assert_true(help_exists("t/new/kept"));
	bench_close(&bench);
}

static void test_a_name_is_given_once(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	struct staged *folder = begin(&bench);
	struct staged *file = file_in(&bench, folder, "one", "1");

	assert_null(staged_file_in(folder, "one", 0600, &bench.err));
	assert_int_equal(bench.err.sys, EEXIST);
	staged_free(file);
	staged_free(folder);
	assert_int_equal(help_count(STAGE), 0);
	bench_close(&bench);
}

/* Its name says whether it may have been in place: it is another one before it is. */
static void test_a_filled_folder_is_called_otherwise(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	struct staged *folder = begin(&bench);

	help_sh("cd " STAGE " && ls -d f-* >/dev/null");
	assert_int_equal(staged_filled(folder, &folder_meta, &bench.err), 0);
	help_sh("cd " STAGE " && ls -d s-* >/dev/null");
	staged_free(folder);
	assert_int_equal(help_count(STAGE), 0);
	bench_close(&bench);
}

/* A run that is killed does none of this in order. */
static void test_what_a_killed_run_was_filling_goes(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);

	bench_close(&bench);
	help_sh("mkdir -p " STAGE "/f-17 && echo half >" STAGE "/f-17/l-file");
	bench = bench_open(CHANGER_SYNC_BATCH);
	assert_int_equal(help_count(STAGE), 0);
	assert_false(help_holds("t", "half\n"));
	bench_close(&bench);
}

/* The one that put its folders in place, as far as it came, was killed: a rename is not taken back by that. */
static void test_what_a_killed_run_of_this_boot_was_about_to_place_goes(void **state)
{
	const struct uuid boot = uuid_new();
	const struct uuid other = uuid_new();
	const struct changer_options options = { .run = "run", .boot = boot };
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	char here[UUID_TEXT_LEN + 1];
	char elsewhere[UUID_TEXT_LEN + 1];

	uuid_text(&boot, here);
	uuid_text(&other, elsewhere);
	help_sh("cd " STAGE
		" && mkdir s-%s-f-1 s-%s-f-1 && echo ours >s-%s-f-1/x && echo mine >s-%s-f-1/x",
		here, elsewhere, here, elsewhere);
	changer_close(bench.changer);
	bench.changer = changer_open(bench.root, &options, &bench.err);
	assert_non_null(bench.changer);
	assert_int_equal(help_count(STAGE), 0);
	assert_false(help_holds("t", "ours\n"));
	assert_true(help_holds("t/.osync_workdir/trash", "mine\n"));
	bench_close(&bench);
}

/* It may have been in place, and a power cut has taken that back: somebody else's file may be in it. */
static void test_what_may_have_been_in_place_is_kept(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);

	bench_close(&bench);
	help_sh("mkdir -p " STAGE "/s-17 && echo mine >" STAGE "/s-17/mine");
	bench = bench_open(CHANGER_SYNC_BATCH);
	assert_int_equal(help_count(STAGE), 0);
	assert_true(help_holds("t/.osync_workdir/trash", "mine\n"));
	bench_close(&bench);
}

/* Its bytes may not be on the disk, and what a later sync says does not tell: the folder is not put in place with it. */
static void test_a_file_that_could_not_be_made_durable_is_not_placed(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	struct staged *folder = begin(&bench);
	struct staged *file = file_in(&bench, folder, "one", "1");
	struct entry result = { 0 };

	/* For others that are to be placed now, while this folder waits for more files. */
	sys_set_role("test");
	setenv("OSYNC_FAULT", "fail:1:5:test", 1);
	assert_int_equal(changer_sync_staged(bench.changer, &bench.err), -1);
	unsetenv("OSYNC_FAULT");
	place(&bench, folder, "new", &result);
	assert_false(help_exists("t/new/one"));
	staged_free(file);
	staged_free(folder);
	assert_int_equal(help_count(STAGE), 0);
	bench_close(&bench);
}

/* Of many that cannot be placed none keeps a descriptor until all are reported. */
static void test_a_folder_that_cannot_be_placed_holds_no_descriptor(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	struct staged *folder = begin(&bench);
	struct entry result = { 0 };
	int next = dup(0);

	close(next);
	assert_int_equal(place(&bench, folder, "no folder/new", &result), -1);
	assert_int_equal(dup(0), next);
	close(next);
	staged_free(folder);
	assert_int_equal(help_count(STAGE), 0);
	bench_close(&bench);
}

/* A folder that hands its group or its attributes on gives a file in it no more than the stage would. */
static void test_files_inherit_from_the_stage(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	struct staged *folder = NULL;
	struct staged *file = NULL;
	struct entry result = { 0 };
	struct stat st = { .st_size = 0 };

	if (chown(STAGE, (uid_t)-1, 12345) < 0) {
		bench_close(&bench);
		skip();
	}
	help_sh("chmod g+s " STAGE);
	folder = begin(&bench);
	file = file_in(&bench, folder, "one", "1");
	assert_int_equal(place(&bench, folder, "new", &result), 0);
	assert_int_equal(stat("t/new/one", &st), 0);
	assert_int_equal(st.st_gid, 12345);
	staged_free(file);
	staged_free(folder);
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
		TEST(test_a_folder_comes_with_its_files),
		TEST(test_a_name_that_is_taken_brings_nothing),
		TEST(test_a_file_that_is_dropped_is_not_in_it),
		TEST(test_a_name_is_given_once),
		TEST(test_a_filled_folder_is_called_otherwise),
		TEST(test_what_a_killed_run_was_filling_goes),
		TEST(test_what_a_killed_run_of_this_boot_was_about_to_place_goes),
		TEST(test_what_may_have_been_in_place_is_kept),
		TEST(test_a_file_that_could_not_be_made_durable_is_not_placed),
		TEST(test_a_folder_that_cannot_be_placed_holds_no_descriptor),
		TEST(test_files_inherit_from_the_stage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
