/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
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
#include "base/sys.h"
#include "changer_help.h"
#include "tree/root.h"
#include "tree/scan.h"
#include "tree_help.h"

static const struct entry absent = { .type = ENTRY_ABSENT };

/* Run a test with the primitives, and without those that some file systems lack. */
static const struct {
	bool exchange;
	bool noreplace;
	bool hardlinks;
} caps_tried[] = {
	{ true, true, true },	{ false, true, true },	 { false, false, true },
	{ false, true, false }, { false, false, false },
};

enum { CAPS = sizeof(caps_tried) / sizeof(caps_tried[0]) };

static struct bench open_with(int which)
{
	struct bench bench = { .root = NULL };
	struct root_caps caps = { 0 };

	help_sh("chmod -R u+rwx t; rm -rf t; mkdir t");
	bench = bench_open(CHANGER_SYNC_BATCH);
	caps = *root_caps(bench.root);
	caps.exchange = caps_tried[which].exchange;
	caps.noreplace = caps_tried[which].noreplace;
	caps.hardlinks = caps_tried[which].hardlinks;
	root_set_caps(bench.root, &caps);
	return bench;
}

static void expect_clean(void)
{
	assert_int_equal(help_count(STAGE), 0);
}

static int changed(const struct bench *bench, int result)
{
	if (result == 0)
		return 0;
	if (bench->err.kind != ERR_CHANGED)
		fail_msg("%s", bench->err.msg);
	return 1;
}

static void test_create_replace_delete(void **state)
{
	(void)state;
	for (int i = 0; i < CAPS; i++) {
		struct bench bench = open_with(i);

		help_sh("mkdir -p t/d");
		assert_int_equal(bench_put(&bench, "d/f", "one", &absent), 0);
		assert_string_equal(help_read("t/d/f"), "one");
		assert_false(help_exists(TRASH));
		assert_int_equal(bench_put(&bench, "d/f", "two", NULL), 0);
		assert_string_equal(help_read("t/d/f"), "two");
		assert_string_equal(help_read(RUN "/d/f"), "one");
		assert_int_equal(bench_delete(&bench, "d/f", NULL), 0);
		assert_false(help_exists("t/d/f"));
		assert_string_equal(help_read(RUN "/d/f~2"), "two");
		assert_int_equal(bench_delete(&bench, "d", NULL), 0);
		assert_false(help_exists("t/d"));
		assert_int_equal(bench_delete(&bench, "d", &absent), 0);
		assert_int_equal(changer_sync(bench.changer, &bench.err), 0);
		expect_clean();
		bench_close(&bench);
	}
}

static void test_unexpected_states_are_left_alone(void **state)
{
	(void)state;
	for (int i = 0; i < CAPS; i++) {
		struct bench bench = open_with(i);
		struct entry old = { 0 };

		help_write("t/f", "old");
		old = help_entry(bench.root, "f");
		help_write("t/f", "user");
		assert_true(changed(&bench, bench_put(&bench, "f", "new", &old)));
		assert_true(changed(&bench, bench_put(&bench, "f", "new", &absent)));
		assert_true(changed(&bench, bench_delete(&bench, "f", &old)));
		assert_true(changed(&bench, bench_move(&bench, "f", "g", &old)));
		assert_true(changed(&bench, bench_chmod(&bench, "f", 0600, &old)));
		assert_string_equal(help_read("t/f"), "user");
		help_sh("rm t/f");
		assert_true(changed(&bench, bench_put(&bench, "f", "new", &old)));
		assert_true(changed(&bench, bench_delete(&bench, "f", &old)));
		assert_false(help_exists("t/f"));
		assert_false(help_exists(TRASH));
		expect_clean();
		bench_close(&bench);
	}
}

