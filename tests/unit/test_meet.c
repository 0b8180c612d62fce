/* SPDX-License-Identifier: BSD-2-Clause */
/* What one process tells the other of a server, and the line it becomes in known_hosts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "transport/meet.h"
#include "transport/ssh_known.h"
#include "transport/ssh_wire.h"

#define ED "AAAAC3NzaC1lZDI1NTE5AAAAIG7pKZGgQnDdXkBvWRbXzUb0CTzR6XxKkHkLKkp3J7Aq"
#define EC                                                                             \
	"AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static struct meeting meeting_of(const char *name, const char *file, const char *key)
{
	struct meeting meeting = MEETING_INIT;

	meeting.name = xstrdup(name);
	meeting.file = xstrdup(file);
	assert_int_equal(ssh_base64_decode(&meeting.key, key, strlen(key)), 0);
	return meeting;
}

static int round_trip(const struct meeting *meeting, struct meeting *again)
{
	AUTO_BUF wire = BUF_INIT;

	meet_encode(&wire, meeting);
	for (size_t len = 0; len < wire.len; len++) {
		AUTO_MEETING cut = MEETING_INIT;

		assert_int_equal(meet_decode(wire.data, len, &cut), -1);
	}
	return meet_decode(wire.data, wire.len, again);
}

static void what_is_told_arrives_whole_or_not_at_all(void **state)
{
	AUTO_MEETING told = meeting_of("[host]:2222", "/home/me/known hosts", EC);
	AUTO_MEETING heard = MEETING_INIT;

	told.known = true;
	assert_int_equal(round_trip(&told, &heard), 0);
	assert_true(heard.known);
	assert_string_equal(heard.name, told.name);
	assert_string_equal(heard.file, told.file);
	assert_string_equal(heard.kind, "ECDSA");
	assert_int_equal(heard.key.len, told.key.len);
	assert_memory_equal(heard.key.data, told.key.data, told.key.len);
	assert_memory_equal(buf_cstr(&heard.fingerprint), "SHA256:", 7);
}

static void what_would_break_a_line_is_refused(void **state)
{
	static const char *const names[] = { "", "a b", "a\nb", "a\x7f", "a\tb" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		AUTO_MEETING told = meeting_of(names[i], "/f", ED);
		AUTO_MEETING heard = MEETING_INIT;

		assert_int_equal(round_trip(&told, &heard), -1);
	}
	AUTO_MEETING odd = meeting_of("host", "/f", "AAAAA3h4eAAAAAA=");
	AUTO_MEETING heard = MEETING_INIT;

	assert_int_equal(round_trip(&odd, &heard), -1);
}

static void the_line_is_found_again(void **state)
{
	static const char *const keys[] = { ED, EC };

	for (size_t i = 0; i < 2; i++) {
		AUTO_MEETING met = meeting_of("[host]:2222", "", keys[i]);
		AUTO_BUF line = BUF_INIT;
		struct ssh_known known = SSH_KNOWN_INIT;
		struct ssh_known_query query = { "[host]:2222", met.key.data, met.key.len };

		meet_line(&line, met.name, &met.key);
		/* OpenSSH insists on the padding. */
		assert_non_null(strstr(buf_cstr(&line), keys[i]));
		ssh_known_scan(&known, buf_cstr(&line), line.len, "f", &query);
		assert_int_equal(ssh_known_verdict(&known), SSH_KNOWN_MATCH);
	}
}

static void read_file(const char *path, struct buf *out)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY);
	char chunk[4096];
	ssize_t got = read(fd, chunk, sizeof(chunk));

	assert_true(got > 0);
	buf_add(out, chunk, (size_t)got);
}

static void lines_are_added_and_none_is_lost(void **state)
{
	char dir[] = "/tmp/osync-unit-XXXXXX";
	struct stat st;
	AUTO_BUF text = BUF_INIT;

	assert_non_null(mkdtemp(dir));
	AUTO_FREE char *folder = xasprintf("%s/ssh", dir);
	AUTO_FREE char *file = xasprintf("%s/known_hosts", folder);
	AUTO_MEETING met = meeting_of("host", file, ED);
	AUTO_MEETING nowhere = meeting_of("host", "", ED);
	AUTO_MEETING device = meeting_of("host", "/dev/null", ED);

	assert_int_equal(meet_remember(&met, NULL), 0);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* A last line without its end stays a line of its own. */
	assert_int_equal(truncate(file, st.st_size - 1), 0);
	assert_int_equal(meet_remember(&met, NULL), 0);
	read_file(file, &text);
	assert_string_equal(buf_cstr(&text), "host ssh-ed25519 " ED "\nhost ssh-ed25519 " ED "\n");
	assert_int_equal(meet_remember(&nowhere, NULL), -1);
	assert_int_equal(meet_remember(&device, NULL), -1);
	unlink(file);
	rmdir(folder);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_told_arrives_whole_or_not_at_all),
		cmocka_unit_test(what_would_break_a_line_is_refused),
		cmocka_unit_test(the_line_is_found_again),
		cmocka_unit_test(lines_are_added_and_none_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
