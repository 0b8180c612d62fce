/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/log_places.h"

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "config/config.h"
#include "config/overlap.h"
#include "model/entry.h"

static bool is_inside(const char *path, const char *root)
{
	AUTO_FREE char *inner = overlap_resolved(path);
	AUTO_FREE char *outer = overlap_resolved(root);

	return overlap_inside(inner, outer);
}

static bool is_synced(const struct config *config, const char *path)
{
	return is_inside(path, config->initiator_dir) ||
	       (!config->target.remote && is_inside(path, config->target.path));
}

/* Takes the path over. */
static void add(struct log_places *places, char *path)
{
	size_t count = 0;

	while (places->paths[count])
		count++;
	places->paths[count] = path;
}

/* osync.INSTANCE.log in that folder, unless it is synced. */
static void add_named(struct log_places *places, const struct config *config, const char *dir)
{
	AUTO_FREE char *path = xasprintf("%s/osync.%s.log", dir, config->instance_id);

	if (!is_synced(config, path))
		add(places, steal_ptr(&path));
}

struct log_places log_places(const struct config *config)
{
	struct log_places places = { { NULL } };
	const char *home = getenv("HOME");
	const char *state = config->state_dir[SIDE_INITIATOR];
	AUTO_FREE char *cwd = getcwd(NULL, 0);

	if (config->log_file) {
		add(&places, xstrdup(config->log_file));
		return places;
	}
	add_named(&places, config, "/var/log");
	if (home && home[0] == '/')
		add_named(&places, config, home);
	if (cwd && cwd[0] == '/')
		add_named(&places, config, cwd);
	add(&places, state ? xasprintf("%s/%s.log", state, config->instance_id)
			   : xasprintf("%s/.osync_workdir/state/%s.log", config->initiator_dir,
				       config->instance_id));
	return places;
}

void log_places_release(struct log_places *places)
{
	for (int i = 0; i < LOG_PLACES; i++)
		free(places->paths[i]);
}