static void test_i20_edit_with_its_time_put_back_is_seen(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	struct entry old = { 0 };

	(void)state;
	help_sh("echo old > t/f; touch -d @1000 t/f");
	old = help_entry(bench.root, "f");
	help_sh("echo usr > t/f; touch -d @1000 t/f");
	assert_true(changed(&bench, bench_put(&bench, "f", "new", &old)));
	assert_string_equal(help_read("t/f"), "usr\n");
	bench_close(&bench);
}

/* The stamps say the same; only reading tells. */
static void test_i21_racy_expectation_is_read(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	struct entry old = { 0 };

	(void)state;
	help_write("t/f", "new content");
	old = help_entry(bench.root, "f");
	old.digest = digest_of("old content", 11, HELP_SEED);
	old.flags |= ENTRY_RACY;
	assert_true(changed(&bench, bench_put(&bench, "f", "x", &old)));
	assert_true(changed(&bench, bench_delete(&bench, "f", &old)));
	assert_true(changed(&bench, bench_move(&bench, "f", "g", &old)));
	assert_string_equal(help_read("t/f"), "new content");
	old.digest = digest_of("new content", 11, HELP_SEED);
	assert_int_equal(bench_put(&bench, "f", "x", &old), 0);
	bench_close(&bench);
}

static void test_i48_type_changes(void **state)
{
	(void)state;
	for (int i = 0; i < CAPS; i++) {
		struct bench bench = open_with(i);

		help_sh("cd t && printf file > a && mkdir -m 0711 b && ln -s nowhere c");
		assert_int_equal(bench_put_folder(&bench, "a", NULL), 0);
		assert_int_equal(bench_put(&bench, "a/below", "x", &absent), 0);
		assert_int_equal(bench_put_link(&bench, "b", "there", NULL), 0);
		assert_int_equal(bench_put(&bench, "c", "was a link", NULL), 0);
		assert_string_equal(help_read(RUN "/a"), "file");
		help_sh("test \"$(readlink t/b)\" = there");
		help_sh("test \"$(stat -c %%a " RUN "/b)\" = 711");
		help_sh("test \"$(readlink " RUN "/c)\" = nowhere");
		assert_string_equal(help_read("t/c"), "was a link");
		assert_int_equal(bench_put(&bench, "b", "file again", NULL), 0);
		/* In the trash "a" is a file by now, so what was below it goes to an alias. */
		assert_int_equal(bench_delete(&bench, "a/below", NULL), 0);
		assert_string_equal(help_read(RUN "/a~2/below"), "x");
		assert_int_equal(bench_delete(&bench, "a", NULL), 0);
		assert_int_equal(changer_sync(bench.changer, &bench.err), 0);
		expect_clean();
		bench_close(&bench);
	}
}

static void test_i8_i36_full_folders_are_never_removed(void **state)
{
	(void)state;
	for (int i = 0; i < CAPS; i++) {
		struct bench bench = open_with(i);

		help_sh("cd t && mkdir -p a b/.osync_workdir && touch a/ignored");
		assert_true(changed(&bench, bench_delete(&bench, "a", NULL)));
		assert_non_null(strstr(bench.err.msg, "not empty"));
		assert_true(changed(&bench, bench_delete(&bench, "b", NULL)));
		assert_false(help_exists(TRASH));
		assert_true(changed(&bench, bench_put(&bench, "a", "file", NULL)));
		assert_true(changed(&bench, bench_put_link(&bench, "b", "x", NULL)));
		assert_true(help_exists("t/a/ignored"));
		assert_true(help_exists("t/b/.osync_workdir"));
		expect_clean();
		bench_close(&bench);
	}
}

static void test_i59_special_files_are_never_touched(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);

	(void)state;
	help_sh("mkfifo t/p");
	assert_true(changed(&bench, bench_put(&bench, "p", "x", NULL)));
	assert_true(changed(&bench, bench_delete(&bench, "p", NULL)));
	assert_true(changed(&bench, bench_move(&bench, "p", "q", NULL)));
	assert_true(changed(&bench, bench_chmod(&bench, "p", 0600, NULL)));
	help_sh("test -p t/p");
	bench_close(&bench);
}

