/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * osync batch: many profiles, one summary.  What is run when is decided in batch/schedule.h.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "batch/attempt.h"
#include "batch/schedule.h"
#include "batch/profiles.h"
#include "batch/runner.h"
#include "cmd/cmd.h"
#include "cmd/job.h"
#include "config/options.h"
#include "config/problems.h"
#include "config/settings.h"
#include "run/outcome.h"
#include "run/report.h"

#define LOG_NAME "osync-batch.log"

enum {
	JOBS_DEFAULT = 1,
	TRIES_DEFAULT = 3,	/* as osync-batch had it */
	TIME_DEFAULT_S = 36000, /* likewise */
	TIME_MAX_S = 365 * 86400,
	WAIT_DEFAULT_S = 30,
	WAIT_MAX_S = 86400,
	TRIES_MAX = 1000,
};

static const char usage[] =
	"usage: osync batch [options] [DIR|CONF|PROFILE...] [options of sync]\n"
	"\n"
	"Synchronize several profiles, those that fail in passing again, and sum up. Without names:\n"
	"all in ~/.config/osync, or where there are none, all in /etc/osync.\n"
	"\n"
	"      --path DIR|CONF        further profiles: all of a folder, or one\n"
	"  -j, --jobs N               run so many at once (1), never two that share a folder\n"
	"      --max-runs N           tries of a profile (3; 0: any number)\n"
	"      --max-exec-time S      try nothing again after so long (MAX_BATCH_TIME, 36000; 0: never)\n"
	"      --retry-wait S         before the second try (30), twice as long before each further one\n"
	"  -q, --quiet                runs as those of osync cron; for a crontab\n"
	"      --json                 one object a line\n"
	"\n"
	"Other options go to every run (osync --help).\n";

/* The command line, taken apart. */
struct order {
	struct profiles profiles;
	char **options; /* for the runs, behind the names */
	int option_count;
	long jobs;
	long tries;
	long time_s;
	long wait_s;
};

/* Numbers ------------------------------------------------------------------------ */

/* min..max, or -1. */
static long number_of(const char *text, long min, long max)
{
	char *end = NULL;
	long value = 0;

	errno = 0;
	value = strtol(text, &end, 10);
	return *text < '0' || *text > '9' || *end || errno || value < min || value > max ? -1
											 : value;
}

struct numeric {
	const char *name; /* as on the command line */
	long min;
	long max;
	size_t offset; /* in struct order */
};

static const struct numeric numerics[] = {
	{ "--jobs", 1, SCHEDULE_JOBS_MAX, offsetof(struct order, jobs) },
	{ "-j", 1, SCHEDULE_JOBS_MAX, offsetof(struct order, jobs) },
	{ "--max-runs", 0, TRIES_MAX, offsetof(struct order, tries) },
	/* As osync-batch of osync 1.1 had it. */
	{ "--max-reruns", 0, TRIES_MAX, offsetof(struct order, tries) },
	{ "--max-exec-time", 0, TIME_MAX_S, offsetof(struct order, time_s) },
	{ "--retry-wait", 0, WAIT_MAX_S, offsetof(struct order, wait_s) },
};

static int take_number(struct order *order, const struct numeric *numeric, const char *text)
{
	long value = number_of(text, numeric->min, numeric->max);
	void *field = (char *)order + numeric->offset;

	if (value < 0) {
		fprintf(stderr, "osync: %s: a number from %ld to %ld, not '%s'\n", numeric->name,
			numeric->min, numeric->max, text);
		return -1;
	}
	*(long *)field = value;
	return 0;
}

/* Arguments ---------------------------------------------------------------------- */

/* An argument, and the one behind it ("": there is none), which may be its value. */
struct argument {
	const char *text;
	const char *next;
	bool took_next;
};

/* The value of the option `name` ("--name=V", "--name V", "-jV"); NULL where it is another one. */
static const char *value_of(const char *name, struct argument *arg)
{
	size_t len = strlen(name);

	if (strncmp(arg->text, name, len) != 0)
		return NULL;
	if (!arg->text[len]) {
		arg->took_next = true;
		return arg->next;
	}
	if (name[1] != '-')
		return arg->text + len;
	return arg->text[len] == '=' ? arg->text + len + 1 : NULL;
}

/* 1 where it is an option of the batch, 0 where it is none, -1 where it is wrong. */
static int take_own(struct order *order, struct argument *arg)
{
	const char *value = value_of("--path", arg);

	if (value) {
		profiles_add_path(&order->profiles, value);
		return 1;
	}
	for (size_t i = 0; i < sizeof(numerics) / sizeof(numerics[0]); i++) {
		value = value_of(numerics[i].name, arg);
		if (value)
			return take_number(order, &numerics[i], value) < 0 ? -1 : 1;
	}
	return 0;
}

/* Take the options of the batch and the names; the rest is for the runs. 0, or -1 when it was said. */
static int take_arguments(struct order *order, int argc, char **argv)
{
	int kept = 0;
	int names = 0;

	for (int i = 0; i < argc; i++) {
		struct argument arg = { argv[i], i + 1 < argc ? argv[i + 1] : "", false };
		int own = take_own(order, &arg);

		if (own < 0)
			return -1;
		if (own == 0)
			argv[kept++] = argv[i];
		i += arg.took_next;
	}
	/* They stand in front of the options of sync, so that no value is taken for a name. */
	while (names < kept && argv[names][0] != '-')
		profiles_add(&order->profiles, argv[names++]);
	order->options = argv + names;
	order->option_count = kept - names;
	return 0;
}

/* MAX_BATCH_TIME, for who cannot change the command line. */
static int take_environment(struct order *order)
{
	const struct numeric numeric = { "MAX_BATCH_TIME", 0, TIME_MAX_S,
					 offsetof(struct order, time_s) };
	const char *value = getenv(numeric.name);

	return value && *value ? take_number(order, &numeric, value) : 0;
}

