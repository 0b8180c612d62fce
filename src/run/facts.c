/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/facts.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "run/report.h"

/* Takes the malloc'ed text over. */
static void add(struct facts *facts, char *item)
{
	assert(facts->count < FACTS_MAX);
	facts->items[facts->count++] = item;
	facts->items[facts->count] = NULL;
}

static void add_text(struct facts *facts, const char *name, const char *value)
{
	add(facts, xasprintf("%s=%s", name, value ? value : ""));
}

static void add_count(struct facts *facts, const char *name, uint64_t value)
{
	add(facts, xasprintf("%s=%" PRIu64, name, value));
}

/* As TARGET_SYNC_DIR has it. */
static char *target_text(const struct target *target)
{
	AUTO_BUF text = BUF_INIT;
	bool brackets = false;

	if (!target->remote || !target->host)
		return xstrdup(target->path);
	brackets = strchr(target->host, ':') != NULL;
	buf_addstr(&text, "ssh://");
	if (target->user)
		buf_addf(&text, "%s@", target->user);
	buf_addf(&text, "%s%s%s", brackets ? "[" : "", target->host, brackets ? "]" : "");
	if (target->port)
		buf_addf(&text, ":%d", target->port);
	buf_addf(&text, "/%s", target->path);
	return buf_steal_cstr(&text);
}

struct facts facts_of_run(const struct config *config, const char *run, const char *key)
{
	struct facts facts = { .count = 0 };
	AUTO_FREE char *target = target_text(&config->target);

	add_text(&facts, "OSYNC_INSTANCE", config->instance_id);
	add_text(&facts, "OSYNC_INITIATOR", config->initiator_dir);
	add_text(&facts, "OSYNC_TARGET", target);
	add_text(&facts, "OSYNC_RUN", run);
	add_text(&facts, "OSYNC_COMMAND", key);
	return facts;
}

void facts_add_outcome(struct facts *facts, const struct report *report, const struct err *err)
{
	struct report_tally tally = report_tally(report);

	add_count(facts, "OSYNC_STATUS", (uint64_t)report_code(report, err));
	add_text(facts, "OSYNC_ERROR", err && err_is_set(err) ? err->msg : "");
	add_count(facts, "OSYNC_CHANGES_INITIATOR", tally.changes[SIDE_INITIATOR]);
	add_count(facts, "OSYNC_CHANGES_TARGET", tally.changes[SIDE_TARGET]);
	add_count(facts, "OSYNC_CONFLICTS", tally.conflicts);
	add_count(facts, "OSYNC_FAILED", tally.failed);
	add_count(facts, "OSYNC_SKIPPED", tally.skipped);
}

void facts_release(struct facts *facts)
{
	for (size_t i = 0; i < facts->count; i++)
		free(facts->items[i]);
	facts->count = 0;
}