static void test_move(void **state)
{
	(void)state;
	for (int i = 0; i < CAPS; i++) {
		struct bench bench = open_with(i);

		help_sh("cd t && mkdir -p d/e x && printf one > d/e/f && printf two > g");
		assert_int_equal(bench_move(&bench, "d/e/f", "x/f", NULL), 0);
		assert_string_equal(help_read("t/x/f"), "one");
		assert_true(changed(&bench, bench_move(&bench, "x/f", "g", NULL)));
		assert_string_equal(help_read("t/g"), "two");
		assert_int_equal(bench_move(&bench, "x", "d/y", NULL), 0);
		assert_string_equal(help_read("t/d/y/f"), "one");
		assert_int_equal(bench_put(&bench, "d/y/f", "three", NULL), 0);
		assert_string_equal(help_read(RUN "/d/y/f"), "one");
		assert_int_equal(changer_sync(bench.changer, &bench.err), 0);
		assert_int_equal(changer_restore_times(bench.changer, &bench.err), 0);
		expect_clean();
		bench_close(&bench);
	}
}

static void test_i56_hard_links(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct bench bench = open_with(i);
		struct entry one = { 0 };
		struct entry result = { 0 };
		struct staged *again = NULL;

		help_sh("cd t && printf content > one && printf other > two");
		one = help_entry(bench.root, "one");
		for (int name = 0; name < 2; name++) {
			const char *path = name ? "two" : "three";
			struct entry now = help_entry(bench.root, path);
			struct staged *staged = staged_link(bench.changer, "one", &one, &bench.err);

			assert_non_null(staged);
			assert_int_equal(changer_place(bench.changer, staged, path, &now, &result,
						       &bench.err),
					 0);
			assert_true(digest_same(&result.digest, &one.digest));
			staged_free(staged);
		}
		help_sh("test $(stat -c %%h t/one) = 3 && cmp t/one t/two && cmp t/one t/three");
		assert_string_equal(help_read(RUN "/two"), "other");
		/* Once more: nothing to do, and nothing goes to the trash. */
		one = help_entry(bench.root, "one");
		again = staged_link(bench.changer, "one", &one, &bench.err);
		assert_int_equal(
			changer_place(bench.changer, again, "two", &one, &result, &bench.err), 0);
		staged_free(again);
		assert_int_equal(help_count(RUN), 1);
		help_sh("test $(stat -c %%h t/one) = 3");
		help_write("t/four", "x");
		assert_null(staged_link(bench.changer, "four", &one, &bench.err));
		assert_int_equal(bench.err.kind, ERR_CHANGED);
		expect_clean();
		bench_close(&bench);
	}
}

static void test_copy_checks_the_content(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	const struct meta meta = { .mask = 0 };
	struct entry one = { 0 };
	struct entry result = { 0 };
	struct staged *staged = NULL;

	(void)state;
	help_sh("truncate -s 1M t/one; printf data >> t/one");
	one = help_entry(bench.root, "one");
	staged = staged_copy(bench.changer, "one", &one, &bench.err);
	assert_non_null(staged);
	assert_int_equal(staged_finish(staged, &meta, &bench.err), 0);
	assert_int_equal(changer_place(bench.changer, staged, "two", &absent, &result, &bench.err),
			 0);
	assert_true(digest_same(&one.digest, &result.digest));
	staged_free(staged);
	help_sh("cmp t/one t/two && test $(stat -c %%a t/two) = 644 && test $(stat -c %%b t/two) -le 16");
	one.digest.bytes[0] ^= 1;
	assert_null(staged_copy(bench.changer, "one", &one, &bench.err));
	assert_int_equal(bench.err.kind, ERR_CHANGED);
	expect_clean();
	bench_close(&bench);
}

