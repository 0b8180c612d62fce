/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/ssh_login.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "transport/ssh_agent.h"
#include "transport/ssh_key.h"
#include "transport/ssh_options.h"
#include "transport/ssh_session.h"
#include "transport/ssh_wire.h"

enum {
	LOGIN_TIMEOUT_MS =
		90 * 1000, /* PAM modules may think for long, an agent may ask its owner */
	OFFERED_MAX = SSH_FILES_MAX + SSH_AGENT_KEYS_MAX,
};

enum answer { ANSWER_ACCEPTED, ANSWER_REFUSED, ANSWER_FAILED };

struct login {
	struct ssh_session *session;
	const struct ssh_options *options;
	const struct config *config;
	struct buf tried;		 /* for the account: "id_rsa, id_x (encrypted)" */
	struct buf offered[OFFERED_MAX]; /* public keys that were refused */
	size_t offered_count;
	struct buf mine[SSH_FILES_MAX]; /* public keys of the identity files */
	size_t mine_count;
	char *methods; /* what the server offers, once it was asked */
};

static void login_release(struct login *login)
{
	buf_release(&login->tried);
	for (size_t i = 0; i < login->offered_count; i++)
		buf_release(&login->offered[i]);
	for (size_t i = 0; i < login->mine_count; i++)
		buf_release(&login->mine[i]);
	free(login->methods);
}

/* Remember for the account what became of a key or the password. */
static void note(struct login *login, const char *what, const char *outcome)
{
	if (login->tried.len > 0)
		buf_addstr(&login->tried, ", ");
	text_add_escaped(&login->tried, what);
	if (*outcome)
		buf_addf(&login->tried, " (%s)", outcome);
	log_debug("ssh: %s: %s", what, *outcome ? outcome : "refused");
}

static bool holds(const struct buf *list, size_t count, const struct buf *blob)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].len == blob->len && memcmp(list[i].data, blob->data, blob->len) == 0)
			return true;
	return false;
}

static void remember(struct buf *list, size_t *count, size_t max, const struct buf *blob)
{
	if (*count == max)
		return;
	list[*count] = (struct buf)BUF_INIT;
	buf_add(&list[(*count)++], blob->data, blob->len);
}

/* Keys ------------------------------------------------------------------------ */

/* Whoever signs: a key from a file, or an agent. */
struct signer {
	const struct ssh_key *key;
	struct ssh_agent *agent;
	size_t index; /* of the agent's key */
	struct err err;
};

static LIBSSH2_USERAUTH_PUBLICKEY_SIGN_FUNC(sign)
{
	struct signer *signer = *abstract;
	AUTO_BUF value = BUF_INIT;
	int rc = signer->key ? ssh_key_sign(signer->key, data, data_len, &value, &signer->err)
			     : ssh_agent_sign(signer->agent, signer->index, data, data_len, &value,
					      &signer->err);

	(void)session;
	if (rc < 0)
		return -1;
	/* libssh2 frees it with its own allocator, which is malloc's. */
	*sig = xmalloc(value.len);
	memcpy(*sig, value.data, value.len);
	*sig_len = value.len;
	return 0;
}

static enum answer judge(struct login *login, int rc, struct err *err)
{
	if (rc == 0)
		return ANSWER_ACCEPTED;
	if (rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED || rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED ||
	    rc == LIBSSH2_ERROR_PASSWORD_EXPIRED)
		return ANSWER_REFUSED;
	ssh_session_error(login->session, "logging in at", err);
	return ANSWER_FAILED;
}

static enum answer offer(struct login *login, const char *name, const struct buf *blob,
			 struct signer *signer, struct err *err)
{
	void *abstract = signer;
	struct ssh_session *session = login->session;

	if (holds(login->offered, login->offered_count, blob))
		return ANSWER_REFUSED;
	int rc = SSH_RETRY(session,
			   libssh2_userauth_publickey(session->lib, login->options->user,
						      blob->data, blob->len, sign, &abstract));
	enum answer answer = judge(login, rc, err);

	if (answer == ANSWER_ACCEPTED)
		log_info("logged in at %s as %s with the key %s", session->host,
			 login->options->user, name);
	if (answer != ANSWER_REFUSED)
		return answer;
	remember(login->offered, &login->offered_count, OFFERED_MAX, blob);
	note(login, name, err_is_set(&signer->err) ? signer->err.msg : "");
	return ANSWER_REFUSED;
}

