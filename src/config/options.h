/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line of `osync sync`:
 *
 *	CONF|PROFILE [options]
 *	--initiator DIR --target DIR|URL [--instance-id ID] [options]
 *
 * One table holds every option: its names (ours, osync 1.3's, those of similar
 * programs), its argument, the key it sets and its line in the help.  "--name value"
 * and "--name=value" mean the same (the value is everything behind the first '=');
 * letters can be joined (-nv); "--" ends the options. A number that may be left out stands
 * behind "=" only.
 *
 * Options of osync 1.3 are known: harmless ones are accepted, those that would
 * change what a run does and are not there yet are refused by name.
 */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct problems;
struct settings;

struct options {
	const char *file;  /* into argv; NULL: a quick sync */
	bool file_is_path; /* from --config: not a profile's name */
	bool dry_run;
	bool json;
	bool summary;
	bool quiet;
	bool silent;	       /* of a crontab line of osync 1.3: as `osync cron` */
	int64_t allow_deletes; /* how many files; INT64_MAX: any number */
	int64_t allow_changes;
	bool no_maxtime;
	bool adopt;
	bool initialize;
	int verbose; /* how many -v */
};

/*
 * Read argv[0..argc) (argv[0] is an argument already).  Values of keys go to
 * *settings as coming from the command line, everything else to *out, which points
 * into argv.  What is wrong goes to *problems, all of it.
 */
void options_parse(int argc, char **argv, struct options *out, struct settings *settings,
		   struct problems *problems);

/* Append the text of `osync sync --help`. */
void options_add_help(struct buf *out);

#endif
