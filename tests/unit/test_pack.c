/* SPDX-License-Identifier: BSD-2-Clause */
/* Packing a folder of the trash: every version is in the folder or in the archive, whatever happens. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
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

#include "base/err.h"
#include "base/sys.h"
#include "tree/pack.h"
#include "tree_help.h"

static int open_trash(void)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int pack(struct err *err)
{
	int trash = open_trash();
	int status = pack_run(trash, "run", err);

	close(trash);
	return status;
}

static void make_run(void)
{
	help_sh("mkdir -p run/d/e run/empty && printf one > run/a && printf two > run/d/b && "
		"ln -s nowhere run/l && head -c 300000 /dev/urandom > run/d/e/big && "
		"touch -d 2001-02-03T04:05:06.789 run/a && chmod 600 run/a && cp -a run before");
	help_sh("printf x > \"run/$(printf '\\377\\303\\244 name')\"; cp -a run/. before/");
}

/* Unpacked, it is what it was, beside what is left of the folder. */
static void expect_all_there(void)
{
	help_sh("rm -rf out && mkdir out && if [ -e run.tar.zst ]; then tar --zstd -xpf run.tar.zst "
		"-C out 2>/dev/null; fi && if [ -d run ]; then mkdir -p out/run && cp -a run/. out/run/; fi "
		"&& diff -r --no-dereference before out/run");
}

static void a_folder_becomes_an_archive_with_all_that_was_in_it(void **state)
{
	struct err err = ERR_INIT;
	struct stat st;

	make_run();
	assert_int_equal(pack(&err), 0);
	assert_false(help_exists("run"));
	assert_false(help_exists("run.tar.zst.new"));
	expect_all_there();
	assert_int_equal(stat("out/run/a", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_mtim.tv_sec % 60, 6);
	assert_int_equal(st.st_mtim.tv_nsec, 789000000);
	assert_int_equal(stat("run.tar.zst", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void what_is_no_version_is_not_packed(void **state)
{
	struct err err = ERR_INIT;

	make_run();
	help_sh("mkfifo run/d/fifo before/d/fifo");
	assert_int_equal(pack(&err), -1);
	assert_non_null(strstr(err.msg, "special file"));
	assert_true(help_exists("run/d/b"));
	assert_false(help_exists("run.tar.zst"));
	assert_false(help_exists("run.tar.zst.new"));
}

static void links_are_not_followed(void **state)
{
	struct err err = ERR_INIT;

	help_sh("mkdir outside run before && printf secret > outside/x && ln -s ../outside run/d && "
		"cp -a run/. before/");
	assert_int_equal(pack(&err), 0);
	assert_string_equal(help_read("outside/x"), "secret");
	expect_all_there();
	assert_false(help_exists("out/run/d/x") && help_count("out/outside") > 0);
}

/* Whatever call it is that the disk is full at: nothing goes that is not safe. */
static void a_full_disk_removes_nothing(void **state)
{
	for (int n = 1; n < 400; n++) {
		struct err err = ERR_INIT;
		char fault[32];
		int status = 0;
		pid_t pid = -1;

		help_sh("rm -rf run before run.tar.zst*");
		make_run();
		snprintf(fault, sizeof(fault), "fail:%d+:%d:full", n, ENOSPC);
		pid = fork();
		if (pid == 0) {
			setenv("OSYNC_FAULT", fault, 1);
			sys_set_role("full");
			_exit(pack(&err) == 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		expect_all_there();
		if (WEXITSTATUS(status) == 0)
			return;
	}
	fail_msg("it never came to its end");
}

/* Killed before each change; then the next one completes it. */
static void killed_anywhere_everything_is_there_and_the_next_completes_it(void **state)
{
	for (int n = 1; n < 400; n++) {
		struct err err = ERR_INIT;
		char fault[32];
		int status = 0;
		pid_t pid = -1;

		help_sh("rm -rf run before run.tar.zst*");
		make_run();
		snprintf(fault, sizeof(fault), "kill:%d:dies", n);
		pid = fork();
		if (pid == 0) {
			setenv("OSYNC_FAULT", fault, 1);
			sys_set_role("dies");
			_exit(pack(&err) == 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		expect_all_there();
		if (WIFEXITED(status))
			return;
		if (help_exists("run"))
			assert_int_equal(pack(&err), 0);
		assert_false(help_exists("run"));
		assert_false(help_exists("run.tar.zst.new"));
		expect_all_there();
	}
	fail_msg("it never came to its end");
}

/* Somebody puts something there, or edits it, between the archive and the removal. */
static void what_comes_in_meanwhile_stays(void **state)
{
	struct err err = ERR_INIT;

	make_run();
	setenv("OSYNC_POINT", "before-unpacked-goes=printf late > run/d/late; printf TWO > run/d/b",
	       1);
	assert_int_equal(pack(&err), -1);
	unsetenv("OSYNC_POINT");
	assert_string_equal(help_read("run/d/late"), "late");
	assert_string_equal(help_read("run/d/b"), "TWO");
	assert_false(help_exists("run/a"));
	help_sh("mkdir out && tar --zstd -xf run.tar.zst -C out 2>/dev/null; "
		"test \"$(cat out/run/d/b)\" = two");
	/* The archive is never written over. */
	err_clear(&err);
	assert_int_equal(pack(&err), -1);
	assert_string_equal(help_read("run/d/late"), "late");
	help_sh("rm -rf out && mkdir out && tar --zstd -xf run.tar.zst -C out 2>/dev/null; "
		"test \"$(cat out/run/a)\" = one");
}

/* A disk that does not keep what was written to it. */
static void what_reads_back_otherwise_is_no_archive(void **state)
{
	struct err err = ERR_INIT;

	make_run();
	setenv("OSYNC_POINT",
	       "packed=printf '\\125' | dd of=run.tar.zst.new bs=1 seek=150000 conv=notrunc 2>/dev/null",
	       1);
	assert_int_equal(pack(&err), -1);
	unsetenv("OSYNC_POINT");
	assert_false(help_exists("run.tar.zst"));
	assert_false(help_exists("run.tar.zst.new"));
	expect_all_there();
}

#define TREE_TEST(test) cmocka_unit_test_setup_teardown(test, help_setup, help_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(a_folder_becomes_an_archive_with_all_that_was_in_it),
		TREE_TEST(what_is_no_version_is_not_packed),
		TREE_TEST(links_are_not_followed),
		TREE_TEST(a_full_disk_removes_nothing),
		TREE_TEST(killed_anywhere_everything_is_there_and_the_next_completes_it),
		TREE_TEST(what_comes_in_meanwhile_stays),
		TREE_TEST(what_reads_back_otherwise_is_no_archive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