/* The public key that stands beside a private one that cannot be read. */
static void remember_public(struct login *login, const char *path)
{
	AUTO_FREE char *name = xasprintf("%s.pub", path);
	AUTO_BUF blob = BUF_INIT;

	/* An identity file may itself be a public key whose other half the agent has. */
	if (ssh_key_load_public(name, &blob) == 0 || ssh_key_load_public(path, &blob) == 0)
		remember(login->mine, &login->mine_count, SSH_FILES_MAX, &blob);
}

static enum answer offer_file(struct login *login, const char *path, struct err *err)
{
	AUTO_KEY *key = NULL;
	struct err why = ERR_INIT;
	bool chosen = login->config->ssh_key_file && strcmp(login->config->ssh_key_file, path) == 0;

	if (ssh_key_load(path, &key, &why) < 0) {
		remember_public(login, path);
		if (why.sys == EKEYREJECTED)
			note(login, path, "encrypted: needs ssh-agent");
		else if (why.sys == ENOENT && chosen)
			note(login, path, "no such file");
		else if (why.sys != ENOENT)
			note(login, why.msg, "");
		if (chosen || why.sys != ENOENT)
			log_info("%s", why.msg);
		return ANSWER_REFUSED;
	}
	struct signer signer = { .key = key, .err = ERR_INIT };

	remember(login->mine, &login->mine_count, SSH_FILES_MAX, ssh_key_public(key));
	return offer(login, path, ssh_key_public(key), &signer, err);
}

static enum answer offer_files(struct login *login, struct err *err)
{
	const struct ssh_files *files = &login->options->identities;

	for (size_t i = 0; i < files->count; i++) {
		enum answer answer = offer_file(login, files->paths[i], err);

		if (answer != ANSWER_REFUSED)
			return answer;
	}
	return ANSWER_REFUSED;
}

static enum answer offer_agent_key(struct login *login, struct ssh_agent *agent, size_t index,
				   struct err *err)
{
	AUTO_BUF blob = BUF_INIT;
	struct ssh_agent_key *key = &agent->keys[index];
	struct signer signer = { .agent = agent, .index = index, .err = ERR_INIT };
	AUTO_FREE char *name = xasprintf("%s of the agent", *key->comment ? key->comment : "a key");

	if (!ssh_key_login_form(key->blob.data, key->blob.len, &blob)) {
		note(login, name, "a certificate, sk- or DSA key: needs TRANSPORT=command");
		return ANSWER_REFUSED;
	}
	if (login->options->identities_only && !holds(login->mine, login->mine_count, &blob))
		return ANSWER_REFUSED;
	return offer(login, name, &blob, &signer, err);
}

static enum answer offer_agent(struct login *login, struct err *err)
{
	AUTO_AGENT agent = SSH_AGENT_INIT;
	struct err why = ERR_INIT;
	enum answer answer = ANSWER_REFUSED;

	if (!login->options->identity_agent)
		return ANSWER_REFUSED;
	if (ssh_agent_open(&agent, login->options->identity_agent, &why) < 0) {
		log_info("%s", why.msg);
		return ANSWER_REFUSED;
	}
	for (size_t i = 0; i < agent.count && answer == ANSWER_REFUSED; i++)
		answer = offer_agent_key(login, &agent, i, err);
	return answer;
}

/* Passwords ------------------------------------------------------------------- */

/* Asks which methods the server has left; -1 when the connection went away. */
static int learn_methods(struct login *login, struct err *err)
{
	struct ssh_session *session = login->session;
	const char *user = login->options->user;
	char *list = NULL;

	while (!(list = libssh2_userauth_list(session->lib, user, (unsigned)strlen(user))) &&
	       libssh2_session_last_errno(session->lib) == LIBSSH2_ERROR_EAGAIN &&
	       ssh_session_wait(session, NULL) == 0)
		;
	/* No list and no error: the server let us in without asking for anything. */
	if (!list && !libssh2_userauth_authenticated(session->lib))
		return ssh_session_error(session, "logging in at", err);
	AUTO_BUF shown = BUF_INIT;

	text_add_escaped(&shown, list ? list : "none");
	login->methods = buf_steal_cstr(&shown);
	return 0;
}

