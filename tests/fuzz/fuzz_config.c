/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What people and other programs write: a configuration file, a target, a command
 * line; the first byte says which ('t', 'o', anything else).  Nothing is read from
 * files.  Properties: a refused line has a message; values survive being quoted and
 * read again; a target's parts put together name the same target.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "config/options.h"
#include "config/parse.h"
#include "config/problems.h"
#include "config/settings.h"
#include "config/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *get(void *context, const char *name)
{
	if (strcmp(name, "HOME") == 0)
		return "/home/me";
	return strcmp(name, "E") == 0 ? "a 'b' \"c\" $d" : NULL;
}

static const struct parse_lookup lookup = { get, NULL };

static void free_config(struct config **config)
{
	config_free(*config);
}

static void judge(struct settings *settings, struct problems *problems)
{
	AUTO(free_config) struct config *config = xcalloc(1, sizeof(*config));
	AUTO_BUF report = BUF_INIT;
	struct err err = ERR_INIT;
	int result = 0;

	settings_apply(settings, config, problems);
	problems_report(problems, &report);
	result = problems_judge(problems, &err);
	assert((result < 0) == problems_stop(problems));
	assert((result < 0) == (err.msg[0] != '\0'));
	for (size_t i = 0; i < report.len; i++)
		assert(report.data[i] == '\n' || report.data[i] >= 0x20);
}

/* KEY='value', with the quote written as '\''. */
static void add_quoted(struct buf *out, const struct assignment *assignment)
{
	buf_addf(out, "%s='", assignment->key);
	for (const char *c = assignment->value; *c; c++)
		if (*c == '\'')
			buf_addstr(out, "'\\''");
		else
			buf_addch(out, *c);
	buf_addstr(out, "'\n");
}

static void check_round_trip(const struct assignments *all)
{
	AUTO_ASSIGNMENTS again = ASSIGNMENTS_INIT;
	AUTO_PROBLEMS problems = PROBLEMS_INIT;
	AUTO_BUF text = BUF_INIT;

	for (size_t i = 0; i < all->count; i++)
		add_quoted(&text, &all->items[i]);
	parse_text(buf_cstr(&text), text.len, "again", &lookup, &again, &problems);
	assert(!problems_stop(&problems));
	assert(again.count == all->count);
	for (size_t i = 0; i < all->count; i++) {
		assert(strcmp(again.items[i].key, all->items[i].key) == 0);
		assert(strcmp(again.items[i].value, all->items[i].value) == 0);
	}
}

static void fuzz_file(const char *text, size_t len)
{
	AUTO_ASSIGNMENTS file = ASSIGNMENTS_INIT;
	AUTO_PROBLEMS problems = PROBLEMS_INIT;
	AUTO_SETTINGS settings = settings_init();

	parse_text(text, len, "f", &lookup, &file, &problems);
	for (size_t i = 0; i < file.count; i++)
		assert(!file.items[i].broken || problems_stop(&problems));
	if (!problems_stop(&problems))
		check_round_trip(&file);
	settings_put_file(&settings, &file, "f", &problems);
	judge(&settings, &problems);
}

static void fuzz_target(const char *text)
{
	AUTO(target_release) struct target target = { 0 };
	AUTO(target_release) struct target again = { 0 };
	AUTO_BUF url = BUF_INIT;

	if (target_parse(text, &target, NULL) < 0 || !target.remote)
		return;
	assert(target.host[0] != '-' && target.host[0] != '\0');
	assert(!target.user || (target.user[0] != '-' && target.user[0] != '\0'));
	buf_addstr(&url, "ssh://");
	if (target.user)
		buf_addf(&url, "%s@", target.user);
	buf_addf(&url, strchr(target.host, ':') ? "[%s]" : "%s", target.host);
	if (target.port > 0)
		buf_addf(&url, ":%d", target.port);
	/* A host that needed brackets for another reason than ':' cannot be written without. */
	if (strpbrk(target.host, "[]@"))
		return;
	/* "~/~x" is x's neighbour in the login folder, "~x" would be somebody's home. */
	buf_addf(&url, "/%s%s", target.path[0] == '~' ? "./" : "", target.path);
	assert(target_parse(buf_cstr(&url), &again, NULL) == 0);
	assert(strcmp(again.host, target.host) == 0);
	assert(again.port == target.port);
	assert(!again.user == !target.user);
}

/* Each line is an argument. */
static void fuzz_options(char *text)
{
	AUTO_PROBLEMS problems = PROBLEMS_INIT;
	AUTO_SETTINGS settings = settings_init();
	struct options options = { 0 };
	char *argv[32] = { NULL };
	int argc = 0;

	while (argc < 32 && text) {
		argv[argc++] = text;
		text = strchr(text, '\n');
		if (text)
			*text++ = '\0';
	}
	options_parse(argc, argv, &options, &settings, &problems);
	judge(&settings, &problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF copy = BUF_INIT;
	char *text = NULL;

	buf_add(&copy, data, size);
	text = buf_cstr(&copy);
	if (size > 0 && data[0] == 't')
		fuzz_target(text + 1);
	else if (size > 0 && data[0] == 'o')
		fuzz_options(text + 1);
	else
		fuzz_file(text, size);
	return 0;
}
