/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/cmd.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/version.h"
#include "config/options.h"
#include "run/report.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
	{ "sync", cmd_sync }, { "cron", cmd_cron },   { "agent", cmd_agent },
	{ "log", cmd_log },   { "list", cmd_list },   { "reap", cmd_reap },
	{ "help", cmd_help }, { "batch", cmd_batch }, { "init", cmd_init },
};

static const char usage[] =
	"osync keeps a folder here and a folder on a server (or another disk) the same.\n"
	"\n"
	"  osync [sync] [CONF|PROFILE] [options]\n"
	"  osync [sync] --initiator DIR --target DIR|ssh://[user@]host[:port]//DIR [options]\n"
	"        synchronize once; a PROFILE is NAME.conf in ~/.config/osync or /etc/osync, and\n"
	"        without one, that of the folder you are in\n"
	"  osync init [[USER@]HOST[:PORT]] PATH [options]\n"
	"        set the folder you are in up: profile, key, host key; also after bitpocket\n"
	"  osync cron [CONF|PROFILE...] [options]\n"
	"        the same for a crontab: one after the other, after START_JITTER, without output\n"
	"        unless something is wrong\n"
	"  osync batch [DIR|CONF|PROFILE...] [options]\n"
	"        several profiles, or all of a folder, with further tries and a summary; --path DIR,\n"
	"        --jobs N, --max-runs N, --max-exec-time S, --retry-wait S\n"
	"  osync log [CONF|PROFILE] [-f] [-n LINES]\n"
	"        print the end of the log; -f goes on with what is added\n"
	"  osync list --state CONF|PROFILE|--initiator DIR ...\n"
	"        print the saved file list\n"
	"  osync agent [--allow-hooks] --root DIR\n"
	"        serve one folder on standard input and output (what ssh starts); with hooks also\n"
	"        run the initiator's REMOTE_RUN_BEFORE_CMD and REMOTE_RUN_AFTER_CMD\n"
	"  osync reap [options] DIR...\n"
	"        clean synced folders up: dead locks, leftovers, old trash\n"
	"\n"
	"options of sync:\n";

static void print_help(void)
{
	AUTO_BUF text = BUF_INIT;

	buf_addstr(&text, usage);
	options_add_help(&text);
	buf_addstr(&text, "  -h, --help                      print this\n"
			  "      --version                   print the version and the build\n");
	fputs(buf_cstr(&text), stdout);
}

int cmd_help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	print_help();
	return 0;
}

int cmd_version(void)
{
	printf("osync %s (%s)\n", version_string, version_build);
	return 0;
}

/* --help and --version stand anywhere before "--". */
static const char *information_option(int argc, char **argv)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 ||
		    strcmp(argv[i], "--version") == 0)
			return argv[i];
	return NULL;
}

int cmd_main(int argc, char **argv)
{
	const char *option = information_option(argc, argv);

	if (option)
		return strcmp(option, "--version") == 0 ? cmd_version() : cmd_help(argc, argv);
	for (size_t i = 0; argc > 0 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	return cmd_sync(argc, argv);
}
