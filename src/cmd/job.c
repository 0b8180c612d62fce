/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/job.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "cmd/load.h"
#include "config/config.h"
#include "config/log_places.h"
#include "run/outcome.h"
#include "run/run.h"

/* Also with --quiet: who relies on a log has to know that there is none. */
static void say(const char *warning)
{
	fprintf(stderr, "osync: %s\n", warning);
}

/* The first place that can be opened. What is wrong with the first of all is said. */
static void open_log_file(const struct config *config)
{
	AUTO_LOG_PLACES places = log_places(config);
	struct err first = ERR_INIT;
	struct err later = ERR_INIT;

	for (int i = 0; places.paths[i]; i++)
		if (log_to_file(places.paths[i], i ? &later : &first) == 0)
			return;
	say(first.msg);
}

static void open_log(const struct config *config)
{
	if (config->dry_run)
		return;
	if (config->log_file || config->from_cron || config->quiet)
		open_log_file(config);
	if (config->syslog)
		log_to_syslog();
}

static int run_logged(const struct config *config)
{
	AUTO_OUTCOME outcome = OUTCOME_INIT;
	int code = 0;

	open_log(config);
	code = run_sync(config, &outcome);
	if (log_failure())
		say(log_failure());
	log_close();
	return code;
}

int job_run(int argc, char **argv, enum job_start start)
{
	struct config *config = NULL;
	int code = cmd_load(argc, argv, &config);

	if (!config)
		return code;
	config->from_cron = start == JOB_BY_CRON;
	config->quiet |= config->from_cron;
	code = run_logged(config);
	config_free(config);
	return code;
}
