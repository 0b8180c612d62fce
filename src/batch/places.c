/* SPDX-License-Identifier: BSD-2-Clause */
#include "batch/places.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "config/config.h"
#include "config/overlap.h"

static char *copy_of(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

struct places places_of(const struct config *config)
{
	const struct target *target = &config->target;
	struct places places = PLACES_INIT;

	places.initiator = overlap_resolved(config->initiator_dir);
	if (target->remote)
		places.reach = target->host ? REACH_HOST : REACH_ANYWHERE;
	places.target =
		places.reach == REACH_HERE ? overlap_resolved(target->path) : xstrdup(target->path);
	places.host = copy_of(target->host);
	places.user = copy_of(target->user);
	places.port = target->port;
	return places;
}

void places_release(struct places *places)
{
	free(places->initiator);
	free(places->target);
	free(places->host);
	free(places->user);
	*places = (struct places)PLACES_INIT;
}

/* On this machine. */
static bool overlap(const char *one, const char *other)
{
	return overlap_inside(one, other) || overlap_inside(other, one);
}

/* Whether `path` is `above` or below it, as text. */
static bool text_inside(const char *path, const char *above)
{
	size_t len = strlen(above);

	while (len > 0 && above[len - 1] == '/')
		len--;
	return strncmp(path, above, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static bool same_user(const struct places *one, const struct places *other)
{
	return !one->user || !other->user || strcmp(one->user, other->user) == 0;
}

/* Paths of two targets on the same machine, of which at least one is only known by its name. */
static bool paths_meet(const struct places *one, const struct places *other)
{
	bool absolute = one->target[0] == '/';

	if (absolute != (other->target[0] == '/'))
		return true;
	if (!absolute && !same_user(one, other))
		return false;
	/* An empty path is the login folder itself. */
	return !*one->target || !*other->target || text_inside(one->target, other->target) ||
	       text_inside(other->target, one->target);
}

static bool same_host(const struct places *one, const struct places *other)
{
	if (one->reach == REACH_ANYWHERE || other->reach == REACH_ANYWHERE)
		return true;
	return one->reach == other->reach && one->host && other->host &&
	       strcasecmp(one->host, other->host) == 0 &&
	       (one->port == other->port || one->port == 0 || other->port == 0);
}

/* The target of `one` and the initiator of `other`. */
static bool crosses(const struct places *one, const struct places *other)
{
	if (one->reach == REACH_HERE)
		return overlap(one->target, other->initiator);
	/* A command may as well lead back here. */
	return one->reach == REACH_ANYWHERE &&
	       (one->target[0] != '/' || text_inside(one->target, other->initiator) ||
		text_inside(other->initiator, one->target));
}

bool places_clash(const struct places *one, const struct places *other)
{
	if (!one->initiator || !other->initiator)
		return false;
	if (overlap(one->initiator, other->initiator) || crosses(one, other) || crosses(other, one))
		return true;
	if (one->reach == REACH_HERE && other->reach == REACH_HERE)
		return overlap(one->target, other->target);
	return same_host(one, other) && paths_meet(one, other);
}

bool places_hold(const struct places *places, const char *path)
{
	AUTO_FREE char *inner = places->initiator ? overlap_resolved(path) : NULL;

	if (!inner)
		return false;
	return overlap_inside(inner, places->initiator) ||
	       (places->reach == REACH_HERE && overlap_inside(inner, places->target));
}