static void test_i57_holes_stay_holes(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	const struct meta meta = { .mask = 0 };
	struct staged *staged = staged_file(bench.changer, 0600, &bench.err);
	struct entry result = { 0 };
	struct entry found = { 0 };

	(void)state;
	assert_int_equal(staged_hole(staged, 1 << 20, &bench.err), 0);
	assert_int_equal(staged_write(staged, "x", 1, &bench.err), 0);
	assert_int_equal(staged_hole(staged, 1 << 20, &bench.err), 0);
	assert_int_equal(staged_finish(staged, &meta, &bench.err), 0);
	assert_int_equal(changer_place(bench.changer, staged, "f", &absent, &result, &bench.err),
			 0);
	staged_free(staged);
	found = help_entry(bench.root, "f");
	assert_int_equal(found.size, (2 << 20) + 1);
	assert_true(digest_same(&found.digest, &result.digest));
	help_sh("test $(stat -c %%b t/f) -le 16");
	staged = staged_file(bench.changer, 0600, &bench.err);
	assert_int_equal(staged_hole(staged, UINT64_MAX, &bench.err), -1);
	staged_free(staged);
	expect_clean();
	bench_close(&bench);
}

static void test_result_is_what_a_scan_would_say(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	const struct meta meta = { .mask = META_MODE | META_MTIME,
				   .mode = 0640,
				   .mtime_ns = -5 * NS_PER_SEC };
	struct staged *staged = staged_file(bench.changer, 0640, &bench.err);
	struct entry result = { 0 };
	struct entry found = { 0 };

	(void)state;
	assert_int_equal(staged_write(staged, "x", 1, &bench.err), 0);
	assert_int_equal(staged_finish(staged, &meta, &bench.err), 0);
	assert_int_equal(changer_place(bench.changer, staged, "f", &absent, &result, &bench.err),
			 0);
	staged_free(staged);
	assert_true(result.flags & ENTRY_RACY);
	changer_settle(bench.changer, "f", &result);
	assert_false(result.flags & ENTRY_RACY);
	found = help_entry(bench.root, "f");
	assert_true(entry_same_stat(&found, &result));
	assert_true(digest_same(&found.digest, &result.digest));
	assert_true(found.mtime_ns == -5 * NS_PER_SEC);
	assert_int_equal(found.mode, 0640);
	bench_close(&bench);
}

static void test_settle_keeps_the_mark_of_what_changed_again(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	const struct meta meta = { .mask = 0 };
	struct staged *staged = staged_file(bench.changer, 0600, &bench.err);
	struct entry result = { 0 };

	(void)state;
	assert_int_equal(staged_finish(staged, &meta, &bench.err), 0);
	assert_int_equal(changer_place(bench.changer, staged, "f", &absent, &result, &bench.err),
			 0);
	staged_free(staged);
	help_sh("sleep 0.05; touch t/f");
	changer_settle(bench.changer, "f", &result);
	assert_true(result.flags & ENTRY_RACY);
	bench_close(&bench);
}

static void test_i60_modes(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);

	(void)state;
	help_sh("printf x > t/f; mkdir t/d; ln -s f t/l");
	assert_int_equal(bench_chmod(&bench, "f", 0, NULL), 0);
	assert_int_equal(bench_chmod(&bench, "d", 02750, NULL), 0);
	assert_int_equal(bench_chmod(&bench, "l", 0600, NULL), 0);
	help_sh("test \"$(stat -c %%a t/f t/d | tr '\\n' ' ')\" = '0 2750 '");
	assert_int_equal(changer_sync(bench.changer, &bench.err), 0);
	bench_close(&bench);
}

static void test_i61_times(void **state)
{
	static const int64_t times[] = { 0, -1, -300000000 * NS_PER_SEC,
					 4102444800 * NS_PER_SEC + 5, NS_PER_SEC + 1 };
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	struct entry now = { 0 };
	struct entry result = { 0 };

	(void)state;
	help_sh("printf x > t/f; mkdir t/d; ln -s f t/l");
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		const struct meta meta = { .mask = META_MTIME, .mtime_ns = times[i] };

		for (int kind = 0; kind < 3; kind++) {
			const char *path = &"f\0d\0l"[2 * kind];

			now = help_entry(bench.root, path);
			assert_int_equal(
				changer_meta(bench.changer, path, &now, &meta, &result, &bench.err),
				0);
			assert_true(result.mtime_ns == times[i]);
			assert_true(digest_same(&now.digest, &result.digest));
		}
	}
	bench_close(&bench);
}

