/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/here.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "config/config.h"
#include "config/keys.h"
#include "config/locate.h"
#include "config/overlap.h"
#include "config/parse.h"
#include "config/problems.h"
#include "config/target.h"

static void job_release(struct here_job *job)
{
	free(job->file);
	free(job->name);
	free(job->initiator);
	free(job->target);
	free(job->given);
}

void here_jobs_release(struct here_jobs *jobs)
{
	for (size_t i = 0; i < jobs->count; i++)
		job_release(&jobs->items[i]);
	free(jobs->items);
	*jobs = (struct here_jobs)HERE_JOBS_INIT;
}

/* Reading -------------------------------------------------------------------------- */

static const char *environment(void *context, const char *name)
{
	(void)context;
	return getenv(name);
}

static const char *value_of(const struct assignments *file, const char *key)
{
	for (size_t i = file->count; i > 0; i--)
		if (strcmp(file->items[i - 1].key, key) == 0)
			return file->items[i - 1].value;
	return "";
}

/* A relative one would be another from every working folder. */
static char *resolved(const char *key, const char *path)
{
	AUTO_PROBLEMS ignored = PROBLEMS_INIT;
	AUTO_FREE char *absolute = NULL;

	if (path[0] == '/' || path[0] == '~')
		absolute = keys_absolute(keys_find(key), path, NULL, &ignored);
	return absolute ? overlap_resolved(absolute) : NULL;
}

static char *resolved_target(const char *given)
{
	AUTO(target_release) struct target target = { 0 };

	if (target_is_url(given) || target_parse(given, &target, NULL) < 0)
		return NULL;
	return resolved("TARGET_SYNC_DIR", target.path);
}

/* -1 where it cannot be read. */
static int read_job(struct here_job *job)
{
	static const struct parse_lookup lookup = { environment, NULL };
	AUTO_ASSIGNMENTS file = ASSIGNMENTS_INIT;
	AUTO_PROBLEMS ignored = PROBLEMS_INIT;
	AUTO_BUF text = BUF_INIT;
	struct stat st;

	/* A pipe of that name would keep us waiting. */
	if (stat(job->file, &st) < 0 || !S_ISREG(st.st_mode) ||
	    locate_read(job->file, PARSE_FILE_MAX, &text, NULL) < 0)
		return -1;
	parse_text(buf_cstr(&text), text.len, job->file, &lookup, &file, &ignored);
	job->initiator = resolved("INITIATOR_SYNC_DIR", value_of(&file, "INITIATOR_SYNC_DIR"));
	job->given = xstrdup(value_of(&file, "TARGET_SYNC_DIR"));
	job->target = *value_of(&file, "TRANSPORT_COMMAND") ? NULL : resolved_target(job->given);
	return 0;
}

static bool has_name(const struct here_jobs *jobs, const char *name)
{
	for (size_t i = 0; i < jobs->count; i++)
		if (strcmp(jobs->items[i].name, name) == 0)
			return true;
	return false;
}

static void add_folder(struct here_jobs *jobs, const char *folder)
{
	AUTO_LOCATE_PATHS files = LOCATE_PATHS_INIT;

	/* A folder that is not there has no profiles. */
	locate_folder(folder, &files, NULL);
	for (size_t i = 0; i < files.count; i++) {
		AUTO(job_release) struct here_job job = { 0 };

		job.name = locate_name(strrchr(files.items[i], '/') + 1);
		if (has_name(jobs, job.name))
			continue;
		job.file = steal_ptr(&files.items[i]);
		if (read_job(&job) < 0)
			continue;
		jobs->items = xrealloc(jobs->items, (jobs->count + 1) * sizeof(*jobs->items));
		jobs->items[jobs->count++] = job;
		job = (struct here_job){ 0 };
	}
}

void here_list(struct here_jobs *out)
{
	AUTO_FREE char *user = locate_user_dir();

	if (user)
		add_folder(out, user);
	add_folder(out, LOCATE_SYSTEM_DIR);
}

/* Choosing ------------------------------------------------------------------------- */

/* The deepest folder of a job that holds `dir`, or NULL. */
static const char *nearest(const struct here_jobs *jobs, const char *dir)
{
	const char *best = NULL;

	for (size_t i = 0; i < jobs->count; i++) {
		const char *initiator = jobs->items[i].initiator;

		if (initiator && overlap_inside(dir, initiator) &&
		    (!best || strlen(initiator) > strlen(best)))
			best = initiator;
	}
	return best;
}

static bool is_at(const struct here_job *job, const char *initiator)
{
	return job->initiator && strcmp(job->initiator, initiator) == 0;
}

static int none(const struct here_jobs *jobs, const char *dir, struct err *err)
{
	for (size_t i = 0; i < jobs->count; i++)
		if (jobs->items[i].target && overlap_inside(dir, jobs->items[i].target))
			return err_set(err, ERR_USAGE,
				       "'%.200s' is in the target of a job, not in its folder: run "
				       "osync %.80s",
				       dir, jobs->items[i].name);
	return err_set(err, ERR_USAGE,
		       "'%.200s' is in no folder that a profile syncs: go to one, name a "
		       "configuration file or a profile, or --initiator and --target (osync init "
		       "sets a folder up, osync --help tells more)",
		       dir);
}

static char *choose(const struct here_jobs *jobs, const char *initiator, struct err *err)
{
	AUTO_BUF names = BUF_INIT;
	const char *file = NULL;
	int count = 0;

	for (size_t i = 0; i < jobs->count; i++) {
		if (!is_at(&jobs->items[i], initiator))
			continue;
		buf_addch(&names, ' ');
		text_add_escaped(&names, jobs->items[i].name);
		file = jobs->items[i].file;
		count++;
	}
	if (count == 1)
		return xstrdup(file);
	err_set(err, ERR_USAGE, "which one? '%.200s' has several jobs:%.200s", initiator,
		buf_cstr(&names));
	return NULL;
}

char *here_profile(struct err *err)
{
	AUTO_HERE_JOBS jobs = HERE_JOBS_INIT;
	AUTO_FREE char *dir = getcwd(NULL, 0);
	const char *initiator = NULL;

	here_list(&jobs);
	initiator = dir ? nearest(&jobs, dir) : NULL;
	if (initiator)
		return choose(&jobs, initiator, err);
	none(&jobs, dir ? dir : "(the working folder is gone)", err);
	return NULL;
}