/* Where keyboard-interactive finds its answer: libssh2 passes only the session. */
/* NOLINTNEXTLINE(readability-function-size): the parameters are libssh2's */
static LIBSSH2_USERAUTH_KBDINT_RESPONSE_FUNC(answer_prompts)
{
	struct ssh_session *session = *abstract;

	(void)name;
	(void)name_len;
	(void)instruction;
	(void)instruction_len;
	for (int i = 0; i < num_prompts; i++) {
		/* What is echoed is not a password: a name, a choice. Nothing is known of it. */
		const char *text = prompts[i].echo ? "" : session->password;

		responses[i].text = xstrdup(text);
		responses[i].length = (unsigned)strlen(text);
	}
}

static bool takes(const struct login *login, const char *method)
{
	return login->methods && strstr(login->methods, method);
}

static enum answer offer_password(struct login *login, const struct buf *password, struct err *err)
{
	struct ssh_session *session = login->session;
	const char *user = login->options->user;
	unsigned user_len = (unsigned)strlen(user);
	enum answer answer = ANSWER_REFUSED;

	session->password = (const char *)password->data;
	if (takes(login, "password"))
		answer = judge(
			login,
			SSH_RETRY(session, libssh2_userauth_password_ex(
						   session->lib, user, user_len, session->password,
						   (unsigned)password->len, NULL)),
			err);
	if (answer == ANSWER_REFUSED && takes(login, "keyboard-interactive"))
		answer = judge(
			login,
			SSH_RETRY(session, libssh2_userauth_keyboard_interactive_ex(
						   session->lib, user, user_len, answer_prompts)),
			err);
	session->password = NULL;
	return answer;
}

static enum answer try_password(struct login *login, struct err *err)
{
	AUTO_SECRET password = BUF_INIT;
	const char *path = login->config->ssh_password_file;
	const char *outcome = "refused";

	if (!path)
		return ANSWER_REFUSED;
	if (ssh_read_file(path, &password) < 0) {
		note(login, path, strerrordesc_np(errno));
		return ANSWER_REFUSED;
	}
	password.len = strcspn(buf_cstr(&password), "\r\n");
	buf_cstr(&password);
	if (!takes(login, "password") && !takes(login, "keyboard-interactive"))
		outcome = "the server takes no passwords";
	enum answer answer = offer_password(login, &password, err);

	if (answer == ANSWER_ACCEPTED)
		log_info("logged in at %s as %s with the password of %s", login->session->host,
			 login->options->user, path);
	if (answer == ANSWER_REFUSED)
		note(login, "SSH_PASSWORD_FILE", outcome);
	return answer;
}

/* All of it ------------------------------------------------------------------- */

static int refused(struct login *login, struct err *err)
{
	const char *tried = login->tried.len ? buf_cstr(&login->tried) : "nothing: there is no key";

	return err_set(err, ERR_DENIED,
		       "'%.80s' refused the login of '%.40s': tried %.260s; the server takes %.60s",
		       login->session->host, login->options->user, tried,
		       login->methods ? login->methods : "(it did not say)");
}

static enum answer attempt(struct login *login, struct err *err)
{
	enum answer answer = offer_files(login, err);

	if (answer == ANSWER_REFUSED)
		answer = offer_agent(login, err);
	if (answer != ANSWER_REFUSED)
		return answer;
	if (learn_methods(login, err) < 0)
		return ANSWER_FAILED;
	if (libssh2_userauth_authenticated(login->session->lib))
		return ANSWER_ACCEPTED;
	return try_password(login, err);
}

/* A server cuts the connection after some refused keys: then those are the news. */
static void explain_cut(struct login *login, struct err *err)
{
	if (login->tried.len == 0 || !strstr(login->session->reason, "authentication fail"))
		return;
	err_set(err, ERR_DENIED, "'%s' refused the login of '%s': %.100s; tried %.240s",
		login->session->host, login->options->user, login->session->reason,
		buf_cstr(&login->tried));
}

int ssh_login(struct ssh_session *session, const struct ssh_options *options,
	      const struct config *config, struct err *err)
{
	AUTO(login_release)
	struct login login = { .session = session, .options = options, .config = config };

	session->deadline_ms = clock_monotonic_ms() + LOGIN_TIMEOUT_MS;
	switch (attempt(&login, err)) {
	case ANSWER_ACCEPTED:
		return 0;
	case ANSWER_REFUSED:
		return refused(&login, err);
	case ANSWER_FAILED:
	default:
		explain_cut(&login, err);
		return -1;
	}
}
