/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/ssh_agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"
#include "transport/ssh_wire.h"

enum {
	REQUEST_IDENTITIES = 11,
	IDENTITIES_ANSWER = 12,
	SIGN_REQUEST = 13,
	SIGN_RESPONSE = 14,
	FLAG_RSA_SHA2_512 = 4,
	ANSWER_MAX = 256 * 1024, /* bytes, as OpenSSH bounds it */
	ANSWER_WAIT_S = 60,	 /* somebody may have to confirm the use of a key */
	COMMENT_MAX = 100,
};

void ssh_agent_close(struct ssh_agent *agent)
{
	cleanup_close(&agent->fd);
	for (size_t i = 0; i < agent->count; i++) {
		buf_release(&agent->keys[i].blob);
		free(agent->keys[i].comment);
	}
	agent->fd = -1;
	agent->count = 0;
}

static int send_all(int fd, const struct buf *message)
{
	size_t sent = 0;

	while (sent < message->len) {
		ssize_t n = send(fd, message->data + sent, message->len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -1;
		sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int receive(int fd, void *out, size_t len)
{
	char *pos = out;

	while (len > 0) {
		ssize_t n = recv(fd, pos, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		pos += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Send one message and read the answer to it. */
static int ask(struct ssh_agent *agent, const struct buf *request, struct buf *answer,
	       struct err *err)
{
	AUTO_BUF framed = BUF_INIT;
	unsigned char header[4];
	struct ssh_wire wire = { NULL, NULL, false };

	ssh_put_string(&framed, request->data, request->len);
	if (send_all(agent->fd, &framed) < 0 || receive(agent->fd, header, sizeof(header)) < 0)
		return err_set(err, ERR_DENIED, "the ssh-agent does not answer");
	ssh_wire_init(&wire, header, sizeof(header));
	size_t len = ssh_wire_u32(&wire);

	if (len == 0 || len > ANSWER_MAX)
		return err_set(err, ERR_DENIED, "the ssh-agent's answer makes no sense");
	if (receive(agent->fd, buf_extend(answer, len), len) < 0)
		return err_set(err, ERR_DENIED, "the ssh-agent's answer was cut short");
	return 0;
}

static char *readable(struct ssh_bytes comment)
{
	AUTO_BUF out = BUF_INIT;
	size_t len = comment.len < COMMENT_MAX ? comment.len : COMMENT_MAX;
	AUTO_FREE char *text = xstrndup((const char *)comment.data, len);

	text_add_escaped(&out, text);
	return buf_steal_cstr(&out);
}

int ssh_agent_parse_keys(struct ssh_agent *agent, const void *message, size_t len)
{
	struct ssh_wire wire = { NULL, NULL, false };

	ssh_wire_init(&wire, message, len);
	if (ssh_wire_u8(&wire) != IDENTITIES_ANSWER)
		return -1;
	uint32_t count = ssh_wire_u32(&wire);

	for (uint32_t i = 0; i < count && agent->count < SSH_AGENT_KEYS_MAX; i++) {
		struct ssh_bytes blob = ssh_wire_string(&wire);
		struct ssh_bytes comment = ssh_wire_string(&wire);
		struct ssh_agent_key *key = &agent->keys[agent->count];

		if (wire.bad)
			return -1;
		key->blob = (struct buf)BUF_INIT;
		buf_add(&key->blob, blob.data, blob.len);
		key->comment = readable(comment);
		agent->count++;
	}
	return wire.bad ? -1 : 0;
}

static int connect_socket(const char *path, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval wait = { .tv_sec = ANSWER_WAIT_S };

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, ERR_DENIED, "the path of the ssh-agent is too long");
	memcpy(address.sun_path, path, strlen(path) + 1);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_set(err, ERR_DENIED, "cannot reach the ssh-agent at '%s': %s", path,
			       strerrordesc_np(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	return steal_fd(&fd);
}

int ssh_agent_open(struct ssh_agent *agent, const char *socket_path, struct err *err)
{
	AUTO_BUF request = BUF_INIT;
	AUTO_BUF answer = BUF_INIT;

	agent->fd = connect_socket(socket_path, err);
	if (agent->fd < 0)
		return -1;
	buf_addch(&request, REQUEST_IDENTITIES);
	if (ask(agent, &request, &answer, err) < 0)
		return -1;
	if (ssh_agent_parse_keys(agent, answer.data, answer.len) < 0)
		return err_set(err, ERR_DENIED, "the ssh-agent's answer makes no sense");
	return 0;
}

int ssh_agent_parse_signature(const void *message, size_t len, struct buf *out)
{
	struct ssh_wire outer = { NULL, NULL, false };
	struct ssh_wire inner = { NULL, NULL, false };

	ssh_wire_init(&outer, message, len);
	unsigned type = ssh_wire_u8(&outer);
	struct ssh_bytes signature = ssh_wire_string(&outer);

	ssh_wire_init(&inner, signature.data, signature.len);
	ssh_wire_string(&inner); /* algorithm */
	struct ssh_bytes value = ssh_wire_string(&inner);

	if (type != SIGN_RESPONSE || outer.bad || inner.bad || value.len == 0)
		return -1;
	buf_add(out, value.data, value.len);
	return 0;
}

int ssh_agent_sign(struct ssh_agent *agent, size_t index, const void *data, size_t len,
		   struct buf *out, struct err *err)
{
	AUTO_BUF request = BUF_INIT;
	AUTO_BUF answer = BUF_INIT;
	const struct ssh_agent_key *key = &agent->keys[index];

	buf_addch(&request, SIGN_REQUEST);
	ssh_put_string(&request, key->blob.data, key->blob.len);
	ssh_put_string(&request, data, len);
	ssh_put_u32(&request, FLAG_RSA_SHA2_512); /* other kinds of key ignore it */
	if (ask(agent, &request, &answer, err) < 0)
		return -1;
	if (ssh_agent_parse_signature(answer.data, answer.len, out) < 0)
		return err_set(err, ERR_DENIED, "the ssh-agent refused to sign with '%s'",
			       key->comment);
	return 0;
}
