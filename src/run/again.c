/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/again.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/stop.h"
#include "config/config.h"
#include "peer/patience.h"
#include "run/limits.h"
#include "run/report.h"
#include "run/session.h"

enum {
	FIRST_WAIT_MS = 2000, /* a router that starts anew takes longer, a lost packet less */
	LAST_WAIT_MS = 60000,
	LOOK_MS = 200, /* how often it is looked whether to stop */
};

void again_start(struct again *again)
{
	*again = (struct again){ .tries = 0 };
}

static bool has_commands(const struct config *config)
{
	return config_has_local_hooks(config) || config_has_remote_hooks(config);
}

/* Whether it broke, and nothing else went wrong. */
static bool has_broken(const struct again *again, const struct session *session,
		       const struct err *err)
{
	return err->kind == ERR_UNREACHABLE && session->config->target.remote &&
	       (session->cut || (again->reached && !session->welcomed));
}

/* Twice as long each time. */
static int64_t wait_ms(int fruitless)
{
	int64_t ms = FIRST_WAIT_MS;

	for (int i = 0; i < fruitless && ms < LAST_WAIT_MS; i++)
		ms *= 2;
	return patience_ms(ms < LAST_WAIT_MS ? ms : LAST_WAIT_MS);
}

/* false where the run was told to stop meanwhile. */
static bool wait_for(struct limits *limits, int64_t ms)
{
	int64_t until_ms = clock_monotonic_ms() + ms;
	int64_t left_ms = 0;

	limits_doing(limits, "waiting to connect again");
	while (stop_signal() == 0 && (left_ms = until_ms - clock_monotonic_ms()) > 0) {
		limits_tick(limits);
		clock_sleep_ms(left_ms < LOOK_MS ? left_ms : LOOK_MS);
	}
	return stop_signal() == 0;
}

static uint64_t count_changes(const struct report *report)
{
	struct report_tally tally = report_tally(report);

	return tally.changes[SIDE_INITIATOR] + tally.changes[SIDE_TARGET];
}

bool again_is_due(struct again *again, const struct session *session, struct err *err)
{
	const struct config *config = session->config;
	uint64_t done = count_changes(session->report);
	int64_t ms = 0;

	if (!has_broken(again, session, err) || has_commands(config) || !config->resume_sync)
		return false;
	again->reached = true;
	again->fruitless = done > again->done ? 0 : again->fruitless;
	again->done = done;
	if (again->fruitless >= config->resume_tries || again->tries >= AGAIN_MAX)
		return false;
	ms = wait_ms(again->fruitless);
	log_info("%s; trying again in %.1f s", err->msg, (double)ms / 1000);
	if (!wait_for(session->limits, ms)) {
		limits_blame(config, err);
		return false;
	}
	again->tries++;
	again->fruitless++;
	err_clear(err);
	report_again(session->report);
	return true;
}