static void test_owner_is_set_where_allowed(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	const struct meta meta = {
		.mask = META_MODE | META_UID | META_GID, .mode = 04755, .uid = 1234, .gid = 4321
	};
	struct entry now = { 0 };
	struct entry result = { 0 };

	(void)state;
	help_sh("printf x > t/f; ln -s f t/l");
	now = help_entry(bench.root, "f");
	assert_int_equal(changer_meta(bench.changer, "f", &now, &meta, &result, &bench.err), 0);
	/* chown clears setuid; it is set again. */
	assert_int_equal(result.mode, 04755);
	assert_int_equal(result.uid, geteuid() == 0 ? 1234 : geteuid());
	now = help_entry(bench.root, "l");
	assert_int_equal(changer_meta(bench.changer, "l", &now, &meta, &result, &bench.err), 0);
	assert_int_equal(result.gid, geteuid() == 0 ? 4321 : getegid());
	bench_close(&bench);
}

static int64_t mtime_of(const char *path)
{
	struct stat st = { 0 };

	assert_int_equal(lstat(path, &st), 0);
	return clock_from_timespec(st.st_mtim);
}

static void test_times_of_touched_folders_are_put_back(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	const struct meta meta = { .mask = META_MTIME, .mtime_ns = 77 * NS_PER_SEC };
	struct entry now = { 0 };

	(void)state;
	help_sh("cd t && mkdir a b c d && touch a/x && touch -d @1000 a b c d .");
	assert_int_equal(bench_put(&bench, "a/y", "1", &absent), 0);
	assert_int_equal(bench_delete(&bench, "a/x", NULL), 0);
	assert_int_equal(bench_move(&bench, "a/y", "b/y", NULL), 0);
	assert_int_equal(bench_put(&bench, "c/y", "1", &absent), 0);
	now = help_entry(bench.root, "c");
	assert_int_equal(changer_meta(bench.changer, "c", &now, &meta, &now, &bench.err), 0);
	assert_int_equal(bench_put(&bench, "c/z", "1", &absent), 0);
	assert_int_equal(bench_delete(&bench, "d", NULL), 0);
	assert_int_equal(changer_restore_times(bench.changer, &bench.err), 0);
	assert_true(mtime_of("t/a") == 1000 * NS_PER_SEC);
	assert_true(mtime_of("t/b") == 1000 * NS_PER_SEC);
	assert_true(mtime_of("t/c") == 77 * NS_PER_SEC);
	assert_true(mtime_of("t") == 1000 * NS_PER_SEC);
	bench_close(&bench);
}

/* Nobody would set it later: the run has to say that it failed. */
static void test_a_time_that_cannot_be_put_back_is_told(void **state)
{
	for (int n = 1; n <= 2; n++) {
		struct bench bench = { .root = NULL };
		char fault[32];

		help_sh("rm -rf t && mkdir -p t/a && touch -d @1000 t/a t");
		bench = bench_open(CHANGER_SYNC_OFF);
		assert_int_equal(bench_put(&bench, "a/y", "1", &absent), 0);
		root_forget(bench.root, "");
		/* The folder is opened and looked at: one of these fails. */
		snprintf(fault, sizeof(fault), "fail:%d:%d::look", n, EIO);
		setenv("OSYNC_FAULT", fault, 1);
		sys_set_role("test");
		assert_int_equal(changer_restore_times(bench.changer, &bench.err), -1);
		assert_int_equal(bench.err.sys, EIO);
		unsetenv("OSYNC_FAULT");
		assert_int_equal(changer_restore_times(bench.changer, NULL), 0);
		assert_true(mtime_of("t/a") == 1000 * NS_PER_SEC);
		bench_close(&bench);
	}
	(void)state;
}

