/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "config/keys.h"
#include "config/parse.h"

struct settings settings_init(void)
{
	struct settings settings = { xcalloc(keys_count, sizeof(struct setting)), ARENA_INIT };

	for (size_t i = 0; i < keys_count; i++)
		settings.of[i].value = "";
	return settings;
}

void settings_release(struct settings *settings)
{
	free(settings->of);
	settings->of = NULL;
	arena_release(&settings->arena);
}

static struct setting *setting_of(const struct settings *settings, const struct key *key)
{
	return &settings->of[key - keys_table];
}

void settings_put(struct settings *settings, const struct key *key, const char *value,
		  const struct origin *origin)
{
	struct setting *setting = setting_of(settings, key);

	if (setting->origin.source > origin->source)
		return;
	setting->value = arena_strdup(&settings->arena, value);
	setting->origin = *origin;
	setting->origin.where = arena_strdup(&settings->arena, origin->where);
	setting->broken = false;
}

static void warn_unknown(const struct assignment *assignment, const struct origin *origin,
			 struct problems *problems)
{
	const char *nearest = keys_nearest(assignment->key);

	problems_add(problems, PROBLEM_WARNING, origin, "%s is not a key%s%s%s", assignment->key,
		     nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

void settings_put_file(struct settings *settings, const struct assignments *file, const char *name,
		       struct problems *problems)
{
	for (size_t i = 0; i < file->count; i++) {
		const struct assignment *assignment = &file->items[i];
		const struct key *key = keys_find(assignment->key);
		struct origin origin = { SOURCE_FILE, name, assignment->line };

		/* A name that a later line expands is the user's own, not a mistyped key. */
		if (!key && !assignment->used)
			warn_unknown(assignment, &origin, problems);
		if (!key)
			continue;
		settings_put(settings, key, assignment->value, &origin);
		if (setting_of(settings, key)->origin.source == SOURCE_FILE)
			setting_of(settings, key)->broken = assignment->broken;
	}
}

void settings_put_environment(struct settings *settings)
{
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *key = &keys_table[i];
		const char *value = getenv(key->name);
		struct origin origin = { SOURCE_ENVIRONMENT, "environment", 0 };

		if (value && *value && (key->treat == KEY_SETS || key->treat == KEY_READ))
			settings_put(settings, key, value, &origin);
	}
}

struct setting *settings_get(const struct settings *settings, const char *name)
{
	const struct key *key = keys_find(name);

	assert(key);
	return setting_of(settings, key);
}

bool settings_given(const struct settings *settings, const char *name)
{
	const struct setting *setting = settings_get(settings, name);

	return setting->broken || *setting->value;
}

/* As in a file, wherever it comes from: what takes the value over need not expect more. */
static bool is_too_long(const struct setting *setting, const struct key *key,
			struct problems *problems)
{
	if (strlen(setting->value) <= PARSE_VALUE_MAX)
		return false;
	problems_add(problems, PROBLEM_ERROR, &setting->origin, "%s is longer than %d bytes",
		     key->name, PARSE_VALUE_MAX);
	return true;
}

void settings_apply(struct settings *settings, struct config *config, struct problems *problems)
{
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *key = &keys_table[i];
		struct setting *setting = &settings->of[i];

		if (key->treat == KEY_RENAMED && setting->origin.source == SOURCE_DEFAULT)
			continue;
		if (setting->broken)
			continue;
		if (is_too_long(setting, key, problems) ||
		    keys_apply(key, setting->value, &setting->origin, config, problems) < 0)
			setting->broken = true;
		/* The key of the new name is not missing as well. */
		if (key->treat == KEY_RENAMED)
			settings_get(settings, key->note)->broken = true;
	}
}
