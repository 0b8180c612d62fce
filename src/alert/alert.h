/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * After a run: judge whether somebody is to be told of how it ended, and tell.
 *
 * Told is who stands in DESTINATION_MAILS, by mail.  Under `osync cron` without any, it is printed on
 * standard error, which cron mails to the crontab's owner; so the same rules keep it from doing so
 * every five minutes.  When it is told is alert/policy.h's decision.
 *
 * All of this happens when the locks are free and both sides are closed.  It takes at most
 * ALERT_LIMIT_S, and can change nothing about what was synced.
 */
#ifndef ALERT_ALERT_H
#define ALERT_ALERT_H

struct config;
struct outcome;

enum {
	ALERT_LIMIT_S = 60,	   /* for all mails of a run together */
	ALERT_STOPPED_LIMIT_S = 5, /* after a signal: who sent it waits */
};

/*
 * `setup` has what is wrong with the set-up without keeping it from working: lines, or "".  Returns the
 * exit code: the run's own, but EXIT_LOOK instead of EXIT_IN_SYNC where a mail that was due could not
 * be sent.
 */
int alert_after(const struct config *config, const struct outcome *outcome, const char *setup);

#endif
