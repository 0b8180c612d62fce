/* SPDX-License-Identifier: BSD-2-Clause */
/* Command lines inside bitpocket's configuration: RSYNC_RSH, for ssh, and RSYNC_OPTS, for rsync. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "setup/bitpocket.h"
#include "setup/bitpocket_internal.h"

#define BLANKS " \t\n"

/* The shell splits these values at blanks; a quote in one is not taken off. */
struct words {
	char *text;
	char *rest;
};

static void words_release(struct words *words)
{
	free(words->text);
}
#define AUTO_WORDS AUTO(words_release) struct words

static struct words words_of(const char *text)
{
	struct words words = { xstrdup(text), NULL };

	words.rest = words.text;
	return words;
}

/* The next word, or NULL. */
static char *next(struct words *words)
{
	char *word = NULL;

	words->rest += strspn(words->rest, BLANKS);
	if (!*words->rest)
		return NULL;
	word = words->rest;
	words->rest += strcspn(words->rest, BLANKS);
	if (*words->rest)
		*words->rest++ = '\0';
	return word;
}

/* A file that is named from within the folder. */
static void set_path(struct reading *r, const char *key, const char *path)
{
	AUTO_FREE char *below = xasprintf("%s/%s", r->root, path);

	bitpocket_set(r, key, path[0] == '/' || path[0] == '~' ? path : below);
}

static void keep(char **field, const char *value)
{
	free(*field);
	*field = xstrdup(value);
}

/* ssh ------------------------------------------------------------------------------------ */

/* -o NAME=VALUE */
static bool take_ssh_setting(struct reading *r, const char *setting)
{
	static const char *const paths[][2] = { { "IdentityFile", "SSH_RSA_PRIVATE_KEY" },
						{ "UserKnownHostsFile", "SSH_KNOWN_HOSTS_FILE" } };
	/* These ask for what is always so. */
	static const char *const needless[] = { "BatchMode", "IdentitiesOnly", "ForwardX11",
						"ForwardAgent", "LogLevel" };
	const char *equals = strchr(setting, '=');
	AUTO_FREE char *name = equals ? xstrndup(setting, (size_t)(equals - setting)) : NULL;

	if (!equals || !equals[1])
		return false;
	if (strcasecmp(name, "Port") == 0 || strcasecmp(name, "User") == 0) {
		keep(strcasecmp(name, "Port") == 0 ? &r->port : &r->user, equals + 1);
		return true;
	}
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (strcasecmp(name, paths[i][0]) == 0) {
			set_path(r, paths[i][1], equals + 1);
			return true;
		}
	for (size_t i = 0; i < sizeof(needless) / sizeof(needless[0]); i++)
		if (strcasecmp(name, needless[i]) == 0)
			return true;
	return false;
}

/* An option of ssh with its value. */
static bool take_ssh_value(struct reading *r, char letter, const char *value)
{
	switch (letter) {
	case 'p':
		keep(&r->port, value);
		return true;
	case 'l':
		keep(&r->user, value);
		return true;
	case 'i':
		set_path(r, "SSH_RSA_PRIVATE_KEY", value);
		return true;
	case 'F':
		set_path(r, "SSH_CONFIG_FILE", value);
		return true;
	case 'o':
		return take_ssh_setting(r, value);
	default:
		return false;
	}
}

static bool take_ssh_word(struct reading *r, struct words *words, const char *word)
{
	if (word[0] != '-' || !word[1])
		return false;
	if (strchr("plioF", word[1])) {
		const char *value = word[2] ? word + 2 : next(words);

		return value && take_ssh_value(r, word[1], value);
	}
	/* Without effect on what comes through: quiet, no terminal, no forwarding. */
	if (strspn(word + 1, "qTxa") == strlen(word + 1))
		return true;
	if (strcmp(word, "-C") == 0)
		bitpocket_set(r, "SSH_COMPRESSION", "yes");
	return strcmp(word, "-C") == 0;
}

