/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pump beside a libssh2 that takes in bytes at the worst of moments. What stands here in its
 * place has one channel, whose data this test puts there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "transport/ssh_pump.h"
#include "transport/ssh_session.h"

enum { PATIENCE_MS = 20000 };

/* What libssh2 has for the channel. */
static struct {
	const char *data; /* taken in, and not read yet */
	const char *
		under_way; /* taken in by the look for standard error that follows `looks` others */
	int looks;
	struct ssh_session *session;
} fake;

/* libssh2 ----------------------------------------------------------------------- */

LIBSSH2_CHANNEL *libssh2_channel_open_ex(LIBSSH2_SESSION *session, const char *type,
					 unsigned type_len, unsigned window, unsigned packet,
					 const char *message, unsigned message_len)
{
	(void)session, (void)type, (void)type_len, (void)window, (void)packet;
	(void)message, (void)message_len;
	return (LIBSSH2_CHANNEL *)&fake;
}

int libssh2_channel_process_startup(LIBSSH2_CHANNEL *channel, const char *request,
				    unsigned request_len, const char *message, unsigned len)
{
	(void)channel, (void)request, (void)request_len, (void)message, (void)len;
	return 0;
}

ssize_t libssh2_channel_read_ex(LIBSSH2_CHANNEL *channel, int stream, char *data, size_t size)
{
	size_t len = fake.data ? strlen(fake.data) : 0;

	(void)channel;
	if (stream == SSH_EXTENDED_DATA_STDERR && fake.looks-- == 0) {
		fake.data = fake.under_way;
		fake.session->received++;
		return LIBSSH2_ERROR_EAGAIN;
	}
	if (stream == SSH_EXTENDED_DATA_STDERR || len == 0)
		return LIBSSH2_ERROR_EAGAIN;
	assert_true(len <= size);
	memcpy(data, fake.data, len);
	fake.data = NULL;
	return (ssize_t)len;
}

int libssh2_channel_eof(LIBSSH2_CHANNEL *channel)
{
	(void)channel;
	return 0;
}

int libssh2_channel_wait_closed(LIBSSH2_CHANNEL *channel)
{
	(void)channel;
	return 0;
}

int libssh2_channel_get_exit_status(LIBSSH2_CHANNEL *channel)
{
	(void)channel;
	return 0;
}

int libssh2_channel_get_exit_signal(LIBSSH2_CHANNEL *channel, char **name, size_t *name_len,
				    char **message, size_t *message_len, char **language,
				    size_t *language_len)
{
	(void)channel, (void)name, (void)name_len, (void)message, (void)message_len;
	(void)language, (void)language_len;
	return 0;
}

void libssh2_keepalive_config(LIBSSH2_SESSION *session, int want_reply, unsigned interval)
{
	(void)session, (void)want_reply, (void)interval;
}

/* ------------------------------------------------------------------------------- */

static void test_what_came_while_something_else_was_read_is_not_waited_for(void **state)
{
	static const char word[] = "the last word";
	int parent[2];
	int server[2];
	char text[sizeof(word)];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, parent), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, server), 0);
	/* Nothing more comes from the server: who waits for that waits in vain. */
	fake.under_way = word;
	fake.looks = 1; /* with the first the command is started, which is reason to go on */
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct ssh_session session = { .host = "host", .link = { server[0], -1 } };

		fake.session = &session;
		const struct ssh_pump_task task = { .command = "osync",
						    .shown = "osync",
						    .osync = "osync",
						    .parent_fd = parent[0] };

		_exit(ssh_pump(&session, &task, NULL) == 0 ? 0 : 1);
	}
	struct pollfd heard = { .fd = parent[1], .events = POLLIN };
	ssize_t got = poll(&heard, 1, PATIENCE_MS) == 1 ? read(parent[1], text, sizeof(text)) : 0;

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(got, strlen(word));
	assert_memory_equal(text, word, strlen(word));
	for (int i = 0; i < 2; i++) {
		close(parent[i]);
		close(server[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_came_while_something_else_was_read_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
