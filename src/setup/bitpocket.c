/* SPDX-License-Identifier: BSD-2-Clause */
#include "setup/bitpocket.h"

#include <stdlib.h>
#include <string.h>

#include "config/parse.h"
#include "config/problems.h"
#include "setup/bitpocket_internal.h"
#include "transport/quote.h"

const char *const bitpocket_names[BITPOCKET_FILES] = { ".bitpocket/config", ".bitpocket/exclude",
						       ".bitpocket/include", ".bitpocket/filter" };

void bitpocket_release(struct bitpocket *bitpocket)
{
	for (size_t i = 0; i < BITPOCKET_FILES; i++)
		buf_release(&bitpocket->texts[i]);
	for (size_t i = 0; i < bitpocket->count; i++)
		free(bitpocket->sets[i]);
	free(bitpocket->sets);
	free(bitpocket->target);
	rules_release(&bitpocket->rules);
	buf_release(&bitpocket->unread);
	*bitpocket = (struct bitpocket){ 0 };
}

void bitpocket_set(struct reading *r, const char *key, const char *value)
{
	struct bitpocket *out = r->out;

	out->sets = xrealloc(out->sets, (out->count + 1) * sizeof(*out->sets));
	out->sets[out->count++] = xasprintf("%s=%s", key, value);
}

/* The assignment that counts, or NULL. */
static const struct assignment *find(const struct reading *r, const char *key)
{
	for (size_t i = r->file->count; i > 0; i--)
		if (strcmp(r->file->items[i - 1].key, key) == 0)
			return &r->file->items[i - 1];
	return NULL;
}

static bool is_broken(const struct reading *r, const char *key)
{
	const struct assignment *found = find(r, key);

	return found && found->broken;
}

/* Its value; "" where it is not set, or not understood, which is a problem then. */
static const char *value_of(struct reading *r, const char *key)
{
	const struct assignment *found = find(r, key);

	r->at.line = found ? found->line : 0;
	if (is_broken(r, key))
		problems_add(r->problems, PROBLEM_ERROR, &r->at,
			     "%s is not understood: this file is read, never executed", key);
	return found ? found->value : "";
}

/* Where to ------------------------------------------------------------------------------ */

static bool is_port(const char *text)
{
	return strlen(text) <= 5 && strspn(text, "0123456789") == strlen(text);
}

/* HOST or USER@HOST, with what RSYNC_RSH says of user and port, as an address. */
static void take_host(struct reading *r, const char *host, const char *path)
{
	AUTO_BUF url = BUF_INIT;

	buf_addstr(&url, "ssh://");
	if (r->user && !strchr(host, '@'))
		buf_addf(&url, "%s@", r->user);
	buf_addstr(&url, host);
	if (r->port)
		buf_addf(&url, ":%s", r->port);
	buf_addf(&url, "/%s", path);
	r->out->target = buf_steal_cstr(&url);
}

/* What reaches HOST by a command: its options are not all ours. */
static void take_command(struct reading *r, const char *shell, const char *host, const char *path)
{
	AUTO_BUF command = BUF_INIT;

	buf_addstr(&command, "cd ");
	quote_word(&command, r->root);
	buf_addf(&command, " && exec %s ", shell);
	quote_if_needed(&command, host);
	bitpocket_set(r, "TRANSPORT_COMMAND", buf_cstr(&command));
	r->out->target = xstrdup(path);
}

static void take_target(struct reading *r, bool other)
{
	const char *path = value_of(r, "REMOTE_PATH");
	const char *host = value_of(r, "REMOTE_HOST");
	const char *port = value_of(r, "REMOTE_PORT");
	const char *shell = value_of(r, "RSYNC_RSH");
	bool known = bitpocket_ssh(r, *shell ? shell : "ssh");

	if (other && !known)
		problems_add(r->problems, PROBLEM_WARNING, &r->at,
			     "RSYNC_RSH is not taken over, as the target is another one: %s",
			     shell);
	if (other)
		return;
	if (*port && !is_port(port))
		problems_add(r->problems, PROBLEM_ERROR, &r->at, "REMOTE_PORT is '%s', no port",
			     port);
	else if (*port && !r->port)
		r->port = xstrdup(port);
	if (!*path && !is_broken(r, "REMOTE_PATH"))
		problems_add(r->problems, PROBLEM_ERROR, &r->at,
			     "REMOTE_PATH is missing: where is the other side?");
	if (!*path)
		return;
	if (*host && known)
		take_host(r, host, path);
	else if (*host)
		take_command(r, shell, host, path);
	else if (path[0] == '/' || path[0] == '~')
		r->out->target = xstrdup(path);
	else
		r->out->target = xasprintf("%s/%s", r->root, path);
}

/* The rest ------------------------------------------------------------------------------ */

