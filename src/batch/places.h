/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The folders that a profile works in, and whether two profiles have one in common.
 *
 * In common is the same folder, or one inside the other: on this machine whatever links and mounts
 * they are called by (config/overlap.h), the initiator of one and the target of another alike.  On
 * servers it is what their names tell: the same host (without regard to case), a port that is or may
 * be the same, and paths that are the same or inside each other.  In doubt they have: a port that is
 * not given may be any; a path that begins at the login folder may be below any absolute one, and is
 * another only for another user; a target that is reached by TRANSPORT_COMMAND and names no host may
 * be on any machine, this one too.
 *
 * Different folders of one server are not the same: that would leave nothing to be run at the same time
 * to who has one server, and what a server can take at once is said by --jobs.  What names do not
 * tell (two names of one host) is no danger: the lock in each folder lets one run work there at a
 * time, and who finds it taken tries again.
 */
#ifndef BATCH_PLACES_H
#define BATCH_PLACES_H

#include <stdbool.h>

#include "base/cleanup.h"

struct config;

enum places_reach { REACH_HERE, REACH_HOST, REACH_ANYWHERE };

struct places {
	char *initiator; /* resolved; NULL: not known, in common with nobody */
	enum places_reach reach;
	char *target; /* REACH_HERE: resolved; else a path on the host, or from the login folder on */
	char *host;   /* of REACH_HOST */
	char *user;   /* NULL: not given */
	int port;     /* 0: not given */
};
#define PLACES_INIT                                   \
	{                                             \
		NULL, REACH_HERE, NULL, NULL, NULL, 0 \
	}
#define AUTO_PLACES AUTO(places_release) struct places

struct places places_of(const struct config *config);
void places_release(struct places *places);

/* Reads the table of mounts where the names of folders of this machine do not decide it. */
bool places_clash(const struct places *one, const struct places *other);
/* Whether this path of this machine is in one of its folders. */
bool places_hold(const struct places *places, const char *path);

#endif
