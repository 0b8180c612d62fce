/* SPDX-License-Identifier: BSD-2-Clause */
#include "alert/alert.h"

#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "alert/letter.h"
#include "alert/memory.h"
#include "alert/mime.h"
#include "alert/policy.h"
#include "alert/sendmail.h"
#include "alert/smtp.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/log.h"
#include "base/random.h"
#include "base/stop.h"
#include "base/version.h"
#include "config/config.h"
#include "run/outcome.h"
#include "run/report.h"

enum { HOUR_S = 3600 };

/* A run's end and what is made of it. */
struct alert {
	const struct config *config;
	const struct outcome *outcome;
	const char *setup;
	struct policy_rules rules;
	struct policy_memory memory;
	struct policy_found found;
	struct policy_verdict verdict;
	int64_t now_s;
	char host[HOST_NAME_MAX + 1];
};

/* What was found ------------------------------------------------------------------ */

/* The same for messages that differ in numbers only: counts, times, process numbers, random names. */
static uint64_t id_of(const char *text)
{
	AUTO_BUF letters = BUF_INIT;

	for (; *text; text++)
		if (!strchr("0123456789abcdefABCDEF", *text))
			buf_addch(&letters, *text);
	return digest_checksum(letters.data, letters.len);
}

static uint64_t digits_of(uint64_t number)
{
	uint64_t digits = 1;

	for (; number >= 10; number /= 10)
		digits++;
	return digits;
}

static void add_find(struct alert *alert, enum trouble_kind kind, uint64_t id)
{
	alert->found.items[alert->found.count++] = (struct policy_find){ .kind = kind, .id = id };
}

/* Why the run as a whole has failed. Who holds a lock, and why nobody answers, may change. */
static void find_error(struct alert *alert, const struct err *err)
{
	switch (err->kind) {
	case ERR_GUARD:
		add_find(alert, TROUBLE_GUARD, id_of(err->msg));
		break;
	case ERR_DENIED:
		add_find(alert, TROUBLE_DENIED, 0);
		break;
	case ERR_UNREACHABLE:
		add_find(alert, alert->outcome->online ? TROUBLE_DOWN : TROUBLE_UNREACHABLE, 0);
		break;
	case ERR_LOCKED:
		add_find(alert, TROUBLE_LOCKED, 0);
		break;
	case ERR_SIGNAL:
		add_find(alert, TROUBLE_STOPPED, 0);
		break;
	case ERR_NONE:
	case ERR_SYSTEM:
	case ERR_CHANGED:
	case ERR_CORRUPT:
	case ERR_PROTOCOL:
	case ERR_USAGE:
	case ERR_CONFIG:
		add_find(alert, TROUBLE_FAILED, id_of(err->msg));
		break;
	}
}

/* Things that one run says and the next does not. */
static void find_looks(struct alert *alert, const struct outcome_notes *notes, bool conflict)
{
	add_find(alert, TROUBLE_LOOK, digest_checksum(notes->lines.data, notes->lines.len));
	alert->found.items[alert->found.count - 1].looks = notes->count;
	alert->found.items[alert->found.count - 1].conflict = conflict;
}

static void find_troubles(struct alert *alert)
{
	const struct outcome *outcome = alert->outcome;

	alert->found.finished = !err_is_set(&outcome->err);
	if (!alert->found.finished)
		find_error(alert, &outcome->err);
	else if (outcome->failed)
		add_find(alert, TROUBLE_PATHS, digits_of(outcome->failed));
	/* Also by a run that fails later. */
	if (outcome->conflicts.count > 0)
		find_looks(alert, &outcome->conflicts, true);
	if (outcome->problems.count > 0 && outcome->code == EXIT_LOOK)
		find_looks(alert, &outcome->problems, false);
	if (*alert->setup)
		add_find(alert, TROUBLE_SETUP, digest_checksum(alert->setup, strlen(alert->setup)));
}

/* Telling ------------------------------------------------------------------------- */

static char *sender_of(const struct alert *alert)
{
	const struct passwd *user = getpwuid(geteuid());

	if (alert->config->mail.sender)
		return xstrdup(alert->config->mail.sender);
	return xasprintf("%s@%s", user ? user->pw_name : "osync", alert->host);
}

/* A name that may stand in headers and addresses. */
static void find_host(struct alert *alert)
{
	gethostname(alert->host, sizeof(alert->host) - 1);
	if (!alert->host[0] || alert->host[0] == '-' ||
	    alert->host[strspn(alert->host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					    "0123456789.-")])
		snprintf(alert->host, sizeof(alert->host), "localhost");
}

static void compose(const struct alert *alert, const struct letter *letter, const char *sender,
		    struct buf *out)
{
	AUTO_BUF log = BUF_INIT;
	AUTO_FREE char *name = xasprintf("osync-%s.log", alert->outcome->run);
	struct buf text = letter->text;
	struct mime_mail mail = {
		.sender = sender,
		.recipients = (const char *const *)alert->config->mail.recipients,
		.host = alert->host,
		.time_s = alert->now_s,
		.token = random_u64(),
		.subject = letter->subject,
		.text = buf_cstr(&text),
		.log_name = name,
	};

