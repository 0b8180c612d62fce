/* SPDX-License-Identifier: BSD-2-Clause */
/* The profiles of a batch: found, named, and where each of them works. */
#ifndef BATCH_PROFILES_H
#define BATCH_PROFILES_H

#include <stddef.h>

#include "batch/places.h"
#include "base/cleanup.h"

struct err;

struct profile {
	char *name;   /* as it is shown, and no other's; not escaped */
	char *config; /* the path of its configuration file; NULL: there is none */
	char *wrong;  /* why there is none */
	struct places places;
};

struct profiles {
	struct profile *items;
	size_t count;
};
#define PROFILES_INIT   \
	{               \
		NULL, 0 \
	}
#define AUTO_PROFILES AUTO(profiles_release) struct profiles

void profiles_release(struct profiles *profiles);

/*
 * Add what a word of the command line stands for: a profile or a configuration file as `osync sync` takes
 * it, or else a folder with some.  A word that stands for nothing is added with what is wrong.
 */
void profiles_add(struct profiles *profiles, const char *word);
/* Add what --path names: a folder, or a configuration file. */
void profiles_add_path(struct profiles *profiles, const char *path);
/* Add all of the user, or of the system; -1 and err where there is none. */
int profiles_add_all(struct profiles *profiles, struct err *err);

/*
 * Give them their names, drop those that came before, and find out where each works: with these options
 * of `osync sync`, which do not name a configuration.  What is wrong with a configuration says its run.
 */
void profiles_settle(struct profiles *profiles, int option_count, char *const options[]);

#endif
