/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/meet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/sys.h"
#include "config/config.h"
#include "transport/ssh_known.h"
#include "transport/ssh_wire.h"
#include "transport/transport.h"

enum {
	ANSWER_MAX = 64 * 1024, /* bytes: a key is at most some thousand */
	MARGIN_S = 60,		/* beyond connecting and exchanging keys, each with its own limit */
};

void meeting_release(struct meeting *meeting)
{
	free(meeting->name);
	free(meeting->file);
	buf_release(&meeting->key);
	buf_release(&meeting->fingerprint);
	*meeting = (struct meeting)MEETING_INIT;
}

/* Between the processes --------------------------------------------------------------- */

void meet_encode(struct buf *out, const struct meeting *meeting)
{
	ssh_put_u32(out, meeting->known);
	ssh_put_string(out, meeting->name, strlen(meeting->name));
	ssh_put_string(out, meeting->file, strlen(meeting->file));
	ssh_put_string(out, meeting->key.data, meeting->key.len);
}

/* A word of a line: no blanks, no control characters. */
static bool is_word(struct ssh_bytes bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		if (bytes.data[i] <= ' ' || bytes.data[i] == 0x7f)
			return false;
	return bytes.len > 0;
}

int meet_decode(const void *data, size_t len, struct meeting *meeting)
{
	struct ssh_wire wire = { NULL, NULL, false };

	ssh_wire_init(&wire, data, len);
	uint32_t known = ssh_wire_u32(&wire);
	struct ssh_bytes name = ssh_wire_string(&wire);
	struct ssh_bytes file = ssh_wire_string(&wire);
	struct ssh_bytes key = ssh_wire_string(&wire);

	if (wire.bad || wire.pos != wire.end || known > 1 || !is_word(name) ||
	    memchr(file.data, '\0', file.len) ||
	    ssh_key_blob_type(key.data, key.len) == SSH_TYPE_OTHER)
		return -1;
	meeting->known = known;
	meeting->name = xstrndup((const char *)name.data, name.len);
	meeting->file = xstrndup((const char *)file.data, file.len);
	buf_add(&meeting->key, key.data, key.len);
	ssh_key_fingerprint(&meeting->fingerprint, key.data, key.len);
	meeting->kind = ssh_key_type_title(ssh_key_blob_type(key.data, key.len));
	return 0;
}

/* Read until the other end closes; -1 when it takes too long or says too much. */
static int read_answer(int fd, int64_t deadline_ms, struct buf *out)
{
	for (;;) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		int64_t left_ms = deadline_ms - clock_monotonic_ms();
		char chunk[4096];
		ssize_t got = -1;

		if (left_ms <= 0 || (poll(&ready, 1, (int)left_ms) < 0 && errno != EINTR))
			return -1;
		got = sys_link_read(fd, chunk, sizeof(chunk));
		if (got == 0)
			return 0;
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return -1;
		if (got > 0 && out->len + (size_t)got > ANSWER_MAX)
			return -1;
		if (got > 0)
			buf_add(out, chunk, (size_t)got);
	}
}

int meet_server(const struct config *config, struct meeting *meeting, struct err *err)
{
	struct transport *transport = transport_open_meeting(config, err);
	int64_t limit_ms = (2 * (int64_t)config->ssh_connect_timeout_s + MARGIN_S) * 1000;
	AUTO_BUF answer = BUF_INIT;
	int status = 0;

	if (!transport)
		return -1;
	if (read_answer(transport_fd(transport), clock_monotonic_ms() + limit_ms, &answer) < 0 ||
	    meet_decode(answer.data, answer.len, meeting) < 0)
		status = transport_failure(transport, err);
	transport_close(transport);
	return status;
}

/* known_hosts ------------------------------------------------------------------------- */

void meet_line(struct buf *out, const char *name, const struct buf *key)
{
	struct ssh_wire wire = { NULL, NULL, false };
	size_t start = 0;

	ssh_wire_init(&wire, key->data, key->len);
	struct ssh_bytes type = ssh_wire_string(&wire);

	buf_addf(out, "%s %.*s ", name, (int)type.len, (const char *)type.data);
	start = out->len;
	ssh_base64_encode(out, key->data, key->len);
	while ((out->len - start) % 4 != 0)
		buf_addch(out, '=');
}

/* The file, ready for a further line; made where missing. */
static int open_file(const char *path, struct err *err)
{
	AUTO_FREE char *folder = xstrdup(path);
	char *slash = strrchr(folder, '/');
	int fd = -1;

	if (slash && slash > folder) {
		*slash = '\0';
		if (mkdir(folder, 0700) < 0 && errno != EEXIST)
			return err_sys(err, errno, "cannot create '%s'", folder);
	}
	fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	return fd < 0 ? err_sys(err, errno, "cannot write '%s'", path) : fd;
}

/* Somebody may have left the last line without its end. */
static bool needs_newline(int fd, off_t size)
{
	char last = '\n';

	return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

static int write_whole(int fd, const struct buf *text)
{
	size_t done = 0;

	while (done < text->len) {
		ssize_t got = write(fd, text->data + done, text->len - done);

		if (got < 0 && errno != EINTR)
			return -1;
		done += got > 0 ? (size_t)got : 0;
	}
	return fsync(fd);
}

int meet_remember(const struct meeting *meeting, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	AUTO_BUF text = BUF_INIT;
	struct stat st;

	if (!*meeting->file)
		return err_set(err, ERR_CONFIG,
			       "there is no known_hosts to write the server's key to: set "
			       "SSH_KNOWN_HOSTS_FILE");
	fd = open_file(meeting->file, err);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, ERR_CONFIG,
			       "'%s' is no file, and cannot keep the server's key: set "
			       "SSH_KNOWN_HOSTS_FILE",
			       meeting->file);
	if (needs_newline(fd, st.st_size))
		buf_addch(&text, '\n');
	meet_line(&text, meeting->name, &meeting->key);
	buf_addch(&text, '\n');
	if (write_whole(fd, &text) < 0)
		return err_sys(err, errno, "cannot write '%s'", meeting->file);
	return 0;
}
