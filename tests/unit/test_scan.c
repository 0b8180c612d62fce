/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/path.h"
#include "base/sys.h"
#include "model/filter.h"
#include "tree/root.h"
#include "tree/scan.h"
#include "tree_help.h"

/* "path:TYPE[!] " for every item, '!' for problems; checks the order on the way. */
static void walk(struct root *root, const struct filter *filter, struct buf *out)
{
	static const char types[] = "-fdls";
	struct err err = ERR_INIT;
	struct scan *scan = scan_open(root, filter, 0, HELP_SEED, &err);
	struct scan_item item = { 0 };
	AUTO_BUF last = BUF_INIT;
	int found = 0;

	assert_non_null(scan);
	while ((found = scan_next(scan, &item, &err)) > 0) {
		assert_true(path_cmp(buf_cstr(&last), item.path) < 0);
		buf_reset(&last);
		buf_addstr(&last, item.path);
		buf_addf(out, "%s:%c%s ", item.path, types[item.entry.type],
			 item.problem ? "!" : "");
		assert_true(!item.problem == !(item.entry.flags & ENTRY_OPAQUE));
	}
	assert_int_equal(found, 0);
	scan_free(scan);
}

static void expect_walk(struct root *root, const struct filter *filter, const char *expected)
{
	AUTO_BUF found = BUF_INIT;

	walk(root, filter, &found);
	assert_string_equal(buf_cstr(&found), expected);
}

static void test_walk_is_in_path_order_without_the_workdir(void **state)
{
	struct root *root = help_root();

	(void)state;
	help_sh("cd t && mkdir -p a/b/" ROOT_WORKDIR " a.b z && touch a/b/f a/f a-b 'a!' a.b/f"
		" && ln -s nowhere l && mkfifo p");
	expect_walk(root, NULL, "a:d a/b:d a/b/f:f a/f:f a!:f a-b:f a.b:d a.b/f:f l:l p:s z:d ");
	root_close(root);
}

static void test_empty_root(void **state)
{
	struct root *root = help_root();

	(void)state;
	expect_walk(root, NULL, "");
	root_close(root);
}

static void test_filter_prunes(void **state)
{
	struct root *root = help_root();
	struct filter *filter = filter_new();

	(void)state;
	assert_int_equal(filter_add(filter, FILTER_EXCLUDE, "cache", "test", NULL), 0);
	help_sh("cd t && mkdir -p a/cache/deep b && touch a/cache/x a/x b/cache");
	expect_walk(root, filter, "a:d a/x:f b:d ");
	filter_free(filter);
	root_close(root);
}

static void test_what_the_walk_leaves_out_is_found_in_a_folder(void **state)
{
	struct root *root = help_root();
	struct filter *filter = filter_new();

	(void)state;
	assert_int_equal(filter_add(filter, FILTER_EXCLUDE, "cache/", "test", NULL), 0);
	help_sh("cd t && mkdir -p plain/deeper/cache file own/" ROOT_WORKDIR
		" && touch plain/x file/cache");
	assert_false(scan_holds_unsynced(root, filter, "plain"));
	assert_true(scan_holds_unsynced(root, filter, "plain/deeper"));
	assert_false(scan_holds_unsynced(root, filter, "file"));
	assert_true(scan_holds_unsynced(root, filter, "own"));
	assert_false(scan_holds_unsynced(root, filter, "plain/x"));
	assert_false(scan_holds_unsynced(root, filter, "nowhere"));
	filter_free(filter);
	root_close(root);
}

static void test_i54_odd_names(void **state)
{
	struct root *root = help_root();
	AUTO_BUF expected = BUF_INIT;

	(void)state;
	help_sh("cd t && touch \"$(printf 'new\\nline')\" \"$(printf 'bad\\377utf')\" -- -dash '*' "
		"\"$(printf '%%0255d' 0)\"");
	buf_addf(&expected, "*:f -dash:f %0255d:f bad\377utf:f new\nline:f ", 0);
	expect_walk(root, NULL, buf_cstr(&expected));
	root_close(root);
}

static struct entry item_at(struct root *root, const char *path, unsigned flags)
{
	struct err err = ERR_INIT;
	struct entry entry = { 0 };

