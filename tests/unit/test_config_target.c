/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the target is, as the user writes it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "config/target.h"

#define AUTO_TARGET AUTO(target_release) struct target

static void assert_same(const char *found, const char *expected)
{
	if (!expected)
		assert_null(found);
	else
		assert_string_equal(found, expected);
}

static void assert_url(const char *text, const char *user, const char *host, int port,
		       const char *path)
{
	AUTO_TARGET target = { 0 };
	struct err err = ERR_INIT;

	if (target_parse(text, &target, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	assert_true(target.remote);
	assert_same(target.user, user);
	assert_same(target.host, host);
	assert_int_equal(target.port, port);
	assert_same(target.path, path);
}

static void assert_refused(const char *text, const char *why)
{
	AUTO_TARGET target = { 0 };
	struct err err = ERR_INIT;

	if (target_parse(text, &target, &err) == 0)
		fail_msg("'%s' is taken as %s:%s", text, target.host, target.path);
	assert_int_equal(err.kind, ERR_CONFIG);
	if (!strstr(err.msg, why))
		fail_msg("'%s': '%s'", text, err.msg);
	assert_null(target.path);
	assert_null(target.host);
}

static void test_the_path_is_what_follows_the_first_slash(void **state)
{
	assert_url("ssh://host/dir", NULL, "host", 0, "dir");
	assert_url("ssh://host//dir", NULL, "host", 0, "/dir");
	assert_url("ssh://host///dir", NULL, "host", 0, "//dir");
	assert_url("ssh://me@host/a/b", "me", "host", 0, "a/b");
	assert_url("ssh://me@host:2222//srv/x", "me", "host", 2222, "/srv/x");
	assert_url("ssh://host//", NULL, "host", 0, "/");
}

static void test_nothing_in_the_path_has_a_meaning(void **state)
{
	assert_url("ssh://host/a@b:c", NULL, "host", 0, "a@b:c");
	assert_url("ssh://host//a%20b c?d#e", NULL, "host", 0, "/a%20b c?d#e");
	assert_url("ssh://host/ssh://x", NULL, "host", 0, "ssh://x");
	assert_url("ssh://host/-a", NULL, "host", 0, "-a");
	assert_url("ssh://host/dir///", NULL, "host", 0, "dir");
}

static void test_a_tilde_is_the_login_folder(void **state)
{
	assert_url("ssh://host/~/dir", NULL, "host", 0, "dir");
	assert_url("ssh://host/~", NULL, "host", 0, ".");
	assert_url("ssh://host/~/", NULL, "host", 0, ".");
	assert_url("ssh://host/./~x", NULL, "host", 0, "./~x");
	assert_refused("ssh://host/~joe/dir", "~USER");
}

static void test_a_user_may_hold_an_at_sign(void **state)
{
	assert_url("ssh://me@corp.example@host/x", "me@corp.example", "host", 0, "x");
	assert_url("ssh://CORP\\me@host/x", "CORP\\me", "host", 0, "x");
	assert_refused("ssh://me:secret@host/x", "SSH_PASSWORD_FILE");
	assert_refused("ssh://@host/x", "the user is empty");
}

static void test_addresses_of_ipv6_stand_in_brackets(void **state)
{
	assert_url("ssh://[::1]/x", NULL, "::1", 0, "x");
	assert_url("ssh://me@[fe80::1%eth0]:22//x", "me", "fe80::1%eth0", 22, "/x");
	assert_refused("ssh://::1/x", "brackets");
	assert_refused("ssh://fe80::1:22/x", "brackets");
	assert_refused("ssh://[::1/x", "']'");
	assert_refused("ssh://[]/x", "the host is empty");
	assert_refused("ssh://[::1]22/x", "':PORT'");
}

static void test_ports_are_1_to_65535(void **state)
{
	assert_url("ssh://host:1/x", NULL, "host", 1, "x");
	assert_url("ssh://host:65535/x", NULL, "host", 65535, "x");
	assert_refused("ssh://host:0/x", "port '0'");
	assert_refused("ssh://host:65536/x", "port '65536'");
	assert_refused("ssh://host:99999999999999999999/x", "port");
	assert_refused("ssh://host:-1/x", "port '-1'");
	assert_refused("ssh://host:ssh/x", "port 'ssh'");
	assert_refused("ssh://host:/x", "port ''");
}

static void test_what_is_missing_is_told(void **state)
{
	assert_refused("ssh://host", "the folder is missing");
	assert_refused("ssh://host/", "the folder is missing");
	assert_refused("ssh://", "the host is empty");
	assert_refused("ssh:///x", "the host is empty");
	assert_refused("ssh://:22/x", "the host is empty");
	assert_refused("", "empty");
}

static void test_names_cannot_pose_as_options_of_ssh(void **state)
{
	AUTO_FREE char *name = xmalloc(301);
	AUTO_FREE char *text = NULL;

	assert_refused("ssh://-oProxyCommand=x/y", "begin with '-'");
	assert_refused("ssh://-lroot@host/y", "begin with '-'");
	assert_refused("ssh://me@-x/y", "begin with '-'");
	assert_refused("ssh://ho st/y", "blanks");
	assert_refused("ssh://m e@host/y", "blanks");
	assert_refused("ssh://ho\nst/y", "control");
	assert_refused("ssh://ho\033st/y", "control");
	memset(name, 'h', 300);
	name[300] = '\0';
	text = xasprintf("ssh://%s/x", name);
	assert_refused(text, "longer than 255");
}

static void test_everything_else_is_a_folder_here(void **state)
{
	static const char *const folders[][2] = {
		{ "/srv/data", "/srv/data" }, { "data", "data" },   { "/srv/a:b", "/srv/a:b" },
		{ "./a:b", "./a:b" },	      { "/srv//", "/srv" }, { "/", "/" },
		{ "/a@b", "/a@b" },	      { "//", "/" },	    { "a b", "a b" },
	};

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		AUTO_TARGET target = { 0 };

		assert_int_equal(target_parse(folders[i][0], &target, NULL), 0);
		assert_false(target.remote);
		assert_null(target.host);
		assert_string_equal(target.path, folders[i][1]);
	}
}

static void test_other_ways_to_name_a_server_are_not_taken_for_a_folder(void **state)
{
	assert_refused("host:dir", "ssh://HOST//PATH");
	assert_refused("me@host:/dir", "ssh://HOST//PATH");
	assert_refused("sftp://host/dir", "'sftp' is not a scheme");
	assert_refused("SSH://host/dir", "'SSH' is not a scheme");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_path_is_what_follows_the_first_slash),
		cmocka_unit_test(test_nothing_in_the_path_has_a_meaning),
		cmocka_unit_test(test_a_tilde_is_the_login_folder),
		cmocka_unit_test(test_a_user_may_hold_an_at_sign),
		cmocka_unit_test(test_addresses_of_ipv6_stand_in_brackets),
		cmocka_unit_test(test_ports_are_1_to_65535),
		cmocka_unit_test(test_what_is_missing_is_told),
		cmocka_unit_test(test_names_cannot_pose_as_options_of_ssh),
		cmocka_unit_test(test_everything_else_is_a_folder_here),
		cmocka_unit_test(test_other_ways_to_name_a_server_are_not_taken_for_a_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
