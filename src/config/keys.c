/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/keys.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "config/config.h"
#include "config/nearest.h"
#include "config/problems.h"

/* A word's place is stored through an int, whatever the enum. */
static_assert(sizeof(enum conflict_policy) == sizeof(int), "enums are as wide as int");
static_assert(sizeof(enum fsync_mode) == sizeof(int), "enums are as wide as int");
static_assert(sizeof(enum mail_encryption) == sizeof(int), "enums are as wide as int");
static_assert(sizeof(enum transport_kind) == sizeof(int), "enums are as wide as int");

const struct key *keys_find(const char *name)
{
	for (size_t i = 0; i < keys_count; i++)
		if (strcmp(keys_table[i].name, name) == 0)
			return &keys_table[i];
	return NULL;
}

const char *keys_nearest(const char *name)
{
	struct nearest nearest = nearest_to(name);

	for (size_t i = 0; i < keys_count; i++)
		if (keys_table[i].treat != KEY_RENAMED)
			nearest_try(&nearest, keys_table[i].name, strlen(keys_table[i].name));
	return nearest.word;
}

/* 1, 0, or -1 for what is neither. */
static int boolean(const char *value)
{
	if (strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0)
		return 1;
	if (strcasecmp(value, "no") == 0 || strcasecmp(value, "false") == 0)
		return 0;
	return -1;
}

/* The number in decimal digits, or -1 for anything else, with min <= number <= max and 0 <= min. */
static int64_t number(const char *value, int64_t min, int64_t max)
{
	int64_t result = 0;

	if (!*value)
		return -1;
	for (; *value; value++) {
		if (*value < '0' || *value > '9' || result > max)
			return -1;
		result = result * 10 + (*value - '0');
	}
	return result < min || result > max ? -1 : result;
}

/* The place of value among blank-separated words, in any case, or -1. */
static int word_place(const char *words, const char *value)
{
	size_t len = strlen(value);

	for (int place = 0; words && *words; place++) {
		size_t word = strcspn(words, " ");

		if (word == len && strncasecmp(words, value, len) == 0)
			return place;
		words += word;
		words += strspn(words, " ");
	}
	return -1;
}

int keys_word(const struct key *key, const char *value, const struct origin *origin,
	      struct problems *problems)
{
	int place = word_place(key->words, value);

	if (place < 0)
		problems_add(problems, PROBLEM_ERROR, origin, "%s is '%s', not one of: %s",
			     key->name, value, key->words);
	return place;
}

/* Paths ---------------------------------------------------------------------- */

/* Append "/NAME" for each name in path: neither "//" nor "/./" nor a trailing '/' stays. */
static void add_names(struct buf *out, const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len > 0 && !(len == 1 && path[0] == '.')) {
			buf_addch(out, '/');
			buf_add(out, path, len);
		}
		path += len;
		path += strspn(path, "/");
	}
}

static char *joined(const char *dir, const char *rest)
{
	AUTO_BUF path = BUF_INIT;

	add_names(&path, dir);
	add_names(&path, rest);
	if (path.len == 0)
		buf_addch(&path, '/');
	return buf_steal_cstr(&path);
}

static char *in_home(const struct key *key, const char *rest, const struct origin *origin,
		     struct problems *problems)
{
	const char *home = getenv("HOME");

	if (home && home[0] == '/')
		return joined(home, rest);
	problems_add(problems, PROBLEM_ERROR, origin,
		     "%s: '~' has no meaning while HOME is not set to a folder", key->name);
	return NULL;
}

char *keys_absolute(const struct key *key, const char *path, const struct origin *origin,
		    struct problems *problems)
{
	AUTO_FREE char *cwd = NULL;

	if (path[0] == '/')
		return joined("/", path);
	if (path[0] == '~' && (path[1] == '/' || !path[1]))
		return in_home(key, path + 1, origin, problems);
	cwd = getcwd(NULL, 0);
	if (cwd)
		return joined(cwd, path);
	problems_add(problems, PROBLEM_ERROR, origin,
		     "%s is relative, but the working folder is gone: %s", key->name,
		     strerrordesc_np(errno));
	return NULL;
}

