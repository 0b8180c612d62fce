/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/slow.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/shell.h"
#include "config/config.h"
#include "run/commands.h"
#include "run/facts.h"
#include "run/report.h"
#include "transport/lines.h"

enum { LOOK_MS = 200 /* how often the first command is looked at while it runs */ };

static const char start_key[] = "SLOW_SYNC_START_CMD";
static const char stop_key[] = "SLOW_SYNC_STOP_CMD";

struct slow {
	const struct config *config;
	struct report *report;
	const char *run;
	bool started;
	struct shell *shell; /* the first one, while it runs */
	struct lines lines;
};

struct slow *slow_new(const struct config *config, const char *run, struct report *report)
{
	struct slow *slow = NULL;

	if (config->dry_run || config->slow_sync_s <= 0 ||
	    (!config->slow_start_cmd && !config->slow_stop_cmd))
		return NULL;
	slow = xcalloc(1, sizeof(*slow));
	slow->config = config;
	slow->report = report;
	slow->run = run;
	slow->lines = (struct lines)LINES_INIT(start_key);
	slow->lines.plain = true;
	return slow;
}

static void start(struct slow *slow)
{
	AUTO_FACTS facts = facts_of_run(slow->config, slow->run, start_key);
	struct shell_job job = { .command = slow->config->slow_start_cmd,
				 .environment = (const char *const *)facts.items,
				 .input = -1,
				 .limit_ms = commands_limit_ms(slow->config) };
	struct err err = ERR_INIT;

	slow->started = true;
	if (!job.command)
		return;
	log_info("%s: running, since this run has taken %d s", start_key,
		 slow->config->slow_sync_s);
	slow->shell = shell_start(&job, &err);
	if (!slow->shell)
		report_look(slow->report, err.msg);
}

/* Take what it says; when it has ended, say so if it failed. */
static void follow(struct slow *slow)
{
	AUTO_BUF output = BUF_INIT;
	AUTO_BUF text = BUF_INIT;
	struct err err = ERR_INIT;
	int more = shell_step(slow->shell, -1, 0, &output);

	lines_feed(&slow->lines, output.data, output.len);
	if (more)
		return;
	lines_end(&slow->lines);
	buf_addf(&text, "%s %s", start_key, shell_result(slow->shell, &err) < 0 ? err.msg : "");
	if (err_is_set(&err))
		report_look(slow->report, buf_cstr(&text));
	shell_free(slow->shell);
	slow->shell = NULL;
}

void slow_tick(struct slow *slow, int64_t passed_ms)
{
	if (!slow)
		return;
	if (!slow->started && passed_ms >= slow->config->slow_sync_s * INT64_C(1000))
		start(slow);
	if (slow->shell)
		follow(slow);
}

int64_t slow_wait_ms(const struct slow *slow, int64_t passed_ms)
{
	if (slow && slow->shell)
		return LOOK_MS;
	if (!slow || slow->started)
		return INT64_MAX;
	return slow->config->slow_sync_s * INT64_C(1000) - passed_ms;
}

void slow_end(struct slow *slow)
{
	if (!slow)
		return;
	if (slow->shell)
		follow(slow);
	shell_free(slow->shell);
	if (slow->started && slow->config->slow_stop_cmd) {
		AUTO_FACTS facts = facts_of_run(slow->config, slow->run, stop_key);

		commands_run(slow->config, slow->report, stop_key, slow->config->slow_stop_cmd, -1,
			     &facts);
	}
	lines_release(&slow->lines);
	free(slow);
}
