/* SPDX-License-Identifier: BSD-2-Clause */
/* How a transport's child accounts for its end, and the lines it relays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "transport/account.h"
#include "transport/lines.h"
#include "transport/ssh_error.h"

static void an_account_comes_across(void **state)
{
	AUTO_BUF wire = BUF_INIT;
	struct err sent = ERR_INIT;
	struct err got = ERR_INIT;

	(void)state;
	err_set(&sent, ERR_DENIED, "no: %s", "\xc3\xa4");
	sent.sys = 111;
	account_encode(&wire, &sent);
	assert_int_equal(account_decode(wire.data, wire.len, &got), 0);
	assert_int_equal(got.kind, ERR_DENIED);
	assert_int_equal(got.sys, 111);
	assert_string_equal(got.msg, sent.msg);
}

static void the_longest_account_fits_the_pipe(void **state)
{
	AUTO_BUF wire = BUF_INIT;
	struct err sent = ERR_INIT;
	struct err got = ERR_INIT;

	(void)state;
	err_set(&sent, ERR_UNREACHABLE, "%0600d", 0);
	sent.sys = 4095;
	account_encode(&wire, &sent);
	assert_true(wire.len <= ACCOUNT_MAX);
	assert_int_equal(account_decode(wire.data, wire.len, &got), 0);
	assert_string_equal(got.msg, sent.msg);
}

static void control_characters_do_not_come_across(void **state)
{
	AUTO_BUF wire = BUF_INIT;
	struct err sent = ERR_INIT;
	struct err got = ERR_INIT;

	(void)state;
	err_set(&sent, ERR_SYSTEM, "a\x1b[1m\nb\x7f");
	account_encode(&wire, &sent);
	assert_int_equal(account_decode(wire.data, wire.len, &got), 0);
	assert_string_equal(got.msg, "a?[1m?b?");
}

static void anything_else_is_no_account(void **state)
{
	AUTO_BUF wire = BUF_INIT;
	struct err sent = ERR_INIT;
	struct err got = ERR_INIT;

	(void)state;
	err_set(&sent, ERR_DENIED, "message");
	account_encode(&wire, &sent);
	for (size_t len = 0; len < wire.len; len++)
		assert_int_equal(account_decode(wire.data, len, &got), -1);
	buf_addch(&wire, 0);
	assert_int_equal(account_decode(wire.data, wire.len, &got), -1);
	wire.len--;
	wire.data[0] = ERR_SIGNAL + 1;
	assert_int_equal(account_decode(wire.data, wire.len, &got), -1);
	wire.data[0] = ERR_NONE;
	assert_int_equal(account_decode(wire.data, wire.len, &got), -1);
}

static void an_exit_status_says_what_to_do(void **state)
{
	static const struct {
		int status;
		const char *last;
		enum err_kind kind;
		const char *part;
	} table[] = {
		{ 127, "sh: 1: osync: not found", ERR_UNREACHABLE, "set REMOTE_OSYNC_PATH" },
		{ 126, "", ERR_UNREACHABLE, "cannot be run" },
		{ 127, "osync: error while loading shared libraries: libssh2.so.1", ERR_UNREACHABLE,
		  "install libssh2-1, libxxhash0, libarchive13 and libzstd1 there" },
		{ 1, "osync: Command not found.", ERR_UNREACHABLE, "set REMOTE_OSYNC_PATH" },
		{ 1, "sudo: a password is required", ERR_DENIED, "a password is required" },
		{ 1, "motd; sudo: il est nécessaire de saisir un mot de passe", ERR_DENIED,
		  "sudoers" },
		{ 1, "Sorry, user bob is not allowed to execute 'osync' as root on h.", ERR_DENIED,
		  "sudoers" },
		{ 1, "sudo: osync: command not found", ERR_UNREACHABLE, "set REMOTE_OSYNC_PATH" },
		{ 1, "sudo: unable to resolve host h; osync: cannot", ERR_UNREACHABLE, "status 1" },
		{ 2, "sudo: a password is required", ERR_UNREACHABLE, "status 2" },
		{ 78, "", ERR_UNREACHABLE, "status 78" },
		{ 255, "bob@h: Permission denied (publickey).", ERR_DENIED, "(publickey)" },
		{ 255, "Host key verification failed.", ERR_DENIED, "Host key" },
		{ 255, "connect to host h: refused", ERR_UNREACHABLE, "refused" },
		{ 2, "Permission denied", ERR_UNREACHABLE, "status 2" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(
			account_of_exit("'h'", "osync", table[i].status, table[i].last, &err), -1);
		assert_int_equal(err.kind, table[i].kind);
		assert_non_null(strstr(err.msg, table[i].part));
		assert_non_null(strstr(err.msg, "'h'"));
	}
}

static void status_0_is_no_failure(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(account_of_exit("'h'", "osync", 0, "words", &err), 0);
	assert_false(err_is_set(&err));
}

static void assert_last(const char *fed, size_t len, const char *expected)
{
	AUTO_LINES lines = LINES_INIT("host");
	AUTO_BUF last = BUF_INIT;

	lines_feed(&lines, fed, len);
	lines_end(&lines);
	lines_last(&lines, &last);
	assert_string_equal(buf_cstr(&last), expected);
}

static void the_last_lines_are_kept(void **state)
{
	(void)state;
	log_setup(LOG_QUIET, "test");
	assert_last("one\ntwo\nthree\nfour", 18, "two; three; four");
	assert_last("\n\none\r\n\n", 8, "one");
	assert_last("", 0, "");
	assert_last("\x1b[1m\0x", 6, "\\x1b[1m?x");
}

static void lines_may_come_byte_by_byte(void **state)
{
	AUTO_LINES lines = LINES_INIT("host");
	AUTO_BUF last = BUF_INIT;

	(void)state;
	log_setup(LOG_QUIET, "test");
	for (const char *c = "first\nsecond\n"; *c; c++)
		lines_feed(&lines, c, 1);
	lines_last(&lines, &last);
	assert_string_equal(buf_cstr(&last), "first; second");
}

static void an_endless_line_is_cut(void **state)
{
	AUTO_LINES lines = LINES_INIT("host");

	(void)state;
	log_setup(LOG_QUIET, "test");
	for (int i = 0; i < 100000; i++)
		lines_feed(&lines, "x", 1);
	assert_true(lines.partial.len <= LINES_LINE_MAX);
	assert_int_equal(strlen(lines.kept[2]), LINES_LINE_MAX);
}

/* Codes as libssh2.h has them, which a test may not include. */
static void a_failure_inside_libssh2_is_put_into_words(void **state)
{
	static const struct {
		struct ssh_failure failure;
		const char *msg;
	} table[] = {
		{ { -13, "Socket disconnect", "h", "logging in at", "", "", false },
		  "the connection was lost while logging in at 'h'" },
		{ { -13, "Socket disconnect", "h", "logging in at", "Too many failures", "",
		    false },
		  "'h' closed the connection: Too many failures" },
		{ { -13, "Socket disconnect", "h", "x", "", "jump: no route", false },
		  "the proxy to 'h' failed: jump: no route" },
		{ { -37, "Would block", "h", "logging in at", "", "", true },
		  "no answer in time while logging in at 'h'" },
		{ { -2, "Failed getting banner", "h", "x", "", "", false },
		  "'h' does not answer as an SSH server does" },
		{ { -14, "odd", "h", "receiving from", "", "", false },
		  "receiving from 'h' failed: odd (libssh2 -14)" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(ssh_error(&table[i].failure, &err), -1);
		assert_int_equal(err.kind, ERR_UNREACHABLE);
		assert_string_equal(err.msg, table[i].msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_account_comes_across),
		cmocka_unit_test(the_longest_account_fits_the_pipe),
		cmocka_unit_test(control_characters_do_not_come_across),
		cmocka_unit_test(anything_else_is_no_account),
		cmocka_unit_test(an_exit_status_says_what_to_do),
		cmocka_unit_test(status_0_is_no_failure),
		cmocka_unit_test(the_last_lines_are_kept),
		cmocka_unit_test(lines_may_come_byte_by_byte),
		cmocka_unit_test(an_endless_line_is_cut),
		cmocka_unit_test(a_failure_inside_libssh2_is_put_into_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
