/* SPDX-License-Identifier: BSD-2-Clause */
/* A run whose lock was taken over changes nothing more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "changer_help.h"
#include "store/lock.h"
#include "store/silence.h"
#include "tree/root.h"
#include "tree_help.h"

static const struct entry absent = { .type = ENTRY_ABSENT };

/* A bench whose changer works under the root's lock. */
struct fenced {
	struct bench bench;
	struct lock *lock;
};

static struct fenced fenced_open(void)
{
	struct fenced fenced = { .bench = { .root = help_root(), .err = ERR_INIT } };
	int workdir = root_workdir(fenced.bench.root);

	fenced.lock = lock_take(workdir, "lock", LOCK_HOLD, "old", NULL);
	assert_non_null(fenced.lock);

	const struct changer_options options = {
		.run = "run", .sync = CHANGER_SYNC_BATCH, .seed = HELP_SEED, .lock = fenced.lock
	};

	fenced.bench.changer = changer_open(fenced.bench.root, &options, &fenced.bench.err);
	assert_non_null(fenced.bench.changer);
	return fenced;
}

static void fenced_close(struct fenced *fenced)
{
	changer_close(fenced->bench.changer);
	lock_free(fenced->lock);
	root_close(fenced->bench.root);
}

static struct lock *take_over(const struct fenced *fenced)
{
	int workdir = root_workdir(fenced->bench.root);
	struct silence_mark mark = { 0 };
	struct lock *lock = NULL;

	assert_true(silence_look(workdir, "lock", &mark));
	lock = lock_seize(workdir, "lock", &mark, "new", NULL);
	assert_non_null(lock);
	return lock;
}

static void expect_locked(struct bench *bench, int result)
{
	assert_int_equal(result, -1);
	assert_int_equal(bench->err.kind, ERR_LOCKED);
	err_clear(&bench->err);
}

static void i42_who_was_overtaken_changes_nothing(void **state)
{
	struct fenced fenced = fenced_open();
	struct bench *bench = &fenced.bench;
	struct entry file = { 0 };
	struct lock *successor = NULL;

	help_write("t/file", "old");
	file = help_entry(bench->root, "file");
	assert_int_equal(bench_put(bench, "before", "well", &absent), 0);
	successor = take_over(&fenced);
	expect_locked(bench, bench_put(bench, "file", "new", &file));
	expect_locked(bench, bench_put(bench, "other", "new", &absent));
	expect_locked(bench, bench_put_folder(bench, "other", &absent));
	expect_locked(bench, bench_put_link(bench, "other", "to", &absent));
	expect_locked(bench, bench_delete(bench, "file", &file));
	expect_locked(bench, bench_move(bench, "file", "moved", &file));
	expect_locked(bench, bench_chmod(bench, "file", 0600, &file));
	expect_locked(bench, changer_restore_times(bench->changer, &bench->err));
	assert_string_equal(help_read("t/file"), "old");
	assert_false(help_exists("t/other"));
	assert_false(help_exists("t/moved"));
	assert_int_equal(help_count(TRASH), 0);
	lock_free(successor);
	fenced_close(&fenced);
}

/* The time of a folder is put back at the end of a run: but not by one that has lost its lock. */
static void i42_who_was_overtaken_puts_no_times_back(void **state)
{
	struct fenced fenced = fenced_open();
	struct bench *bench = &fenced.bench;
	struct lock *successor = NULL;
	int64_t mtime_ns = 0;

	help_sh("mkdir t/folder; touch -d 2001-01-01 t/folder");
	assert_int_equal(bench_put(bench, "folder/new", "x", &absent), 0);
	mtime_ns = help_entry(bench->root, "folder").mtime_ns;
	successor = take_over(&fenced);
	fenced_close(&fenced);
	fenced = (struct fenced){ .bench = { .root = help_root(), .err = ERR_INIT } };
	assert_int_equal(help_entry(fenced.bench.root, "folder").mtime_ns, mtime_ns);
	root_close(fenced.bench.root);
	lock_free(successor);
}

/* Names in the stage are those of one run only: what the next one stages is not placed by the last. */
static void i42_what_the_next_run_stages_has_other_names(void **state)
{
	struct fenced fenced = fenced_open();
	struct bench *bench = &fenced.bench;
	struct staged *mine = staged_file(bench->changer, 0600, &bench->err);
	struct meta meta = { .mask = META_MTIME };
	struct bench next = bench_open(CHANGER_SYNC_BATCH);
	struct staged *theirs = staged_file(next.changer, 0600, &next.err);
	struct entry result = { 0 };

	assert_int_equal(staged_write(mine, "mine", 4, &bench->err), 0);
	assert_int_equal(staged_write(theirs, "half", 4, &next.err), 0);
	/* Mine was swept; asleep since before its last look, this run goes on all the same: with a file without a name. */
	assert_int_equal(staged_finish(mine, &meta, &bench->err), 0);
	assert_int_equal(changer_place(bench->changer, mine, "x", &absent, &result, NULL), -1);
	assert_false(help_exists("t/x"));
	staged_free(mine);
	assert_int_equal(help_count(STAGE), 1);
	staged_free(theirs);
	bench_close(&next);
	fenced_close(&fenced);
}

#define TREE_TEST(test) cmocka_unit_test_setup_teardown(test, help_setup, help_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(i42_who_was_overtaken_changes_nothing),
		TREE_TEST(i42_who_was_overtaken_puts_no_times_back),
		TREE_TEST(i42_what_the_next_run_stages_has_other_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
