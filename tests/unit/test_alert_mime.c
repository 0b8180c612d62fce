/* SPDX-License-Identifier: BSD-2-Clause */
/* A mail as bytes: whatever is put into it, it stays one mail with its own headers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert/mime.h"
#include "base/buf.h"
#include "box.h"

static const char *const recipients[] = { "a@example.org", "b", NULL };

static struct mime_mail mail_of(const char *subject, const char *text)
{
	return (struct mime_mail){ .sender = "me@here",
				   .recipients = recipients,
				   .host = "here",
				   .time_s = 1800000000,
				   .token = 0xabc,
				   .subject = subject,
				   .text = text };
}

/* The body behind the headers, decoded. */
static void decode(const char *from, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len; i++) {
		char hex[3] = { 0 };

		if (from[i] != '=') {
			buf_addch(out, from[i]);
			continue;
		}
		if (from[i + 1] == '\n') {
			i++;
			continue;
		}
		memcpy(hex, from + i + 1, 2);
		buf_addch(out, (int)strtol(hex, NULL, 16));
		i += 2;
	}
}

/* What every mail is. */
static void assert_sound(struct buf *message)
{
	const char *line = buf_cstr(message);

	assert_int_equal(strlen(line), message->len);
	while (*line) {
		size_t len = strcspn(line, "\n");

		assert_true(len <= 200 && line[len] == '\n');
		assert_true(!(len == 1 && line[0] == '.'));
		for (size_t i = 0; i < len; i++)
			assert_in_range((unsigned char)line[i], '\t', '~');
		assert_null(memchr(line, '\r', len));
		line += len + 1;
	}
}

static size_t count(const char *text, const char *word)
{
	size_t found = 0;

	for (; (text = strstr(text, word)); text += strlen(word))
		found++;
	return found;
}

static void test_a_mail_has_its_headers(void **state)
{
	struct mime_mail mail = mail_of("plain words: 7", "one\ntwo\n");
	AUTO_BUF message = BUF_INIT;

	setenv("TZ", "UTC", 1);
	mime_compose(&message, &mail);
	assert_string_equal(buf_cstr(&message), "From: me@here\n"
						"To: a@example.org,\n b\n"
						"Subject: plain words: 7\n"
						"Date: Fri, 15 Jan 2027 08:00:00 +0000\n"
						"Message-ID: <osync.0000000000000abc@here>\n"
						"Auto-Submitted: auto-generated\n"
						"MIME-Version: 1.0\n"
						"Content-Type: text/plain; charset=UTF-8\n"
						"Content-Transfer-Encoding: quoted-printable\n"
						"\n"
						"one\ntwo\n");
}

static void test_a_subject_begins_no_header(void **state)
{
	static const char *const bad[] = {
		"x\nBcc: y@z", "x\r\nBcc: y@z",		 "x\rBcc: y@z",	   "x\n\nbody",
		"\xff\xfe",    "\xc3\xa4 =?UTF-8?Q?y?=", "=?UTF-8?Q?=0A?="
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct mime_mail mail = mail_of(bad[i], "text\n");
		AUTO_BUF message = BUF_INIT;

		mime_compose(&message, &mail);
		assert_sound(&message);
		assert_null(strstr(buf_cstr(&message), "\nBcc"));
		assert_non_null(strstr(buf_cstr(&message), "\nSubject: =?UTF-8?Q?"));
		assert_int_equal(count(buf_cstr(&message), "\n\n"), 1);
	}
}

static void test_a_long_subject_is_divided_between_characters(void **state)
{
	struct mime_mail mail = mail_of(NULL, "");
	AUTO_BUF subject = BUF_INIT;
	AUTO_BUF message = BUF_INIT;
	const char *word = NULL;
	size_t characters = 0;

	for (int i = 0; i < 120; i++)
		buf_addstr(&subject, "\xc3\xa4");
	mail.subject = buf_cstr(&subject);
	mime_compose(&message, &mail);
	assert_sound(&message);
	for (word = buf_cstr(&message); (word = strstr(word, "?Q?")); word += 3) {
		size_t len = strcspn(word + 3, "?");

		assert_int_equal(len % strlen("=C3=A4"), 0);
		assert_true(len + strlen("=?UTF-8?Q?") + strlen("?=") <= 75);
		characters += len / strlen("=C3=A4");
	}
	/* 200 bytes of it. */
	assert_int_equal(characters, 100);
}

static void test_any_bytes_come_through_the_body(void **state)
{
	unsigned seed = 7;

	for (int round = 0; round < 300; round++) {
		static const char odd[] = "..=\n\n\n  \tF From \r\xff\xc3\xa4x";
		AUTO_BUF text = BUF_INIT;
		AUTO_BUF message = BUF_INIT;
		AUTO_BUF back = BUF_INIT;

		for (unsigned left = box_random(&seed, 400); left > 0; left--)
			buf_addch(&text, odd[box_random(&seed, sizeof(odd) - 1)]);
		buf_addch(&text, '\n');
		struct mime_mail mail = mail_of("s", buf_cstr(&text));

		mime_compose(&message, &mail);
		assert_sound(&message);
		const char *body = strstr(buf_cstr(&message), "\n\n") + 2;

		assert_null(strstr(body, "\nFrom "));
		for (const char *line = body; *line; line += strcspn(line, "\n") + 1)
			assert_true(strcspn(line, "\n") <= 76);
		decode(body, strlen(body), &back);
		assert_string_equal(buf_cstr(&back), buf_cstr(&text));
	}
}

static void test_an_attachment_is_a_part_of_its_own(void **state)
{
	struct mime_mail mail = mail_of("s", "text\n");
	AUTO_BUF message = BUF_INIT;

	mail.log = "--=_osync_0000000000000abc--\nlog\n";
	mail.log_len = strlen(mail.log);
	mail.log_name = "x.log";
	mime_compose(&message, &mail);
	assert_sound(&message);
	/* Only ours: the one in the log does not look like it any more. */
	assert_int_equal(count(buf_cstr(&message), "\n--=_osync_0000000000000abc\n"), 2);
	assert_int_equal(count(buf_cstr(&message), "\n--=_osync_0000000000000abc--\n"), 1);
	assert_non_null(strstr(buf_cstr(&message), "filename=\"x.log\""));
	assert_non_null(strstr(buf_cstr(&message), "--=3D_osync_0000000000000abc--\nlog\n"));
}

static void test_the_wire_has_its_own_line_ends(void **state)
{
	AUTO_BUF out = BUF_INIT;

	mime_to_wire(&out, "a\n\nb\n", 5);
	assert_string_equal(buf_cstr(&out), "a\r\n\r\nb\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_mail_has_its_headers),
		cmocka_unit_test(test_a_subject_begins_no_header),
		cmocka_unit_test(test_a_long_subject_is_divided_between_characters),
		cmocka_unit_test(test_any_bytes_come_through_the_body),
		cmocka_unit_test(test_an_attachment_is_a_part_of_its_own),
		cmocka_unit_test(test_the_wire_has_its_own_line_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
