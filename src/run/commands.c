/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/commands.h"

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/shell.h"
#include "base/stop.h"
#include "config/config.h"
#include "run/facts.h"
#include "run/report.h"
#include "transport/lines.h"

enum { STEP_MS = 1000 /* how often it is looked whether to stop, at least */ };

int64_t commands_limit_ms(const struct config *config)
{
	return (config->after_limit_s > 0 ? config->after_limit_s : COMMANDS_LIMIT_S) *
	       INT64_C(1000);
}

/* Log what it says until it has ended; a signal that comes meanwhile ends it. */
static int follow(struct shell *shell, struct lines *lines, struct err *err)
{
	int before = stop_signal();
	int more = 1;

	while (more) {
		AUTO_BUF output = BUF_INIT;

		more = shell_step(shell, -1, STEP_MS, &output);
		lines_feed(lines, output.data, output.len);
		if (stop_signal() != before)
			shell_stop(shell);
	}
	lines_end(lines);
	return shell_result(shell, err);
}

void commands_run(const struct config *config, struct report *report, const char *key,
		  const char *command, int input, const struct facts *facts)
{
	const struct shell_job job = { .command = command,
				       .environment = (const char *const *)facts->items,
				       .input = input,
				       .limit_ms = commands_limit_ms(config) };
	AUTO_LINES lines = LINES_INIT(key);
	AUTO_BUF text = BUF_INIT;
	struct err err = ERR_INIT;
	struct shell *shell = NULL;

	lines.plain = true;
	log_info("%s: running", key);
	shell = shell_start(&job, &err);
	if (shell && follow(shell, &lines, &err) == 0)
		log_info("%s: done", key);
	shell_free(shell);
	if (!err_is_set(&err))
		return;
	buf_addf(&text, "%s %s", key, err.msg);
	report_look(report, buf_cstr(&text));
}

static bool has_failed(const struct report *report, const struct err *err)
{
	int code = report_code(report, err);

	return code != EXIT_IN_SYNC && code != EXIT_LOOK && code != EXIT_LOCKED;
}

static void run_on(const struct config *config, struct report *report, const char *run,
		   const struct err *err, bool is_error)
{
	const char *key = is_error ? "ON_ERROR_CMD" : "ON_CONFLICT_CMD";
	AUTO_FACTS facts = facts_of_run(config, run, key);

	facts_add_outcome(&facts, report, err);
	commands_run(config, report, key, is_error ? config->on_error_cmd : config->on_conflict_cmd,
		     is_error ? -1 : report_conflicts(report), &facts);
}

void commands_after_run(const struct config *config, struct report *report, const char *run,
			const struct err *err)
{
	bool failed = has_failed(report, err);

	if (config->dry_run || err->kind == ERR_SIGNAL)
		return;
	if (config->on_conflict_cmd && report_tally(report).conflicts > 0)
		run_on(config, report, run, err, false);
	if (config->on_error_cmd && failed)
		run_on(config, report, run, err, true);
}
