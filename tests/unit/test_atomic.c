/* SPDX-License-Identifier: BSD-2-Clause */
/* Files replaced as a whole: after a kill or a failing disk, the old or the new content. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
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
#include "base/err.h"
#include "box.h"
#include "store/atomic.h"

static const char old_text[] = "old";
static const char new_text[] = "new and longer";

static void expect_content(const char *name, const char *text)
{
	AUTO_BUF got = BUF_INIT;

	assert_int_equal(atomic_read(box_dirfd(), name, 100, &got, NULL), 1);
	assert_string_equal(buf_cstr(&got), text);
}

static int write_new(struct err *err)
{
	return atomic_write(box_dirfd(), "f", new_text, strlen(new_text), err);
}

static void work_write(void *arg)
{
	if (write_new(NULL) < 0)
		_exit(1);
}

static void what_is_written_is_read(void **state)
{
	mode_t old = umask(0);
	struct stat st;

	assert_int_equal(write_new(NULL), 0);
	umask(old);
	expect_content("f", new_text);
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(box_names(), 1);
	assert_int_equal(atomic_write(box_dirfd(), "f", "", 0, NULL), 0);
	expect_content("f", "");
}

static void content_is_durable_before_its_name_is(void **state)
{
	AUTO_BUF calls = BUF_INIT;

	box_fault("count:calls");
	assert_int_equal(write_new(NULL), 0);
	box_fault_off();
	box_calls(&calls);
	assert_string_equal(buf_cstr(&calls), "openat write fsync close renameat2 fsync");
}

static void killed_anywhere_the_content_is_old_or_new(void **state)
{
	int status = -1;
	unsigned n = 0;

	while (status != 0) {
		char fault[32];
		AUTO_BUF got = BUF_INIT;

		box_write("f", old_text, strlen(old_text));
		snprintf(fault, sizeof(fault), "kill:%u", ++n);
		status = box_fork(fault, work_write, NULL);
		assert_true(status == 0 || WTERMSIG(status) == SIGKILL);
		/* The fifth call is the rename; it is made before the sixth. */
		expect_content("f", n <= 5 ? old_text : new_text);
	}
	assert_int_equal(n, 7);
}

static void a_failing_disk_leaves_old_or_new_and_nothing_beside_it(void **state)
{
	for (unsigned n = 1; n <= 6; n++) {
		struct err err = ERR_INIT;

		box_write("f", old_text, strlen(old_text));
		box_fault("fail:%u:%d", n, ENOSPC);
		assert_int_equal(write_new(&err), -1);
		box_fault_off();
		assert_int_equal(err.kind, ERR_SYSTEM);
		assert_int_equal(err.sys, ENOSPC);
		expect_content("f", n <= 5 ? old_text : new_text);
		assert_int_equal(box_names(), 1);
	}
	assert_int_equal(write_new(NULL), 0);
}

static void a_folder_that_cannot_be_synced_is_believed(void **state)
{
	box_fault("fail:6:%d", EINVAL);
	assert_int_equal(write_new(NULL), 0);
}

static void a_missing_file_is_no_error(void **state)
{
	AUTO_BUF got = BUF_INIT;

	assert_int_equal(atomic_read(box_dirfd(), "f", 10, &got, NULL), 0);
	assert_int_equal(got.len, 0);
}

