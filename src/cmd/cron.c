/* SPDX-License-Identifier: BSD-2-Clause */
#include <stddef.h>

#include "base/buf.h"
#include "base/stop.h"
#include "cmd/cmd.h"
#include "cmd/job.h"
#include "run/outcome.h"
#include "run/report.h"

/* The names stand in front, so that the value of an option is not taken for one. */
static int count_names(int argc, char **argv)
{
	int names = 0;

	while (names < argc && argv[names][0] != '-')
		names++;
	return names;
}

/* One run: the arguments are a name (NULL: none) and the options. */
static int run_one(char *name, int argc, char **options)
{
	AUTO_OUTCOME outcome = OUTCOME_INIT;
	AUTO_FREE char **argv = xcalloc((size_t)argc + 2, sizeof(*argv));
	int count = 0;

	if (name)
		argv[count++] = name;
	for (int i = 0; i < argc; i++)
		argv[count++] = options[i];
	return job_run(count, argv, JOB_BY_CRON, &outcome);
}

int cmd_cron(int argc, char **argv)
{
	int names = count_names(argc, argv);
	int worst = 0;

	for (int i = 0; i < names || i == 0; i++) {
		int code = run_one(names ? argv[i] : NULL, argc - names, argv + names);

		if (stop_signal())
			return code;
		worst = report_worse(worst, code);
	}
	return worst;
}
