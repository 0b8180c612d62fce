/* SPDX-License-Identifier: BSD-2-Clause */
/* Which algorithms are asked for, and what a server's first bytes say it offers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "transport/ssh_known.h"
#include "transport/ssh_methods.h"
#include "transport/ssh_wire.h"

static void the_known_kinds_come_first(void **state)
{
	AUTO_BUF out = BUF_INIT;

	(void)state;
	ssh_methods_hostkey(&out, SSH_TYPE_ECDSA_384 | SSH_TYPE_RSA);
	assert_string_equal(buf_cstr(&out), "ecdsa-sha2-nistp384,rsa-sha2-512,rsa-sha2-256,ssh-rsa,"
					    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp521");
	buf_reset(&out);
	ssh_methods_hostkey(&out, 0);
	assert_memory_equal(out.data, "ssh-ed25519,", 12);
}

static void weak_methods_are_never_asked_for(void **state)
{
	static const char *const weak[] = { "cbc", "arcfour", "md5", "sha1", "none", "umac-64" };

	(void)state;
	for (int i = 0; i < 4; i++)
		for (size_t w = 0; w < sizeof(weak) / sizeof(weak[0]); w++) {
			assert_null(strstr(ssh_methods_cipher(i & 1), weak[w]));
			assert_null(strstr(ssh_methods_mac(i & 1, i & 2), weak[w]));
		}
}

static void truncation_prone_methods_need_strict_key_exchange(void **state)
{
	(void)state;
	assert_null(strstr(ssh_methods_cipher(false), "chacha20"));
	assert_null(strstr(ssh_methods_mac(false, false), "-etm"));
	assert_null(strstr(ssh_methods_mac(false, true), "-etm"));
	assert_non_null(strstr(ssh_methods_cipher(true), "chacha20"));
}

static void only_supported_methods_are_kept_in_order(void **state)
{
	static const char *const supported[] = { "c", "aa", "b" };
	AUTO_BUF out = BUF_INIT;

	(void)state;
	ssh_methods_keep(&out, "a,b,aa,bb,c", supported, 3);
	assert_string_equal(buf_cstr(&out), "b,aa,c");
	buf_reset(&out);
	ssh_methods_keep(&out, "x", supported, 3);
	ssh_methods_keep(&out, "", supported, 3);
	assert_int_equal(out.len, 0);
}

/* A server's banner and KEXINIT. */
static void add_greeting(struct buf *out, const char *banner, int message, const char *hostkeys)
{
	static const char cookie[16];

	buf_addstr(out, banner);
	ssh_put_u32(out, 600);
	buf_addch(out, 4);
	buf_addch(out, message);
	buf_add(out, cookie, sizeof(cookie));
	ssh_put_string(out, "curve25519-sha256", 17);
	ssh_put_string(out, hostkeys, strlen(hostkeys));
}

static void the_server_tells_its_host_keys(void **state)
{
	AUTO_BUF greeting = BUF_INIT;
	AUTO_BUF out = BUF_INIT;

	(void)state;
	add_greeting(&greeting, "Welcome\r\nto us\r\nSSH-2.0-x\r\n", 20, "rsa-sha2-512,\x1b[1m");
	assert_int_equal(ssh_methods_server_hostkeys(greeting.data, greeting.len, &out), 0);
	assert_string_equal(buf_cstr(&out), "rsa-sha2-512,\\x1b[1m");
}

static void every_cut_of_a_greeting_is_no_greeting(void **state)
{
	AUTO_BUF greeting = BUF_INIT;
	AUTO_BUF out = BUF_INIT;

	(void)state;
	add_greeting(&greeting, "SSH-2.0-x\r\n", 20, "ssh-ed25519");
	for (size_t len = 0; len < greeting.len; len++)
		assert_int_equal(ssh_methods_server_hostkeys(greeting.data, len, &out), -1);
	buf_reset(&greeting);
	add_greeting(&greeting, "SSH-2.0-x\r\n", 21, "ssh-ed25519");
	assert_int_equal(ssh_methods_server_hostkeys(greeting.data, greeting.len, &out), -1);
	assert_int_equal(out.len, 0);
}

static void only_rsa_is_recognised(void **state)
{
	(void)state;
	assert_true(ssh_methods_only_rsa("rsa-sha2-512,rsa-sha2-256,ssh-rsa"));
	assert_true(ssh_methods_only_rsa("ssh-rsa"));
	assert_false(ssh_methods_only_rsa("rsa-sha2-512,ssh-ed25519"));
	assert_false(ssh_methods_only_rsa("ssh-rs"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_known_kinds_come_first),
		cmocka_unit_test(weak_methods_are_never_asked_for),
		cmocka_unit_test(truncation_prone_methods_need_strict_key_exchange),
		cmocka_unit_test(only_supported_methods_are_kept_in_order),
		cmocka_unit_test(the_server_tells_its_host_keys),
		cmocka_unit_test(every_cut_of_a_greeting_is_no_greeting),
		cmocka_unit_test(only_rsa_is_recognised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
