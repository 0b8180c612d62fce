/* SPDX-License-Identifier: BSD-2-Clause */
/* The mtimes of folders, after a run that was killed between the first touch and the last. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/digest.h"
#include "base/sys.h"
#include "changer_help.h"
#include "tree/root.h"
#include "tree/touched_note.h"
#include "tree_help.h"

#define NOTE "t/.osync_workdir/touched"

static const int64_t OLD_NS = 1000000000 * NS_PER_SEC + 123456789;
static const int64_t SET_NS = 1100000000 * NS_PER_SEC;

static struct stat status_of(const char *path)
{
	struct stat st = { 0 };

	assert_int_equal(lstat(path, &st), 0);
	return st;
}

static int64_t mtime_of(const char *path)
{
	return clock_from_timespec(status_of(path).st_mtim);
}

static void age(const char *path)
{
	help_sh("touch -h -d @1000000000.123456789 '%s'", path);
}

static void expect_old(const char *path, const char *why)
{
	if (mtime_of(path) != OLD_NS)
		fail_msg("%s: mtime %lld after %s", path, (long long)mtime_of(path), why);
}

static void recover(void)
{
	struct root *root = help_root();

	changer_recover(root);
	root_close(root);
}

static void make_tree(void)
{
	help_sh("rm -rf t; mkdir -p t/a/b t/c t/m/n t/s t/.osync_workdir/stage &&"
		" printf x > t/a/x && printf y > t/c/y && printf z > t/m/n/z");
	for (size_t i = 0; i < 7; i++)
		age(((const char *[]){ "t/a/b", "t/a", "t/c", "t/m/n", "t/m", "t/s", "t" })[i]);
}

static void set_mtime(struct bench *bench, const char *path)
{
	const struct meta meta = { .mask = META_MTIME, .mtime_ns = SET_NS };
	struct entry now = help_entry(bench->root, path);
	struct entry result = { 0 };

	assert_int_equal(changer_meta(bench->changer, path, &now, &meta, &result, &bench->err), 0);
}

static void change_all(struct bench *bench)
{
	const struct entry absent = { .type = ENTRY_ABSENT };

	bench_put(bench, "a/b/new", "new", &absent);
	bench_put(bench, "a/x", "changed", NULL);
	bench_delete(bench, "c/y", NULL);
	bench_put(bench, "m/n/new", "new", &absent);
	bench_move(bench, "m", "s/m", NULL);
	bench_put(bench, "top", "new", &absent);
}

/* In a child that ends without closing anything. How it ended. */
static int work(void (*changes)(struct bench *bench), const char *fault)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct bench bench = bench_open(CHANGER_SYNC_OFF);

		setenv("OSYNC_FAULT", fault, 1);
		sys_set_role("test");
		changes(&bench);
		changer_restore_times(bench.changer, NULL);
		/* Nothing is freed here, on purpose. */
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void expect_all_old(const char *why)
{
	expect_old("t", why);
	expect_old("t/a", why);
	expect_old("t/a/b", why);
	expect_old("t/c", why);
	expect_old("t/s", why);
	expect_old(help_exists("t/m") ? "t/m" : "t/s/m", why);
	expect_old(help_exists("t/m") ? "t/m/n" : "t/s/m/n", why);
	if (help_exists(NOTE))
		fail_msg("the note is there after %s", why);
}