/* Values that set something -------------------------------------------------- */

static int apply_bool(const struct key *key, const char *value, const struct origin *origin,
		      bool *field, struct problems *problems)
{
	int truth = boolean(value);

	if (truth < 0)
		return problems_add(problems, PROBLEM_ERROR, origin,
				    "%s is '%s'; it takes yes or no", key->name, value);
	*field = truth == 1;
	return 0;
}

static int apply_number(const struct key *key, const char *value, const struct origin *origin,
			void *field, struct problems *problems)
{
	int64_t result = number(value, key->min, key->max);

	if (result < 0)
		return problems_add(problems, PROBLEM_ERROR, origin,
				    "%s is '%s', not a whole number from %lld to %lld", key->name,
				    value, (long long)key->min, (long long)key->max);
	if (key->type == KEY_INT64)
		*(int64_t *)field = result;
	else
		*(int *)field = (int)result;
	return 0;
}

static int apply_text(const struct key *key, const char *value, const struct origin *origin,
		      char **field, struct problems *problems)
{
	char *text = key->type == KEY_PATH ? keys_absolute(key, value, origin, problems)
					   : xstrdup(value);

	if (!text)
		return -1;
	free(*field);
	*field = text;
	return 0;
}

static int set_field(const struct key *key, const char *value, const struct origin *origin,
		     struct config *config, struct problems *problems)
{
	void *field = (char *)config + key->offset;
	int place = -1;

	if (!*value) {
		if (!key->fallback)
			return 0;
		value = key->fallback;
	}
	switch (key->type) {
	case KEY_BOOL:
		return apply_bool(key, value, origin, field, problems);
	case KEY_INT:
	case KEY_INT64:
		return apply_number(key, value, origin, field, problems);
	case KEY_TEXT:
	case KEY_PATH:
		return apply_text(key, value, origin, field, problems);
	case KEY_WORD:
		place = keys_word(key, value, origin, problems);
		if (place >= 0)
			*(int *)field = place;
		return place < 0 ? -1 : 0;
	}
	return 0;
}

/* Values that are only judged ------------------------------------------------ */

static bool asks_for_nothing(const struct key *key, const char *value)
{
	return !*value || boolean(value) == 0 || number(value, 0, 0) == 0 ||
	       word_place(key->words, value) >= 0;
}

static bool is_default(const struct key *key, const char *value)
{
	if (!*value || strcmp(value, key->fallback) == 0)
		return true;
	return boolean(value) >= 0 && boolean(value) == boolean(key->fallback);
}

static const char *quotes_if_empty(const char *value)
{
	return *value ? value : "\"\"";
}

static int refuse(const struct key *key, const struct origin *origin, struct problems *problems)
{
	if (key->treat == KEY_LATER)
		return problems_add(
			problems, PROBLEM_ERROR, origin,
			"%s: this version does not do that yet (%s); set %s=%s to go on", key->name,
			key->note, key->name, quotes_if_empty(key->fallback));
	return problems_add(problems, PROBLEM_ERROR, origin, "%s: %s; set %s=%s to go on",
			    key->name, key->note, key->name, quotes_if_empty(key->fallback));
}

int keys_apply(const struct key *key, const char *value, const struct origin *origin,
	       struct config *config, struct problems *problems)
{
	switch (key->treat) {
	case KEY_SETS:
		return set_field(key, value, origin, config, problems);
	case KEY_READ:
	case KEY_ACCEPTED:
		return 0;
	case KEY_ALWAYS:
		return *value && boolean(value) != 1 ? refuse(key, origin, problems) : 0;
	case KEY_LATER:
	case KEY_NEVER:
		return asks_for_nothing(key, value) ? 0 : refuse(key, origin, problems);
	case KEY_NO_EFFECT:
		if (!is_default(key, value))
			problems_add(problems, PROBLEM_WARNING, origin, "%s has no effect: %s",
				     key->name, key->note);
		return 0;
	case KEY_RENAMED:
		return problems_add(problems, PROBLEM_ERROR, origin,
				    "%s is a name of osync 1.0; it is %s now", key->name,
				    key->note);
	}
	return 0;
}
