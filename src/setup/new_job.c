/* SPDX-License-Identifier: BSD-2-Clause */
#include "setup/new_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "config/config.h"
#include "config/locate.h"
#include "config/options.h"
#include "config/overlap.h"
#include "config/parse.h"
#include "config/problems.h"
#include "config/settings.h"
#include "setup/key.h"
#include "setup/place.h"
#include "setup/profile.h"

enum {
	NAME_MAX_LEN = 40,	    /* bytes of a name that is made up */
	FILE_MAX = 4 * 1024 * 1024, /* bytes of a file of bitpocket's */
};

/* Arguments of `osync sync`, each malloc'ed. */
struct args {
	char **items;
	int count;
};

static void args_release(struct args *args)
{
	for (int i = 0; i < args->count; i++)
		free(args->items[i]);
	free(args->items);
}
#define AUTO_ARGS AUTO(args_release) struct args

/* Takes the argument over. */
static void args_add(struct args *args, char *arg)
{
	args->items = xrealloc(args->items, ((size_t)args->count + 1) * sizeof(*args->items));
	args->items[args->count++] = arg;
}

void new_job_release(struct new_job *job)
{
	free(job->root);
	free(job->folder);
	free(job->name);
	free(job->profile);
	free(job->rules);
	free(job->key);
	config_free(job->config);
	bitpocket_release(&job->bitpocket);
	buf_release(&job->text);
}

/* bitpocket ------------------------------------------------------------------------------ */

static const char *environment(void *context, const char *name)
{
	(void)context;
	return getenv(name);
}

static int read_texts(struct new_job *job, struct err *err)
{
	for (int i = 0; i < BITPOCKET_FILES; i++) {
		if (access(bitpocket_names[i], F_OK) < 0 && errno == ENOENT)
			continue;
		if (locate_read(bitpocket_names[i], FILE_MAX, &job->bitpocket.texts[i], err) < 0)
			return -1;
	}
	return 0;
}

static int read_bitpocket(struct new_job *job, struct buf *messages, struct err *err)
{
	static const struct parse_lookup lookup = { environment, NULL };
	AUTO_PROBLEMS problems = PROBLEMS_INIT;

	job->has_bitpocket = access(".bitpocket", F_OK) == 0;
	if (job->wish->no_bitpocket || !job->has_bitpocket)
		return 0;
	if (read_texts(job, err) < 0)
		return -1;
	bitpocket_read(&job->bitpocket, job->root, job->wish->target, &lookup, &problems);
	if (job->bitpocket.unread.len > 0)
		buf_addf(messages,
			 "in bitpocket's configuration (a line that is refused is left out):\n%s",
			 buf_cstr(&job->bitpocket.unread));
	problems_report(&problems, messages);
	if (problems_judge(&problems, err) == 0)
		return 0;
	err_clear(err);
	return err_set(err, ERR_CONFIG,
		       "bitpocket's files cannot be taken over as they are (--no-bitpocket leaves "
		       "them alone)");
}

/* Names and places ------------------------------------------------------------------------ */

/* A profile's name from the folder's: letters, digits, - _ and dots inside. */
static char *name_of(const char *root)
{
	const char *base = strrchr(root, '/') + 1;
	char *name = xstrndup(*base ? base : "root", NAME_MAX_LEN);

	for (char *c = name; *c; c++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-",
			    *c) ||
		    (c == name && *c == '.'))
			*c = '-';
	return name;
}

static int choose_places(struct new_job *job, const struct here_jobs *jobs, struct err *err)
{
	const char *asked = job->wish->name;

	job->root = getcwd(NULL, 0);
	if (!job->root || job->root[0] != '/')
		return err_set(err, ERR_CONFIG, "the working folder is gone");
	job->folder = locate_user_dir();
	if (!job->folder)
		return err_set(err, ERR_CONFIG,
			       "HOME is not set to a folder: there is no place for a profile");
	job->name = asked ? xstrdup(asked) : name_of(job->root);
	job->profile = xasprintf("%s/%s.conf", job->folder, job->name);
	if (strchr(job->name, '/') || !*job->name)
		return err_set(err, ERR_USAGE, "--name takes a name, not a path");
	for (size_t i = 0; i < jobs->count; i++)
		if (strcmp(jobs->items[i].name, job->name) == 0)
			return err_set(err, ERR_CONFIG,
				       "there is a profile %s already, '%s': give this one another "
				       "name with --name",
				       job->name, jobs->items[i].file);
	return 0;
}

/* What holds keys or profiles, resolved; the last is NULL. */
static int check_place(const struct new_job *job, const struct here_jobs *jobs, struct err *err)
{
	const char *home = getenv("HOME");
	AUTO_FREE char *folder = overlap_resolved(job->folder);
	AUTO_FREE char *ssh = xasprintf("%s/.ssh", home && home[0] == '/' ? home : job->folder);
	AUTO_FREE char *keys = overlap_resolved(ssh);
	const char *const private[] = { folder, keys, NULL };

	return place_check(job->config, private, jobs, err);
}

/* The configuration ------------------------------------------------------------------------ */

/* All that the profile will say, weakest first: of an option that comes again the last counts. */
static void collect(const struct new_job *job, const char *target, struct args *args)
{
	bool remote = strncmp(target, "ssh://", 6) == 0;

	args_add(args, xasprintf("--initiator=%s", job->root));
	args_add(args, xasprintf("--target=%s", target));
	args_add(args, xasprintf("--instance-id=%s", job->name));
	args_add(args, xstrdup("--lock-wait=120"));
	/* A folder on this machine is better seen to be there; one of bitpocket's is there. */
	if (remote && !job->has_bitpocket)
		args_add(args, xstrdup("--create-dirs"));
	for (size_t i = 0; i < job->bitpocket.count; i++)
		args_add(args, xasprintf("--set=%s", job->bitpocket.sets[i]));
	for (int i = 0; i < job->wish->argc; i++)
		args_add(args, xstrdup(job->wish->argv[i]));
}

