/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "peer/agent.h"
#include "run/report.h"

/*
 * `[--allow-hooks] --root DIR` in any order; false for anything else.  Under a forced command these are
 * the server's words: what the client asked for is not looked at.
 */
static bool parse(int argc, char **argv, struct agent_options *options)
{
	static const char prefix[] = "--root=";

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--allow-hooks") == 0)
			options->hooks = true;
		else if (strncmp(argv[i], prefix, strlen(prefix)) == 0)
			options->dir = argv[i] + strlen(prefix);
		else if (strcmp(argv[i], "--root") == 0 && i + 1 < argc)
			options->dir = argv[++i];
		else
			return false;
	}
	return options->dir && options->dir[0];
}

int cmd_agent(int argc, char **argv)
{
	struct agent_options options = { .role = "target agent", .alone = true };

	if (!parse(argc, argv, &options)) {
		fputs("osync: usage: osync agent [--allow-hooks] --root DIR (started by the initiator "
		      "through ssh, not by hand)\n",
		      stderr);
		return EXIT_BAD_USAGE;
	}
	return agent_serve(STDIN_FILENO, STDOUT_FILENO, &options);
}
