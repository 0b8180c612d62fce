/* SPDX-License-Identifier: BSD-2-Clause */
/* Of which file systems an inode number is believed. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tree/inodes.h"

static void test_those_of_tmpfs_last(void **state)
{
	/* A file in memory lies on a tmpfs of the kernel's own. */
	AUTO_CLOSE int fd = memfd_create("test", MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_true(inodes_last(fd));
}

static void test_those_of_what_is_not_known_do_not(void **state)
{
	AUTO_CLOSE int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_false(inodes_last(fd));
}

static void test_in_doubt_they_do_not(void **state)
{
	(void)state;
	assert_false(inodes_last(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_those_of_tmpfs_last),
		cmocka_unit_test(test_those_of_what_is_not_known_do_not),
		cmocka_unit_test(test_in_doubt_they_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
