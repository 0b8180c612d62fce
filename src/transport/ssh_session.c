/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/ssh_session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/text.h"
#include "config/config.h"
#include "transport/ssh_error.h"
#include "transport/ssh_methods.h"

enum {
	GREETING_MAX = 32 * 1024,      /* bytes; a KEXINIT is about 1.5 KiB */
	QUEUE_HIGH = 256 * 1024,       /* bytes: channel data stops here, other packets do not */
	STRICT_KEX_VERSION = 0x010b01, /* libssh2 1.11.1 */
	PROXY_LAST_WORDS_MS = 500,     /* a proxy that fails says why and exits at once */
};

/* The two functions libssh2 reads and writes through --------------------------- */

static struct ssh_session *session_of(void **abstract)
{
	return *abstract;
}

static void note_greeting(struct ssh_session *session, const void *data, size_t len)
{
	if (session->greeted || session->greeting.len >= GREETING_MAX)
		return;
	buf_add(&session->greeting, data, len);
}

static LIBSSH2_RECV_FUNC(receive)
{
	struct ssh_session *session = session_of(abstract);
	ssize_t got = sys_link_read(socket, buffer, length);

	(void)flags;
	if (got < 0)
		return -errno;
	if (got > 0) {
		session->heard_ms = clock_monotonic_ms();
		session->received++;
		note_greeting(session, buffer, (size_t)got);
	}
	return got;
}

