/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The value of every key before it is judged, and where it came from.
 *
 * Sources may be put in any order: the command line beats the file, the file
 * beats the environment; of one source the later value counts.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stdbool.h>

#include "base/arena.h"
#include "config/problems.h"

struct assignments;
struct config;
struct key;

struct setting {
	const char *value; /* never NULL; "" is the default */
	struct origin origin;
	bool broken; /* it was set, but could not be read: already reported */
};

struct settings {
	struct setting *of; /* by place in keys_table */
	struct arena arena;
};

#define AUTO_SETTINGS AUTO(settings_release) struct settings

struct settings settings_init(void);
void settings_release(struct settings *settings);

/* Set a key; value and origin->where are copied. */
void settings_put(struct settings *settings, const struct key *key, const char *value,
		  const struct origin *origin);

/* What a file says; keys that are not known are warned about with the nearest known name. */
void settings_put_file(struct settings *settings, const struct assignments *file, const char *name,
		       struct problems *problems);

/* What the environment says about keys that are implemented. Empty variables are not set. */
void settings_put_environment(struct settings *settings);

/* The setting of a key, which must be a name of keys_table. */
struct setting *settings_get(const struct settings *settings, const char *name);

/* Whether the key has a value other than "", or was meant to have one. */
bool settings_given(const struct settings *settings, const char *name);

/* Judge all values and store them in *config; refused ones become `broken`. */
void settings_apply(struct settings *settings, struct config *config, struct problems *problems);

#endif