bool bitpocket_ssh(struct reading *r, const char *shell)
{
	AUTO_WORDS words = words_of(shell);
	size_t before = r->out->count;
	const char *word = next(&words);
	bool good = word && strcmp(word, "ssh") == 0 && !strpbrk(shell, "'\"\\$`");

	while (good && (word = next(&words)))
		good = take_ssh_word(r, &words, word);
	if (good)
		return true;
	/* ssh itself will be told all of it. */
	while (r->out->count > before)
		free(r->out->sets[--r->out->count]);
	free(r->user);
	free(r->port);
	r->user = r->port = NULL;
	return false;
}

/* rsync ---------------------------------------------------------------------------------- */

static const struct {
	const char *names; /* separated by blanks */
	const char *key;
	const char *value;
} rsync_keys[] = {
	{ "-A --acls", "PRESERVE_ACL", "yes" },
	{ "-X --xattrs", "PRESERVE_XATTR", "yes" },
	{ "-H --hard-links", "PRESERVE_HARDLINKS", "yes" },
	{ "-c --checksum", "CHECKSUM", "yes" },
	{ "--no-p --no-perms", "PRESERVE_PERMISSIONS", "no" },
	{ "--no-o --no-owner", "PRESERVE_OWNER", "no" },
	{ "--no-g --no-group", "PRESERVE_GROUP", "no" },
};

/* They change what rsync prints or how it copies, not what is the same in the end. */
static const char harmless[] =
	" -a -r -l -p -t -g -o -D -u -z -v -i -h -P -q -x -W -y --archive --recursive --links --perms"
	" --times --group --owner --update --compress --verbose --itemize-changes --human-readable"
	" --progress --partial --stats --quiet --one-file-system --whole-file --no-whole-file --inplace"
	" --delete --fuzzy ";

static bool has(const char *names, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = names; (at = strstr(at, name)); at += len)
		if ((at == names || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}

/* Options without a value. */
static bool take_switch(struct reading *r, const char *word)
{
	for (size_t i = 0; i < sizeof(rsync_keys) / sizeof(rsync_keys[0]); i++)
		if (has(rsync_keys[i].names, word)) {
			bitpocket_set(r, rsync_keys[i].key, rsync_keys[i].value);
			return true;
		}
	if (has("-L --copy-links", word)) {
		problems_add(
			r->problems, PROBLEM_WARNING, &r->at,
			"RSYNC_OPTS: %s has no counterpart: symlinks are synced as symlinks and "
			"never followed",
			word);
		return true;
	}
	return has(harmless, word);
}

/* -AXH as -A -X -H. */
static bool take_letters(struct reading *r, const char *word)
{
	for (const char *letter = word + 1; *letter; letter++) {
		char one[] = { '-', *letter, '\0' };

		if (!take_switch(r, one))
			return false;
	}
	return true;
}

/* --exclude PATTERN, --exclude=PATTERN, and the same for --include. */
static bool take_pattern(struct reading *r, struct words *words, const char *word)
{
	static const char *const names[] = {
		[FILTER_EXCLUDE] = "--exclude", [FILTER_INCLUDE] = "--include"
	};

	for (int kind = 0; kind < 2; kind++) {
		size_t len = strlen(names[kind]);
		const char *pattern = NULL;

		if (strncmp(word, names[kind], len) != 0 || (word[len] && word[len] != '='))
			continue;
		pattern = word[len] ? word + len + 1 : next(words);
		if (pattern)
			rules_add_option(&r->out->rules, (enum filter_kind)kind, pattern, &r->at,
					 r->problems);
		return pattern;
	}
	return false;
}

static bool take_rsync_word(struct reading *r, struct words *words, const char *word)
{
	if (strpbrk(word, "'\"\\"))
		return false;
	if (word[0] == '-' && word[1] && word[1] != '-')
		return take_letters(r, word);
	return take_switch(r, word) || take_pattern(r, words, word);
}

void bitpocket_options(struct reading *r, const char *options)
{
	AUTO_WORDS words = words_of(options);
	const char *word = NULL;

	while ((word = next(&words))) {
		if (take_rsync_word(r, &words, word))
			continue;
		problems_add(r->problems, PROBLEM_ERROR, &r->at,
			     "RSYNC_OPTS: '%s' has no counterpart: rsync does not run here", word);
		return;
	}
}
