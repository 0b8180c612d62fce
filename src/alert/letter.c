/* SPDX-License-Identifier: BSD-2-Clause */
#include "alert/letter.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "alert/policy.h"
#include "base/text.h"
#include "config/config.h"
#include "run/outcome.h"

/* For each kind: the subject's end, what it means, what to do. */
struct advice {
	const char *subject;
	const char *meaning;
	const char *action;
};

static const struct advice advice_of[TROUBLE_KINDS] = {
	[TROUBLE_FAILED] = {
		"the run failed",
		"Nothing is lost. What this run had done is done, the rest waits for the next one, "
		"which goes on from there.",
		"If the next runs do not mend it by themselves, the reason above names what is in "
		"the way.",
	},
	[TROUBLE_PATHS] = {
		"some paths could not be synced",
		"They stay as they are on both sides and every run tries them again. All others are "
		"in sync.",
		"See the reasons below. Most often it is a permission, a full disk, or a name that "
		"the other side cannot have.",
	},
	[TROUBLE_GUARD] = {
		"stopped before any change",
		"Nothing was changed on either side, and nothing will be until somebody decides.",
		"If a folder or its disk is missing, bring it back; if a disk is full, make room. If it "
		"was meant, confirm it once by hand, as the reason above says.",
	},
	[TROUBLE_DENIED] = {
		"not let in by the server",
		"Nothing is synced until this is mended. If the host key has changed and nobody knows "
		"why, somebody may be posing as the server.",
		"Log in there once with ssh, as the user whose crontab this is, and see what it says.",
	},
	[TROUBLE_UNREACHABLE] = {
		"the target cannot be reached",
		"Nothing was synced since then. Both sides can be worked on; the first run that gets "
		"through brings them together.",
		"See whether the server is up, the network is there, and osync is installed on it.",
	},
	[TROUBLE_LOCKED] = {
		"locked by another run",
		"Another run is at work on the same folders all this time: it has very much to do, or "
		"it hangs.",
		"The reason above names it. If it does nothing any more, end it; its lock ends with it.",
	},
	[TROUBLE_STOPPED] = {
		"ended before it was done, again and again",
		"Each run goes on where the last one was ended, but none has come to its end.",
		"See who ends it: a time limit around it, or a machine that is switched off early.",
	},
	[TROUBLE_LOOK] = {
		"something wants a look",
		"Both sides are in sync, and nothing is lost. This is said once.",
		"Where both sides had changed the same file, both versions are kept: compare them and "
		"delete the one that is not needed.",
	},
	[TROUBLE_DOWN] = {
		"the server is down",
		"This machine is on-line, and nothing was synced since then. Both sides can be worked on; "
		"the first run that gets through brings them together.",
		"See whether the server is up, and osync is installed on it.",
	},
	[TROUBLE_SETUP] = {
		"a word about the set-up",
		"The folders are synced all the same.",
		"Mend it when there is time.",
	},
};

/* Pieces -------------------------------------------------------------------------- */

static void add_time(struct buf *out, int64_t time_s)
{
	time_t when = (time_t)time_s;
	struct tm tm = { 0 };
	char text[40] = "?";

	if (localtime_r(&when, &tm))
		strftime(text, sizeof(text), "%F %H:%M", &tm);
	buf_addstr(out, text);
}

static void add_list(struct buf *out, const char *title, const struct outcome_notes *notes)
{
	const char *line = NULL;
	uint64_t shown = 0;
	struct buf copy = BUF_INIT;

	if (notes->count == 0)
		return;
	buf_addf(out, "\n%s (%" PRIu64 "):\n", title, notes->count);
	buf_add(&copy, notes->lines.data, notes->lines.len);
	for (line = buf_cstr(&copy); *line; line = strchr(line, '\n') + 1, shown++)
		buf_addf(out, "  %.*s\n", (int)strcspn(line, "\n"), line);
	if (shown < notes->count)
		buf_addf(out, "  ... and %" PRIu64 " more; the log has them\n",
			 notes->count - shown);
	buf_release(&copy);
}

/* What happened, by kind: the first line. */
static void add_event(struct buf *out, const struct letter_facts *facts,
		      const struct policy_find *find)
{
	const struct outcome *outcome = facts->outcome;
	const struct trouble *trouble = policy_find_trouble(facts->memory, find->kind, find->id);

	if (find->kind == TROUBLE_PATHS)
		buf_addf(out, "%" PRIu64 " path%s could not be synced.\n", outcome->failed,
			 outcome->failed == 1 ? "" : "s");
	else if (find->kind == TROUBLE_LOOK)
		buf_addf(out, "The run has found %" PRIu64 " thing%s a look.\n", find->looks,
			 find->looks == 1 ? " that wants" : "s that want");
	else if (find->kind == TROUBLE_SETUP)
		buf_addstr(out, facts->setup);
	else
		buf_addf(out, "%s\n", outcome->err.msg);
	if (!trouble || trouble->runs < 2)
		return;
	buf_addf(out, "So it has been in %" PRIu32 " runs since ", trouble->runs);
	add_time(out, trouble->since_s);
	buf_addstr(out, ".\n");
}

