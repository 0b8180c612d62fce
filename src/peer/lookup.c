/* SPDX-License-Identifier: BSD-2-Clause */
#include "peer/lookup.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* Names remembered at most: more than are in use anywhere, few enough to be searched one by one. */
enum { LOOKUP_MAX = 4096 };

static void forget(struct lookup *lookup, int kind)
{
	for (size_t i = 0; i < lookup->count[kind]; i++)
		free(lookup->names[kind][i].name);
	cleanup_free(&lookup->names[kind]);
	lookup->names[kind] = NULL;
	lookup->count[kind] = 0;
}

void lookup_release(struct lookup *lookup)
{
	for (int k = 0; k < 2; k++)
		forget(lookup, k);
}

static struct lookup_name ask_user(const char *name)
{
	const struct passwd *user = getpwnam(name);

	return (struct lookup_name){ xstrdup(name), user ? user->pw_uid : 0, user != NULL };
}

static struct lookup_name ask_group(const char *name)
{
	const struct group *group = getgrnam(name);

	return (struct lookup_name){ xstrdup(name), group ? group->gr_gid : 0, group != NULL };
}

bool lookup_id(struct lookup *lookup, enum owner_kind kind, const char *name, uint32_t *id)
{
	struct lookup_name *names = NULL;
	size_t i = 0;

	if (lookup->count[kind] == LOOKUP_MAX)
		forget(lookup, (int)kind);
	names = lookup->names[kind];
	while (i < lookup->count[kind] && strcmp(names[i].name, name) != 0)
		i++;
	if (i == lookup->count[kind]) {
		names = xrealloc(names, (i + 1) * sizeof(*names));
		names[i] = kind == OWNER_USER ? ask_user(name) : ask_group(name);
		lookup->names[kind] = names;
		lookup->count[kind]++;
	}
	if (names[i].exists)
		*id = names[i].id;
	return names[i].exists;
}
