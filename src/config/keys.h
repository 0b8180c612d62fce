/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All keys in one table: what each is called, which values it takes, what it is
 * when nobody sets it, and what this version does with it.
 *
 * No key of osync 1.3 is ignored in silence: it sets something, or asks for what
 * is always done, or is refused by name with the value to go on with, or (where
 * it steers rsync, which does not run here) is warned about by name.
 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include <stddef.h>
#include <stdint.h>

struct config;
struct origin;
struct problems;

enum key_type {
	KEY_BOOL,  /* yes, no, true, false in any case; a bool field */
	KEY_INT,   /* min..max; an int field */
	KEY_INT64, /* min..max; an int64_t field */
	KEY_WORD,  /* one of `words`, its place is the value of an enum or int field */
	KEY_TEXT,  /* any text; a char * field */
	KEY_PATH,  /* a path on this machine, made absolute; a char * field */
};

enum key_treat {
	KEY_SETS,      /* sets the field at `offset` of struct config */
	KEY_READ,      /* looked at by name where configurations are put together */
	KEY_ACCEPTED,  /* asks for what is always so, or belongs to a key that is refused */
	KEY_ALWAYS,    /* always on: only "off" is refused */
	KEY_LATER,     /* not done yet: only "off" is accepted */
	KEY_NEVER,     /* not done on purpose: only "off" is accepted */
	KEY_NO_EFFECT, /* accepted with a warning if it differs from the default */
	KEY_RENAMED,   /* its name in osync 1.0; `note` is the name now */
};

struct key {
	const char *name;
	enum key_type type;
	enum key_treat treat;
	const char *fallback; /* the default as text; for refused keys: "off"; NULL: not set */
	int64_t min;
	int64_t max;
	const char
		*words; /* KEY_WORD: by value, separated by blanks; else: more ways to say "off" */
	size_t offset;	/* KEY_SETS: of the field in struct config */
	const char *note; /* the reason or the way out, for messages */
};

extern const struct key keys_table[];
extern const size_t keys_count;

/* The key of that exact name, or NULL. */
const struct key *keys_find(const char *name);
/* The name nearest to a mistyped one, or NULL. */
const char *keys_nearest(const char *name);

/*
 * Judge a value and, for KEY_SETS, store it in *config; an empty value is the
 * default.  What is wrong goes to *problems with `origin`; the field then stays
 * as it was.  Returns 0, or -1 if there was an error.
 */
int keys_apply(const struct key *key, const char *value, const struct origin *origin,
	       struct config *config, struct problems *problems);

/*
 * The place of `value` in the words of `key`, in any case; -1 and a problem if it
 * is none of them.
 */
int keys_word(const struct key *key, const char *value, const struct origin *origin,
	      struct problems *problems);

/*
 * A path on this machine as an absolute one: "~" and "~/" are $HOME, a relative
 * one is below the working folder; empty names and "." are left out.  malloc'ed; NULL
 * and a problem that names `key` if there is no $HOME or no working folder.
 */
char *keys_absolute(const struct key *key, const char *path, const struct origin *origin,
		    struct problems *problems);

#endif
