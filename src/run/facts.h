/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a command of the user is told about the run, in its environment:
 *
 *	OSYNC_INSTANCE			INSTANCE_ID
 *	OSYNC_INITIATOR, OSYNC_TARGET	the folders, the second one as ssh://... where it is on a server
 *	OSYNC_RUN			the name of the run, and of its folders in the trash
 *	OSYNC_COMMAND			the key that it stands in (LOCAL_RUN_BEFORE_CMD, ...)
 *
 * and where there is something to say of how it went:
 *
 *	OSYNC_STATUS			exit code of osync, as far as it is known
 *	OSYNC_ERROR			what ended the run before its time, "" for nothing
 *	OSYNC_CHANGES_INITIATOR, OSYNC_CHANGES_TARGET	changes made to each folder
 *	OSYNC_CONFLICTS, OSYNC_FAILED, OSYNC_SKIPPED	how many paths
 */
#ifndef RUN_FACTS_H
#define RUN_FACTS_H

#include <stddef.h>

#include "base/cleanup.h"

struct config;
struct err;
struct report;

enum { FACTS_MAX = 16 };

struct facts {
	char *items[FACTS_MAX + 1]; /* "NAME=VALUE", NULL at the end */
	size_t count;
};

#define AUTO_FACTS AUTO(facts_release) struct facts

/* What is known from the start. `run` names the run, `key` the command. */
struct facts facts_of_run(const struct config *config, const char *run, const char *key);
/* And how it went. err: what ended it, or NULL. */
void facts_add_outcome(struct facts *facts, const struct report *report, const struct err *err);
void facts_release(struct facts *facts);

#endif
