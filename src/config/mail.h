/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is told about trouble, when and how: the part of the configuration that alert/ works by.
 */
#ifndef CONFIG_MAIL_H
#define CONFIG_MAIL_H

#include <stdbool.h>
#include <stdint.h>

enum mail_encryption {
	MAIL_PLAIN,
	MAIL_STARTTLS, /* osync 1.3's "tls" */
	MAIL_TLS,      /* osync 1.3's "ssl" */
};

/* Occasions of MAIL_ON, as bits. */
enum mail_on {
	MAIL_ON_ERROR = 1,    /* nothing is synced, or some paths are not */
	MAIL_ON_WARNING = 2,  /* it is, and something wants a look */
	MAIL_ON_CONFLICT = 4, /* both sides changed the same */
	MAIL_ON_RECOVERY = 8, /* what was mailed about is over */
	MAIL_ON_SUCCESS = 16, /* every run that ends well */
};

struct mail_config {
	char **recipients; /* addresses, NULL behind the last; NULL: nobody is mailed */
	unsigned on;	   /* enum mail_on */
	int repeat_h;	   /* the same trouble is told again after so many hours */
	int64_t lock_alert_after_s;
	int64_t offline_alert_after_s;
	char *sender; /* an address, NULL: user@host */

	char *url; /* smtp[s]://HOST[:PORT]; NULL: the local sendmail */
	enum mail_encryption encryption;
	char *user; /* NULL: no login */
	char *password;
	char *ca_file;	/* NULL: the system's */
	char *sendmail; /* a command that takes the message on standard input */

	/* the keys as they stand, before mail_config_check */
	char *destinations;
	char *on_words;
	bool always;
	bool conflicts;
	char *server;
	int port;
	char *smtp_url;
	char *password_file;
};

struct config;
struct problems;
struct settings;

/*
 * Complete config->mail from its keys, or complain.  The placeholders of osync 1.3's example file
 * (your@alert.tld, smtp.your.isp.tld) count as not set.
 */
void mail_config_check(const struct settings *settings, struct config *config,
		       struct problems *problems);
/* Free what it holds. */
void mail_config_release(struct mail_config *mail);

#endif
