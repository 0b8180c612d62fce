/* SPDX-License-Identifier: BSD-2-Clause */
/* The one door: calls do what they are named after, follow no link, and fail where a test says so. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/sys.h"
#include "box.h"

static void expect_file(const char *name, const char *content)
{
	AUTO_BUF found = BUF_INIT;

	assert_true(box_read(name, &found));
	assert_string_equal(buf_cstr(&found), content);
}

static struct stat stat_of(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(box_dirfd(), name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

/* Calls --------------------------------------------------------------------------- */

static void test_descriptors_are_not_inherited(void **state)
{
	AUTO_CLOSE int fd = sys_openat(box_dirfd(), "f", O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void test_everything_is_written(void **state)
{
	AUTO_CLOSE int fd = sys_openat(box_dirfd(), "f", O_RDWR | O_CREAT, 0600);

	assert_int_equal(sys_write_all(fd, "hello", 5), 0);
	assert_int_equal(sys_write_all(fd, "", 0), 0);
	assert_int_equal(sys_pwrite_all(fd, "J", 1, 0), 0);
	assert_int_equal(sys_pwrite_all(fd, "!", 1, 5), 0);
	expect_file("f", "Jello!");
	assert_int_equal(sys_ftruncate(fd, 4), 0);
	assert_int_equal(sys_fsync(fd), 0);
	assert_int_equal(sys_fdatasync(fd), 0);
	expect_file("f", "Jell");
	assert_int_equal(sys_close(steal_fd(&fd)), 0);
}

/* Through a pipe that is read slowly, so that each write is a short one. */
static void test_short_writes_are_gone_on_with(void **state)
{
	AUTO_BUF text = BUF_INIT;
	int fds[2] = { -1, -1 };
	size_t got = 0;
	pid_t child = -1;
	char piece[1000];
	ssize_t len = 0;

	memset(buf_extend(&text, 300000), 'x', 300000);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(sys_write_all(fds[1], text.data, text.len) == 0 ? 0 : 1);
	close(fds[1]);
	while ((len = read(fds[0], piece, sizeof(piece))) > 0)
		got += (size_t)len;
	close(fds[0]);
	assert_int_equal(got, text.len);
	waitpid(child, NULL, 0);
}

static void test_a_write_that_cannot_be_is_an_error(void **state)
{
	AUTO_CLOSE int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	assert_int_equal(sys_write_all(fd, "x", 1), -1);
	assert_int_equal(errno, ENOSPC);
}

static void test_names_are_made_and_removed(void **state)
{
	int dir = box_dirfd();

	assert_int_equal(sys_mkdirat(dir, "d", 0700), 0);
	assert_int_equal(sys_mkdirat(dir, "d", 0700), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(sys_symlinkat("nowhere", dir, "l"), 0);
	box_write("f", "x", 1);
	assert_int_equal(sys_linkat(dir, "f", dir, "g"), 0);
	assert_int_equal(stat_of("f").st_nlink, 2);
	/* The link itself, not what it points to. */
	assert_int_equal(sys_linkat(dir, "l", dir, "m"), 0);
	assert_true(S_ISLNK(stat_of("m").st_mode));
	assert_int_equal(sys_unlinkat(dir, "f", 0), 0);
	assert_int_equal(sys_unlinkat(dir, "d", AT_REMOVEDIR), 0);
	assert_int_equal(box_names(), 3);
}

static void test_a_rename_keeps_what_it_is_told_to_keep(void **state)
{
	int dir = box_dirfd();

	box_write("a", "a", 1);
	box_write("b", "b", 1);
	assert_int_equal(sys_renameat2(dir, "a", dir, "b", RENAME_NOREPLACE), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(sys_renameat2(dir, "a", dir, "b", RENAME_EXCHANGE), 0);
	expect_file("a", "b");
	expect_file("b", "a");
	assert_int_equal(sys_renameat2(dir, "a", dir, "b", 0), 0);
	expect_file("b", "b");
	assert_false(box_exists("a"));
}

static void test_times_of_a_link_are_its_own(void **state)
{
	const struct timespec times[2] = { { 1, 0 }, { 2, 3 } };
	int dir = box_dirfd();

	box_write("f", "x", 1);
	assert_int_equal(sys_symlinkat("f", dir, "l"), 0);
	assert_int_equal(sys_lutimensat(dir, "l", times), 0);
	assert_int_equal(stat_of("l").st_mtim.tv_sec, 2);
	assert_int_not_equal(stat_of("f").st_mtim.tv_sec, 2);
}

static void test_owners_of_a_link_are_its_own(void **state)
{
	int dir = box_dirfd();

	if (geteuid() != 0)
		skip();
	box_write("f", "x", 1);
	assert_int_equal(sys_symlinkat("f", dir, "l"), 0);
	assert_int_equal(sys_lchownat(dir, "l", 12, 34), 0);
	assert_int_equal(stat_of("l").st_uid, 12);
	assert_int_equal(stat_of("l").st_gid, 34);
	assert_int_equal(stat_of("f").st_uid, 0);
}

static void test_a_mode_can_be_set_without_opening(void **state)
{
	AUTO_CLOSE int fd = -1;

	box_write("f", "x", 1);
	assert_int_equal(chmod("f", 0), 0);
	fd = openat(box_dirfd(), "f", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	assert_int_equal(sys_fchmod(fd, 0640), 0);
	assert_int_equal(stat_of("f").st_mode & 07777, 0640);
}

static void test_a_mode_is_never_set_through_a_link(void **state)
{
	AUTO_CLOSE int fd = -1;

	box_write("f", "x", 1);
	assert_int_equal(chmod("f", 0600), 0);
	assert_int_equal(sys_symlinkat("f", box_dirfd(), "l"), 0);
	fd = openat(box_dirfd(), "l", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	assert_int_equal(sys_fchmod(fd, 0777), -1);
	assert_int_equal(stat_of("f").st_mode & 07777, 0600);
}

/* Faults -------------------------------------------------------------------------- */

static void test_the_call_that_is_to_fail_fails_and_no_other(void **state)
{
	for (int n = 1; n <= 4; n++) {
		box_fault("fail:%d:%d", n, EIO);
		for (int i = 1; i <= 4; i++) {
			errno = 0;
			assert_int_equal(sys_mkdirat(box_dirfd(), "d", 0700), i == n ? -1 : 0);
			assert_int_equal(errno, i == n ? EIO : 0);
			if (i != n)
				assert_int_equal(unlinkat(box_dirfd(), "d", AT_REMOVEDIR), 0);
		}
	}
}

static void test_a_fault_for_another_role_is_none(void **state)
{
	box_fault("fail:1:%d:agent", EIO);
	assert_int_equal(sys_mkdirat(box_dirfd(), "d", 0700), 0);
	sys_set_role("agent");
	assert_int_equal(sys_mkdirat(box_dirfd(), "e", 0700), -1);
	assert_int_equal(errno, EIO);
}

static void make_three(void *arg)
{
	static const char *const names[] = { "1", "2", "3" };

	for (int i = 0; i < 3; i++)
		sys_mkdirat(box_dirfd(), names[i], 0700);
}

static void test_a_kill_comes_before_the_call(void **state)
{
	int status = box_fork("kill:2", make_three, NULL);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_true(box_exists("1"));
	assert_false(box_exists("2"));
}

static void test_a_fault_beyond_the_end_does_nothing(void **state)
{
	assert_int_equal(box_fork("kill:4", make_three, NULL), 0);
	assert_true(box_exists("3"));
}

static void test_calls_are_counted_by_name(void **state)
{
	AUTO_BUF calls = BUF_INIT;

	box_fault("count:calls");
	make_three(NULL);
	sys_unlinkat(box_dirfd(), "1", AT_REMOVEDIR);
	box_fault_off();
	box_calls(&calls);
	assert_string_equal(buf_cstr(&calls), "mkdirat mkdirat mkdirat unlinkat");
}

static void test_each_door_has_its_own_count(void **state)
{
	struct stat st;

	box_fault("fail:2:%d::look", EIO);
	assert_int_equal(sys_mkdirat(box_dirfd(), "d", 0700), 0);
	assert_int_equal(sys_fstatat(box_dirfd(), "d", &st, 0), 0);
	assert_int_equal(sys_mkdirat(box_dirfd(), "e", 0700), 0);
	assert_int_equal(sys_fstatat(box_dirfd(), "d", &st, 0), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(sys_fstatat(box_dirfd(), "d", &st, 0), 0);
	/* To write is to change, to read is to look. */
	box_fault("fail:1:%d::look", EMFILE);
	close(sys_openat(box_dirfd(), "f", O_WRONLY | O_CREAT, 0600));
	assert_int_equal(sys_openat(box_dirfd(), "f", O_RDONLY, 0), -1);
	assert_int_equal(errno, EMFILE);
}

static void test_a_failure_may_last(void **state)
{
	box_fault("fail:2+:%d", ENOSPC);
	assert_int_equal(sys_mkdirat(box_dirfd(), "a", 0700), 0);
	assert_int_equal(sys_mkdirat(box_dirfd(), "b", 0700), -1);
	assert_int_equal(sys_mkdirat(box_dirfd(), "b", 0700), -1);
	assert_int_equal(errno, ENOSPC);
}

static void test_what_is_short_is_half(void **state)
{
	AUTO_CLOSE int fd = -1;
	char room[8];

	fd = sys_openat(box_dirfd(), "f", O_RDWR | O_CREAT, 0600);
	box_fault("short:1");
	assert_int_equal(sys_write_all(fd, "hello!", 6), 0);
	expect_file("f", "hello!");
	box_fault("short:2::look");
	assert_int_equal(sys_pread(fd, room, 6, 0), 6);
	assert_int_equal(sys_pread(fd, room, 6, 0), 3);
	assert_int_equal(sys_pread(fd, room, 1, 0), 1);
}

static void test_an_interrupted_write_is_gone_on_with(void **state)
{
	AUTO_CLOSE int fd = sys_openat(box_dirfd(), "f", O_RDWR | O_CREAT, 0600);

	box_fault("fail:1:%d", EINTR);
	assert_int_equal(sys_write_all(fd, "hello", 5), 0);
	expect_file("f", "hello");
}

/* Names that were read before the failure do not count for a whole folder. */
static void test_a_folder_fails_in_the_middle(void **state)
{
	AUTO_CLOSE int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = sys_fdopendir(steal_fd(&fd));

	assert_non_null(dir);
	box_fault("fail:2:%d::look", EIO);
	errno = 0;
	assert_non_null(sys_readdir(dir));
	assert_int_equal(errno, 0);
	assert_null(sys_readdir(dir));
	assert_int_equal(errno, EIO);
	closedir(dir);
}

/* By a socket or by a pipe, the other end sees the end as well. */
static void test_names_are_listed_without_dots(void **state)
{
	AUTO_DIR DIR *dir = NULL;
	AUTO_DIR DIR *again = NULL;
	const char *name = NULL;
	size_t count = 0;

	assert_int_equal(mkdir("d", 0700), 0);
	box_write("d/...", "", 0);
	box_write("d/.a", "", 0);
	box_write("d/..b", "", 0);
	dir = sys_list(box_dirfd(), "d");
	assert_non_null(dir);
	while ((name = sys_next_name(dir))) {
		assert_int_equal(faccessat(dirfd(dir), name, F_OK, 0), 0);
		count++;
	}
	assert_int_equal(errno, 0);
	assert_int_equal(count, 3);
	/* What is open is listed from its start. */
	again = sys_list(dirfd(dir), ".");
	assert_non_null(again);
	box_fault("fail:2:%d::look", EIO);
	while (sys_next_name(again))
		continue;
	assert_int_equal(errno, EIO);
	box_fault_off();
}

static void test_a_link_is_no_folder_to_be_listed(void **state)
{
	assert_int_equal(mkdir("d", 0700), 0);
	assert_int_equal(symlink("d", "link"), 0);
	assert_null(sys_list(box_dirfd(), "link"));
	assert_int_equal(errno, ENOTDIR);
	assert_null(sys_list(box_dirfd(), "none"));
	assert_int_equal(errno, ENOENT);
	box_fault("fail:2:%d::look", EMFILE);
	assert_null(sys_list(box_dirfd(), "d"));
	assert_int_equal(errno, EMFILE);
	box_fault_off();
}

static void test_a_link_that_is_cut_ends_at_both_ends(void **state)
{
	int ends[2] = { -1, -1 };
	char byte = 'x';

	for (int kind = 0; kind < 2; kind++) {
		box_fault("cut:2");
		assert_int_equal(kind ? sys_socketpair(ends) : sys_pipe(ends), 0);
		sys_set_role("initiator");
		assert_int_equal(sys_link_write(ends[1], "ab", 2), 2);
		assert_int_equal(sys_link_read(ends[kind ? 1 : 0], &byte, 1), 0);
		assert_int_equal(sys_link_read(ends[0], &byte, 1), kind ? 1 : 0);
		close(ends[0]);
		close(ends[1]);
	}
	assert_int_equal(byte, 'a');
}

static void test_a_point_runs_its_command_and_no_other(void **state)
{
	setenv("OSYNC_POINT", "here=touch done", 1);
	sys_point("her");
	sys_point("there");
	assert_false(box_exists("done"));
	sys_point("here");
	assert_true(box_exists("done"));
	unsetenv("OSYNC_POINT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, box_setup, box_teardown)
		TEST(test_descriptors_are_not_inherited),
		TEST(test_everything_is_written),
		TEST(test_short_writes_are_gone_on_with),
		TEST(test_a_write_that_cannot_be_is_an_error),
		TEST(test_names_are_made_and_removed),
		TEST(test_a_rename_keeps_what_it_is_told_to_keep),
		TEST(test_times_of_a_link_are_its_own),
		TEST(test_owners_of_a_link_are_its_own),
		TEST(test_a_mode_can_be_set_without_opening),
		TEST(test_a_mode_is_never_set_through_a_link),
		TEST(test_the_call_that_is_to_fail_fails_and_no_other),
		TEST(test_a_fault_for_another_role_is_none),
		TEST(test_a_kill_comes_before_the_call),
		TEST(test_a_fault_beyond_the_end_does_nothing),
		TEST(test_calls_are_counted_by_name),
		TEST(test_each_door_has_its_own_count),
		TEST(test_a_failure_may_last),
		TEST(test_what_is_short_is_half),
		TEST(test_an_interrupted_write_is_gone_on_with),
		TEST(test_a_folder_fails_in_the_middle),
		TEST(test_names_are_listed_without_dots),
		TEST(test_a_link_is_no_folder_to_be_listed),
		TEST(test_a_link_that_is_cut_ends_at_both_ends),
		TEST(test_a_point_runs_its_command_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