/* The options for the runs are judged once, before any of them. */
static int check_options(const struct order *order, struct options *options)
{
	AUTO_PROBLEMS problems = PROBLEMS_INIT;
	AUTO_SETTINGS settings = settings_init();
	AUTO_BUF messages = BUF_INIT;

	options_parse(order->option_count, order->options, options, &settings, &problems);
	if (options->file)
		problems_add(&problems, PROBLEM_ERROR, NULL,
			     "'%s': names of profiles stand in front of the options of sync",
			     options->file);
	problems_report(&problems, &messages);
	fputs(buf_cstr(&messages), stderr);
	return problems_stop(&problems) ? -1 : 0;
}

/* The log ------------------------------------------------------------------------ */

/* Not in a folder that is synced: each batch would have the last one's log to sync. */
static bool is_synced(const struct profiles *profiles, const char *path)
{
	for (size_t i = 0; i < profiles->count; i++)
		if (places_hold(&profiles->items[i].places, path))
			return true;
	return false;
}

/* Takes the path over. Whether the log is there. */
static bool try_log(char *taken, struct err *err)
{
	AUTO_FREE char *path = taken;

	err_clear(err);
	return log_to_file(path, err) == 0;
}

/* Where osync-batch had it: in /var/log, or in the home folder. */
static bool open_usual_log(const struct profiles *profiles, struct err *err)
{
	const char *home = getenv("HOME");
	const char *folders[] = { "/var/log", home && home[0] == '/' ? home : NULL };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && folders[i]; i++) {
		AUTO_FREE char *path = xasprintf("%s/" LOG_NAME, folders[i]);

		if (!is_synced(profiles, path) && try_log(steal_ptr(&path), err))
			return true;
	}
	return false;
}

/* Else among the state of one of the profiles, which is never synced. */
static bool open_hidden_log(const struct profiles *profiles, struct err *err)
{
	for (size_t i = 0; i < profiles->count; i++) {
		const char *initiator = profiles->items[i].places.initiator;

		if (initiator &&
		    try_log(xasprintf("%s/.osync_workdir/state/" LOG_NAME, initiator), err))
			return true;
	}
	return false;
}

static void open_log(const struct profiles *profiles)
{
	const char *given = getenv("LOGFILE");
	struct err err = ERR_INIT;

	if (given && *given ? try_log(xstrdup(given), &err)
			    : open_usual_log(profiles, &err) || open_hidden_log(profiles, &err))
		return;
	fprintf(stderr, "osync: the batch has no log: %s\n",
		err_is_set(&err) ? err.msg : "all its places are in synced folders");
}

/* -------------------------------------------------------------------------------- */

static struct schedule_limits limits_of(const struct order *order)
{
	struct schedule_limits limits = { .jobs = (unsigned)order->jobs,
					  .tries = (unsigned)order->tries,
					  .deadline_ms = INT64_MAX,
					  .wait_ms = (int64_t)order->wait_s * 1000 };

	if (order->time_s > 0)
		limits.deadline_ms = clock_monotonic_ms() + (int64_t)order->time_s * 1000;
	return limits;
}

static int run(struct order *order, const struct options *options)
{
	struct runner_order what = { .options = order->options,
				     .option_count = order->option_count,
				     .quiet = (options->quiet || options->silent) &&
					      !options->dry_run,
				     .json = options->json,
				     .dry_run = options->dry_run,
				     .limits = limits_of(order) };
	int code = 0;

	profiles_settle(&order->profiles, order->option_count, order->options);
	log_setup(LOG_QUIET, "osync");
	if (what.quiet) {
		open_log(&order->profiles);
		log_name_run("batch");
	}
	code = runner_run(&order->profiles, &what);
	log_close();
	return code;
}

/* One of the runs of a batch. */
static int run_attempt(int argc, char **argv)
{
	AUTO_OUTCOME outcome = OUTCOME_INIT;
	unsigned start = JOB_BY_HAND;
	int code = 0;

	if (argc < 2 || attempt_begin() < 0) {
		fputs(usage, stderr);
		return EXIT_BAD_USAGE;
	}
	if (strcmp(argv[0], ATTEMPT_CRON) == 0 || strcmp(argv[0], ATTEMPT_CRON_MORE) == 0)
		start |= JOB_BY_CRON;
	if (strcmp(argv[0], ATTEMPT_HAND_MORE) == 0 || strcmp(argv[0], ATTEMPT_CRON_MORE) == 0)
		start |= JOB_TRIED_AGAIN;
	code = job_run(argc - 1, argv + 1, start, &outcome);
	attempt_tell(&outcome);
	return code;
}

int cmd_batch(int argc, char **argv)
{
	struct order order = { .profiles = PROFILES_INIT,
			       .jobs = JOBS_DEFAULT,
			       .tries = TRIES_DEFAULT,
			       .time_s = TIME_DEFAULT_S,
			       .wait_s = WAIT_DEFAULT_S };
	struct options options = { 0 };
	struct err err = ERR_INIT;
	int code = EXIT_BAD_USAGE;

	if (argc > 0 && strcmp(argv[0], ATTEMPT_OPTION) == 0)
		return run_attempt(argc - 1, argv + 1);
	if (take_environment(&order) == 0 && take_arguments(&order, argc, argv) == 0 &&
	    check_options(&order, &options) == 0) {
		if (order.profiles.count == 0 && profiles_add_all(&order.profiles, &err) < 0) {
			fprintf(stderr, "osync: %s\n", err.msg);
			code = report_exit_code(&err);
		} else {
			code = run(&order, &options);
		}
	}
	profiles_release(&order.profiles);
	return code;
}
