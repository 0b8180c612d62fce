/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/mail.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "config/locate.h"
#include "config/problems.h"
#include "config/settings.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define IN_NAME LETTERS ".!#$%&'*+/=?^_`{|}~-" /* RFC 5322's atext, and the dot */
#define IN_HOST LETTERS ".-"
#define BETWEEN " \t,;"

enum { PASSWORD_MAX = 4096, RECIPIENTS_MAX = 50 };

struct checker {
	const struct settings *settings;
	struct config *config;
	struct mail_config *mail;
	struct problems *problems;
};

#define complain(c, key, ...)                                                                   \
	problems_add((c)->problems, PROBLEM_ERROR, &settings_get((c)->settings, (key))->origin, \
		     __VA_ARGS__)

void mail_config_release(struct mail_config *mail)
{
	for (size_t i = 0; mail->recipients && mail->recipients[i]; i++)
		free(mail->recipients[i]);
	free(mail->recipients);
	free(mail->sender);
	free(mail->url);
	free(mail->user);
	free(mail->password);
	free(mail->ca_file);
	free(mail->sendmail);
	free(mail->destinations);
	free(mail->on_words);
	free(mail->server);
	free(mail->smtp_url);
	free(mail->password_file);
}

/* Forget a value that osync 1.3's example file shows. */
static void drop_example(char **value, const char *example)
{
	if (*value && strcmp(*value, example) == 0)
		free(steal_ptr(value));
}

/* Addresses ----------------------------------------------------------------------- */

/* "name@host", or "name" for somebody here. Nothing that would need quoting in a header. */
static bool is_address(const char *text)
{
	size_t name = strspn(text, IN_NAME);
	const char *host = text + name;

	if (name == 0 || text[0] == '-' || strlen(text) > 254)
		return false;
	if (*host == '\0')
		return true;
	return *host++ == '@' && *host && *host != '-' && host[strspn(host, IN_HOST)] == '\0';
}

static void check_recipients(struct checker *c)
{
	struct mail_config *mail = c->mail;
	const char *rest = mail->destinations;
	size_t count = 0;

	if (!rest)
		return;
	mail->recipients = xcalloc(RECIPIENTS_MAX + 1, sizeof(*mail->recipients));
	while (*(rest += strspn(rest, BETWEEN)) && count < RECIPIENTS_MAX) {
		size_t len = strcspn(rest, BETWEEN);

		mail->recipients[count] = xstrndup(rest, len);
		if (!is_address(mail->recipients[count]))
			complain(c, "DESTINATION_MAILS", "DESTINATION_MAILS: '%s' is no address",
				 mail->recipients[count]);
		count++;
		rest += len;
	}
	if (*rest)
		complain(c, "DESTINATION_MAILS", "DESTINATION_MAILS has more than %d addresses",
			 RECIPIENTS_MAX);
	if (count == 0)
		free(steal_ptr(&mail->recipients));
}

static void check_sender(struct checker *c)
{
	if (c->mail->sender && !is_address(c->mail->sender))
		complain(c, "SENDER_MAIL", "SENDER_MAIL is '%s', no address", c->mail->sender);
}

/* Occasions ----------------------------------------------------------------------- */

static unsigned occasion(const char *word, size_t len)
{
	static const char *const words[] = { "error", "warning", "conflict", "recovery",
					     "success" };

	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strlen(words[i]) == len && strncasecmp(words[i], word, len) == 0)
			return 1U << i;
	return 0;
}

static void check_occasions(struct checker *c)
{
	struct mail_config *mail = c->mail;
	const char *rest = mail->on_words ? mail->on_words : "";

	while (*(rest += strspn(rest, BETWEEN))) {
		size_t len = strcspn(rest, BETWEEN);
		unsigned bit = occasion(rest, len);

		if (!bit)
			complain(c, "MAIL_ON",
				 "MAIL_ON: '%.*s' is not one of: error warning conflict recovery "
				 "success",
				 (int)len, rest);
		mail->on |= bit;
		rest += len;
	}
	if (mail->always)
		mail->on |= MAIL_ON_SUCCESS;
	if (mail->conflicts)
		mail->on |= MAIL_ON_CONFLICT;
}

/* The server ---------------------------------------------------------------------- */

static bool is_host(const char *text, size_t len)
{
	/* An address of IPv6 stands in brackets. */
	if (len > 2 && text[0] == '[' && text[len - 1] == ']')
		return strspn(text + 1, "0123456789abcdefABCDEF:.") == len - 2;
	return len > 0 && text[0] != '-' && strspn(text, IN_HOST) >= len;
}

