/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "peer/agent.h"
#include "run/report.h"

/* The value of --NAME=VALUE, or of --NAME VALUE, in which case *i moves on to it; NULL: something else. */
static const char *value_of(const char *name, int argc, char **argv, int *i)
{
	size_t len = strlen(name);

	if (strncmp(argv[*i], name, len) != 0)
		return NULL;
	if (argv[*i][len] == '=')
		return argv[*i] + len + 1;
	return argv[*i][len] == '\0' && *i + 1 < argc ? argv[++*i] : NULL;
}

/*
 * In any order; false for anything else.  Under a forced command these are the server's words: what
 * the client asked for (SSH_ORIGINAL_COMMAND) is not looked at.
 */
static bool parse(int argc, char **argv, struct agent_options *options)
{
	for (int i = 0; i < argc; i++) {
		const char *value = NULL;

		if (strcmp(argv[i], "--allow-hooks") == 0)
			options->hooks = true;
		else if ((value = value_of("--root", argc, argv, &i)))
			options->dir = value;
		else if ((value = value_of("--state-dir", argc, argv, &i)))
			options->state_dir = value;
		else
			return false;
	}
	return options->dir && options->dir[0];
}

int cmd_agent(int argc, char **argv)
{
	struct agent_options options = { .role = "target agent", .alone = true };

	if (!parse(argc, argv, &options)) {
		fputs("osync: usage: osync agent [--allow-hooks] [--state-dir DIR] --root DIR (started "
		      "by the initiator through ssh, not by hand)\n",
		      stderr);
		return EXIT_BAD_USAGE;
	}
	/* Between the server's filter and the initiator; no business of what a hook starts. */
	unsetenv("_REMOTE_TOKEN");
	return agent_serve(STDIN_FILENO, STDOUT_FILENO, &options);
}