/* bitpocket runs them in the folder. */
static void take_command_of_user(struct reading *r, const char *key)
{
	const char *command = value_of(r, key);
	AUTO_BUF out = BUF_INIT;

	if (!*command)
		return;
	buf_addstr(&out, "cd ");
	quote_word(&out, r->root);
	buf_addf(&out, " || exit; %s", command);
	bitpocket_set(r, key, buf_cstr(&out));
}

static void take_slow(struct reading *r)
{
	const char *start = value_of(r, "SLOW_SYNC_START_CMD");
	const char *time = value_of(r, "SLOW_SYNC_TIME");

	/* Its default is bitpocket's; and nothing is run where no command begins. */
	if (!*start)
		return;
	bitpocket_set(r, "SLOW_SYNC_TIME", *time ? time : "10");
	take_command_of_user(r, "SLOW_SYNC_START_CMD");
	take_command_of_user(r, "SLOW_SYNC_STOP_CMD");
}

static void take_failsafes(struct reading *r)
{
	const char *mountpoint = value_of(r, "REMOTE_MOUNTPOINT");
	const char *backups = value_of(r, "BACKUPS");

	if (strcmp(backups, "false") == 0)
		problems_add(r->problems, PROBLEM_WARNING, &r->at,
			     "BACKUPS=false: osync always keeps what it replaces, in the trash");
	value_of(r, "REMOTE_BACKUPS");
	if (*mountpoint)
		bitpocket_set(r, "REMOTE_MOUNTPOINT", mountpoint);
}

static void name_unknown(struct reading *r)
{
	static const char *const known[] = {
		"REMOTE_HOST", "REMOTE_PATH",	 "REMOTE_PORT",		"RSYNC_RSH",
		"RSYNC_OPTS",  "SLOW_SYNC_TIME", "SLOW_SYNC_START_CMD", "SLOW_SYNC_STOP_CMD",
		"BACKUPS",     "REMOTE_BACKUPS", "REMOTE_MOUNTPOINT"
	};

	for (size_t i = 0; i < r->file->count; i++) {
		const struct assignment *item = &r->file->items[i];
		bool found = item->used || item->broken;

		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			found = found || strcmp(item->key, known[k]) == 0;
		r->at.line = item->line;
		if (!found)
			problems_add(r->problems, PROBLEM_WARNING, &r->at,
				     "%s is not known to osync, and left out", item->key);
	}
}

/* What the program sets before it executes the file. */
static const char *look_up(void *context, const char *name)
{
	static const char *const given[][2] = { { "DOT_DIR", ".bitpocket" },
						{ "CFG_FILE", ".bitpocket/config" },
						{ "TMP_DIR", ".bitpocket/tmp" },
						{ "STATE_DIR", ".bitpocket/state" } };
	const struct parse_lookup *outer = context;

	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
		if (strcmp(name, given[i][0]) == 0)
			return given[i][1];
	return outer->get(outer->context, name);
}

static void read_config(struct bitpocket *out, const char *root, bool other_target,
			const struct parse_lookup *lookup, struct problems *problems)
{
	const struct parse_lookup inner = { look_up, (void *)(uintptr_t)lookup };
	struct buf *text = &out->texts[BITPOCKET_CONFIG];
	AUTO_ASSIGNMENTS file = ASSIGNMENTS_INIT;
	AUTO_PROBLEMS unread = PROBLEMS_INIT;
	struct reading r = { .out = out,
			     .root = root,
			     .file = &file,
			     .problems = problems,
			     .at = { SOURCE_FILE, bitpocket_names[BITPOCKET_CONFIG], 0 } };

	parse_text(buf_cstr(text), text->len, r.at.where, &inner, &file, &unread);
	problems_report(&unread, &out->unread);
	take_target(&r, other_target);
	bitpocket_options(&r, value_of(&r, "RSYNC_OPTS"));
	take_slow(&r);
	take_failsafes(&r);
	name_unknown(&r);
	free(r.user);
	free(r.port);
}

void bitpocket_read(struct bitpocket *bitpocket, const char *root, bool other_target,
		    const struct parse_lookup *lookup, struct problems *problems)
{
	struct buf *texts = bitpocket->texts;

	read_config(bitpocket, root, other_target, lookup, problems);
	rules_add_filter(&bitpocket->rules, &texts[BITPOCKET_FILTER],
			 bitpocket_names[BITPOCKET_FILTER], problems);
	rules_add_patterns(&bitpocket->rules, FILTER_INCLUDE, &texts[BITPOCKET_INCLUDE],
			   bitpocket_names[BITPOCKET_INCLUDE], problems);
	rules_add_patterns(&bitpocket->rules, FILTER_EXCLUDE, &texts[BITPOCKET_EXCLUDE],
			   bitpocket_names[BITPOCKET_EXCLUDE], problems);
}