static void add_trouble(struct buf *out, const struct letter_facts *facts,
			const struct policy_find *find)
{
	add_event(out, facts, find);
	buf_addf(out, "%s\n%s\n\n", advice_of[find->kind].meaning, advice_of[find->kind].action);
}

/* What is over, in the order in which it began to be remembered. */
static void add_recovery(struct buf *out, const struct letter_facts *facts)
{
	const struct policy_memory *memory = facts->memory;

	buf_addstr(out, "It works again: both sides are in sync.\nIt is over with:\n");
	for (size_t i = 0; i < memory->count; i++) {
		const struct trouble *trouble = &memory->troubles[i];

		if (!trouble->owed)
			continue;
		buf_addf(out, "  %s, from ", advice_of[trouble->kind].subject);
		add_time(out, trouble->since_s);
		buf_addstr(out, " to ");
		add_time(out, trouble->seen_s);
		buf_addch(out, '\n');
	}
	buf_addstr(out, "Nothing is to be done.\n\n");
}

/* Those that this run has not found itself. */
static void add_owed_looks(struct buf *out, const struct letter_facts *facts)
{
	const struct policy_found *found = facts->found;
	uint64_t earlier = facts->memory->looks;

	for (size_t i = 0; i < found->count; i++)
		if (facts->verdict->found[i] && found->items[i].looks <= earlier)
			earlier -= found->items[i].looks;
	if (earlier > 0)
		buf_addf(out,
			 "Earlier runs have found %" PRIu64 " %s a look, too soon after the last "
			 "mail for one of their own. The log tells more.\n\n",
			 earlier, earlier == 1 ? "thing that wants" : "things that want");
}

static void add_footer(struct buf *out, const struct letter_facts *facts)
{
	const struct config *config = facts->config;

	buf_addf(out, "\n-- \nosync %s on %s, job %s", facts->version, facts->host,
		 config->instance_id);
	if (config->file) {
		buf_addstr(out, " of ");
		text_add_escaped(out, config->file);
	}
	buf_addf(out, ", run %s\n", facts->outcome->run);
	text_add_escaped(out, config->initiator_dir);
	buf_addf(out, " and %s%s", config->target.remote && config->target.host ? "ssh://" : "",
		 config->target.remote && config->target.host ? config->target.host : "");
	if (config->target.remote && config->target.host && config->target.path[0] != '/')
		buf_addch(out, '/');
	text_add_escaped(out, config->target.path);
	buf_addf(out, "\nThe same is not told again within %d hours; its end is told once.\n",
		 config->mail.repeat_h);
}

/* The whole ----------------------------------------------------------------------- */

static const char *subject_end(const struct letter_facts *facts)
{
	for (size_t i = 0; i < facts->found->count; i++)
		if (facts->verdict->found[i])
			return advice_of[facts->found->items[i].kind].subject;
	if (facts->verdict->recovered)
		return "works again";
	return facts->verdict->looks ? advice_of[TROUBLE_LOOK].subject : "in sync";
}

struct letter letter_write(const struct letter_facts *facts)
{
	const struct policy_verdict *verdict = facts->verdict;
	struct letter letter = { .text = BUF_INIT };
	struct buf *out = &letter.text;
	bool found = false;

	letter.subject = xasprintf("osync: %s on %s: %s", facts->config->instance_id, facts->host,
				   subject_end(facts));
	for (size_t i = 0; i < facts->found->count; i++)
		if (verdict->found[i]) {
			add_trouble(out, facts, &facts->found->items[i]);
			found = true;
		}
	if (verdict->recovered)
		add_recovery(out, facts);
	if (verdict->looks)
		add_owed_looks(out, facts);
	if (!found && !verdict->recovered && !verdict->looks)
		buf_addstr(out, "Both sides are in sync.\n\n");
	if (facts->outcome->summary)
		buf_addf(out, "%s\n", facts->outcome->summary);
	add_list(out, "Conflicts", &facts->outcome->conflicts);
	add_list(out, "Paths and warnings", &facts->outcome->problems);
	add_footer(out, facts);
	return letter;
}

void letter_release(struct letter *letter)
{
	free(letter->subject);
	letter->subject = NULL;
	buf_release(&letter->text);
}
