/* SPDX-License-Identifier: BSD-2-Clause */
#include "batch/profiles.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/sys.h"
#include "config/config.h"
#include "config/locate.h"

static void profile_release(struct profile *profile)
{
	free(profile->name);
	free(profile->config);
	free(profile->wrong);
	places_release(&profile->places);
}

void profiles_release(struct profiles *profiles)
{
	for (size_t i = 0; i < profiles->count; i++)
		profile_release(&profiles->items[i]);
	free(profiles->items);
	*profiles = (struct profiles)PROFILES_INIT;
}

/* Finding ------------------------------------------------------------------------ */

/* What is typed and its configuration file, or NULL and what is wrong. */
static void add(struct profiles *profiles, const char *typed, const char *config, const char *wrong)
{
	struct profile *profile = NULL;

	profiles->items =
		xrealloc(profiles->items, (profiles->count + 1) * sizeof(*profiles->items));
	profile = &profiles->items[profiles->count++];
	*profile = (struct profile){ .name = xstrdup(typed),
				     .config = config ? xstrdup(config) : NULL,
				     .wrong = wrong ? xstrdup(wrong) : NULL,
				     .places = PLACES_INIT };
}

static void add_paths(struct profiles *profiles, const struct locate_paths *paths)
{
	for (size_t i = 0; i < paths->count; i++)
		add(profiles, paths->items[i], paths->items[i], NULL);
}

static void add_folder(struct profiles *profiles, const char *folder)
{
	AUTO_LOCATE_PATHS paths = LOCATE_PATHS_INIT;
	struct err err = ERR_INIT;

	if (locate_folder(folder, &paths, &err) == 0 && paths.count == 0)
		err_set(&err, ERR_CONFIG, "there is no configuration file (NAME.conf) in '%.300s'",
			folder);
	if (err_is_set(&err))
		add(profiles, folder, NULL, err.msg);
	add_paths(profiles, &paths);
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void profiles_add_path(struct profiles *profiles, const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		add(profiles, path, path, NULL);
	else
		add_folder(profiles, path);
}

void profiles_add(struct profiles *profiles, const char *word)
{
	struct err err = ERR_INIT;
	AUTO_FREE char *path = locate_config(word, &err);

	/* A profile comes first: its folder to sync may well have the same name. */
	if (is_folder(path ? path : word))
		add_folder(profiles, word);
	else
		add(profiles, word, path, err.msg);
}

int profiles_add_all(struct profiles *profiles, struct err *err)
{
	AUTO_LOCATE_PATHS paths = LOCATE_PATHS_INIT;

	if (locate_all(&paths, err) < 0)
		return -1;
	add_paths(profiles, &paths);
	return 0;
}

/* Settling ----------------------------------------------------------------------- */

/* NAME of .../NAME.conf; anything else is itself. */
static char *short_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	size_t len = strlen(base);

	if (len > 5 && strcmp(base + len - 5, ".conf") == 0)
		return xstrndup(base, len - 5);
	return xstrdup(path);
}

static bool same_file(const char *one, const char *other)
{
	struct stat a;
	struct stat b;

	return one && other && stat(one, &a) == 0 && stat(other, &b) == 0 && sys_same_file(&a, &b);
}

static void drop_repeated(struct profiles *profiles)
{
	size_t kept = 0;

	for (size_t i = 0; i < profiles->count; i++) {
		bool again = false;

		for (size_t k = 0; k < kept && !again; k++)
			again = same_file(profiles->items[k].config, profiles->items[i].config);
		if (again)
			profile_release(&profiles->items[i]);
		else
			profiles->items[kept++] = profiles->items[i];
	}
	profiles->count = kept;
}

/* Short names, but where two would have the same. */
static void name_them(struct profiles *profiles)
{
	char **names = xcalloc(profiles->count + 1, sizeof(*names));
	bool *alone = xcalloc(profiles->count + 1, sizeof(*alone));

	for (size_t i = 0; i < profiles->count; i++) {
		names[i] = short_name(profiles->items[i].name);
		alone[i] = true;
		for (size_t k = 0; k < i; k++)
			if (strcmp(names[i], names[k]) == 0)
				alone[i] = alone[k] = false;
	}
	for (size_t i = 0; i < profiles->count; i++) {
		if (alone[i]) {
			free(profiles->items[i].name);
			profiles->items[i].name = steal_ptr(&names[i]);
		}
		free(names[i]);
	}
	free(names);
	free(alone);
}

static void find_places(struct profile *profile, int option_count, char *const options[])
{
	AUTO_BUF messages = BUF_INIT;
	AUTO_FREE char **argv = xcalloc((size_t)option_count + 2, sizeof(*argv));
	AUTO_FREE char *file = xasprintf("--config=%s", profile->config);
	struct config *config = NULL;
	struct err err = ERR_INIT;

	argv[0] = file;
	for (int i = 0; i < option_count; i++)
		argv[i + 1] = options[i];
	if (config_load(option_count + 1, argv, &config, &messages, &err) == 0)
		profile->places = places_of(config);
	config_free(config);
}

void profiles_settle(struct profiles *profiles, int option_count, char *const options[])
{
	drop_repeated(profiles);
	name_them(profiles);
	for (size_t i = 0; i < profiles->count; i++)
		if (profiles->items[i].config)
			find_places(&profiles->items[i], option_count, options);
}
