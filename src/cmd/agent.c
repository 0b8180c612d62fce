/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "peer/agent.h"
#include "run/report.h"

/* `--root DIR` or `--root=DIR`; NULL for anything else. */
static const char *root_argument(int argc, char **argv)
{
	static const char prefix[] = "--root=";

	if (argc == 1 && strncmp(argv[0], prefix, strlen(prefix)) == 0)
		return argv[0] + strlen(prefix);
	if (argc == 2 && strcmp(argv[0], "--root") == 0)
		return argv[1];
	return NULL;
}

int cmd_agent(int argc, char **argv)
{
	struct agent_options options = { .dir = root_argument(argc, argv),
					 .role = "target agent",
					 .alone = true };

	if (!options.dir || !options.dir[0]) {
		fputs("osync: usage: osync agent --root DIR (started by the initiator through ssh, not by hand)\n",
		      stderr);
		return EXIT_BAD_USAGE;
	}
	return agent_serve(STDIN_FILENO, STDOUT_FILENO, &options);
}