/* HOST[:PORT] and no more: no login, no path. */
static bool is_authority(const char *text)
{
	size_t len = text[0] == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":");
	const char *port = text + (len <= strlen(text) ? len : strlen(text));

	if (!is_host(text, (size_t)(port - text)))
		return false;
	if (*port == '\0')
		return true;
	return *port == ':' && strspn(port + 1, "0123456789") == strlen(port + 1) &&
	       strlen(port + 1) - 1 < 5;
}

static void check_smtp_url(struct checker *c)
{
	struct mail_config *mail = c->mail;
	const char *text = mail->smtp_url;
	bool tls = strncmp(text, "smtps://", 8) == 0;
	bool known = tls || strncmp(text, "smtp://", 7) == 0;

	if (strchr(text, '@'))
		complain(c, "SMTP_URL",
			 "SMTP_URL: the user belongs into SMTP_USER and the password into "
			 "SMTP_PASSWORD_FILE");
	else if (!known || !is_authority(text + (tls ? 8 : 7)))
		complain(c, "SMTP_URL", "SMTP_URL is '%s', not smtp[s]://HOST[:PORT]", text);
	if (tls)
		mail->encryption = MAIL_TLS;
	mail->url = xstrdup(text);
}

static void check_server(struct checker *c)
{
	static const int ports[] = { 25, 587, 465 };
	struct mail_config *mail = c->mail;
	bool bracket = mail->server && strchr(mail->server, ':') && mail->server[0] != '[';

	if (mail->smtp_url) {
		check_smtp_url(c);
		return;
	}
	if (!mail->server)
		return;
	mail->url = xasprintf(bracket ? "smtp%s://[%s]:%d" : "smtp%s://%s:%d",
			      mail->encryption == MAIL_TLS ? "s" : "", mail->server,
			      mail->port ? mail->port : ports[mail->encryption]);
	if (!is_authority(strstr(mail->url, "//") + 2))
		complain(c, "SMTP_SERVER", "SMTP_SERVER is '%s', not the name of a host",
			 mail->server);
}

/* The password -------------------------------------------------------------------- */

/* Bits of the file's mode, or 0 where it cannot be looked at. */
static mode_t mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_mode : 0;
}

static void read_password(struct checker *c)
{
	struct mail_config *mail = c->mail;
	AUTO_BUF text = BUF_INIT;
	struct err err = ERR_INIT;

	if (mode_of(mail->password_file) & 077) {
		complain(c, "SMTP_PASSWORD_FILE",
			 "SMTP_PASSWORD_FILE: others may read '%s'; chmod 600 it",
			 mail->password_file);
		return;
	}
	if (locate_read(mail->password_file, PASSWORD_MAX, &text, &err) < 0) {
		complain(c, "SMTP_PASSWORD_FILE", "SMTP_PASSWORD_FILE: %s", err.msg);
		return;
	}
	free(mail->password);
	mail->password = xstrndup(buf_cstr(&text), strcspn(buf_cstr(&text), "\r\n"));
}

static void check_password(struct checker *c)
{
	struct mail_config *mail = c->mail;
	const struct setting *setting = settings_get(c->settings, "SMTP_PASSWORD");

	if (mail->password_file) {
		read_password(c);
		return;
	}
	if (mail->password && setting->origin.source == SOURCE_FILE &&
	    mode_of(c->config->file) & S_IROTH)
		complain(c, "SMTP_PASSWORD",
			 "SMTP_PASSWORD: everybody may read this file; chmod o-r it, or put the "
			 "password into an SMTP_PASSWORD_FILE of mode 600");
	if (mail->user && !mail->password)
		complain(c, "SMTP_USER",
			 "SMTP_USER is set, but neither SMTP_PASSWORD_FILE nor SMTP_PASSWORD");
}

void mail_config_check(const struct settings *settings, struct config *config,
		       struct problems *problems)
{
	struct checker c = { settings, config, &config->mail, problems };

	drop_example(&c.mail->destinations, "your@alert.tld");
	drop_example(&c.mail->sender, "alert@your.system.tld");
	drop_example(&c.mail->server, "smtp.your.isp.tld");
	check_recipients(&c);
	check_occasions(&c);
	if (!c.mail->recipients)
		return;
	check_sender(&c);
	check_server(&c);
	if (c.mail->url)
		check_password(&c);
}
