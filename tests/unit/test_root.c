/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/buf.h"
#include "tree/chain.h"
#include "tree/root.h"
#include "tree_help.h"

static void test_missing_root_is_named_with_what_to_do(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_null(root_open("nowhere", ROOT_MUST_EXIST, &err));
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_int_equal(err.sys, ENOENT);
	assert_non_null(strstr(err.msg, "nowhere"));
	assert_false(help_exists("nowhere"));
	help_write("file", "x");
	assert_null(root_open("file", ROOT_MUST_EXIST, &err));
	assert_int_equal(err.sys, ENOTDIR);
}

static void test_create_makes_all_parents(void **state)
{
	struct err err = ERR_INIT;
	struct root *root = root_open("a//b/c/", ROOT_CREATE, &err);

	(void)state;
	assert_non_null(root);
	assert_true(help_exists("a/b/c"));
	assert_int_equal(help_count("a/b/c"), 0);
	root_close(root);
}

static ino_t inode(int fd)
{
	struct stat st = { 0 };

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static ino_t parent_inode(struct root *root, const char *path, const char *name)
{
	struct err err = ERR_INIT;
	const char *last = NULL;
	int dirfd = -1;

	assert_int_equal(root_parent(root, path, &dirfd, &last, &err), 0);
	assert_string_equal(last, name);
	return inode(dirfd);
}

static ino_t path_inode(const char *path)
{
	struct stat st = { 0 };

	assert_int_equal(lstat(path, &st), 0);
	return st.st_ino;
}

static void test_parent_of_neighbours(void **state)
{
	struct root *root = help_root();

	(void)state;
	help_sh("mkdir -p t/a/b/c t/a/bb t/x");
	assert_int_equal(parent_inode(root, "top", "top"), path_inode("t"));
	assert_int_equal(parent_inode(root, "a/b/c/f", "f"), path_inode("t/a/b/c"));
	assert_int_equal(parent_inode(root, "a/b/c", "c"), path_inode("t/a/b"));
	assert_int_equal(parent_inode(root, "a/bb/g", "g"), path_inode("t/a/bb"));
	assert_int_equal(parent_inode(root, "a/b/h", "h"), path_inode("t/a/b"));
	assert_int_equal(parent_inode(root, "x/y", "y"), path_inode("t/x"));
	root_close(root);
}

static void expect_refused(struct root *root, const char *path, enum err_kind kind, int sys)
{
	struct err err = ERR_INIT;
	const char *name = NULL;
	int dirfd = -1;

	assert_int_equal(root_parent(root, path, &dirfd, &name, &err), -1);
	assert_int_equal(err.kind, kind);
	if (sys)
		assert_int_equal(err.sys, sys);
}

static void test_i34_links_on_the_way_are_not_followed(void **state)
{
	struct root *root = help_root();

	(void)state;
	help_sh("mkdir -p outside/d; ln -s ../outside t/link; echo x > t/file");
	expect_refused(root, "link/x", ERR_CHANGED, ENOTDIR);
	expect_refused(root, "link/d/x", ERR_CHANGED, ENOTDIR);
	expect_refused(root, "file/x", ERR_CHANGED, ENOTDIR);
	expect_refused(root, "none/x", ERR_CHANGED, ENOENT);
	root_close(root);
}

static void test_i35_paths_that_escape_are_refused(void **state)
{
	static const char *const paths[] = { "",	   "/etc",
					     "..",	   "a/../b",
					     "./a",	   "a//b",
					     "a/",	   ROOT_WORKDIR "/lock",
					     ROOT_WORKDIR, "a/" ROOT_WORKDIR "/x" };
	struct root *root = help_root();

	(void)state;
	help_sh("mkdir -p t/a");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		expect_refused(root, paths[i], ERR_PROTOCOL, 0);
	expect_refused(root, ROOT_WORKDIR "x/y", ERR_CHANGED, ENOENT);
	root_close(root);
}

static void test_forget_after_rename(void **state)
{
	struct root *root = help_root();

	(void)state;
	help_sh("mkdir -p t/a/b");
	assert_int_equal(parent_inode(root, "a/b/f", "f"), path_inode("t/a/b"));
	help_sh("mv t/a/b t/a/c; mkdir t/a/b");
	root_forget(root, "a/x");
	root_forget(root, "a/b/f");
	assert_int_equal(parent_inode(root, "a/b/f", "f"), path_inode("t/a/c"));
	root_forget(root, "a/b");
	assert_int_equal(parent_inode(root, "a/b/f", "f"), path_inode("t/a/b"));
	help_sh("mv t/a t/z; mkdir -p t/a/b");
	root_forget(root, "");
	assert_int_equal(parent_inode(root, "a/b/f", "f"), path_inode("t/a/b"));
	root_close(root);
}

static int open_fds(void)
{
	return help_count("/proc/self/fd");
}

static void test_i54_deep_trees_with_few_descriptors(void **state)
{
	enum { LEVELS = 2000 };
	struct root *root = help_root();
	AUTO_BUF path = BUF_INIT;
	int before = open_fds();
	ino_t inodes[LEVELS];

	(void)state;
	for (int i = 0; i < LEVELS; i++) {
		struct err err = ERR_INIT;
		const char *name = NULL;
		int dirfd = -1;

		buf_addf(&path, "%slevel%04d", i ? "/" : "", i);
		assert_int_equal(root_parent(root, buf_cstr(&path), &dirfd, &name, &err), 0);
		assert_int_equal(mkdirat(dirfd, name, 0755), 0);
		inodes[i] = inode(dirfd);
	}
	assert_true(open_fds() <= before + CHAIN_OPEN_MAX);
	for (int i = LEVELS - 1; i >= 0; i -= 7) {
		path.len = (size_t)(i + 1) * 10 - 1;
		assert_int_equal(
			parent_inode(root, buf_cstr(&path), strrchr(buf_cstr(&path), 'l') - 4),
			inodes[i]);
	}
	root_close(root);
}

static void test_identity_is_kept(void **state)
{
	struct root *root = help_root();
	struct err err = ERR_INIT;
	struct uuid identity = uuid_new();
	struct uuid found = { { 0 } };

	(void)state;
	assert_int_equal(root_identity(root, &found, &err), 0);
	assert_int_equal(root_identity_write(root, &identity, &err), 0);
	assert_int_equal(root_identity(root, &found, &err), 1);
	assert_true(uuid_same(&identity, &found));
	help_write("t/" ROOT_WORKDIR "/identity", "nonsense");
	assert_int_equal(root_identity(root, &found, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
	root_close(root);
}

static void test_no_workdir_is_no_identity(void **state)
{
	struct err err = ERR_INIT;
	struct root *root = root_open("t", ROOT_MUST_EXIST, &err);
	struct uuid found = { { 0 } };

	(void)state;
	assert_int_equal(root_identity(root, &found, &err), 0);
	assert_int_equal(root_workdir(root), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(help_count("t"), 0);
	root_close(root);
}

static void test_i67_workdir_is_private(void **state)
{
	struct root *root = help_root();
	struct stat st = { 0 };

	(void)state;
	assert_int_equal(stat("t/" ROOT_WORKDIR, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	root_close(root);
}

static void test_probe_finds_a_local_file_system_and_cleans_up(void **state)
{
	struct root *root = help_root();
	const struct root_caps *caps = root_caps(root);

	(void)state;
	assert_true(caps->hardlinks);
	assert_true(caps->symlinks);
	assert_int_equal(caps->clock_offset_ns, 0);
	assert_true(caps->granularity_ns >= 10 * NS_PER_MS);
	assert_int_equal(help_count("t/" ROOT_WORKDIR "/stage"), 0);
	root_close(root);
}

static void test_young_stamps(void **state)
{
	struct root *root = help_root();
	struct root_caps caps = *root_caps(root);
	const int64_t now = 5000 * NS_PER_SEC;
	struct stat st = { .st_mtim = { 4000, 0 }, .st_ctim = { 4000, 0 } };

	(void)state;
	caps.granularity_ns = 20 * NS_PER_MS;
	root_set_caps(root, &caps);
	assert_false(root_stamps_young(root, &st, now));
	st.st_ctim.tv_sec = 5000;
	assert_true(root_stamps_young(root, &st, now));
	st.st_ctim.tv_sec = 5001;
	assert_true(root_stamps_young(root, &st, now));
	st.st_ctim.tv_sec = 4000;
	st.st_mtim.tv_sec = 5000;
	assert_true(root_stamps_young(root, &st, now));
	/* i61: a date in the future is not young for ever. */
	st.st_mtim.tv_sec = 9999;
	assert_false(root_stamps_young(root, &st, now));
	root_close(root);
}

/* Returns how the child ended; it exits with the number of the check that failed. */
static int as_nobody(int (*child)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0) ? 99 : child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int search_only(void)
{
	struct err err = ERR_INIT;
	struct root *root = root_open("t", ROOT_MUST_EXIST, &err);
	const char *name = NULL;
	int dirfd = -1;

	if (!root || root_parent(root, "d/e/f", &dirfd, &name, &err) < 0)
		return 1;
	if (root_parent(root, "closed/e/f", &dirfd, &name, &err) == 0 || err.kind != ERR_SYSTEM)
		return 2;
	root_close(root);
	return 0;
}

static void test_i41_folder_that_may_only_be_searched(void **state)
{
	(void)state;
	help_sh("mkdir -p t/d/e t/closed/e; chmod 0111 t/d; chmod 0 t/closed");
	assert_int_equal(as_nobody(search_only), 0);
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(test_missing_root_is_named_with_what_to_do),
		TREE_TEST(test_create_makes_all_parents),
		TREE_TEST(test_parent_of_neighbours),
		TREE_TEST(test_i34_links_on_the_way_are_not_followed),
		TREE_TEST(test_i35_paths_that_escape_are_refused),
		TREE_TEST(test_forget_after_rename),
		TREE_TEST(test_i54_deep_trees_with_few_descriptors),
		TREE_TEST(test_identity_is_kept),
		TREE_TEST(test_no_workdir_is_no_identity),
		TREE_TEST(test_i67_workdir_is_private),
		TREE_TEST(test_probe_finds_a_local_file_system_and_cleans_up),
		TREE_TEST(test_young_stamps),
		TREE_TEST(test_i41_folder_that_may_only_be_searched),
	};

	return cmocka_run_group_tests_name("root", tests, NULL, NULL);
}
