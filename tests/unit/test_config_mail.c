/* SPDX-License-Identifier: BSD-2-Clause */
/* What is configured about mail: addresses, occasions, server, password. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/stat.h>

#include "config/mail.h"
#include "config_help.h"

#define TO "DESTINATION_MAILS=me@example.org\n"

static void assert_refused(const char *lines, const char *message)
{
	AUTO_LOAD load = load_keys(lines);

	assert_int_equal(load.err.kind, ERR_CONFIG);
	assert_line(&load, message);
}

static void test_several_addresses_however_they_are_separated(void **state)
{
	AUTO_LOAD load = load_keys("DESTINATION_MAILS=\" a@b.c,root;x+y@[no] \"\n");
	AUTO_LOAD good = load_keys("DESTINATION_MAILS=\" a@b.c, root;x+y@z  e@f-g.h \"\n");
	char **to = good.config->mail.recipients;

	assert_int_equal(load.err.kind, ERR_CONFIG);
	assert_string_equal(to[0], "a@b.c");
	assert_string_equal(to[1], "root");
	assert_string_equal(to[2], "x+y@z");
	assert_string_equal(to[3], "e@f-g.h");
	assert_null(to[4]);
}

static void test_what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = { "-f@x",   "a@",	   "@b",   "a@b@c",  "a<b@c>",
					   "a\\n@b", "\"a@b\\t\"", "a@-b", "a(b)@c", "\xc3\xa4@b" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		AUTO_FREE char *to = xasprintf("DESTINATION_MAILS='%s'\n", bad[i]);
		AUTO_FREE char *from = xasprintf(TO "SENDER_MAIL='%s'\n", bad[i]);

		assert_refused(to, "t.conf:4: DESTINATION_MAILS: '");
		assert_refused(from, "t.conf:5: SENDER_MAIL is '");
	}
}

static void test_nobody_is_mailed_by_default(void **state)
{
	AUTO_LOAD load = load_keys("SMTP_SERVER=' '\nSENDER_MAIL='no address'\n");
	AUTO_LOAD blank = load_keys("DESTINATION_MAILS=' , '\n");

	assert_messages(&load, "");
	assert_null(load.config->mail.recipients);
	assert_null(blank.config->mail.recipients);
}

static void test_occasions_are_words(void **state)
{
	AUTO_LOAD standard = load_keys(TO);
	AUTO_LOAD some = load_keys(TO "MAIL_ON=\"Error, success\"\n");
	AUTO_LOAD more =
		load_keys(TO "MAIL_ON=error\nALWAYS_SEND_MAILS=yes\nALERT_CONFLICTS=yes\n");

	assert_int_equal(standard.config->mail.on,
			 MAIL_ON_ERROR | MAIL_ON_WARNING | MAIL_ON_CONFLICT | MAIL_ON_RECOVERY);
	assert_int_equal(some.config->mail.on, MAIL_ON_ERROR | MAIL_ON_SUCCESS);
	assert_int_equal(more.config->mail.on, MAIL_ON_ERROR | MAIL_ON_SUCCESS | MAIL_ON_CONFLICT);
	assert_refused(TO "MAIL_ON=\"error sometimes\"\n", "t.conf:5: MAIL_ON: 'sometimes' is not");
}

static void assert_url(const char *lines, const char *url, enum mail_encryption encryption)
{
	AUTO_FREE char *text = xasprintf(TO "%s", lines);
	AUTO_LOAD load = load_keys(text);

	assert_messages(&load, "");
	assert_string_equal(load.config->mail.url, url);
	assert_int_equal(load.config->mail.encryption, encryption);
}

static void test_the_server_and_its_usual_ports(void **state)
{
	assert_url("SMTP_SERVER=mx\n", "smtp://mx:25", MAIL_PLAIN);
	assert_url("SMTP_SERVER=mx\nSMTP_ENCRYPTION=tls\n", "smtp://mx:587", MAIL_STARTTLS);
	assert_url("SMTP_SERVER=mx\nSMTP_ENCRYPTION=ssl\n", "smtps://mx:465", MAIL_TLS);
	assert_url("SMTP_SERVER=mx.y-z\nSMTP_PORT=26\n", "smtp://mx.y-z:26", MAIL_PLAIN);
	assert_url("SMTP_SERVER=::1\n", "smtp://[::1]:25", MAIL_PLAIN);
	assert_url("SMTP_URL=smtps://h\nSMTP_SERVER=x\n", "smtps://h", MAIL_TLS);
	assert_url("SMTP_URL=smtp://[::1]:99\nSMTP_ENCRYPTION=tls\n", "smtp://[::1]:99",
		   MAIL_STARTTLS);
}

static void test_what_is_no_server_is_refused(void **state)
{
	static const char *const bad[] = { "http://x",	      "smtp://",    "smtp://x/y",
					   "smtp://x:y",      "smtp://x:",  "smtp://x y",
					   "smtp://x:123456", "smtp://[x]", "smtp:/x",
					   "smtp://[::1" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		AUTO_FREE char *lines = xasprintf(TO "SMTP_URL='%s'\n", bad[i]);

		assert_refused(lines, "t.conf:5: SMTP_URL is '");
	}
	assert_refused(TO "SMTP_URL=smtp://u:p@h\n", "t.conf:5: SMTP_URL: the user belongs");
	assert_refused(TO "SMTP_SERVER='a b'\n", "t.conf:5: SMTP_SERVER is 'a b'");
	assert_refused(TO "SMTP_SERVER=a/b\n", "t.conf:5: SMTP_SERVER is 'a/b'");
}

static void test_the_password_comes_from_a_file_of_ones_own(void **state)
{
	config_help_write("secret", "pass word\r\nmore\n");
	{
		AUTO_LOAD load = load_keys(
			TO
			"SMTP_SERVER=x\nSMTP_USER=u\nSMTP_PASSWORD_FILE=secret\nSMTP_PASSWORD=y\n");

		assert_messages(&load, "");
		assert_string_equal(load.config->mail.password, "pass word");
	}
	assert_int_equal(chmod("secret", 0640), 0);
	assert_refused(TO "SMTP_SERVER=x\nSMTP_PASSWORD_FILE=secret\n",
		       "t.conf:6: SMTP_PASSWORD_FILE: others may read");
	assert_refused(TO "SMTP_SERVER=x\nSMTP_PASSWORD_FILE=none\n",
		       "t.conf:6: SMTP_PASSWORD_FILE: cannot read");
	assert_refused(TO "SMTP_SERVER=x\nSMTP_USER=u\n", "t.conf:6: SMTP_USER is set, but");
}

static void test_a_password_that_everybody_may_read_is_refused(void **state)
{
	const char *text = "INSTANCE_ID=t\nINITIATOR_SYNC_DIR=here\nTARGET_SYNC_DIR=there\n" TO
			   "SMTP_SERVER=x\nSMTP_USER=u\nSMTP_PASSWORD=p\n";

	config_help_write("p.conf", text);
	assert_int_equal(chmod("p.conf", 0640), 0);
	{
		AUTO_LOAD load = load_args((const char *const[]){ "p.conf", NULL });

		assert_messages(&load, "");
		assert_string_equal(load.config->mail.password, "p");
	}
	assert_int_equal(chmod("p.conf", 0644), 0);
	AUTO_LOAD load = load_args((const char *const[]){ "p.conf", NULL });

	assert_line(&load, "p.conf:7: SMTP_PASSWORD: everybody may read this file");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, config_help_setup, config_help_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_several_addresses_however_they_are_separated),
		TEST(test_what_is_no_address_is_refused),
		TEST(test_nobody_is_mailed_by_default),
		TEST(test_occasions_are_words),
		TEST(test_the_server_and_its_usual_ports),
		TEST(test_what_is_no_server_is_refused),
		TEST(test_the_password_comes_from_a_file_of_ones_own),
		TEST(test_a_password_that_everybody_may_read_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
