/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/job.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "alert/alert.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "cmd/load.h"
#include "config/config.h"
#include "config/log_places.h"
#include "run/outcome.h"
#include "run/run.h"

/* A run, and what is wrong with what is around it. */
struct job {
	struct config *config;
	struct buf setup; /* lines */
};

/*
 * Something about the set-up. Also with --quiet: who relies on a log has to know that there is none.
 * Under cron it is judged with the run.
 */
static void mention(struct job *job, const char *warning)
{
	log_event(RANK_WARN, warning);
	if (job->config->from_cron)
		buf_addf(&job->setup, "%s\n", warning);
	else
		fprintf(stderr, "osync: %s\n", warning);
}

/* The first place that can be opened. What is wrong with the first of all is said. */
static void open_log_file(struct job *job)
{
	AUTO_LOG_PLACES places = log_places(job->config);
	struct err first = ERR_INIT;
	struct err later = ERR_INIT;

	for (int i = 0; places.paths[i]; i++)
		if (log_to_file(places.paths[i], i ? &later : &first) == 0)
			return;
	mention(job, first.msg);
}

static void open_log(struct job *job)
{
	const struct config *config = job->config;
	struct err err = ERR_INIT;

	if (config->log_file || config->from_cron || config->quiet)
		open_log_file(job);
	if (config->syslog)
		log_to_syslog();
	if (config->mail.recipients && log_keep_copy(&err) < 0)
		log_warn("%s", err.msg);
}

/* The warnings of the configuration, one a line. */
static void log_lines(const struct buf *lines)
{
	AUTO_BUF copy = BUF_INIT;

	buf_add(&copy, lines->data, lines->len);
	for (char *line = buf_cstr(&copy), *end = NULL; (end = strchr(line, '\n'));
	     line = end + 1) {
		*end = '\0';
		log_event(RANK_WARN, line);
	}
}

static int run(struct job *job)
{
	AUTO_OUTCOME outcome = OUTCOME_INIT;
	int code = 0;

	/* A dry run leaves nothing anywhere and disturbs nobody. */
	if (job->config->dry_run)
		return run_sync(job->config, &outcome);
	open_log(job);
	log_lines(&job->setup);
	run_sync(job->config, &outcome);
	if (log_failure())
		mention(job, log_failure());
	code = alert_after(job->config, &outcome, buf_cstr(&job->setup));
	log_close();
	return code;
}

/* Nobody watches: what is to be said is said when the run is over. */
static void prepare_for_cron(struct config *config)
{
	config->from_cron = true;
	config->quiet = true;
	if (config->log_level < LOG_INFO)
		log_setup(LOG_QUIET, "osync");
}

int job_run(int argc, char **argv, enum job_start start)
{
	struct job job = { NULL, BUF_INIT };
	int code = start == JOB_BY_CRON ? cmd_load_quietly(argc, argv, &job.config, &job.setup)
					: cmd_load(argc, argv, &job.config);

	/* A dry run is for somebody's eyes, whatever it stands in. */
	if (job.config && start == JOB_BY_CRON && !job.config->dry_run)
		prepare_for_cron(job.config);
	else if (job.config)
		fputs(buf_cstr(&job.setup), stderr);
	if (job.config)
		code = run(&job);
	config_free(job.config);
	buf_release(&job.setup);
	return code;
}
