/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "config/keys.h"
#include "config/nearest.h"
#include "config/problems.h"
#include "config/settings.h"

enum effect {
	SET_KEY,  /* sets the key `what` to the argument, or to `value` if it takes none */
	SET_ANY,  /* --set KEY=VALUE */
	SET_FILE, /* --config FILE */
	SET_FLAG, /* sets the flag at `offset` of struct options */
	ALLOW,	  /* sets the int64_t at `offset` to N of --name=N, or to no limit */
	COUNT,	  /* counts up the int at `offset` */
	NOTHING,  /* accepted, asks for nothing that would change */
	REFUSE,	  /* refused with the reason in `what` */
};

struct option {
	const char *names; /* separated by blanks, the one in the help first */
	char letter;
	const char *argument; /* as the help shows it; NULL: takes none */
	enum effect effect;
	const char *what;
	const char *value;
	size_t offset;
	const char *help; /* NULL: known, but not shown */
};

#define FLAG(names, letter, field, help)                                                         \
	{                                                                                        \
		names, letter, NULL, SET_FLAG, NULL, NULL, offsetof(struct options, field), help \
	}
#define ALLOWANCE(names, field, help)                                                    \
	{                                                                                \
		names, 0, NULL, ALLOW, NULL, NULL, offsetof(struct options, field), help \
	}
#define KEY(names, argument, key, help)                         \
	{                                                       \
		names, 0, argument, SET_KEY, key, NULL, 0, help \
	}
#define SWITCH(names, key, value, help)                      \
	{                                                    \
		names, 0, NULL, SET_KEY, key, value, 0, help \
	}
#define QUIETLY(names)                                       \
	{                                                    \
		names, 0, NULL, NOTHING, NULL, NULL, 0, NULL \
	}
#define REFUSED(names, reason)                                \
	{                                                     \
		names, 0, NULL, REFUSE, reason, NULL, 0, NULL \
	}

#define NO_DAEMON "this version does not watch for changes yet; start it from cron"

/* clang-format off */
static const struct option table[] = {
	KEY("initiator", "DIR", "INITIATOR_SYNC_DIR", "the folder here"),
	KEY("target", "DIR|URL", "TARGET_SYNC_DIR",
	    "a folder, or ssh://[USER@]HOST[:PORT]/PATH"),
	KEY("instance-id", "ID", "INSTANCE_ID", "the name of this job (quicksync_task)"),
	{ "config", 0, "FILE", SET_FILE, NULL, NULL, 0, "the configuration file" },
	{ "set", 0, "KEY=VALUE", SET_ANY, NULL, NULL, 0, "any key of the configuration file" },
	SWITCH("create-dirs", "CREATE_DIRS", "true", "create the folders if they are missing"),
	KEY("initiator-state-dir", "DIR", "INITIATOR_CUSTOM_STATE_DIR",
	    "where the saved list of the initiator lies"),
	KEY("target-state-dir", "DIR", "TARGET_CUSTOM_STATE_DIR",
	    "where the state of the target lies"),

	FLAG("dry-run dry", 'n', dry_run, "show what would be done, change nothing"),
	ALLOWANCE("allow-deletes", allow_deletes, "confirm once that much (N files) is deleted"),
	ALLOWANCE("allow-changes", allow_changes, "confirm once that much has changed"),
	FLAG("adopt", 0, adopt, "accept another folder than before, this once"),
	FLAG("initialize", 0, initialize, "record what is equal, sync nothing"),
	KEY("conflict-policy", "POLICY", "CONFLICT_POLICY",
	    "keep-both, newer, initiator, target or skip"),
	KEY("sync-type", "TYPE", "SYNC_TYPE", "both, initiator2target, target2initiator"),
	KEY("skip-deletion", "SIDES", "SKIP_DELETION",
	    "initiator or target: delete nothing there"),
	KEY("lock-wait", "SECONDS", "LOCK_WAIT", "how long to wait for another run to end"),
	SWITCH("force-unlock", "FORCE_STRANGER_LOCK_RESUME", "true",
	       "take over the lock of a run that is silent"),

	FLAG("no-maxtime", 0, no_maxtime, "this run may take any time"),

	FLAG("json", 0, json, "report as JSON"),
	FLAG("summary", 0, summary, "list every change and the totals"),
	{ "verbose", 'v', NULL, COUNT, NULL, NULL, offsetof(struct options, verbose),
	  "say what is done; twice: in detail" },
	FLAG("quiet errors-only", 'q', quiet, "say nothing unless it fails"),
	FLAG("silent", 0, silent, "as osync cron: only say what has to be told"),

	KEY("ssh-key rsakey", "FILE", "SSH_RSA_PRIVATE_KEY", "the key to log in with"),
	KEY("password-file", "FILE", "SSH_PASSWORD_FILE", "a file with the password to log in with"),
	KEY("known-hosts", "FILE", "SSH_KNOWN_HOSTS_FILE", "the keys of known servers"),
	KEY("bandwidth", "KIB", "BANDWIDTH", "send and receive so many KiB/s at most"),
	KEY("remote-osync", "PATH", "REMOTE_OSYNC_PATH", "how to call osync on the server"),
	KEY("transport-command", "COMMAND", "TRANSPORT_COMMAND",
	    "reach the target through this command"),

	/* osync 1.3's, by way of the key; what it asks for is judged there */
	KEY("destination-mails", "MAILS", "DESTINATION_MAILS", NULL),
	KEY("remote-token", "TOKEN", "_REMOTE_TOKEN", NULL),
	SWITCH("krb5", "KRB5", "true", NULL),
	SWITCH("log-conflicts", "LOG_CONFLICTS", "true", NULL),
	SWITCH("alert-conflicts", "ALERT_CONFLICTS", "true", NULL),

	QUIETLY("no-prefix"),
	QUIETLY("non-interactive"),
	QUIETLY("stats"),
	QUIETLY("partial"),
	SWITCH("no-resume", "RESUME_TRY", "0", NULL),
	SWITCH("ssh-controlmaster", "SSH_CONTROLMASTER", "true", NULL),
	REFUSED("no-locks", "a run without locks could lose files"),
	REFUSED("on-changes", NO_DAEMON),
	REFUSED("on-changes-target", NO_DAEMON),
};
/* clang-format on */

