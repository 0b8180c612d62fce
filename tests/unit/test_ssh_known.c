/* SPDX-License-Identifier: BSD-2-Clause */
/* known_hosts: which line speaks for a host, and what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "transport/ssh_known.h"
#include "transport/ssh_wire.h"

/* Two keys of one kind and one of another; only their wire form matters here. */
#define KEY_A "AAAAC3NzaC1lZDI1NTE5AAAAIG7pKZGgQnDdXkBvWRbXzUb0CTzR6XxKkHkLKkp3J7Aq"
#define KEY_B "AAAAC3NzaC1lZDI1NTE5AAAAIOZ9cMGpVvbQ0fC2u5qQ0p2s9JqVvS2bJbqgJ9m4c5qk"
#define KEY_ECDSA                                                                      \
	"AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define ED "ssh-ed25519"
#define EC "ecdsa-sha2-nistp256"

static struct ssh_known look(const char *text, const char *host, const char *key)
{
	AUTO_BUF blob = BUF_INIT;
	struct ssh_known known = SSH_KNOWN_INIT;
	struct ssh_known_query query = { .host = host };

	if (key) {
		assert_int_equal(ssh_base64_decode(&blob, key, strlen(key)), 0);
		query.key = blob.data;
		query.key_len = blob.len;
	}
	ssh_known_scan(&known, text, strlen(text), "file", &query);
	return known;
}

static void check(const char *text, const char *host, const char *key,
		  enum ssh_known_verdict verdict, int line)
{
	struct ssh_known known = look(text, host, key);

	assert_int_equal(ssh_known_verdict(&known), verdict);
	assert_int_equal(ssh_known_place(&known).line, line);
}

static void a_line_with_the_key_is_a_match(void **state)
{
	(void)state;
	check("host " ED " " KEY_A "\n", "host", KEY_A, SSH_KNOWN_MATCH, 1);
	check("# host\n\n  host\t" ED "  " KEY_A " comment\r\n", "host", KEY_A, SSH_KNOWN_MATCH, 3);
	check("a,host,b " ED " " KEY_A, "host", KEY_A, SSH_KNOWN_MATCH, 1);
	check("HOST " ED " " KEY_A, "host", KEY_A, SSH_KNOWN_MATCH, 1);
	check("[host]:2222 " ED " " KEY_A, "[host]:2222", KEY_A, SSH_KNOWN_MATCH, 1);
}

static void another_host_is_unknown(void **state)
{
	(void)state;
	check("", "host", KEY_A, SSH_KNOWN_UNKNOWN, 0);
	check("other " ED " " KEY_A "\n", "host", KEY_A, SSH_KNOWN_UNKNOWN, 0);
	check("hos " ED " " KEY_A "\n", "host", KEY_A, SSH_KNOWN_UNKNOWN, 0);
	check("[host]:22 " ED " " KEY_A "\n", "host", KEY_A, SSH_KNOWN_UNKNOWN, 0);
	check("#host " ED " " KEY_A "\n", "host", KEY_A, SSH_KNOWN_UNKNOWN, 0);
}

static void another_key_is_a_change(void **state)
{
	(void)state;
	check("x " ED " " KEY_B "\nhost " ED " " KEY_B "\n", "host", KEY_A, SSH_KNOWN_CHANGED, 2);
	/* Any line that has the key will do, as for ssh. */
	check("host " ED " " KEY_B "\nhost " ED " " KEY_A "\n", "host", KEY_A, SSH_KNOWN_MATCH, 2);
}

static void a_key_of_another_kind_only_is_told_apart(void **state)
{
	(void)state;
	check("host " EC " " KEY_ECDSA "\n", "host", KEY_A, SSH_KNOWN_OTHER_TYPE, 1);
	check("host " EC " " KEY_ECDSA "\nhost " ED " " KEY_B, "host", KEY_A, SSH_KNOWN_CHANGED, 2);
}

static void a_revoked_key_is_stronger_than_a_match(void **state)
{
	(void)state;
	check("host " ED " " KEY_A "\n@revoked * " ED " " KEY_A "\n", "host", KEY_A,
	      SSH_KNOWN_REVOKED, 2);
	check("host " ED " " KEY_A "\n@revoked * " ED " " KEY_B "\n", "host", KEY_A,
	      SSH_KNOWN_MATCH, 1);
	/* A revoked line is no line that knows the host. */
	check("@revoked host " ED " " KEY_B "\n", "host", KEY_A, SSH_KNOWN_UNKNOWN, 0);
}

static void a_certificate_authority_does_not_vouch(void **state)
{
	(void)state;
	check("@cert-authority *.example " ED " " KEY_A "\n", "a.example", KEY_A,
	      SSH_KNOWN_AUTHORITY, 1);
	check("@cert-authority * " ED " " KEY_A "\na " ED " " KEY_A, "a", KEY_A, SSH_KNOWN_MATCH,
	      2);
	check("@unheard-of a " ED " " KEY_A, "a", KEY_A, SSH_KNOWN_UNKNOWN, 0);
}

