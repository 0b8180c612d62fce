/* SPDX-License-Identifier: BSD-2-Clause */
#include <stddef.h>

#include "base/buf.h"
#include "base/stop.h"
#include "cmd/cmd.h"
#include "cmd/job.h"
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
	AUTO_FREE char **argv = xcalloc((size_t)argc + 2, sizeof(*argv));
	int count = 0;

	if (name)
		argv[count++] = name;
	for (int i = 0; i < argc; i++)
		argv[count++] = options[i];
	return job_run(count, argv, JOB_BY_CRON);
}

/* How much an exit code matters to whom is told only one of them. */
static int weight(int code)
{
	switch (code) {
	case EXIT_IN_SYNC:
		return 0;
	case EXIT_LOCKED:
		return 1;
	case EXIT_LOOK:
		return 2;
	case EXIT_UNREACHABLE:
		return 3;
	default:
		return 4;
	}
}

int cmd_cron(int argc, char **argv)
{
	int names = count_names(argc, argv);
	int worst = 0;

	for (int i = 0; i < names || i == 0; i++) {
		int code = run_one(names ? argv[i] : NULL, argc - names, argv + names);

		if (stop_signal())
			return code;
		if (weight(code) > weight(worst))
			worst = code;
	}
	return worst;
}
