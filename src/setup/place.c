/* SPDX-License-Identifier: BSD-2-Clause */
#include "setup/place.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "config/config.h"
#include "config/here.h"
#include "config/overlap.h"
#include "tree/root.h"

enum { NAMES_MAX = 100000 /* a second or two */ };

/* One of the two folders of a new job. */
struct place {
	const char *what; /* "the folder", "the target" */
	char *path;	  /* resolved */
};

static void place_release(struct place *place)
{
	free(place->path);
}
#define AUTO_PLACE AUTO(place_release) struct place

static bool has_component(const char *path, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = path; (at = strstr(at, name)); at += len)
		if (at > path && at[-1] == '/' && (at[len] == '/' || !at[len]))
			return true;
	return false;
}

static int check_itself(const struct place *place, const char *const private[], struct err *err)
{
	struct stat st;

	if (has_component(place->path, ROOT_WORKDIR) || has_component(place->path, ".bitpocket"))
		return err_set(err, ERR_CONFIG, "%s '%.130s' belongs to a synchronizer itself",
			       place->what, place->path);
	for (size_t i = 0; private[i]; i++)
		if (overlap_inside(private[i], place -> path))
			return err_set(
				err, ERR_CONFIG,
				"%s '%.130s' holds '%.130s', where osync keeps profiles and keys: they "
				"must not be synced; choose a folder that does not",
				place->what, place->path, private[i]);
	if (stat(place->path, &st) == 0 && !S_ISDIR(st.st_mode))
		return err_set(err, ERR_CONFIG, "%s '%.130s' is no folder", place->what,
			       place->path);
	if (stat(place->path, &st) == 0 && access(place->path, R_OK | W_OK | X_OK) < 0)
		return err_set(err, ERR_CONFIG, "%s '%.130s' is not yours to write: %s",
			       place->what, place->path, strerrordesc_np(errno));
	return 0;
}

/* Two folders of jobs may be the same one (a hub), but not one in the other. */
static int check_against(const struct place *place, const char *other, const char *name,
			 struct err *err)
{
	if (!other || strcmp(place->path, other) == 0)
		return 0;
	if (overlap_inside(place->path, other))
		return err_set(
			err, ERR_CONFIG,
			"%s '%.130s' lies in '%.130s', which the profile %.60s syncs already",
			place->what, place->path, other, name);
	if (overlap_inside(other, place->path))
		return err_set(err, ERR_CONFIG,
			       "%s '%.130s' holds '%.130s', which the profile %.60s syncs already",
			       place->what, place->path, other, name);
	return 0;
}

static int check_jobs(const struct place *place, const struct here_jobs *jobs, struct err *err)
{
	for (size_t i = 0; i < jobs->count; i++) {
		const struct here_job *job = &jobs->items[i];

		if (check_against(place, job->initiator, job->name, err) < 0 ||
		    check_against(place, job->target, job->name, err) < 0)
			return -1;
	}
	return 0;
}

/* A folder above that is synced, though no profile of ours tells of it. */
static int check_above(const struct place *place, struct err *err)
{
	AUTO_FREE char *up = xstrdup(place->path);
	char *slash = NULL;
	struct stat st;

	while ((slash = strrchr(up, '/')) && slash > up) {
		*slash = '\0';
		AUTO_FREE char *work = xasprintf("%s/" ROOT_WORKDIR, up);

		if (lstat(work, &st) == 0)
			return err_set(
				err, ERR_CONFIG,
				"%s '%.130s' lies in '%.130s', which is synced already ('%.130s')",
				place->what, place->path, up, work);
	}
	return 0;
}

static void close_walk(FTS **walk)
{
	if (*walk)
		fts_close(*walk);
}

/* A folder below. */
static int check_below(const struct place *place, struct err *err)
{
	char *paths[] = { place->path, NULL };
	AUTO(close_walk) FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	const FTSENT *entry = NULL;

	for (int seen = 0; walk && seen < NAMES_MAX && (entry = fts_read(walk)); seen++) {
		if (entry->fts_info != FTS_D || strcmp(entry->fts_name, ROOT_WORKDIR) != 0)
			continue;
		if (entry->fts_level > 1)
			return err_set(
				err, ERR_CONFIG,
				"%s '%.130s' holds a folder that is synced already ('%.130s')",
				place->what, place->path, entry->fts_path);
	}
	return 0;
}

static int check(const struct place *place, const char *const private[],
		 const struct here_jobs *jobs, struct err *err)
{
	if (check_itself(place, private, err) < 0 || check_jobs(place, jobs, err) < 0 ||
	    check_above(place, err) < 0)
		return -1;
	return check_below(place, err);
}

/* A folder that is not there may be a disk that is not mounted. */
static int check_target_is_there(const struct config *config, struct err *err)
{
	struct stat st;

	if (config->create_dirs || stat(config->target.path, &st) == 0)
		return 0;
	return err_set(
		err, ERR_CONFIG,
		"there is no '%.130s': if it is not just a disk that is not mounted, make it, or "
		"let the first run do it with --create-dirs",
		config->target.path);
}

int place_check(const struct config *config, const char *const private[],
		const struct here_jobs *jobs, struct err *err)
{
	AUTO_PLACE root = { "the folder", overlap_resolved(config->initiator_dir) };
	AUTO_PLACE target = { "the target", NULL };

	if (check(&root, private, jobs, err) < 0)
		return -1;
	if (config->target.remote)
		return 0;
	target.path = overlap_resolved(config->target.path);
	if (check_target_is_there(config, err) < 0)
		return -1;
	return check(&target, private, jobs, err);
}