static void too_much_is_refused_and_just_enough_is_not(void **state)
{
	AUTO_BUF got = BUF_INIT;
	struct err err = ERR_INIT;

	box_write("f", "12345", 5);
	buf_addstr(&got, "kept");
	assert_int_equal(atomic_read(box_dirfd(), "f", 4, &got, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_string_equal(buf_cstr(&got), "kept");
	assert_int_equal(atomic_read(box_dirfd(), "f", 5, &got, NULL), 1);
	assert_string_equal(buf_cstr(&got), "kept12345");
}

static void large_content_comes_back_whole(void **state)
{
	AUTO_BUF data = BUF_INIT;
	AUTO_BUF got = BUF_INIT;

	for (int i = 0; i < 300000; i++)
		buf_addch(&data, i * 7 % 251);
	assert_int_equal(atomic_write(box_dirfd(), "f", data.data, data.len, NULL), 0);
	assert_int_equal(atomic_read(box_dirfd(), "f", data.len, &got, NULL), 1);
	assert_int_equal(got.len, data.len);
	assert_memory_equal(got.data, data.data, data.len);
}

static void only_regular_files_are_read(void **state)
{
	AUTO_BUF got = BUF_INIT;
	struct err err = ERR_INIT;

	box_write("real", "x", 1);
	assert_int_equal(symlink("real", "link"), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(mkdir("dir", 0700), 0);
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = { "link", "fifo", "dir" };

		err_clear(&err);
		assert_int_equal(atomic_read(box_dirfd(), names[i], 10, &got, &err), -1);
		assert_int_equal(err.kind, ERR_CORRUPT);
	}
	assert_int_equal(got.len, 0);
}

static void writing_replaces_a_link_and_not_what_it_leads_to(void **state)
{
	box_write("real", "x", 1);
	assert_int_equal(symlink("real", "f"), 0);
	assert_int_equal(write_new(NULL), 0);
	expect_content("real", "x");
	expect_content("f", new_text);
}

static void a_name_too_long_is_an_error(void **state)
{
	char name[260];
	struct err err = ERR_INIT;

	memset(name, 'n', sizeof(name));
	name[250] = '\0';
	assert_int_equal(atomic_write(box_dirfd(), name, "x", 1, &err), -1);
	assert_int_equal(err.sys, ENAMETOOLONG);
}

static size_t count_temporaries(void)
{
	DIR *dir = opendir(".");
	struct dirent *entry = NULL;
	size_t count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		count += atomic_is_temporary(entry->d_name);
	closedir(dir);
	return count;
}

static void temporaries_are_recognised(void **state)
{
	int status = 0;

	assert_true(atomic_is_temporary("state.tmp-0123456789abcdef"));
	assert_false(atomic_is_temporary("state"));
	assert_false(atomic_is_temporary(""));
	assert_false(atomic_is_temporary(".tmp-0123456789abcdef"));
	assert_false(atomic_is_temporary("state.tmp-0123456789ABCDEF"));
	assert_false(atomic_is_temporary("state.tmp-0123456789abcde"));
	assert_false(atomic_is_temporary("state.tmp-0123456789abcdef.txt"));
	/* What a killed writer really leaves. */
	status = box_fork("kill:3", work_write, NULL);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(count_temporaries(), 1);
}

static void a_folder_is_made_once(void **state)
{
	struct stat st;
	mode_t old = umask(0);
	AUTO_BUF calls = BUF_INIT;

	box_fault("count:calls");
	for (int i = 0; i < 2; i++) {
		int fd = atomic_mkdir_open(box_dirfd(), "state", NULL);

		assert_true(fd >= 0);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_mode, S_IFDIR | 0700);
		close(fd);
	}
	umask(old);
	box_fault_off();
	box_calls(&calls);
	assert_string_equal(buf_cstr(&calls), "mkdirat fsync");
}

static void a_folder_is_not_entered_through_a_link(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(mkdir("real", 0700), 0);
	assert_int_equal(symlink("real", "state"), 0);
	assert_int_equal(atomic_mkdir_open(box_dirfd(), "state", &err), -1);
	assert_int_equal(err.kind, ERR_SYSTEM);
	box_write("file", "", 0);
	assert_int_equal(atomic_mkdir_open(box_dirfd(), "file", NULL), -1);
}

static void a_path_is_made_with_all_that_is_missing(void **state)
{
	AUTO_FREE char *here = get_current_dir_name();
	AUTO_FREE char *path = xasprintf("%s/a/b/c", here);
	AUTO_FREE char *in_the_way = xasprintf("%s/file/c", here);
	AUTO_BUF calls = BUF_INIT;
	struct stat st;

	assert_int_equal(mkdir("a", 0755), 0);
	box_fault("count:calls");
	for (int i = 0; i < 2; i++) {
		int fd = atomic_mkdir_path_open(path, NULL);

		assert_true(fd >= 0);
		close(fd);
	}
	box_fault_off();
	assert_int_equal(stat("a/b/c", &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	box_calls(&calls);
	/* The first ones are those above, which exist; two are made, each durably. */
	assert_true(calls.len > strlen("mkdirat fsync mkdirat fsync"));
	assert_string_equal(buf_cstr(&calls) + calls.len - strlen("mkdirat fsync mkdirat fsync"),
			    "mkdirat fsync mkdirat fsync");
	box_write("file", "", 0);
	assert_int_equal(atomic_mkdir_path_open(in_the_way, NULL), -1);
}

#define BOXED(test) cmocka_unit_test_setup_teardown(test, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(what_is_written_is_read),
		BOXED(content_is_durable_before_its_name_is),
		BOXED(killed_anywhere_the_content_is_old_or_new),
		BOXED(a_failing_disk_leaves_old_or_new_and_nothing_beside_it),
		BOXED(a_folder_that_cannot_be_synced_is_believed),
		BOXED(a_missing_file_is_no_error),
		BOXED(too_much_is_refused_and_just_enough_is_not),
		BOXED(large_content_comes_back_whole),
		BOXED(only_regular_files_are_read),
		BOXED(writing_replaces_a_link_and_not_what_it_leads_to),
		BOXED(a_name_too_long_is_an_error),
		BOXED(temporaries_are_recognised),
		BOXED(a_folder_is_made_once),
		BOXED(a_folder_is_not_entered_through_a_link),
		BOXED(a_path_is_made_with_all_that_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