static LIBSSH2_SEND_FUNC(transmit)
{
	struct ssh_session *session = session_of(abstract);
	ssize_t sent = 0;

	(void)flags;
	session->sent++;
	if (ssh_session_flush(session) < 0)
		return -errno;
	if (session->out.len == 0) {
		sent = sys_link_send(socket, buffer, length);
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	if (sent < 0)
		sent = 0;
	if ((size_t)sent < length)
		buf_add(&session->out, (const char *)buffer + sent, length - (size_t)sent);
	return (ssize_t)length;
}

/* The server's parting words, e.g. "Too many authentication failures". */
/* NOLINTNEXTLINE(readability-function-size): the parameters are libssh2's */
static LIBSSH2_DISCONNECT_FUNC(disconnected)
{
	struct ssh_session *owner = session_of(abstract);
	AUTO_BUF shown = BUF_INIT;
	size_t len = message_len > 0 ? (size_t)message_len : 0;
	AUTO_FREE char *text = xstrndup(message ? message : "", message ? len : 0);

	(void)session;
	(void)reason;
	(void)language;
	(void)language_len;
	text_add_escaped(&shown, text);
	snprintf(owner->reason, sizeof(owner->reason), "%s", buf_cstr(&shown));
}

int ssh_session_flush(struct ssh_session *session)
{
	while (session->out_pos < session->out.len) {
		ssize_t sent = sys_link_send(session->link.fd, session->out.data + session->out_pos,
					     session->out.len - session->out_pos);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN ? 0 : -1;
		session->out_pos += (size_t)sent;
	}
	buf_reset(&session->out);
	session->out_pos = 0;
	return 0;
}

bool ssh_session_has_queue(const struct ssh_session *session)
{
	return session->out.len > 0;
}

bool ssh_session_may_write(const struct ssh_session *session)
{
	return session->out.len < QUEUE_HIGH;
}

/* Life ------------------------------------------------------------------------ */

/* libssh2 wants some function of no particular type; the two-step cast says we know. */
static void set_callback(struct ssh_session *session, int kind, void (*function)(void))
{
	void *pointer = NULL;

	memcpy(&pointer, &function, sizeof(pointer));
	libssh2_session_callback_set(session->lib, kind, pointer);
}

int ssh_session_open(struct ssh_session *session, const struct ssh_link *link, const char *host,
		     int parent_fd, struct err *err)
{
	*session = (struct ssh_session){ .host = host,
					 .link = *link,
					 .parent_fd = parent_fd,
					 .proxy_lines = LINES_INIT(host),
					 .heard_ms = clock_monotonic_ms() };
	if (libssh2_init(0) != 0)
		return err_set(err, ERR_SYSTEM, "cannot start libssh2");
	session->lib = libssh2_session_init_ex(NULL, NULL, NULL, session);
	if (!session->lib)
		return err_set(err, ERR_SYSTEM, "cannot start an SSH session");
	libssh2_session_set_blocking(session->lib, 0);
	set_callback(session, LIBSSH2_CALLBACK_RECV, (void (*)(void))receive);
	set_callback(session, LIBSSH2_CALLBACK_SEND, (void (*)(void))transmit);
	set_callback(session, LIBSSH2_CALLBACK_DISCONNECT, (void (*)(void))disconnected);
	return 0;
}

void ssh_session_close(struct ssh_session *session)
{
	if (session->lib) {
		libssh2_session_disconnect_ex(session->lib, SSH_DISCONNECT_BY_APPLICATION, "done",
					      "");
		ssh_session_flush(session);
		libssh2_session_free(session->lib);
		session->lib = NULL;
	}
	cleanup_close(&session->link.fd);
	cleanup_close(&session->link.error_fd);
	lines_release(&session->proxy_lines);
	buf_release(&session->out);
	buf_release(&session->greeting);
}

/* Waiting and failing ------------------------------------------------------------ */

int ssh_session_wait(struct ssh_session *session, struct err *err)
{
	int64_t left_ms = session->deadline_ms - clock_monotonic_ms();
	struct pollfd polls[2] = { { .fd = session->link.fd, .events = POLLIN },
				   { .fd = session->parent_fd } };

	if (session->link.error_fd >= 0)
		lines_drain(&session->proxy_lines, session->link.error_fd);
	if (left_ms <= 0)
		return err_set(err, ERR_UNREACHABLE, "'%s' does not answer", session->host);
	if (ssh_session_has_queue(session))
		polls[0].events |= POLLOUT;
	ssh_link_acknowledge(&session->link);
	poll(polls, 2, (int)left_ms);
	if (polls[1].revents & (POLLHUP | POLLERR))
		return err_set(err, ERR_UNREACHABLE, "given up");
	return ssh_session_flush(session);
}

/* Give a proxy that failed the time to say so. */
static void hear_proxy(struct ssh_session *session)
{
	int64_t deadline_ms = clock_monotonic_ms() + PROXY_LAST_WORDS_MS;

	while (lines_drain(&session->proxy_lines, session->link.error_fd)) {
		struct pollfd ready = { .fd = session->link.error_fd, .events = POLLIN };
		int64_t left_ms = deadline_ms - clock_monotonic_ms();

		if (left_ms <= 0 || poll(&ready, 1, (int)left_ms) <= 0)
			return;
	}
}

int ssh_session_error(struct ssh_session *session, const char *doing, struct err *err)
{
	AUTO_BUF shown = BUF_INIT;
	AUTO_BUF proxy = BUF_INIT;
	char *message = NULL;
	int code = libssh2_session_last_error(session->lib, &message, NULL, 0);
	struct ssh_failure failure = {
		.code = code, .host = session->host, .doing = doing, .reason = session->reason
	};

	text_add_escaped(&shown, message ? message : "");
	failure.message = buf_cstr(&shown);
	failure.timed_out = clock_monotonic_ms() >= session->deadline_ms;
	if (session->link.error_fd >= 0) {
		hear_proxy(session);
		lines_last(&session->proxy_lines, &proxy);
	}
	failure.proxy = buf_cstr(&proxy);
	return ssh_error(&failure, err);
}

/* Handshake ------------------------------------------------------------------- */

static void prefer(struct ssh_session *session, int method, const char *list)
{
	AUTO_BUF known = BUF_INIT;
	const char **supported = NULL;
	int count = libssh2_session_supported_algs(session->lib, method, &supported);

	if (count > 0) {
		ssh_methods_keep(&known, list, supported, (size_t)count);
		libssh2_free(session->lib, supported);
	}
	/* None of them known leaves libssh2's own list. */
	if (known.len == 0 ||
	    libssh2_session_method_pref(session->lib, method, buf_cstr(&known)) != 0)
		log_debug("ssh: this libssh2 has none of %s", list);
}

static void prefer_all(struct ssh_session *session, bool compression, unsigned known_types)
{
	AUTO_BUF hostkeys = BUF_INIT;
	bool strict = libssh2_version(STRICT_KEX_VERSION) != NULL;
	const char *cipher = ssh_methods_cipher(strict);
	const char *mac = ssh_methods_mac(strict, ssh_methods_sha256_is_fast());
	const char *packing = compression ? "zlib@openssh.com,zlib,none" : "none";

	ssh_methods_hostkey(&hostkeys, known_types);
	prefer(session, LIBSSH2_METHOD_HOSTKEY, buf_cstr(&hostkeys));
	prefer(session, LIBSSH2_METHOD_CRYPT_CS, cipher);
	prefer(session, LIBSSH2_METHOD_CRYPT_SC, cipher);
	prefer(session, LIBSSH2_METHOD_MAC_CS, mac);
	prefer(session, LIBSSH2_METHOD_MAC_SC, mac);
	if (compression)
		libssh2_session_flag(session->lib, LIBSSH2_FLAG_COMPRESS, 1);
	prefer(session, LIBSSH2_METHOD_COMP_CS, packing);
	prefer(session, LIBSSH2_METHOD_COMP_SC, packing);
}

/* The two sides have no algorithm in common: most often the kind of host key. */
static int no_agreement(struct ssh_session *session, struct err *err)
{
	AUTO_BUF offered = BUF_INIT;
	const char *version = libssh2_version(0);

	if (ssh_methods_server_hostkeys(session->greeting.data, session->greeting.len, &offered) <
	    0)
		return ssh_session_error(session, "exchanging keys with", err);
	if (ssh_methods_only_rsa(buf_cstr(&offered)))
		return err_set(
			err, ERR_UNREACHABLE,
			"'%s' has only an RSA host key (%.60s), which libssh2 %s cannot check "
			"in SHA-2: give the server an ed25519 host key (ssh-keygen -A), use a "
			"newer libssh2, or TRANSPORT=command with the OpenSSH client",
			session->host, buf_cstr(&offered), version);
	return err_set(err, ERR_UNREACHABLE,
		       "'%s' and libssh2 %s have no algorithm in common (host keys there: %.120s): "
		       "use TRANSPORT=command with the OpenSSH client",
		       session->host, version, buf_cstr(&offered));
}

int ssh_session_handshake(struct ssh_session *session, const struct config *config,
			  unsigned known_types, int timeout_s, struct err *err)
{
	prefer_all(session, config->ssh_compression, known_types);
	session->deadline_ms = clock_monotonic_ms() + (int64_t)timeout_s * 1000;
	int rc = SSH_RETRY(session, libssh2_session_handshake(session->lib, session->link.fd));

	if (rc == LIBSSH2_ERROR_KEX_FAILURE || rc == LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE ||
	    rc == LIBSSH2_ERROR_METHOD_NONE)
		return no_agreement(session, err);
	if (rc != 0)
		return ssh_session_error(session, "exchanging keys with", err);
	session->greeted = true;
	buf_release(&session->greeting);
	log_debug("ssh: %s: kex %s, host key %s, cipher %s, mac %s, compression %s", session->host,
		  libssh2_session_methods(session->lib, LIBSSH2_METHOD_KEX),
		  libssh2_session_methods(session->lib, LIBSSH2_METHOD_HOSTKEY),
		  libssh2_session_methods(session->lib, LIBSSH2_METHOD_CRYPT_CS),
		  libssh2_session_methods(session->lib, LIBSSH2_METHOD_MAC_CS),
		  libssh2_session_methods(session->lib, LIBSSH2_METHOD_COMP_CS));
	return 0;
}
