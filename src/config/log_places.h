/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the log of a job is: LOGFILE, or the first of these that can be opened, as osync 1.3 does it:
 *
 *	/var/log/osync.INSTANCE.log
 *	$HOME/osync.INSTANCE.log
 *	osync.INSTANCE.log in the working folder
 *	INSTANCE.log among the job's state, which is never synced
 *
 * A place inside a synced folder is no place: each run would have the last one's log to sync.
 */
#ifndef CONFIG_LOG_PLACES_H
#define CONFIG_LOG_PLACES_H

#include "base/cleanup.h"

struct config;

enum { LOG_PLACES = 4 };

/* The places in the order in which to try them, NULL behind the last. */
struct log_places {
	char *paths[LOG_PLACES + 1];
};
#define AUTO_LOG_PLACES AUTO(log_places_release) struct log_places

struct log_places log_places(const struct config *config);
void log_places_release(struct log_places *places);

#endif
