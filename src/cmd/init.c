/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * osync init: make the working folder one that is synced.
 *
 * Where it is one already, that is said, and nothing is changed but what is asked for by name (a host key
 * to be accepted).
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "config/config.h"
#include "config/here.h"
#include "config/overlap.h"
#include "config/target.h"
#include "run/report.h"
#include "setup/key.h"
#include "setup/new_job.h"
#include "transport/quote.h"

static const char usage[] =
	"usage: osync init [[USER@]HOST[:PORT]] PATH [options]\n"
	"\n"
	"Set the folder you are in up, to be kept the same as PATH on a server or on this machine:\n"
	"a profile, a key, the server's host key, and the line for its authorized_keys. In a folder\n"
	"that bitpocket syncs, its set-up is taken over, and HOST and PATH may be left out.\n"
	"Nothing is synced yet: that does osync, without more, in this folder.\n"
	"\n"
	"      --name NAME              of the profile (the folder's name)\n"
	"      --accept-hostkey[=PRINT] trust the server's key where it is new; only this one\n"
	"      --no-bitpocket           leave bitpocket's files alone\n"
	"  -n, --dry-run                only show the profile that would be written\n"
	"\n"
	"All options of osync sync are kept in the profile, such as --set KEY=VALUE.\n";

/* Arguments ---------------------------------------------------------------------------- */

/* What was asked for, and what is behind its pointers. */
struct request {
	struct new_job_wish wish;
	char *target;
	char **rest;
};

static void request_release(struct request *request)
{
	free(request->target);
	free(request->rest);
}
#define AUTO_REQUEST AUTO(request_release) struct request

/* An option of our own at argv[*at], its value taken with it. */
static bool own_option(struct new_job_wish *wish, int argc, char **argv, int *at)
{
	const char *arg = argv[*at];

	if (strcmp(arg, "--no-bitpocket") == 0) {
		wish->no_bitpocket = true;
		return true;
	}
	if (strncmp(arg, "--name=", 7) == 0) {
		wish->name = arg + 7;
		return true;
	}
	if (strcmp(arg, "--name") == 0 && *at + 1 < argc) {
		wish->name = argv[++*at];
		return true;
	}
	if (strcmp(arg, "--accept-hostkey") == 0) {
		wish->consent = HOST_ANY;
		return true;
	}
	if (strncmp(arg, "--accept-hostkey=", 17) == 0 && arg[17]) {
		wish->consent = HOST_PRINT;
		wish->fingerprint = arg + 17;
		return true;
	}
	return false;
}

/* [HOST] PATH in front: -1 where it is neither. */
static int take_target(struct request *request, int count, char **words)
{
	if (count == 2 && strchr(words[0], '/'))
		return -1;
	if (count == 2)
		request->target = xasprintf("ssh://%s/%s", words[0], words[1]);
	if (count == 1)
		request->target = xstrdup(words[0]);
	request->wish.target = request->target;
	return 0;
}

static int read_request(int argc, char **argv, struct request *request)
{
	int count = 0;
	int words = 0;

	request->rest = xcalloc((size_t)argc + 1, sizeof(*request->rest));
	for (int i = 0; i < argc; i++)
		if (!own_option(&request->wish, argc, argv, &i))
			request->rest[count++] = argv[i];
	while (words < count && words < 2 && request->rest[words][0] != '-')
		words++;
	request->wish.argc = count - words;
	request->wish.argv = request->rest + words;
	return take_target(request, words, request->rest);
}

/* Saying ------------------------------------------------------------------------------- */

static void say_pair(const char *label, const char *what, const char *more)
{
	AUTO_BUF line = BUF_INIT;

	buf_addf(&line, "%-9s ", label);
	text_add_escaped(&line, what);
	printf("%s%s\n", buf_cstr(&line), more);
}

/* The line for authorized_keys, and how to get it there. */
static void say_authorize(const struct config *config)
{
	const struct target *target = &config->target;
	AUTO_BUF public = BUF_INIT;
	AUTO_BUF line = BUF_INIT;
	AUTO_BUF quoted = BUF_INIT;
	struct err err = ERR_INIT;

	if (config->transport != TRANSPORT_SSH || !config->ssh_key_file)
		return;
	if (key_public(config->ssh_key_file, &public, &err) < 0) {
		fprintf(stderr, "osync: warning: %s\n", err.msg);
		return;
	}
	key_authorize(&line, config, buf_cstr(&public));
	quote_word(&quoted, buf_cstr(&line));
	printf("\nThe server lets this key in, for this folder only, by this line in\n"
	       "~/.ssh/authorized_keys there:\n\n%s\n\nFrom here, if you can log in already:\n\n",
	       buf_cstr(&line));
	printf("printf '%%s\\n' %s |\n  ssh ", buf_cstr(&quoted));
	if (target->port)
		printf("-p %d ", target->port);
	printf("%s%s%s 'umask 077; mkdir -p .ssh; cat >> .ssh/authorized_keys'\n",
	       target->user ? target->user : "", target->user ? "@" : "", target->host);
}