static void test_i38_killed_at_each_call_all_times_are_put_back(void **state)
{
	int status = -1;
	int n = 0;

	(void)state;
	while (status != 0) {
		AUTO_FREE char *fault = xasprintf("kill:%d", ++n);

		assert_true(n < 1000);
		make_tree();
		status = work(change_all, fault);
		assert_true(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
		recover();
		expect_all_old(fault);
	}
	assert_true(n > 30);
}

static void test_a_note_that_cannot_be_written_stops_nothing(void **state)
{
	(void)state;
	make_tree();
	help_sh("mkfifo " NOTE);
	assert_int_equal(work(change_all, ""), 0);
	assert_string_equal(help_read("t/top"), "new");
	expect_old("t/a", "a run without a note");
	expect_old("t/s/m/n", "a run without a note");
}

static void test_the_end_of_a_run_leaves_no_note(void **state)
{
	struct bench bench = { 0 };

	(void)state;
	make_tree();
	bench = bench_open(CHANGER_SYNC_OFF);
	change_all(&bench);
	assert_int_equal(status_of(NOTE).st_mode & 07777, 0600);
	assert_int_equal(changer_restore_times(bench.changer, NULL), 0);
	expect_all_old("the run");
	/* What comes after that is noted anew. */
	bench_delete(&bench, "top", NULL);
	assert_true(help_exists(NOTE));
	bench_close(&bench);
	expect_all_old("closing");
}

static void set_then_touch(struct bench *bench)
{
	bench_put(bench, "a/x", "changed", NULL);
	set_mtime(bench, "a");
	bench_put(bench, "a/x", "changed again", NULL);
	set_mtime(bench, "c");
	bench_delete(bench, "c/y", NULL);
	raise(SIGKILL);
}

static void test_a_time_that_was_set_wins(void **state)
{
	(void)state;
	make_tree();
	assert_true(WIFSIGNALED(work(set_then_touch, "")));
	recover();
	assert_int_equal(mtime_of("t/a"), SET_NS);
	assert_int_equal(mtime_of("t/c"), SET_NS);
}

static void fail_then_die(struct bench *bench)
{
	const struct entry absent = { .type = ENTRY_ABSENT };

	if (bench_put(bench, "a/x", "new", &absent) == 0)
		_exit(1);
	help_sh("touch -d @1100000000 t/a");
	raise(SIGKILL);
}

static void test_what_was_not_changed_is_left_alone(void **state)
{
	(void)state;
	make_tree();
	assert_true(WIFSIGNALED(work(fail_then_die, "")));
	recover();
	assert_int_equal(mtime_of("t/a"), SET_NS);
}

/* Notes written by hand --------------------------------------------------------- */

static void add_raw(struct buf *out, const char *path, size_t len, uint64_t ino, int64_t mtime_ns)
{
	AUTO_BUF payload = BUF_INIT;

	enc_uint(&payload, ino);
	enc_int(&payload, mtime_ns);
	enc_bytes(&payload, path, len);
	enc_le64(out, digest_checksum(payload.data, payload.len));
	enc_bytes(out, payload.data, payload.len);
}

static void add(struct buf *out, const char *path, const char *like)
{
	add_raw(out, path, strlen(path) + 1, status_of(like).st_ino, OLD_NS);
}

static void write_note(const void *data, size_t len)
{
	FILE *file = fopen(NOTE, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void make_young(void)
{
	help_sh("rm -rf t out; mkdir -p t/a/b t/c t/.osync_workdir/stage out/in &&"
		" ln -s ../out t/link && touch -d @1200000000 t/a/b t/a t/c out/in out");
}

static void test_of_a_torn_note_what_is_whole_counts(void **state)
{
	AUTO_BUF note = BUF_INIT;
	size_t first = 0;

	(void)state;
	make_young();
	add(&note, "a", "t/a");
	first = note.len;
	add(&note, "a/b", "t/a/b");
	for (size_t len = 0; len <= note.len; len++) {
		make_young();
		buf_reset(&note);
		add(&note, "a", "t/a");
		add(&note, "a/b", "t/a/b");
		write_note(note.data, len);
		recover();
		assert_int_equal(mtime_of("t/a") == OLD_NS, len >= first);
		assert_int_equal(mtime_of("t/a/b") == OLD_NS, len == note.len);
		assert_false(help_exists(NOTE));
	}
}

static void test_damaged_bytes_are_not_believed(void **state)
{
	AUTO_BUF note = BUF_INIT;

	(void)state;
	make_young();
	add(&note, "a", "t/a");
	for (size_t at = 0; at < note.len; at++) {
		note.data[at] ^= 0x55;
		write_note(note.data, note.len);
		note.data[at] ^= 0x55;
		recover();
		assert_true(mtime_of("t/a") != OLD_NS);
		assert_false(help_exists(NOTE));
	}
	write_note(note.data, note.len);
	recover();
	assert_true(mtime_of("t/a") == OLD_NS);
}

static void test_nothing_outside_is_touched(void **state)
{
	AUTO_BUF note = BUF_INIT;
	AUTO_FREE char *outside = realpath(".", NULL);
	AUTO_FREE char *absolute = xasprintf("%s/out", outside);

	(void)state;
	make_young();
	add(&note, "../out", "out");
	add(&note, "a/../../out", "out");
	add(&note, absolute, "out");
	add(&note, "link", "out");
	add(&note, "link/in", "out/in");
	add(&note, "link/", "out");
	add(&note, ".osync_workdir/stage", "t/.osync_workdir/stage");
	add_raw(&note, "c", 1, status_of("t/c").st_ino, OLD_NS);
	add_raw(&note, "c\0d", 4, status_of("t/c").st_ino, OLD_NS);
	add_raw(&note, "c", 2, status_of("t/a").st_ino, OLD_NS);
	add_raw(&note, "c", 0, status_of("t/c").st_ino, OLD_NS);
	add(&note, "gone", "t/c");
	add(&note, "a", "t/a");
	/* A length beyond all that follows. */
	enc_le64(&note, 0);
	enc_uint(&note, UINT64_MAX);
	write_note(note.data, note.len);
	recover();
	assert_true(mtime_of("out") != OLD_NS);
	assert_true(mtime_of("out/in") != OLD_NS);
	assert_true(mtime_of("t/link") != OLD_NS);
	assert_true(mtime_of("t/c") != OLD_NS);
	assert_true(mtime_of(STAGE) != OLD_NS);
	expect_old("t/a", "strange records before it");
	assert_false(help_exists(NOTE));
}

static void test_what_stands_in_the_notes_place_is_not_followed(void **state)
{
	AUTO_BUF note = BUF_INIT;

	(void)state;
	make_young();
	add(&note, "a", "t/a");
	write_note(note.data, note.len);
	help_sh("mv " NOTE " out/note && ln -s ../../out/note " NOTE);
	recover();
	assert_true(mtime_of("t/a") != OLD_NS);
	help_sh("rm -f " NOTE " && mkfifo " NOTE);
	recover();
	help_sh("rm -f " NOTE " && truncate -s 1G " NOTE);
	recover();
	help_sh("rm -f " NOTE " && mkdir " NOTE);
	recover();
	assert_true(help_exists("out/note"));
	assert_true(mtime_of("t/a") != OLD_NS);
}

static void test_the_last_record_of_a_path_counts(void **state)
{
	AUTO_BUF note = BUF_INIT;

	(void)state;
	make_young();
	add_raw(&note, "a", 2, status_of("t/a").st_ino, SET_NS);
	add(&note, "c", "t/c");
	add(&note, "", "t");
	add(&note, "a", "t/a");
	add_raw(&note, "c", 2, 0, 0);
	write_note(note.data, note.len);
	recover();
	expect_old("t/a", "two records");
	expect_old("t", "a record of the root");
	assert_true(mtime_of("t/c") != OLD_NS);
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(test_i38_killed_at_each_call_all_times_are_put_back),
		TREE_TEST(test_a_note_that_cannot_be_written_stops_nothing),
		TREE_TEST(test_the_end_of_a_run_leaves_no_note),
		TREE_TEST(test_a_time_that_was_set_wins),
		TREE_TEST(test_what_was_not_changed_is_left_alone),
		TREE_TEST(test_of_a_torn_note_what_is_whole_counts),
		TREE_TEST(test_damaged_bytes_are_not_believed),
		TREE_TEST(test_nothing_outside_is_touched),
		TREE_TEST(test_what_stands_in_the_notes_place_is_not_followed),
		TREE_TEST(test_the_last_record_of_a_path_counts),
	};

	return cmocka_run_group_tests_name("touched_note", tests, NULL, NULL);
}
