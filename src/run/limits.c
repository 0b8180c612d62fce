/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/limits.h"

#include <inttypes.h>
#include <signal.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/stop.h"
#include "config/config.h"
#include "run/report.h"
#include "run/slow.h"

enum { TICK_MAX_MS = 60000 /* what is further off is looked at again then */ };

/* So many seconds behind the start; never for 0. */
static int64_t due_ms(const struct limits *limits, int64_t seconds)
{
	return seconds > 0 ? limits->start_ms + seconds * 1000 : INT64_MAX;
}

void limits_start(struct limits *limits, const struct config *config, struct report *report,
		  const char *run)
{
	*limits = (struct limits){ .config = config,
				   .report = report,
				   .slow = slow_new(config, run, report),
				   .start_ms = clock_monotonic_ms(),
				   .doing = "starting" };
	limits->soft_ms = due_ms(limits, config->no_maxtime ? 0 : config->soft_limit_s);
	limits->word_ms = due_ms(limits, config->keep_logging_s);
	stop_after(config->no_maxtime ? 0 : (unsigned)config->hard_limit_s);
}

void limits_doing(struct limits *limits, const char *what)
{
	limits->doing = what;
}

static void warn(struct limits *limits)
{
	AUTO_BUF text = BUF_INIT;

	buf_addf(&text,
		 "this run has taken longer than SOFT_MAX_EXEC_TIME=%d s allows, and goes on (%s)",
		 limits->config->soft_limit_s, limits->doing);
	report_overdue(limits->report, buf_cstr(&text));
}

static void say_word(const struct limits *limits, int64_t now)
{
	struct report_tally tally = report_tally(limits->report);

	log_info("still running after %" PRId64 " s: %s; %" PRIu64 " changes so far",
		 (now - limits->start_ms) / 1000, limits->doing,
		 tally.changes[SIDE_INITIATOR] + tally.changes[SIDE_TARGET]);
}

void limits_tick(struct limits *limits)
{
	int64_t now = clock_monotonic_ms();

	if (now >= limits->soft_ms) {
		limits->soft_ms = INT64_MAX;
		warn(limits);
	}
	if (now >= limits->word_ms) {
		limits->word_ms = now + limits->config->keep_logging_s * INT64_C(1000);
		say_word(limits, now);
	}
	slow_tick(limits->slow, now - limits->start_ms);
}

int limits_wait_ms(const struct limits *limits, int timeout_ms)
{
	int64_t now = clock_monotonic_ms();
	int64_t next_ms = limits->soft_ms < limits->word_ms ? limits->soft_ms : limits->word_ms;
	int64_t slow_ms = slow_wait_ms(limits->slow, now - limits->start_ms);
	int64_t wait_ms = next_ms - now < slow_ms ? next_ms - now : slow_ms;

	if (wait_ms < 0)
		wait_ms = 0;
	if (timeout_ms >= 0 && timeout_ms < wait_ms)
		return timeout_ms;
	return wait_ms < TICK_MAX_MS ? (int)wait_ms : TICK_MAX_MS;
}

void limits_end(struct limits *limits)
{
	stop_after(0);
	/* Other runs of this process have limits of their own. */
	if (stop_signal() == SIGALRM)
		stop_forgive();
	slow_end(limits->slow);
	limits->slow = NULL;
}

bool limits_blame(const struct config *config, struct err *err)
{
	int signal = stop_signal();

	if (signal == 0)
		return false;
	if (signal == SIGALRM)
		err_set(err, ERR_SYSTEM,
			"stopped after HARD_MAX_EXEC_TIME=%d s; the next run goes on from here",
			config->hard_limit_s);
	else
		err_set_at(err, ERR_SIGNAL, signal, ERR_WHERE, "stopped by signal %d", signal);
	return true;
}
