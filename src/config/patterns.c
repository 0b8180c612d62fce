/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/patterns.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/keys.h"
#include "config/locate.h"
#include "config/problems.h"
#include "config/settings.h"
#include "model/filter.h"

/* What the four keys have in common while they are read. */
struct patterns {
	const struct settings *settings;
	const char *config_file;
	struct filter *filter;
	struct problems *problems;
	char separator;
};

static void add_list(struct patterns *patterns, enum filter_kind kind, const char *name)
{
	const struct setting *setting = settings_get(patterns->settings, name);
	struct err err = ERR_INIT;

	if (!setting->broken && filter_add_list(patterns->filter, kind, setting->value,
						patterns->separator, name, &err) < 0)
		problems_add(patterns->problems, PROBLEM_ERROR, &setting->origin, "%s", err.msg);
}

/* A bare name lies beside the configuration file. */
static char *file_path(struct patterns *patterns, const char *name)
{
	const struct setting *setting = settings_get(patterns->settings, name);
	const char *slash = patterns->config_file ? strrchr(patterns->config_file, '/') : NULL;

	if (slash && !strchr(setting->value, '/'))
		return xasprintf("%.*s/%s", (int)(slash - patterns->config_file),
				 patterns->config_file, setting->value);
	return keys_absolute(keys_find(name), setting->value, &setting->origin, patterns->problems);
}

static void add_file(struct patterns *patterns, enum filter_kind kind, const char *name)
{
	const struct setting *setting = settings_get(patterns->settings, name);
	AUTO_FREE char *path = NULL;
	AUTO_BUF text = BUF_INIT;
	struct err err = ERR_INIT;

	if (setting->broken || !*setting->value)
		return;
	path = file_path(patterns, name);
	if (!path)
		return;
	if (locate_read(path, PATTERNS_FILE_MAX, &text, &err) < 0 ||
	    filter_add_text(patterns->filter, kind, buf_cstr(&text), text.len, path, &err) < 0)
		problems_add(patterns->problems, PROBLEM_ERROR, &setting->origin, "%s: %s", name,
			     err.msg);
}

static char separator_of(const struct settings *settings, struct problems *problems)
{
	const struct setting *setting = settings_get(settings, "PATH_SEPARATOR_CHAR");

	if (strlen(setting->value) > 1)
		problems_add(problems, PROBLEM_ERROR, &setting->origin,
			     "PATH_SEPARATOR_CHAR is '%s'; it takes a single character",
			     setting->value);
	return *setting->value ? *setting->value : ';';
}

static bool exclude_first(const struct settings *settings, struct problems *problems)
{
	const struct key *key = keys_find("RSYNC_PATTERN_FIRST");
	const struct setting *setting = settings_get(settings, key->name);

	return *setting->value && !setting->broken &&
	       keys_word(key, setting->value, &setting->origin, problems) == 1;
}

void patterns_build(const struct settings *settings, const char *config_file, struct filter *filter,
		    struct problems *problems)
{
	static const char *const lists[] = { [FILTER_EXCLUDE] = "RSYNC_EXCLUDE_PATTERN",
					     [FILTER_INCLUDE] = "RSYNC_INCLUDE_PATTERN" };
	static const char *const files[] = {
		[FILTER_EXCLUDE] = "RSYNC_EXCLUDE_FROM", [FILTER_INCLUDE] = "RSYNC_INCLUDE_FROM"
	};
	struct patterns patterns = { settings, config_file, filter, problems,
				     separator_of(settings, problems) };
	bool excludes = exclude_first(settings, problems);

	for (int i = 0; i < 2; i++) {
		enum filter_kind kind = excludes ? FILTER_EXCLUDE : FILTER_INCLUDE;

		add_list(&patterns, kind, lists[kind]);
		add_file(&patterns, kind, files[kind]);
		excludes = !excludes;
	}
}
