/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every system call of a series of changes fails once, or is the last one: nothing is
 * lost, nothing is torn, and what failed is as it was.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
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
#include "base/sys.h"
#include "changer_help.h"
#include "tree/root.h"
#include "tree_help.h"

static const struct entry absent = { .type = ENTRY_ABSENT };

enum caps_tried { ALL_CAPS, NO_EXCHANGE, NO_LINKS_EITHER };

static void make_tree(void)
{
	help_sh("rm -rf t; mkdir -p t/d t/e t/k && cd t && printf old-f > f && printf old-g > g &&"
		" printf old-h > h && printf old-x > e/x && printf old-i > i && ln -s old l");
}

static struct bench open_tree(enum caps_tried which)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	struct root_caps caps = *root_caps(bench.root);

	caps.exchange = which == ALL_CAPS;
	caps.noreplace = which == ALL_CAPS;
	caps.hardlinks = which != NO_LINKS_EITHER;
	root_set_caps(bench.root, &caps);
	return bench;
}

/* A failed change has left everything as it was. */
static void expect_old(int done, const char *path, const char *old)
{
	if (done < 0 && strcmp(help_read(path), old) != 0)
		_exit(10);
	if (done < 0 && help_exists("t/n") && strcmp(help_read("t/n"), "new-n") != 0)
		_exit(11);
}

static void change_all(struct bench *bench)
{
	expect_old(bench_put(bench, "f", "new-f", NULL), "t/f", "old-f");
	bench_put(bench, "n", "new-n", &absent);
	expect_old(bench_delete(bench, "g", NULL), "t/g", "old-g");
	if (help_exists("t/h"))
		expect_old(bench_move(bench, "h", "e/h", NULL), "t/h", "old-h");
	bench_put_folder(bench, "i", NULL);
	bench_put(bench, "k", "new-k", NULL);
	bench_put_link(bench, "l", "new", NULL);
	bench_delete(bench, "d", NULL);
	bench_chmod(bench, "e/x", 0600, NULL);
	changer_restore_times(bench->changer, NULL);
	changer_sync(bench->changer, NULL);
}

static int work(enum caps_tried which, const char *fault)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct bench bench = open_tree(which);

		setenv("OSYNC_FAULT", fault, 1);
		sys_set_role("test");
		change_all(&bench);
		unsetenv("OSYNC_FAULT");
		bench_close(&bench);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void expect_one_of(const char *path, const char *one, const char *two)
{
	const char *found = help_read(path);

	if (strcmp(found, one) != 0 && strcmp(found, two) != 0)
		fail_msg("%s holds '%s'", path, found);
}

static void expect_nothing_lost(const char *fault)
{
	static const char *const versions[] = { "old-f", "old-g", "old-h", "old-x", "old-i" };

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (!help_holds("t", versions[i]))
			fail_msg("'%s' is lost with %s", versions[i], fault);
	}
	expect_one_of("t/e/x", "old-x", "old-x");
}

/* The next run sweeps the stage, finds every version, and can do its work. */
static void next_run(enum caps_tried which, const char *fault)
{
	struct bench bench = open_tree(which);

	assert_int_equal(help_count(STAGE), 0);
	expect_nothing_lost(fault);
	change_all(&bench);
	assert_string_equal(help_read("t/f"), "new-f");
	assert_string_equal(help_read("t/n"), "new-n");
	expect_nothing_lost(fault);
	assert_int_equal(help_count(STAGE), 0);
	bench_close(&bench);
}

static int count_calls(enum caps_tried which)
{
	int calls = 0;
	const char *text = NULL;

	make_tree();
	unlink("calls");
	assert_int_equal(work(which, "count:calls"), 0);
	for (text = help_read("calls"); *text; text++)
		calls += *text == '\n';
	assert_true(calls > 40);
	return calls;
}

/* Every call fails with this errno, or (0) kills the process. */
static void try_all(enum caps_tried which, int errnum)
{
	int calls = count_calls(which);

	for (int n = 1; n <= calls; n++) {
		AUTO_BUF fault = BUF_INIT;
		int status = 0;

		if (errnum)
			buf_addf(&fault, "fail:%d:%d", n, errnum);
		else
			buf_addf(&fault, "kill:%d", n);
		make_tree();
		status = work(which, buf_cstr(&fault));
		if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
			fail_msg("%s: check %d", buf_cstr(&fault), WEXITSTATUS(status));
		if (errnum && which == ALL_CAPS)
			expect_one_of("t/f", "old-f", "new-f");
		next_run(which, buf_cstr(&fault));
	}
}

static void test_i40_each_call_fails_for_want_of_space(void **state)
{
	(void)state;
	try_all(ALL_CAPS, ENOSPC);
}

static void test_each_call_fails_without_exchange(void **state)
{
	(void)state;
	try_all(NO_EXCHANGE, EIO);
}

static void test_each_call_fails_without_links(void **state)
{
	(void)state;
	try_all(NO_LINKS_EITHER, EACCES);
}

static void test_i38_killed_at_each_call(void **state)
{
	(void)state;
	try_all(ALL_CAPS, 0);
}

static void test_killed_at_each_call_without_exchange(void **state)
{
	(void)state;
	try_all(NO_EXCHANGE, 0);
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(test_i40_each_call_fails_for_want_of_space),
		TREE_TEST(test_each_call_fails_without_exchange),
		TREE_TEST(test_each_call_fails_without_links),
		TREE_TEST(test_i38_killed_at_each_call),
		TREE_TEST(test_killed_at_each_call_without_exchange),
	};

	/* Thousands of fsyncs: in memory, where there is such a place. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	return cmocka_run_group_tests_name("changer_faults", tests, NULL, NULL);
}