enum { TABLE_LEN = sizeof(table) / sizeof(*table) };

/* The arguments, and where they go. */
struct reader {
	int argc;
	char **argv;
	int next; /* the argument to read next */
	struct options *out;
	struct settings *settings;
	struct problems *problems;
};

/* Finding -------------------------------------------------------------------- */

/* The name at or behind `pos` in an option's names, and its length; NULL behind the last. */
static const char *next_name(const char *pos, size_t *len)
{
	pos += strspn(pos, " ");
	*len = strcspn(pos, " ");
	return *len > 0 ? pos : NULL;
}

static bool has_name(const struct option *option, const char *name, size_t name_len)
{
	size_t len = 0;

	for (const char *word = option->names; (word = next_name(word, &len)); word += len)
		if (len == name_len && memcmp(word, name, len) == 0)
			return true;
	return false;
}

static const struct option *find_name(const char *name, size_t len)
{
	for (size_t i = 0; i < TABLE_LEN; i++)
		if (has_name(&table[i], name, len))
			return &table[i];
	return NULL;
}

static const struct option *find_letter(char letter)
{
	for (size_t i = 0; i < TABLE_LEN; i++)
		if (table[i].letter == letter)
			return &table[i];
	return NULL;
}

/* A problem of the argument `name` of the command line ("--lock-wait"). */
#define complain(reader, name, ...)                     \
	problems_add((reader)->problems, PROBLEM_ERROR, \
		     &(struct origin){ SOURCE_OPTION, (name), 0 }, __VA_ARGS__)

static void complain_unknown(struct reader *reader, const char *typed)
{
	struct nearest nearest = nearest_to(typed + 2);
	size_t len = 0;

	for (size_t i = 0; i < TABLE_LEN; i++)
		for (const char *word = table[i].names; (word = next_name(word, &len)); word += len)
			if (table[i].effect != REFUSE)
				nearest_try(&nearest, word, len);
	if (nearest.word)
		complain(reader, typed, "this option is not known; did you mean --%.*s?",
			 (int)nearest.len, nearest.word);
	else
		complain(reader, typed, "this option is not known");
}

/* Doing ---------------------------------------------------------------------- */

static void set_file(struct reader *reader, const char *name, const char *file, bool is_path)
{
	if (reader->out->file) {
		complain(reader, name, "there is a configuration already: '%s'", reader->out->file);
		return;
	}
	reader->out->file = file;
	reader->out->file_is_path = is_path;
}

static void set_key(struct reader *reader, const char *name, const char *key_name,
		    const char *value)
{
	const struct key *key = keys_find(key_name);
	const char *nearest = key ? NULL : keys_nearest(key_name);
	struct origin origin = { SOURCE_OPTION, name, 0 };

	if (key)
		settings_put(reader->settings, key, value, &origin);
	else if (nearest)
		complain(reader, name, "%s is not a key; did you mean %s?", key_name, nearest);
	else
		complain(reader, name, "%s is not a key", key_name);
}