static void test_dead_runs_leftovers_are_swept(void **state)
{
	struct bench bench = { .root = NULL };

	(void)state;
	help_sh("mkdir -p " STAGE "/s-9 && touch " STAGE "/s-1 && ln -s x " STAGE "/s-2");
	bench = bench_open(CHANGER_SYNC_FILE);
	expect_clean();
	bench_close(&bench);
}

static void test_i32_what_a_lost_rename_left_in_the_stage_is_kept(void **state)
{
	struct bench bench = { .root = NULL };

	help_sh("mkdir -p t " STAGE "/s-1/sub && echo -n kept >" STAGE "/s-1/sub/x");
	bench = bench_open(CHANGER_SYNC_BATCH);
	expect_clean();
	assert_string_equal(help_read(RUN "/s-1/sub/x"), "kept");
	assert_int_equal(bench_put(&bench, "one", "new", &absent), 0);
	bench_close(&bench);
}

static void test_messages_escape_names(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);

	(void)state;
	help_write("t/a\nb", "x");
	assert_int_equal(bench_put(&bench, "a\nb", "x", &absent), -1);
	assert_non_null(strstr(bench.err.msg, "'a\\nb' is there by now"));
	bench_close(&bench);
}

static void test_i35_the_work_folder_is_out_of_reach(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);

	(void)state;
	assert_int_equal(bench_put(&bench, ".osync_workdir/lock", "x", &absent), -1);
	assert_int_equal(bench.err.kind, ERR_PROTOCOL);
	assert_int_equal(bench_put(&bench, "../x", "x", &absent), -1);
	assert_int_equal(bench.err.kind, ERR_PROTOCOL);
	assert_false(help_exists("x"));
	bench_close(&bench);
}

static void test_i54_deep_trees_and_long_names(void **state)
{
	enum { LEVELS = 300 };
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	AUTO_BUF path = BUF_INIT;

	(void)state;
	for (int i = 0; i < LEVELS; i++) {
		buf_addf(&path, "%s%0*d", i ? "/" : "", i % 2 ? 100 : 30, i);
		assert_int_equal(bench_put_folder(&bench, buf_cstr(&path), &absent), 0);
	}
	buf_addf(&path, "/%0255d", 7);
	assert_int_equal(bench_put(&bench, buf_cstr(&path), "one", &absent), 0);
	assert_int_equal(bench_put(&bench, buf_cstr(&path), "two", NULL), 0);
	assert_int_equal(bench_put(&bench, buf_cstr(&path), "three", NULL), 0);
	assert_true(help_holds(RUN, "one"));
	assert_true(help_holds(RUN, "two"));
	assert_int_equal(changer_sync(bench.changer, &bench.err), 0);
	assert_int_equal(bench_delete(&bench, buf_cstr(&path), NULL), 0);
	for (int i = 0; i < LEVELS; i++) {
		path.len = (size_t)(strrchr(buf_cstr(&path), '/') - (char *)path.data);
		assert_int_equal(bench_delete(&bench, buf_cstr(&path), NULL), 0);
	}
	assert_int_equal(changer_restore_times(bench.changer, &bench.err), 0);
	assert_int_equal(changer_sync(bench.changer, &bench.err), 0);
	assert_true(help_holds(RUN, "three"));
	assert_int_equal(help_count("t"), 1);
	bench_close(&bench);
}

static void test_i54_odd_names(void **state)
{
	static const char *const names[] = { "new\nline", "\xff\xfe", "-rf",  "* ?",
					     "%s%n",	  " ",	      "a\\b", "x~2" };
	struct bench bench = bench_open(CHANGER_SYNC_OFF);

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(bench_put(&bench, names[i], "1", &absent), 0);
		assert_int_equal(bench_put(&bench, names[i], "2", NULL), 0);
		assert_int_equal(bench_delete(&bench, names[i], NULL), 0);
	}
	assert_int_equal(help_count(RUN), 2 * sizeof(names) / sizeof(names[0]));
	assert_int_equal(changer_sync(bench.changer, &bench.err), 0);
	bench_close(&bench);
}