	if (scan_path(root, path, flags, HELP_SEED, &entry, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	return entry;
}

static void test_entries_say_what_is_there(void **state)
{
	struct root *root = help_root();
	struct entry entry = { 0 };

	(void)state;
	help_sh("cd t && printf 12345 > f && chmod 4751 f && touch -d @1000.25 f && ln f g && mkdir d");
	entry = item_at(root, "f", SCAN_NLINK);
	assert_int_equal(entry.type, ENTRY_FILE);
	assert_int_equal(entry.size, 5);
	assert_int_equal(entry.mode, 04751);
	assert_int_equal(entry.nlink, 2);
	assert_true(entry.mtime_ns == 1000 * NS_PER_SEC + NS_PER_SEC / 4);
	assert_false(entry.flags & ENTRY_HAS_DIGEST);
	assert_int_equal(item_at(root, "f", 0).nlink, 0);
	assert_int_equal(item_at(root, "d", 0).size, 0);
	assert_int_equal(item_at(root, "d", SCAN_NLINK).nlink, 0);
	assert_int_equal(item_at(root, "none", 0).type, ENTRY_ABSENT);
	assert_int_equal(item_at(root, "none/below", 0).type, ENTRY_ABSENT);
	assert_int_equal(item_at(root, "f/below", 0).type, ENTRY_ABSENT);
	root_close(root);
}

static void test_i58_link_targets_are_taken_verbatim(void **state)
{
	struct root *root = help_root();
	AUTO_FREE char *target = NULL;
	AUTO_FREE char *name = xcalloc(1, 4001);
	struct entry entry = { 0 };
	struct digest digest = { { 0 } };

	(void)state;
	memset(name, 'x', 4000);
	assert_int_equal(symlink("/etc/\xff\n", "t/l"), 0);
	assert_int_equal(symlink(name, "t/long"), 0);
	assert_int_equal(scan_path(root, "l", 0, HELP_SEED, &entry, &target, NULL), 1);
	assert_string_equal(target, "/etc/\xff\n");
	digest = digest_of(target, strlen(target), HELP_SEED);
	assert_true(entry.flags & ENTRY_HAS_DIGEST);
	assert_true(digest_same(&digest, &entry.digest));
	assert_int_equal(entry.size, strlen(target));
	entry = item_at(root, "long", 0);
	digest = digest_of(name, 4000, HELP_SEED);
	assert_true(digest_same(&digest, &entry.digest));
	assert_int_equal(entry.size, 4000);
	root_close(root);
}

static void test_i21_young_entries_are_racy(void **state)
{
	struct root *root = help_root();
	struct root_caps caps = *root_caps(root);

	(void)state;
	help_write("t/f", "x");
	caps.granularity_ns = 1000 * NS_PER_SEC;
	root_set_caps(root, &caps);
	assert_true(item_at(root, "f", 0).flags & ENTRY_RACY);
	caps.granularity_ns = -1000 * NS_PER_SEC;
	root_set_caps(root, &caps);
	assert_false(item_at(root, "f", 0).flags & ENTRY_RACY);
	root_close(root);
}

static void test_names_that_vanish_are_absent(void **state)
{
	struct root *root = help_root();
	struct err err = ERR_INIT;
	struct scan *scan = NULL;
	struct scan_item item = { 0 };

	(void)state;
	help_sh("cd t && touch a b c && mkdir d e");
	scan = scan_open(root, NULL, 0, HELP_SEED, &err);
	assert_int_equal(scan_next(scan, &item, &err), 1);
	assert_string_equal(item.path, "a");
	help_sh("cd t && rm b && rmdir d");
	assert_int_equal(scan_next(scan, &item, &err), 1);
	assert_string_equal(item.path, "c");
	assert_int_equal(scan_next(scan, &item, &err), 1);
	assert_string_equal(item.path, "e");
	assert_int_equal(scan_next(scan, &item, &err), 0);
	scan_free(scan);
	root_close(root);
}

/* Levels named "d" with a file "f" in each, made and walked by descriptor. */
static void make_deep(int levels)
{
	AUTO_CLOSE int fd = open("t", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < levels; i++) {
		AUTO_CLOSE int outer = fd;

		close(openat(outer, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
		assert_int_equal(mkdirat(outer, "d", 0755), 0);
		fd = openat(outer, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(fd >= 0);
	}
}

static void test_i54_deep_trees(void **state)
{
	enum { LEVELS = 2000 };
	struct root *root = help_root();
	struct err err = ERR_INIT;
	struct scan *scan = NULL;
	struct scan_item item = { 0 };
	int before = help_count("/proc/self/fd");
	int items = 0;

	(void)state;
	make_deep(LEVELS);
	scan = scan_open(root, NULL, 0, HELP_SEED, &err);
	while (scan_next(scan, &item, &err) > 0) {
		assert_null(item.problem);
		if (++items == LEVELS)
			assert_true(help_count("/proc/self/fd") < before + 200);
	}
	assert_int_equal(items, 2 * LEVELS);
	scan_free(scan);
	root_close(root);
}

static void test_folder_replaced_below_the_walk_is_unknown(void **state)
{
	enum { LEVELS = 100 };
	struct root *root = help_root();
	struct err err = ERR_INIT;
	struct scan *scan = NULL;
	struct scan_item item = { 0 };
	int unknown = 0;

	(void)state;
	make_deep(LEVELS);
	scan = scan_open(root, NULL, 0, HELP_SEED, &err);
	for (int i = 0; i < LEVELS; i++)
		assert_int_equal(scan_next(scan, &item, &err), 1);
	/* Its descriptor is closed by now; the walk must not list the new folder as if it were the old. */
	help_sh("mv t/d t/gone; mkdir t/d");
	while (scan_next(scan, &item, &err) > 0)
		unknown += item.problem != NULL;
	assert_true(unknown > 0);
	scan_free(scan);
	root_close(root);
}

static int walk_unreadable(void)
{
	struct err err = ERR_INIT;
	struct root *root = root_open("t", ROOT_MUST_EXIST, &err);
	AUTO_BUF found = BUF_INIT;

	if (!root)
		return 1;
	walk(root, NULL, &found);
	root_close(root);
	return strcmp(buf_cstr(&found), "a:d! b:d b/x:s! c:d! z:f ") == 0 ? 0 : 2;
}

static void test_i5_unreadable_folders_are_unknown_not_empty(void **state)
{
	pid_t pid = 0;
	int status = 0;

	(void)state;
	/* a: no access; b: names only (x cannot be looked at); c: searchable only. */
	help_sh("cd t && mkdir a b c && touch a/x b/x c/x z && chmod 0 a && chmod 444 b && chmod 111 c");
	pid = fork();
	if (pid == 0)
		_exit(geteuid() == 0 && setuid(65534) < 0 ? 99 : walk_unreadable());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : 98, 0);
}

/*
 * Whether the walk says something of `path`: its item, a problem of a folder above it, or that
 * nothing could be listed at all.
 */
static bool accounts_for(const char *found, const char *path)
{
	AUTO_FREE char *above = xstrdup(path);
	AUTO_FREE char *item = xasprintf(" %s:", path);

	if (strstr(found, item))
		return true;
	for (char *slash = strrchr(above, '/'); slash; slash = strrchr(above, '/')) {
		AUTO_FREE char *unknown = NULL;
		const char *item_at = NULL;

		*slash = '\0';
		unknown = xasprintf(" %s:", above);
		/* Of whatever type it is said to be. */
		item_at = strstr(found, unknown);
		if (item_at && item_at[strlen(unknown) + 1] == '!')
			return true;
	}
	return false;
}

/* The walk with the n-th call that reads failing; false where even the root cannot be listed. */
static bool walk_failing(unsigned n, int errnum, struct buf *found)
{
	static char fault[64];
	struct root *root = help_root();
	struct err err = ERR_INIT;
	struct scan *scan = NULL;

	snprintf(fault, sizeof(fault), "fail:%u:%d::look", n, errnum);
	setenv("OSYNC_FAULT", fault, 1);
	sys_set_role("test");
	scan = scan_open(root, NULL, 0, HELP_SEED, &err);
	if (scan) {
		scan_free(scan);
		sys_set_role("test");
		walk(root, NULL, found);
	}
	unsetenv("OSYNC_FAULT");
	sys_set_role("test");
	root_close(root);
	return scan != NULL;
}

/* Whatever call fails, nothing is absent that is there. */
static void test_i5_a_call_that_fails_makes_nothing_absent(void **state)
{
	static const char *const paths[] = { "a", "a/b", "a/b/x", "a/c", "a/l", "d", "d/y", "z" };
	static const int errors[] = { EIO, EACCES, ESTALE, ENOTCONN, EMFILE, ENOMEM };

	(void)state;
	help_sh("cd t && mkdir -p a/b d && touch a/b/x a/c d/y z && ln -s nowhere a/l");
	for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
		for (unsigned n = 1; n < 60; n++) {
			AUTO_BUF found = BUF_INIT;

			buf_addstr(&found, " ");
			if (!walk_failing(n, errors[e], &found))
				continue;
			for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
				if (!accounts_for(buf_cstr(&found), paths[i]))
					fail_msg("call %u fails: %s is absent in%s", n, paths[i],
						 buf_cstr(&found));
		}
	}
}

/* Between the look at a folder and the step into it somebody puts a link in its place. */
static void test_i34_a_link_in_a_folders_place_is_not_listed_through(void **state)
{
	struct root *root = help_root();
	AUTO_BUF found = BUF_INIT;

	(void)state;
	help_sh("mkdir -p t/d outside && touch t/d/inside outside/secret t/z");
	setenv("OSYNC_POINT", "before-enter=mv t/d gone && ln -s ../outside t/d", 1);
	walk(root, NULL, &found);
	unsetenv("OSYNC_POINT");
	assert_string_equal(buf_cstr(&found), "d:d! z:f ");
	root_close(root);
}

/* In a mount namespace of its own; 77: not allowed here. */
static int walk_mount(const char *what, const char *fstype, unsigned long flags)
{
	struct root *root = NULL;
	AUTO_BUF found = BUF_INIT;
	struct err err = ERR_INIT;
	struct entry entry = { 0 };

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(what, "t/m", fstype, flags, NULL) < 0)
		return 77;
	root = root_open("t", ROOT_MUST_EXIST, &err);
	if (!root)
		return 1;
	walk(root, NULL, &found);
	if (scan_path(root, "m", 0, HELP_SEED, &entry, NULL, &err) != 1)
		return 2;
	root_close(root);
	if (!(entry.flags & ENTRY_MOUNT) || !(entry.flags & ENTRY_OPAQUE))
		return 3;
	return strcmp(buf_cstr(&found), "m:d! z:f ") == 0 ? 0 : 4;
}

static void see_mount(const char *what, const char *fstype, unsigned long flags)
{
	pid_t pid = 0;
	int status = 0;

	help_sh("mkdir -p t/m other && touch t/m/hidden t/z other/file");
	pid = fork();
	if (pid == 0)
		_exit(walk_mount(what, fstype, flags));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : 98, 0);
}

static void test_i6_mounted_file_systems_are_unknown(void **state)
{
	(void)state;
	see_mount("none", "tmpfs", 0);
}

static void test_i6_folders_mounted_from_the_same_file_system_are_unknown(void **state)
{
	(void)state;
	see_mount("other", NULL, MS_BIND);
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(test_walk_is_in_path_order_without_the_workdir),
		TREE_TEST(test_empty_root),
		TREE_TEST(test_filter_prunes),
		TREE_TEST(test_what_the_walk_leaves_out_is_found_in_a_folder),
		TREE_TEST(test_i54_odd_names),
		TREE_TEST(test_entries_say_what_is_there),
		TREE_TEST(test_i58_link_targets_are_taken_verbatim),
		TREE_TEST(test_i21_young_entries_are_racy),
		TREE_TEST(test_names_that_vanish_are_absent),
		TREE_TEST(test_i54_deep_trees),
		TREE_TEST(test_folder_replaced_below_the_walk_is_unknown),
		TREE_TEST(test_i5_a_call_that_fails_makes_nothing_absent),
		TREE_TEST(test_i34_a_link_in_a_folders_place_is_not_listed_through),
		TREE_TEST(test_i6_mounted_file_systems_are_unknown),
		TREE_TEST(test_i6_folders_mounted_from_the_same_file_system_are_unknown),
		TREE_TEST(test_i5_unreadable_folders_are_unknown_not_empty),
	};

	return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
