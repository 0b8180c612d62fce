/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "peer/agent.h"
#include "run/report.h"

/* Whether argv[*i] is --NAME=VALUE, or --NAME with a value behind it, to which *i moves on then. */
static bool takes(const char *name, int argc, char **argv, int *i, const char **value)
{
	const char *arg = argv[*i];
	size_t len = strlen(name);

	if (strncmp(arg, name, len) != 0)
		return false;
	if (arg[len] == '=') {
		*value = arg + len + 1;
		return true;
	}
	if (arg[len] || *i + 1 >= argc)
		return false;
	*value = argv[++*i];
	return true;
}

/*
 * In any order; false for anything else.  Under a forced command these are the server's words: what
 * the client asked for (SSH_ORIGINAL_COMMAND) is not looked at.
 */
static bool parse(int argc, char **argv, struct agent_options *options)
{
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--allow-hooks") == 0)
			options->hooks = true;
		else if (strcmp(argv[i], "--read-only") == 0)
			options->read_only = true;
		else if (!takes("--root", argc, argv, &i, &options->dir) &&
			 !takes("--state-dir", argc, argv, &i, &options->state_dir))
			return false;
	}
	/* A command of the client's could write. */
	return options->dir && options->dir[0] && !(options->read_only && options->hooks);
}

int cmd_agent(int argc, char **argv)
{
	struct agent_options options = { .role = "target agent", .alone = true };

	if (!parse(argc, argv, &options)) {
		fputs("osync: usage: osync agent [--allow-hooks|--read-only] [--state-dir DIR] --root DIR "
		      "(started by the initiator through ssh, not by hand)\n",
		      stderr);
		return EXIT_BAD_USAGE;
	}
	/* Between the server's filter and the initiator; no business of what a hook starts. */
	unsetenv("_REMOTE_TOKEN");
	return agent_serve(STDIN_FILENO, STDOUT_FILENO, &options);
}
