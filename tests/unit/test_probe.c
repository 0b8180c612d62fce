/* SPDX-License-Identifier: BSD-2-Clause */
/* What a file system can do is found out by trying, and a moment's trouble is no answer. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/sys.h"
#include "box.h"
#include "tree/probe.h"

static struct root_caps truth(void)
{
	struct root_caps caps = probe_defaults();

	assert_int_equal(probe_folder(box_dirfd(), &caps, NULL), 0);
	return caps;
}

/* All but the clock, which is another one each time. */
static void expect_same(const struct root_caps *found, const struct root_caps *caps)
{
	assert_int_equal(found->exchange, caps->exchange);
	assert_int_equal(found->noreplace, caps->noreplace);
	assert_int_equal(found->hardlinks, caps->hardlinks);
	assert_int_equal(found->symlinks, caps->symlinks);
	assert_int_equal(found->xattrs, caps->xattrs);
	assert_int_equal(found->acls, caps->acls);
	assert_int_equal(found->modes, caps->modes);
	assert_int_equal(found->chown, caps->chown);
	assert_int_equal(found->folds, caps->folds);
	assert_int_equal(found->respells, caps->respells);
	assert_int_equal(found->step_ns, caps->step_ns);
}

/* Fail each passage of a door until there are no more. */
static void fail_each(const char *door, int errnum)
{
	const struct root_caps caps = truth();
	int failed = 0;

	for (int n = 1; n <= 40; n++) {
		struct root_caps found = probe_defaults();
		struct err err = ERR_INIT;

		box_fault("fail:%d:%d::%s", n, errnum, door);
		if (probe_folder(box_dirfd(), &found, &err) == 0) {
			expect_same(&found, &caps);
			continue;
		}
		assert_int_equal(err.sys, errnum);
		failed++;
	}
	box_fault_off();
	assert_in_range(failed, 4, 39);
}

static void test_trouble_is_no_answer(void **state)
{
	static const int troubles[] = { EIO, ENOSPC, EDQUOT, EMFILE, ENOMEM, EINTR, EACCES, EXDEV };

	for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
		fail_each("change", troubles[i]);
		fail_each("look", troubles[i]);
	}
}

static void test_a_refusal_is_an_answer(void **state)
{
	struct root_caps caps = probe_defaults();

	/* The first three make two files and set a time; what follows tries. */
	box_fault("fail:4+:%d", EOPNOTSUPP);
	assert_int_equal(probe_folder(box_dirfd(), &caps, NULL), 0);
	assert_false(caps.exchange);
	assert_false(caps.hardlinks);
	assert_false(caps.xattrs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, box_setup, box_teardown)
		TEST(test_trouble_is_no_answer),
		TEST(test_a_refusal_is_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
