/* SPDX-License-Identifier: BSD-2-Clause */
#include "peer/lookup.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

void lookup_release(struct lookup *lookup)
{
	for (int k = 0; k < 2; k++) {
		for (size_t i = 0; i < lookup->count[k]; i++)
			free(lookup->names[k][i].name);
		free(lookup->names[k]);
	}
	*lookup = (struct lookup){ .count = { 0, 0 } };
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
	struct lookup_name *names = lookup->names[kind];
	size_t i = 0;

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
