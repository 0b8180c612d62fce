/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "changer_help.h"
#include "tree/attrs.h"
#include "tree/root.h"
#include "tree/scan.h"
#include "tree_help.h"

/* Two files, where the file system has attributes; the tests are skipped where it has none. */
static int files[2] = { -1, -1 };

static int setup(void **state)
{
	if (help_setup(state) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		files[i] = open(i ? "t/b" : "t/a", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < 2; i++)
		cleanup_close(&files[i]);
	return help_teardown(state);
}

static void set(int fd, const char *name, const char *value)
{
	if (fsetxattr(fd, name, value, strlen(value), 0) < 0 && errno == ENOTSUP)
		skip();
}

static uint64_t read_sum(int fd, unsigned flags, struct buf *out)
{
	struct err err = ERR_INIT;

	buf_reset(out);
	if (attrs_read(fd, flags, out, &err) < 0)
		fail_msg("%s", err.msg);
	return attrs_checksum(out);
}

static void test_none_is_zero(void **state)
{
	AUTO_BUF value = BUF_INIT;

	(void)state;
	assert_int_equal(read_sum(files[0], SCAN_XATTR | SCAN_ACL, &value), 0);
	assert_int_equal(value.len, 0);
	set(files[0], "user.x", "1");
	assert_int_equal(read_sum(files[0], SCAN_ACL, &value), 0);
	assert_int_equal(read_sum(files[0], 0, &value), 0);
	assert_int_not_equal(read_sum(files[0], SCAN_XATTR, &value), 0);
}

static void test_order_of_setting_does_not_matter(void **state)
{
	AUTO_BUF one = BUF_INIT;
	AUTO_BUF two = BUF_INIT;

	(void)state;
	set(files[0], "user.a", "1");
	set(files[0], "user.b", "");
	set(files[1], "user.b", "");
	set(files[1], "user.a", "1");
	assert_true(read_sum(files[0], SCAN_XATTR, &one) == read_sum(files[1], SCAN_XATTR, &two));
	set(files[1], "user.b", "2");
	assert_false(attrs_checksum(&one) == read_sum(files[1], SCAN_XATTR, &two));
}

static void test_write_makes_them_equal(void **state)
{
	AUTO_BUF one = BUF_INIT;
	AUTO_BUF two = BUF_INIT;
	AUTO_FREE char *large = xcalloc(1, 2001);
	struct err err = ERR_INIT;
	uint64_t sum = 0;

	(void)state;
	memset(large, 'x', 2000);
	set(files[0], "user.keep", "same");
	set(files[0], "user.large", large);
	set(files[0], "user.new", "1");
	set(files[1], "user.keep", "same");
	set(files[1], "user.gone", "2");
	set(files[1], "user.large", "small");
	sum = read_sum(files[0], SCAN_XATTR, &one);
	assert_int_equal(attrs_write(files[1], SCAN_XATTR, one.data, one.len, &err), 0);
	assert_true(sum == read_sum(files[1], SCAN_XATTR, &two));
	assert_int_equal(attrs_write(files[1], SCAN_XATTR, NULL, 0, &err), 0);
	assert_int_equal(read_sum(files[1], SCAN_XATTR, &two), 0);
}

static int write_pairs(const char *const *names, size_t count)
{
	AUTO_BUF value = BUF_INIT;
	struct err err = ERR_INIT;
	int done = 0;

	for (size_t i = 0; i < count; i++) {
		enc_str(&value, names[i]);
		enc_bytes(&value, "1", 1);
	}
	done = attrs_write(files[0], SCAN_XATTR | SCAN_ACL, value.data, value.len, &err);
	if (done < 0)
		assert_int_equal(err.kind, ERR_PROTOCOL);
	return done;
}

static void test_nonsense_from_the_wire_is_refused(void **state)
{
	static const char *const unsorted[] = { "user.b", "user.a" };
	static const char *const twice[] = { "user.a", "user.a" };
	static const char *const foreign[] = { "security.selinux" };
	static const char *const unprefixed[] = { "x" };
	AUTO_BUF value = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(write_pairs(unsorted, 2), -1);
	assert_int_equal(write_pairs(twice, 2), -1);
	assert_int_equal(write_pairs(foreign, 1), -1);
	assert_int_equal(write_pairs(unprefixed, 1), -1);
	enc_str(&value, "user.a");
	assert_int_equal(attrs_write(files[0], SCAN_XATTR, value.data, value.len, &err), -1);
	buf_reset(&value);
	enc_str(&value, "user.a");
	enc_uint(&value, UINT64_MAX);
	assert_int_equal(attrs_write(files[0], SCAN_XATTR, value.data, value.len, &err), -1);
}

static void test_i64_changes_are_seen_and_set(void **state)
{
	const struct changer_options options = {
		.run = "run", .sync = CHANGER_SYNC_OFF, .scan_flags = SCAN_XATTR, .seed = HELP_SEED
	};
	struct root *root = help_root();
	struct err err = ERR_INIT;
	struct changer *changer = changer_open(root, &options, &err);
	AUTO_BUF value = BUF_INIT;
	struct entry before = { 0 };
	struct entry after = { 0 };
	struct meta meta = { .mask = META_XATTR };
	int found = scan_path(root, "a", SCAN_XATTR, HELP_SEED, &before, NULL, &err);

	(void)state;
	assert_int_equal(found, 1);
	assert_int_equal(before.xattr, 0);
	if (!root_caps(root)->xattrs)
		skip();
	enc_str(&value, "user.a");
	enc_bytes(&value, "1", 1);
	meta.xattrs = value.data;
	meta.xattrs_len = value.len;
	assert_int_equal(changer_meta(changer, "a", &before, &meta, &after, &err), 0);
	assert_true(after.xattr == attrs_checksum(&value));
	assert_int_equal(changer_meta(changer, "a", &before, &meta, &after, &err), -1);
	assert_int_equal(err.kind, ERR_CHANGED);
	changer_close(changer);
	root_close(root);
}

#define ATTRS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ATTRS_TEST(test_none_is_zero),
		ATTRS_TEST(test_order_of_setting_does_not_matter),
		ATTRS_TEST(test_write_makes_them_equal),
		ATTRS_TEST(test_nonsense_from_the_wire_is_refused),
		ATTRS_TEST(test_i64_changes_are_seen_and_set),
	};

	return cmocka_run_group_tests_name("attrs", tests, NULL, NULL);
}
