/* SPDX-License-Identifier: BSD-2-Clause */
/* A confined process: what it can still do, and what not. Where the kernel has no Landlock, nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/confine.h"
#include "base/err.h"
#include "tree_help.h"

enum { HELD = 0, NO_LANDLOCK = 77, FIRST_FAILURE = 1 };

/* In the child: one step that must hold. */
#define MUST(number, condition)                          \
	do {                                             \
		if (!(condition))                        \
			return FIRST_FAILURE + (number); \
	} while (0)

static bool refused(int result)
{
	if (result >= 0)
		close(result);
	return result < 0 && errno == EACCES;
}

static bool opens(const char *path, int flags)
{
	AUTO_CLOSE int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd >= 0;
}

/* Everything that a sync does, beneath the folder. */
static int work_inside(void)
{
	MUST(0, opens("t/old", O_RDONLY));
	MUST(1, opens("t/new", O_RDWR | O_CREAT | O_EXCL));
	MUST(2, opens("t/new", O_RDWR | O_TRUNC));
	MUST(3, truncate("t/new", 1) == 0);
	MUST(4, mkdir("t/folder", 0700) == 0 && mkdir("t/other", 0700) == 0);
	MUST(5, rename("t/new", "t/folder/new") == 0);
	MUST(6, renameat2(AT_FDCWD, "t/folder/new", AT_FDCWD, "t/old", RENAME_EXCHANGE) == 0);
	MUST(7, renameat2(AT_FDCWD, "t/folder", AT_FDCWD, "t/other/folder", RENAME_NOREPLACE) == 0);
	MUST(8, link("t/old", "t/other/link") == 0);
	MUST(9, symlink("../../outside/secret", "t/other/symlink") == 0);
	MUST(10, unlink("t/other/link") == 0 && mkdir("t/x", 0700) == 0 && rmdir("t/x") == 0);
	MUST(11, opens("t/other", O_RDONLY | O_DIRECTORY));
	return HELD;
}