static void patterns_match_as_in_ssh(void **state)
{
	static const struct {
		const char *pattern, *host;
		bool matches;
	} table[] = {
		{ "*", "anything", true },
		{ "*.example", "a.b.example", true },
		{ "*.example", "example", false },
		{ "h?st", "host", true },
		{ "h?st", "hst", false },
		{ "*.example,!bad.example", "bad.example", false },
		{ "!bad.example,*.example", "bad.example", false },
		{ "*.example,!bad.example", "good.example", true },
		{ "!host", "other", false },
		{ "a*b*c", "axxbyyc", true },
		{ "a*b*c", "axxbyy", false },
		{ "[10.0.*]:22*", "[10.0.0.1]:2222", true },
		{ ",,host", "host", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		AUTO_BUF line = BUF_INIT;

		buf_addf(&line, "%s %s %s\n", table[i].pattern, ED, KEY_A);
		check(buf_cstr(&line), table[i].host, KEY_A,
		      table[i].matches ? SSH_KNOWN_MATCH : SSH_KNOWN_UNKNOWN, table[i].matches);
	}
}

/* Made with `ssh-keygen -H` for [127.0.0.1]:2222. */
static void hashed_names_match(void **state)
{
	const char *text =
		"|1|S7E1oJnY6s/Y08xXkRODMma5bV0=|ajhTU7N6cGKNtjiElwCmCp/dY/o= " ED " " KEY_A "\n";

	(void)state;
	check(text, "[127.0.0.1]:2222", KEY_A, SSH_KNOWN_MATCH, 1);
	check(text, "127.0.0.1", KEY_A, SSH_KNOWN_UNKNOWN, 0);
	check("|1|bsOUgi3iFTxYEGjXCrQWQyJ7tpM=| " ED " " KEY_A, "h", KEY_A, SSH_KNOWN_UNKNOWN, 0);
	check("|1|nothing " ED " " KEY_A, "h", KEY_A, SSH_KNOWN_UNKNOWN, 0);
	check("|1||" ED " " ED " " KEY_A, "h", KEY_A, SSH_KNOWN_UNKNOWN, 0);
}

static void lines_that_make_no_sense_are_skipped(void **state)
{
	(void)state;
	check("host\nhost " ED "\nhost " ED " !!!\n@revoked\n@\n \t \nhost " ED " " KEY_A, "host",
	      KEY_A, SSH_KNOWN_MATCH, 7);
}

static void the_known_kinds_are_collected(void **state)
{
	const char *text = "host " EC " " KEY_ECDSA "\nother ssh-rsa " KEY_A "\nhost " ED " " KEY_A
			   "\n@revoked host ssh-rsa " KEY_A "\n";

	(void)state;
	assert_int_equal(look(text, "host", NULL).types, SSH_TYPE_ED25519 | SSH_TYPE_ECDSA_256);
	assert_int_equal(look(text, "nobody", NULL).types, 0);
}

static void a_port_is_part_of_the_name(void **state)
{
	AUTO_BUF out = BUF_INIT;

	(void)state;
	ssh_known_name(&out, "host", 22);
	ssh_known_name(&out, "host", 2222);
	ssh_known_name(&out, "::1", 0);
	assert_string_equal(buf_cstr(&out), "host[host]:2222::1");
}

/* As `ssh-keygen -l` prints it for KEY_A. */
static void a_fingerprint_is_what_ssh_prints(void **state)
{
	AUTO_BUF blob = BUF_INIT;
	AUTO_BUF out = BUF_INIT;

	(void)state;
	assert_int_equal(ssh_base64_decode(&blob, KEY_A, strlen(KEY_A)), 0);
	ssh_key_fingerprint(&out, blob.data, blob.len);
	assert_string_equal(buf_cstr(&out), "SHA256:YUNsi67EhuGs9v4Urxze+/aOQiWHw9cGOUlhFzsqigk");
	assert_string_equal(ssh_key_type_title(ssh_key_blob_type(blob.data, blob.len)), "ED25519");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_with_the_key_is_a_match),
		cmocka_unit_test(another_host_is_unknown),
		cmocka_unit_test(another_key_is_a_change),
		cmocka_unit_test(a_key_of_another_kind_only_is_told_apart),
		cmocka_unit_test(a_revoked_key_is_stronger_than_a_match),
		cmocka_unit_test(a_certificate_authority_does_not_vouch),
		cmocka_unit_test(patterns_match_as_in_ssh),
		cmocka_unit_test(hashed_names_match),
		cmocka_unit_test(lines_that_make_no_sense_are_skipped),
		cmocka_unit_test(the_known_kinds_are_collected),
		cmocka_unit_test(a_port_is_part_of_the_name),
		cmocka_unit_test(a_fingerprint_is_what_ssh_prints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