static void set_any(struct reader *reader, const char *name, const char *text)
{
	const char *equals = strchr(text, '=');
	AUTO_FREE char *key = equals ? xstrndup(text, (size_t)(equals - text)) : NULL;

	if (equals)
		set_key(reader, name, key, equals + 1);
	else
		complain(reader, name, "expected KEY=VALUE, not '%s'", text);
}

/* How many files: any number without one. */
static void allow(struct reader *reader, const char *name, const char *text, int64_t *field)
{
	char *end = NULL;

	errno = 0;
	*field = *text ? strtoll(text, &end, 10) : INT64_MAX;
	if (*text && (*end || errno || *text < '0' || *text > '9'))
		complain(reader, name, "'%s' is not a number of files", text);
}

static void take_effect(struct reader *reader, const struct option *option, const char *name,
			const char *value)
{
	void *field = (char *)reader->out + option->offset;

	switch (option->effect) {
	case SET_KEY:
		set_key(reader, name, option->what, option->argument ? value : option->value);
		break;
	case SET_ANY:
		set_any(reader, name, value);
		break;
	case SET_FILE:
		set_file(reader, name, value, true);
		break;
	case SET_FLAG:
		*(bool *)field = true;
		break;
	case ALLOW:
		allow(reader, name, value, field);
		break;
	case COUNT:
		++*(int *)field;
		break;
	case NOTHING:
		break;
	case REFUSE:
		complain(reader, name, "%s", option->what);
		break;
	}
}

/* "--name", "--name=value" or, where it takes one, "--name value". */
static void read_long(struct reader *reader, const char *arg)
{
	size_t len = strcspn(arg + 2, "=");
	AUTO_FREE char *name = xstrndup(arg, len + 2);
	const char *value = arg[len + 2] ? arg + len + 3 : NULL;
	const struct option *option = find_name(arg + 2, len);

	if (!option) {
		complain_unknown(reader, name);
		return;
	}
	if (!option->argument && value && (option->effect != ALLOW || !*value)) {
		complain(reader, name, "this option takes no value");
		return;
	}
	/* A value that looks like an option was forgotten; behind '=' it may be anything. */
	if (option->argument && !value && reader->next < reader->argc &&
	    strncmp(reader->argv[reader->next], "--", 2) != 0)
		value = reader->argv[reader->next++];
	if (option->argument && !value) {
		complain(reader, name, "a value is missing: %s %s", name, option->argument);
		return;
	}
	take_effect(reader, option, name, value ? value : "");
}

static void read_letters(struct reader *reader, const char *arg)
{
	for (const char *letter = arg + 1; *letter; letter++) {
		char name[] = { '-', *letter, '\0' };
		const struct option *option = find_letter(*letter);

		if (option && !option->argument)
			take_effect(reader, option, name, "");
		else
			complain(reader, arg, "the option '%s' is not known", name);
	}
}

void options_parse(int argc, char **argv, struct options *out, struct settings *settings,
		   struct problems *problems)
{
	struct reader reader = { argc, argv, 0, out, settings, problems };
	bool options = true;

	while (reader.next < argc) {
		const char *arg = argv[reader.next++];

		if (options && strcmp(arg, "--") == 0)
			options = false;
		else if (options && strncmp(arg, "--", 2) == 0)
			read_long(&reader, arg);
		else if (options && arg[0] == '-' && arg[1])
			read_letters(&reader, arg);
		else
			set_file(&reader, arg, arg, false);
	}
}

/* Help ----------------------------------------------------------------------- */

static void add_option_help(struct buf *out, const struct option *option)
{
	AUTO_BUF left = BUF_INIT;

	if (option->letter)
		buf_addf(&left, "-%c, ", option->letter);
	else
		buf_addstr(&left, "    ");
	buf_addf(&left, "--%.*s", (int)strcspn(option->names, " "), option->names);
	if (option->argument)
		buf_addf(&left, " %s", option->argument);
	if (option->effect == ALLOW)
		buf_addstr(&left, "[=N]");
	buf_addf(out, "  %-31s %s\n", buf_cstr(&left), option->help);
}

void options_add_help(struct buf *out)
{
	buf_addstr(out, "usage: osync [sync] [CONF|PROFILE] [options]\n"
			"       osync [sync] --initiator DIR --target DIR|URL [options]\n"
			"\n"
			"Make two folders the same, in both directions.\n"
			"\n"
			"CONF is a configuration file, PROFILE the name of one in ~/.config/osync\n"
			"or /etc/osync, without '.conf'. Without either it is the profile of the\n"
			"folder you are in.\n"
			"\n");
	for (size_t i = 0; i < TABLE_LEN; i++)
		if (table[i].help)
			add_option_help(out, &table[i]);
}