static void say_next(const struct new_job *job)
{
	char self[4096] = "osync";
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len > 0)
		self[len] = '\0';
	printf("\nThen, in this folder:\n\n"
	       "osync -n                        # what would it do?\n"
	       "osync                           # do it\n"
	       "(crontab -l; echo '*/5 * * * * %s cron %s') | crontab -\n",
	       len > 0 ? self : "osync", job->name);
	if (job->has_bitpocket)
		printf("\nTake bitpocket's line out of the crontab first. The first run merges both sides "
		       "and\ndeletes nothing: what was deleted since bitpocket's last sync comes back.\n"
		       "bitpocket's folder .bitpocket stays, and is not synced.\n");
}

static void say_new(const struct new_job *job, const char *given)
{
	say_pair("folder", job->root, "");
	say_pair("target", given, "");
	say_pair("profile", job->profile, "");
	if (job->rules)
		say_pair("patterns", job->rules, " (from bitpocket)");
	if (job->config->ssh_key_file && job->config->transport == TRANSPORT_SSH)
		say_pair("key", job->config->ssh_key_file, job->key_made ? " (new)" : "");
	say_authorize(job->config);
	say_next(job);
}

/* A job that is there already ------------------------------------------------------------ */

static bool same_text(const char *one, const char *other)
{
	return one && other ? strcmp(one, other) == 0 : one == other;
}

/* Whether the wish is for the target that the job has. */
static bool same_target(const struct here_job *job, const char *wanted)
{
	AUTO(target_release) struct target one = { 0 };
	AUTO(target_release) struct target other = { 0 };

	if (target_parse(job->given, &one, NULL) < 0 || target_parse(wanted, &other, NULL) < 0)
		return false;
	if (!one.remote && !other.remote && job->target) {
		AUTO_FREE char *place = overlap_resolved(other.path);

		return strcmp(place, job->target) == 0;
	}
	return one.remote == other.remote && same_text(one.user, other.user) &&
	       same_text(one.host, other.host) && one.port == other.port &&
	       same_text(one.path, other.path);
}

static int introduce(const struct config *config, const struct new_job_wish *wish, struct err *err)
{
	if (config->transport != TRANSPORT_SSH || wish->consent == HOST_ASK)
		return 0;
	return host_introduce(config, wish->consent, wish->fingerprint, err);
}

/* What there is; only a host key may be added to it. */
static int show(const struct here_job *job, const struct new_job_wish *wish, struct err *err)
{
	struct config *config = NULL;
	AUTO_BUF messages = BUF_INIT;
	char *argv[] = { job->file };
	int status = 0;

	printf("This folder is set up already; nothing was changed.\n");
	say_pair("folder", job->initiator, "");
	say_pair("target", job->given, "");
	say_pair("profile", job->file, "");
	status = config_load(1, argv, &config, &messages, err);
	fputs(buf_cstr(&messages), stderr);
	if (status < 0) {
		err->msg[0] = '\0';
		return -1;
	}
	if (config->ssh_key_file && config->transport == TRANSPORT_SSH)
		say_pair("key", config->ssh_key_file, "");
	status = introduce(config, wish, err);
	if (status == 0)
		say_authorize(config);
	config_free(config);
	return status;
}

/* 1 where the folder has jobs and no other was asked for by name. */
static int show_old(const struct here_jobs *jobs, const struct new_job_wish *wish, struct err *err)
{
	AUTO_FREE char *root = getcwd(NULL, 0);
	int found = 0;

	for (size_t i = 0; root && i < jobs->count; i++) {
		const struct here_job *job = &jobs->items[i];

		if (!job->initiator || strcmp(job->initiator, root) != 0 ||
		    (wish->name && strcmp(wish->name, job->name) != 0))
			continue;
		if (wish->target && !same_target(job, wish->target))
			return err_set(
				err, ERR_CONFIG,
				"this folder is set up already, with '%.100s', by '%.160s': edit "
				"that, or give a further job another name with --name",
				job->given, job->file);
		if (show(job, wish, err) < 0)
			return -1;
		found = 1;
	}
	return found;
}

/* ---------------------------------------------------------------------------------------- */

static int make_new(const struct here_jobs *jobs, const struct new_job_wish *wish, struct err *err)
{
	AUTO_NEW_JOB job = { .wish = wish };
	AUTO_BUF messages = BUF_INIT;
	int status = new_job_plan(&job, jobs, &messages, err);

	fputs(buf_cstr(&messages), stderr);
	if (status < 0) {
		if (job.told)
			err->msg[0] = '\0';
		return -1;
	}
	if (job.config->dry_run) {
		printf("# %s\n%s", job.profile, buf_cstr(&job.text));
		return 0;
	}
	if (new_job_introduce(&job, err) < 0 || new_job_write(&job, err) < 0)
		return -1;
	say_new(&job, wish->target ? wish->target : job.bitpocket.target);
	return 0;
}

static int init(const struct new_job_wish *wish, struct err *err)
{
	AUTO_HERE_JOBS jobs = HERE_JOBS_INIT;
	int found = 0;

	here_list(&jobs);
	found = show_old(&jobs, wish, err);
	return found ? found : make_new(&jobs, wish, err);
}

int cmd_init(int argc, char **argv)
{
	AUTO_REQUEST request = { .target = NULL };
	struct err err = ERR_INIT;

	log_setup(LOG_WARN, "osync");
	if (read_request(argc, argv, &request) < 0) {
		fputs(usage, stderr);
		return EXIT_BAD_USAGE;
	}
	if (init(&request.wish, &err) >= 0)
		return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILED;
	if (err.msg[0])
		fprintf(stderr, "osync: %s\n", err.msg);
	return report_exit_code(&err);
}