static int work_in_read_only_folders(void)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	struct entry entry = { 0 };

	if (bench_put(&bench, "ro/new", "x", &absent) < 0)
		return 1;
	if (bench_put(&bench, "ro/f", "new", NULL) < 0 || bench_delete(&bench, "ro/g", NULL) < 0)
		return 2;
	if (bench_move(&bench, "ro/sub", "none/sub", NULL) < 0)
		return 3;
	if (bench_chmod(&bench, "ro/f", 0, NULL) < 0 ||
	    scan_path(bench.root, "ro/f", 0, HELP_SEED, &entry, NULL, NULL) != 1 || entry.mode != 0)
		return 4;
	/* Not readable any more; its mode can still be set. */
	if (bench_chmod(&bench, "ro/f", 0600, &entry) < 0)
		return 5;
	if (bench_put(&bench, "root/x", "x", &absent) == 0 || bench.err.kind != ERR_SYSTEM)
		return 6;
	if (bench_put(&bench, "gone", "file", NULL) < 0 ||
	    bench_put(&bench, "full", "x", NULL) == 0)
		return 7;
	if (changer_restore_times(bench.changer, &bench.err) < 0 ||
	    changer_sync(bench.changer, &bench.err) < 0)
		return 8;
	bench_close(&bench);
	return 0;
}

static void test_i41_read_only_folders_of_our_own(void **state)
{
	(void)state;
	help_sh("cd t && mkdir -p ro/sub none root gone full && touch ro/f ro/g full/x &&"
		" chmod 0500 ro ro/sub gone full &&"
		" chmod 0 none && if [ $(id -u) = 0 ]; then chown -R 65534:65534 . && chown 0 root;"
		" else chmod 0 root; fi");
	if (geteuid() != 0)
		skip();
	assert_int_equal(bench_as_nobody(work_in_read_only_folders), 0);
	help_sh("test \"$(stat -c %%a t/ro t/none t/none/sub t/full | tr '\\n' ' ')\" = '500 0 500 500 '");
	assert_string_equal(help_read("t/ro/f"), "new");
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(test_create_replace_delete),
		TREE_TEST(test_unexpected_states_are_left_alone),
		TREE_TEST(test_i20_edit_with_its_time_put_back_is_seen),
		TREE_TEST(test_i21_racy_expectation_is_read),
		TREE_TEST(test_i48_type_changes),
		TREE_TEST(test_i8_i36_full_folders_are_never_removed),
		TREE_TEST(test_i59_special_files_are_never_touched),
		TREE_TEST(test_move),
		TREE_TEST(test_i56_hard_links),
		TREE_TEST(test_copy_checks_the_content),
		TREE_TEST(test_i57_holes_stay_holes),
		TREE_TEST(test_result_is_what_a_scan_would_say),
		TREE_TEST(test_settle_keeps_the_mark_of_what_changed_again),
		TREE_TEST(test_i60_modes),
		TREE_TEST(test_i61_times),
		TREE_TEST(test_owner_is_set_where_allowed),
		TREE_TEST(test_times_of_touched_folders_are_put_back),
		TREE_TEST(test_a_time_that_cannot_be_put_back_is_told),
		TREE_TEST(test_dead_runs_leftovers_are_swept),
		TREE_TEST(test_i32_what_a_lost_rename_left_in_the_stage_is_kept),
		TREE_TEST(test_messages_escape_names),
		TREE_TEST(test_i35_the_work_folder_is_out_of_reach),
		TREE_TEST(test_i54_deep_trees_and_long_names),
		TREE_TEST(test_i54_odd_names),
		TREE_TEST(test_i41_read_only_folders_of_our_own),
	};

	return cmocka_run_group_tests_name("changer", tests, NULL, NULL);
}
