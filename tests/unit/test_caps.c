/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of a file system from run to run, and its clock. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/atomic.h"
#include "tree/caps.h"
#include "tree/root.h"
#include "tree_help.h"

static void test_what_was_probed_is_found_again(void **state)
{
	struct root *root = help_root();
	struct root_caps found = { 0 };

	(void)state;
	assert_true(caps_load(root_workdir(root), &found));
	assert_int_equal(found.step_ns, root_caps(root)->step_ns);
	assert_int_equal(found.granularity_ns, root_caps(root)->granularity_ns);
	assert_int_equal(found.hardlinks, root_caps(root)->hardlinks);
	assert_int_equal(found.folds, false);
	assert_true(found.modes);
	root_close(root);
}

static void test_nonsense_and_other_file_systems_are_probed_anew(void **state)
{
	struct root *root = help_root();
	AUTO_BUF kept = BUF_INIT;
	struct root_caps found = { 0 };
	int workdir = root_workdir(root);

	(void)state;
	assert_int_equal(atomic_read(workdir, "filesystem", 256, &kept, NULL), 1);
	for (size_t len = 0; len < kept.len; len++) {
		assert_int_equal(atomic_write(workdir, "filesystem", kept.data, len, NULL), 0);
		assert_false(caps_load(workdir, &found));
	}
	/* Byte 1 is the device's first. */
	kept.data[1] ^= 1;
	assert_int_equal(atomic_write(workdir, "filesystem", kept.data, kept.len, NULL), 0);
	assert_false(root_recall(root));
	root_close(root);
}

static void test_keeping_what_is_kept_writes_nothing(void **state)
{
	struct root *root = help_root();
	struct stat before = { 0 };
	struct stat after = { 0 };

	(void)state;
	assert_int_equal(fstatat(root_workdir(root), "filesystem", &before, 0), 0);
	caps_save(root_workdir(root), root_caps(root));
	assert_int_equal(fstatat(root_workdir(root), "filesystem", &after, 0), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	root_close(root);
}

static void test_i21_the_file_systems_clock_is_believed(void **state)
{
	struct root *root = help_root();
	const int64_t year_ns = 365 * 86400 * NS_PER_SEC;
	int64_t now_ns = clock_file_ns();

	(void)state;
	root_clock_seen(root, now_ns, now_ns);
	assert_true(root_now_ns(root) >= now_ns && root_now_ns(root) < now_ns + 60 * NS_PER_SEC);
	/* A server whose clock is a year behind, or ahead. */
	for (int sign = -1; sign <= 1; sign += 2) {
		int64_t there_ns = now_ns + sign * year_ns;

		root_clock_seen(root, now_ns, there_ns);
		assert_true(root_now_ns(root) >= there_ns - NS_PER_SEC);
		assert_true(root_now_ns(root) < there_ns + 60 * NS_PER_SEC);
	}
	root_close(root);
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(test_what_was_probed_is_found_again),
		TREE_TEST(test_nonsense_and_other_file_systems_are_probed_anew),
		TREE_TEST(test_keeping_what_is_kept_writes_nothing),
		TREE_TEST(test_i21_the_file_systems_clock_is_believed),
	};

	return cmocka_run_group_tests_name("caps", tests, NULL, NULL);
}