	log_copy(&log);
	mail.log = log.data;
	mail.log_len = log.len;
	mime_compose(out, &mail);
}

/* By mail: 0, 1 where not everybody has got it (err says why), -1 where nobody has. */
static int mail_it(const struct alert *alert, const struct letter *letter, struct err *err)
{
	const struct mail_config *mail = &alert->config->mail;
	AUTO_FREE char *sender = sender_of(alert);
	AUTO_BUF message = BUF_INIT;
	AUTO_BUF wire = BUF_INIT;
	int limit_s = stop_signal() ? ALERT_STOPPED_LIMIT_S : ALERT_LIMIT_S;
	int64_t deadline_ms = clock_monotonic_ms() + (int64_t)limit_s * 1000;
	size_t sent = 0;

	compose(alert, letter, sender, &message);
	if (!mail->url)
		return sendmail_send(mail->sendmail, message.data, message.len, deadline_ms, err);
	mime_to_wire(&wire, message.data, message.len);
	sent = smtp_send(mail, sender, wire.data, wire.len, deadline_ms, err);
	if (sent == 0)
		return -1;
	return err_is_set(err) ? 1 : 0;
}

/* A mail that does not arrive is said once in repeat_s; the log has it every time. */
static void say_mute(struct alert *alert, const struct err *err)
{
	log_event(RANK_ERROR, err->msg);
	if (alert->memory.mute_s && alert->now_s - alert->memory.mute_s < alert->rules.repeat_s)
		return;
	alert->memory.mute_s = alert->now_s;
	fprintf(stderr, "osync: %s: %s\n", alert->config->instance_id, err->msg);
}

/* 0, or -1 where it was not told, or not to everybody. */
static int tell(struct alert *alert)
{
	const struct letter_facts facts = { .config = alert->config,
					    .outcome = alert->outcome,
					    .memory = &alert->memory,
					    .found = &alert->found,
					    .verdict = &alert->verdict,
					    .host = alert->host,
					    .setup = alert->setup,
					    .version = version_string };
	struct letter letter = letter_write(&facts);
	struct err err = ERR_INIT;
	int result = 0;

	if (alert->config->mail.recipients)
		result = mail_it(alert, &letter, &err);
	else
		fprintf(stderr, "%s\n\n%s", letter.subject, buf_cstr(&letter.text));
	if (result >= 0)
		policy_told(&alert->memory, &alert->found, &alert->verdict, alert->now_s);
	if (result == 0)
		alert->memory.mute_s = 0;
	if (result == 0 && alert->config->mail.recipients)
		log_info("mailed: %s", letter.subject);
	if (result != 0) {
		err_wrap(&err, result < 0 ? "cannot send mail" : "not everybody got the mail");
		say_mute(alert, &err);
	}
	letter_release(&letter);
	return result == 0 ? 0 : -1;
}

/* A memory that has not changed is not written: most often it is empty. */
static void save(const struct alert *alert, const struct policy_memory *before)
{
	AUTO_BUF was = BUF_INIT;
	AUTO_BUF is = BUF_INIT;
	struct err err = ERR_INIT;

	memory_encode(before, &was);
	memory_encode(&alert->memory, &is);
	if (was.len == is.len && memcmp(was.data, is.data, is.len) == 0)
		return;
	if (memory_save(alert->config, &alert->memory, &err) < 0)
		log_warn("%s", err.msg);
}

int alert_after(const struct config *config, const struct outcome *outcome, const char *setup)
{
	const struct mail_config *mail = &config->mail;
	struct policy_memory before;
	struct alert alert = {
		.config = config,
		.outcome = outcome,
		.setup = setup,
		.rules = { .on = mail->on,
			   .repeat_s = (int64_t)mail->repeat_h * HOUR_S,
			   .locked_s = mail->lock_alert_after_s,
			   .offline_s = mail->offline_alert_after_s },
		.now_s = clock_realtime_ns() / NS_PER_SEC,
	};
	int told = 0;

	if (!mail->recipients && !config->from_cron)
		return outcome->code;
	/* Without mail, success is silence. */
	if (!mail->recipients)
		alert.rules.on &= ~(unsigned)MAIL_ON_SUCCESS;
	find_host(&alert);
	find_troubles(&alert);
	memory_load(config, &alert.memory);
	before = alert.memory;
	policy_note(&alert.memory, &alert.rules, &alert.found, alert.now_s);
	alert.verdict = policy_judge(&alert.memory, &alert.rules, &alert.found, alert.now_s);
	if (alert.verdict.tell)
		told = tell(&alert);
	save(&alert, &before);
	return told < 0 && outcome->code == EXIT_IN_SYNC ? EXIT_LOOK : outcome->code;
}
