/* SPDX-License-Identifier: BSD-2-Clause */
#include "alert/sendmail.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/process.h"
#include "base/sys.h"
#include "base/text.h"

enum {
	POLL_MS = 20,
	WORDS_MAX = 300, /* bytes kept of what it prints */
};

/* A file in memory with the message, to be read from its beginning. */
static int message_file(const void *message, size_t len, struct err *err)
{
	AUTO_CLOSE int fd = memfd_create("osync-mail", MFD_CLOEXEC);

	if (fd < 0 || sys_write_all(fd, message, len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, errno, "cannot hand over the mail");
	return steal_fd(&fd);
}

/* Take what it prints and keep the beginning; false at the end. */
static bool drain(int fd, struct buf *words)
{
	char chunk[512];
	ssize_t got = sys_link_read(fd, chunk, sizeof(chunk));

	if (got <= 0)
		return got < 0 && (errno == EAGAIN || errno == EINTR);
	if (words->len < WORDS_MAX)
		buf_add(words, chunk, (size_t)got);
	return true;
}

/* Until it ends, whoever else may hold the pipe. Its wait status, or -1 when its time is over. */
static int attend(pid_t pid, int fd, int64_t deadline_ms, struct buf *words)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_monotonic_ms() >= deadline_ms) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		if (poll(&ready, 1, POLL_MS) > 0 && !drain(fd, words))
			ready.fd = -1;
	}
	/* What the pipe can hold at most; a process left behind may go on writing. */
	for (int i = 0; i < 128 && poll(&ready, 1, 0) > 0 && drain(fd, words); i++)
		continue;
	return status;
}

static void add_words(struct buf *out, struct buf *words)
{
	if (words->len > WORDS_MAX)
		words->len = WORDS_MAX;
	while (words->len > 0 && words->data[words->len - 1] == '\n')
		words->len--;
	text_add_escaped(out, buf_cstr(words));
}

static int explain(int status, struct buf *words, struct err *err)
{
	AUTO_BUF said = BUF_INIT;

	add_words(&said, words);
	if (status < 0)
		return err_set(err, ERR_SYSTEM, "it did not end in time: '%s'", buf_cstr(&said));
	if (WIFSIGNALED(status))
		return err_set(err, ERR_SYSTEM, "it was ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) == 127)
		return err_set(
			err, ERR_SYSTEM,
			"it is not there: install a mail system, or set SENDMAIL or SMTP_SERVER");
	if (WEXITSTATUS(status) != 0)
		return err_set(err, ERR_SYSTEM, "it ended with status %d: '%s'",
			       WEXITSTATUS(status), buf_cstr(&said));
	return 0;
}

int sendmail_send(const char *command, const void *message, size_t len, int64_t deadline_ms,
		  struct err *err)
{
	/* Without a shell in between, whom a signal would miss. */
	AUTO_FREE char *line = xasprintf("exec %s", command);
	char shell[] = "/bin/sh";
	char option[] = "-c";
	char *argv[] = { shell, option, line, NULL };
	AUTO_CLOSE int input = message_file(message, len, err);
	AUTO_BUF words = BUF_INIT;
	int ends[2] = { -1, -1 };

	if (input < 0 || process_pipe(ends, err) < 0)
		return -1;
	AUTO_CLOSE int output = ends[0];
	struct process_stdio stdio = { input, ends[1], ends[1] };
	pid_t pid = process_spawn(argv, &stdio, err);

	close(ends[1]);
	if (pid < 0)
		return -1;
	if (explain(attend(pid, output, deadline_ms, &words), &words, err) < 0)
		return err_wrap(err, "'%.100s'", command);
	return 0;
}
