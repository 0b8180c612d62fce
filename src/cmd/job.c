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
#include "run/report.h"
#include "run/run.h"

/* A run, and what is wrong with what is around it. */
struct job {
	unsigned start; /* enum job_start */
	struct config *config;
	struct buf setup; /* lines */
	struct outcome *outcome;
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

/* Whether it may be in order by the next try, and there is nothing that this run alone can tell. */
static bool may_pass(const struct job *job)
{
	const struct outcome *outcome = job->outcome;

	return (job->start & JOB_TRIED_AGAIN) &&
	       (outcome->code == EXIT_UNREACHABLE || outcome->code == EXIT_LOCKED) &&
	       !outcome->look && job->setup.len == 0;
}

static int run(struct job *job)
{
	int code = 0;

	/* A dry run leaves nothing anywhere and disturbs nobody. */
	if (job->config->dry_run)
		return run_sync(job->config, job->outcome);
	open_log(job);
	log_lines(&job->setup);
	code = run_sync(job->config, job->outcome);
	if (log_failure())
		mention(job, log_failure());
	if (!may_pass(job))
		code = alert_after(job->config, job->outcome, buf_cstr(&job->setup));
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

static int load(struct job *job, int argc, char **argv)
{
	int code = cmd_load_quietly(argc, argv, &job->config, &job->setup, &job->outcome->err);
	bool cron = (job->start & JOB_BY_CRON) || (job->config && job->config->silent);

	/* A dry run is for somebody's eyes, whatever it stands in. */
	if (job->config && cron && !job->config->dry_run)
		prepare_for_cron(job->config);
	/* Also with --quiet: a misspelt key must not go unseen. */
	else if (job->config && job->setup.len)
		fputs(buf_cstr(&job->setup), stderr);
	return code;
}

int job_run(int argc, char **argv, unsigned start, struct outcome *outcome)
{
	struct job job = { .start = start, .setup = BUF_INIT, .outcome = outcome };
	int code = load(&job, argc, argv);

	if (job.config)
		code = run(&job);
	outcome->code = code;
	config_free(job.config);
	buf_release(&job.setup);
	return code;
}