static bool needs_key(const struct config *config)
{
	return config->transport == TRANSPORT_SSH && !config->ssh_key_file &&
	       !config->ssh_password_file;
}

static void choose_key(struct new_job *job, struct args *args)
{
	AUTO_FREE char *machine = key_machine();
	const char *home = getenv("HOME");

	if (!needs_key(job->config))
		return;
	if (home && home[0] == '/')
		job->key = xasprintf("%s/.ssh/osync-%s@%s", home, job->name, machine);
	else
		job->key = xasprintf("%s/osync-%s@%s.key", job->folder, job->name, machine);
	args_add(args, xasprintf("--ssh-key=%s", job->key));
}

/*
 * Patterns of our own beside those of bitpocket would have to be put in order by hand. Its folder, with
 * its key, is left out of what is synced in any case.
 */
static int choose_rules(struct new_job *job, const struct settings *settings, struct args *args,
			struct err *err)
{
	static const char *const keys[] = { "RSYNC_PATTERN_FIRST", "RSYNC_INCLUDE_PATTERN",
					    "RSYNC_EXCLUDE_PATTERN", "RSYNC_INCLUDE_FROM",
					    "RSYNC_EXCLUDE_FROM" };

	if (!job->has_bitpocket)
		return 0;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (settings_given(settings, keys[i]))
			return err_set(
				err, ERR_USAGE,
				"%s: the patterns are taken over from bitpocket; add to them "
				"afterwards, or leave bitpocket's alone with --no-bitpocket",
				keys[i]);
	job->rules = xasprintf("%s/%s.rules", job->folder, job->name);
	args_add(args, xasprintf("--set=RSYNC_EXCLUDE_FROM=%s", job->rules));
	return 0;
}

static int load(struct new_job *job, const struct args *args, struct buf *messages, struct err *err)
{
	int status = config_load(args->count, args->items, &job->config, messages, err);

	if (status < 0)
		job->config = NULL;
	job->told = status < 0 && messages->len > 0;
	return status;
}

static void parse(const struct args *args, struct options *options, struct settings *settings)
{
	AUTO_PROBLEMS judged_before = PROBLEMS_INIT;

	options_parse(args->count, args->items, options, settings, &judged_before);
}

int new_job_plan(struct new_job *job, const struct here_jobs *jobs, struct buf *messages,
		 struct err *err)
{
	AUTO_SETTINGS given = settings_init();
	AUTO_SETTINGS settings = settings_init();
	AUTO_ARGS args = { NULL, 0 };
	struct options options = { 0 };
	const char *target = NULL;

	if (choose_places(job, jobs, err) < 0 || read_bitpocket(job, messages, err) < 0)
		return -1;
	target = job->wish->target ? job->wish->target : job->bitpocket.target;
	if (!target)
		return err_set(err, ERR_USAGE,
			       "where is the other side? osync init [USER@]HOST[:PORT] PATH, or "
			       "osync init PATH");
	collect(job, target, &args);
	parse(&args, &options, &given);
	if (options.file)
		return err_set(err, ERR_USAGE,
			       "'%s' stands behind an option: HOST and PATH come first",
			       options.file);
	if (load(job, &args, messages, err) < 0 || check_place(job, jobs, err) < 0)
		return -1;
	choose_key(job, &args);
	if (choose_rules(job, &given, &args, err) < 0)
		return -1;
	parse(&args, &options, &settings);
	return profile_text(&job->text, &settings, job->config, err);
}

/* Doing ------------------------------------------------------------------------------------ */

int new_job_introduce(const struct new_job *job, struct err *err)
{
	const struct config *config = job->config;

	if (config->transport != TRANSPORT_SSH || config->ssh_ignore_known_hosts)
		return 0;
	return host_introduce(config, job->wish->consent, job->wish->fingerprint, err);
}

static int write_rules(const struct new_job *job, struct err *err)
{
	AUTO_BUF text = BUF_INIT;
	AUTO_BUF there = BUF_INIT;

	rules_finish(&job->bitpocket.rules, &text);
	/* From a try that was interrupted. */
	if (locate_read(job->rules, FILE_MAX, &there, NULL) == 0 && there.len == text.len &&
	    memcmp(there.data, text.data, text.len) == 0)
		return 0;
	return profile_write(job->rules, &text, err);
}

/* It says what was judged; but what is read by every run from now on has been read once. */
static int read_again(struct new_job *job, struct err *err)
{
	struct config *config = NULL;
	AUTO_BUF messages = BUF_INIT;
	char *argv[] = { job->profile };

	if (config_load(1, argv, &config, &messages, err) < 0) {
		unlink(job->profile);
		return err_wrap(err, "the new profile cannot be read");
	}
	config_free(job->config);
	job->config = config;
	return 0;
}

int new_job_write(struct new_job *job, struct err *err)
{
	AUTO_FREE char *machine = key_machine();
	AUTO_FREE char *comment = xasprintf("osync-%s@%s", job->name, machine);

	if (job->key && key_make(job->key, comment, &job->key_made, err) < 0)
		return -1;
	if (job->rules && write_rules(job, err) < 0)
		return -1;
	if (profile_write(job->profile, &job->text, err) < 0)
		return -1;
	return read_again(job, err);
}