static int work_outside(void)
{
	MUST(20, refused(open("outside/secret", O_RDONLY | O_CLOEXEC)));
	MUST(21, refused(open("outside/secret", O_WRONLY | O_CLOEXEC)));
	MUST(22, refused(open("t/other/symlink", O_RDONLY | O_CLOEXEC)));
	MUST(23, refused(open("outside/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
	MUST(24, refused(open("outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
	MUST(25, refused(mkdir("outside/folder", 0700)));
	MUST(26, refused(unlink("outside/secret")));
	MUST(27, refused(rename("outside/secret", "outside/moved")));
	MUST(28, refused(rmdir("outside/empty")));
	MUST(29, rename("outside/secret", "t/taken") < 0 && rename("t/old", "outside/old") < 0);
	MUST(30, link("outside/secret", "t/taken") < 0 && link("t/old", "outside/old") < 0);
	MUST(31, refused(open("/etc/hostname", O_WRONLY | O_CLOEXEC)));
	MUST(32, refused(open("/etc/osync-test", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
	MUST(33, refused(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
	MUST(34, refused(mknod("t/fifo", S_IFIFO | 0600, 0)));
	return HELD;
}

static int reading_child(void)
{
	const struct confine_folder folders[] = {
		{ open("t", O_RDONLY | O_DIRECTORY | O_CLOEXEC), false },
	};

	if (confine_to(folders, 1, NULL) < 0)
		return NO_LANDLOCK;
	MUST(0, opens("t/old", O_RDONLY) && opens("t", O_RDONLY | O_DIRECTORY));
	MUST(1, refused(open("t/old", O_WRONLY | O_CLOEXEC)));
	MUST(2, refused(open("t/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
	MUST(3, refused(mkdir("t/folder", 0700)) && refused(unlink("t/old")));
	MUST(4, refused(rename("t/old", "t/new")) && refused(symlink("x", "t/new")));
	MUST(5, refused(open("outside/secret", O_RDONLY | O_CLOEXEC)));
	return HELD;
}

/* One folder to work in, another one to read from. */
static int two_folders_child(void)
{
	const struct confine_folder folders[] = {
		{ open("t", O_RDONLY | O_DIRECTORY | O_CLOEXEC), true },
		{ open("other", O_RDONLY | O_DIRECTORY | O_CLOEXEC), false },
	};
	int other = folders[1].fd;

	if (confine_to(folders, 2, NULL) < 0)
		return NO_LANDLOCK;
	MUST(0, opens("t/new", O_RDWR | O_CREAT | O_EXCL) && rename("t/new", "t/old") == 0);
	MUST(1,
	     opens("other/below/file", O_RDONLY) && opens("other/below", O_RDONLY | O_DIRECTORY));
	MUST(2, refused(openat(other, "below/file", O_RDWR | O_CLOEXEC)));
	MUST(3, refused(openat(other, "below/file", O_WRONLY | O_TRUNC | O_CLOEXEC)));
	MUST(4, refused(openat(other, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
	MUST(5, refused(mkdirat(other, "folder", 0700)) && refused(symlinkat("x", other, "link")));
	MUST(6, refused(unlinkat(other, "below/file", 0)) && truncate("other/below/file", 0) < 0);
	MUST(7, renameat(other, "below/file", other, "below/moved") < 0);
	MUST(8, rename("t/old", "other/old") < 0 && rename("other/below/file", "t/taken") < 0);
	MUST(9, link("t/old", "other/old") < 0 && link("other/below/file", "t/taken") < 0);
	MUST(10, refused(open("outside/secret", O_RDONLY | O_CLOEXEC)));
	MUST(11, refused(openat(other, "secret", O_RDONLY | O_CLOEXEC)));
	MUST(12, refused(openat(other, "../outside/secret", O_RDONLY | O_CLOEXEC)));
	return HELD;
}

static int confined_child(bool with_state)
{
	const struct confine_folder folders[] = {
		{ open("t", O_RDONLY | O_DIRECTORY | O_CLOEXEC), true },
		{ with_state ? open("state", O_PATH | O_CLOEXEC) : -1, true },
	};
	int before = open("outside/secret", O_RDONLY | O_CLOEXEC);
	char byte = 0;
	int done = 0;

	if (confine_to(folders, 2, NULL) < 0)
		return NO_LANDLOCK;
	done = work_inside();
	if (done == HELD)
		done = work_outside();
	MUST(40, done == HELD || (fprintf(stderr, "step %d\n", done - FIRST_FAILURE) < 0));
	MUST(41, read(before, &byte, 1) == 1);
	MUST(42, getpwuid(0) && getpwnam("root") && getgrgid(0) && getgrnam("root"));
	MUST(43, opens("state/cache", O_RDWR | O_CREAT) == with_state);
	/* Once more, for less: what was given up stays given up. */
	MUST(44, confine_to(folders, 2, NULL) >= 2 && !opens("outside/secret", O_RDONLY));
	return HELD;
}

enum child { PLAIN, WITH_STATE, READING, TWO_FOLDERS };

static int run_as(enum child child)
{
	switch (child) {
	case READING:
		return reading_child();
	case TWO_FOLDERS:
		return two_folders_child();
	case PLAIN:
	case WITH_STATE:
		break;
	}
	return confined_child(child == WITH_STATE);
}

static void run_child(enum child child)
{
	int status = 0;
	pid_t pid = 0;

	help_sh("mkdir -p t outside/empty state other/below; echo old > t/old;"
		" echo secret > outside/secret; echo theirs > other/below/file;"
		" ln -s ../outside/secret other/secret");
	fflush(stderr);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(run_as(child));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_LANDLOCK)
		skip();
	assert_int_equal(WEXITSTATUS(status), HELD);
	assert_string_equal(help_read("outside/secret"), "secret\n");
	assert_int_equal(help_count("outside"), 2);
}

static void test_i34_all_of_a_sync_works_inside_and_nothing_outside(void **state)
{
	run_child(PLAIN);
}

static void test_i34_a_state_folder_elsewhere_stays_open(void **state)
{
	run_child(WITH_STATE);
}

static void test_who_may_only_read_does_not_write_inside_either(void **state)
{
	run_child(READING);
	assert_string_equal(help_read("t/old"), "old\n");
	assert_int_equal(help_count("t"), 1);
}

static void test_i34_of_another_folder_all_can_be_read_and_nothing_written(void **state)
{
	run_child(TWO_FOLDERS);
	assert_string_equal(help_read("other/below/file"), "theirs\n");
	assert_int_equal(help_count("other"), 2);
	assert_int_equal(help_count("other/below"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_i34_all_of_a_sync_works_inside_and_nothing_outside, help_setup,
			help_teardown),
		cmocka_unit_test_setup_teardown(test_i34_a_state_folder_elsewhere_stays_open,
						help_setup, help_teardown),
		cmocka_unit_test_setup_teardown(test_who_may_only_read_does_not_write_inside_either,
						help_setup, help_teardown),
		cmocka_unit_test_setup_teardown(
			test_i34_of_another_folder_all_can_be_read_and_nothing_written, help_setup,
			help_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
