/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/ssh_options.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "config/config.h"
#include "transport/quote.h"

enum {
	ASK_TIMEOUT_MS = 20000, /* `ssh -G` takes 10 ms; Match exec may run commands */
	CONNECT_TIMEOUT_S = 30, /* when nobody says otherwise */
	ARGS_MAX = 16,
	NOT_EXECUTABLE = 127,
};

void ssh_options_release(struct ssh_options *options)
{
	arena_release(&options->arena);
}

int ssh_options_port(const struct ssh_options *options)
{
	long port = strtol(options->port, NULL, 10);

	return port > 0 && port < 65536 ? (int)port : 22;
}

const char *ssh_options_key_name(const struct ssh_options *options)
{
	return options->host_key_alias ? options->host_key_alias : options->host;
}

struct quote_tokens ssh_options_tokens(const struct ssh_options *options)
{
	return (struct quote_tokens){ .host = options->host,
				      .host_given = options->given_host,
				      .host_key_name = ssh_options_key_name(options),
				      .port = options->port,
				      .user = options->user,
				      .home = options->home,
				      .local_user = options->local_user };
}

/* ~ and tokens; a token that only ssh understands leaves the name as it is. */
static char *expand_file(struct ssh_options *options, const char *name)
{
	AUTO_BUF out = BUF_INIT;
	struct quote_tokens tokens = ssh_options_tokens(options);

	bool below_home = name[0] == '~' && (name[1] == '/' || name[1] == '\0');

	if (below_home)
		buf_addstr(&out, options->home);
	if (quote_expand(&out, name + below_home, &tokens, false, NULL) < 0)
		return arena_strdup(&options->arena, name);
	return arena_strdup(&options->arena, buf_cstr(&out));
}

static void add_file(struct ssh_options *options, struct ssh_files *files, const char *name)
{
	if (files->count < SSH_FILES_MAX && strcmp(name, "none") != 0 && *name)
		files->paths[files->count++] = expand_file(options, name);
}

/*
 * `ssh -G` prints several names with blanks between them and no quotes.  A piece that does
 * not begin like a path is taken for the rest of the one before it.
 */
static void add_files(struct ssh_options *options, struct ssh_files *files, const char *list)
{
	while (*list) {
		size_t len = strcspn(list, " ");

		while (list[len] == ' ' && list[len + 1] && !strchr("/~%", list[len + 1]))
			len += 1 + strcspn(list + len + 1, " ");
		AUTO_FREE char *name = xstrndup(list, len);

		add_file(options, files, name);
		list += len + strspn(list + len, " ");
	}
}

/* ssh names the files of the system first. */
static void add_user_known_hosts(struct ssh_options *options, const char *list)
{
	size_t before = options->known_hosts.count;

	add_files(options, &options->known_hosts, list);
	if (options->known_hosts.count > before)
		options->user_known_hosts = options->known_hosts.paths[before];
}

/* A value that "none" unsets. */
static char *value_or_none(struct ssh_options *options, const char *value)
{
	return strcmp(value, "none") == 0 ? NULL : arena_strdup(&options->arena, value);
}

/* Agent sockets may be given by the name of an environment variable. */
static char *agent_socket(struct ssh_options *options, const char *value)
{
	const char *name = strcmp(value, "SSH_AUTH_SOCK") == 0 ? value : value + 1;
	const char *socket = NULL;

	if (strcmp(value, "none") == 0)
		return NULL;
	if (name == value || value[0] == '$')
		socket = getenv(name);
	else
		return expand_file(options, value);
	return socket ? arena_strdup(&options->arena, socket) : NULL;
}

static void take(struct ssh_options *options, const char *key, const char *value)
{
	struct arena *arena = &options->arena;

	if (strcmp(key, "hostname") == 0)
		options->host = arena_strdup(arena, value);
	else if (strcmp(key, "port") == 0)
		options->port = arena_strdup(arena, value);
	else if (strcmp(key, "user") == 0)
		options->user = arena_strdup(arena, value);
	else if (strcmp(key, "hostkeyalias") == 0)
		options->host_key_alias = value_or_none(options, value);
	else if (strcmp(key, "proxyjump") == 0)
		options->proxy_jump = value_or_none(options, value);
	else if (strcmp(key, "proxycommand") == 0)
		options->proxy_command = value_or_none(options, value);
	else if (strcmp(key, "stricthostkeychecking") == 0)
		options->strict_checking = arena_strdup(arena, value);
	else if (strcmp(key, "identitiesonly") == 0)
		options->identities_only = strcmp(value, "yes") == 0;
	else if (strcmp(key, "connecttimeout") == 0 && options->connect_timeout_s == 0)
		options->connect_timeout_s = (int)strtol(value, NULL, 10);
}

/* File names may hold tokens for what take() collects, so they come second. */
static void take_file(struct ssh_options *options, const char *key, const char *value)
{
	if (strcmp(key, "identityfile") == 0)
		add_file(options, &options->identities, value);
	else if (strcmp(key, "identityagent") == 0)
		options->identity_agent = agent_socket(options, value);
	else if (strcmp(key, "userknownhostsfile") == 0)
		add_user_known_hosts(options, value);
	else if (strcmp(key, "globalknownhostsfile") == 0)
		add_files(options, &options->known_hosts, value);
}

static void each_line(struct ssh_options *options, const char *text,
		      void (*use)(struct ssh_options *options, const char *key, const char *value))
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		AUTO_FREE char *line = xstrndup(text, len);
		char *blank = strchr(line, ' ');

		if (blank && blank[1]) {
			*blank = '\0';
			use(options, line, blank + 1);
		}
		text += len + (text[len] == '\n');
	}
}

void ssh_options_parse(struct ssh_options *options, const char *text)
{
	each_line(options, text, take);
	each_line(options, text, take_file);
}

static void who_am_i(struct ssh_options *options)
{
	/* cppcheck-suppress getpwuidCalled; this process has one thread */
	const struct passwd *self = getpwuid(geteuid());
	const char *home = getenv("HOME");

	options->home = arena_strdup(&options->arena, self ? self->pw_dir : home ? home : "/");
	options->local_user = arena_strdup(&options->arena, self ? self->pw_name : "root");
}

/* What OpenSSH does where nobody configured anything. */
static void set_defaults(struct ssh_options *options, const struct config *config)
{
	const char *socket = getenv("SSH_AUTH_SOCK");

	options->given_host = arena_strdup(&options->arena, config->target.host);
	options->host = arena_strdup(&options->arena, config->target.host);
	options->port = arena_strdup(&options->arena, "22");
	options->user = arena_strdup(&options->arena, options->local_user);
	options->identity_agent = socket ? arena_strdup(&options->arena, socket) : NULL;
	options->strict_checking = arena_strdup(&options->arena, "ask");
}

static void default_files(struct ssh_options *options)
{
	add_file(options, &options->identities, "~/.ssh/id_ed25519");
	add_file(options, &options->identities, "~/.ssh/id_ecdsa");
	add_file(options, &options->identities, "~/.ssh/id_rsa");
	add_user_known_hosts(options, "~/.ssh/known_hosts");
	add_file(options, &options->known_hosts, "/etc/ssh/ssh_known_hosts");
}

static char *port_text(struct ssh_options *options, const struct config *config)
{
	AUTO_FREE char *port = xasprintf("%d", config->target.port);

	return arena_strdup(&options->arena, port);
}

/* argv of `ssh -G`, in the arena. */
static void ask_args(struct ssh_options *options, const struct config *config, char **argv)
{
	struct arena *arena = &options->arena;
	const char *options_of_ssh[][2] = {
		{ "-F", config->ssh_config_file },
		{ "-i", config->ssh_key_file },
		{ "-l", config->target.user },
		{ "-p", config->target.port ? port_text(options, config) : NULL },
	};
	size_t n = 0;

	argv[n++] = arena_strdup(arena, "ssh");
	argv[n++] = arena_strdup(arena, "-G");
	for (size_t i = 0; i < sizeof(options_of_ssh) / sizeof(options_of_ssh[0]); i++) {
		if (!options_of_ssh[i][1])
			continue;
		argv[n++] = arena_strdup(arena, options_of_ssh[i][0]);
		argv[n++] = arena_strdup(arena, options_of_ssh[i][1]);
	}
	argv[n++] = arena_strdup(arena, "--");
	argv[n++] = arena_strdup(arena, config->target.host);
	argv[n] = NULL;
}

/* The first line of what ssh said, for the message. */
static int ask_failed(const struct config *config, int status, struct buf *output, struct err *err)
{
	AUTO_BUF shown = BUF_INIT;
	char *text = buf_cstr(output);

	text[strcspn(text, "\r\n")] = '\0';
	text_add_escaped(&shown, text);
	return err_set(err, ERR_CONFIG, "'ssh -G %s' failed with status %d: %s",
		       config->target.host, status, buf_cstr(&shown));
}

/* 1: asked; 0: there is no ssh here; -1: err. */
static int ask_ssh(struct ssh_options *options, const struct config *config, struct err *err)
{
	AUTO_BUF output = BUF_INIT;
	char *argv[ARGS_MAX];

	ask_args(options, config, argv);
	int status = process_capture(argv, ASK_TIMEOUT_MS, &output, err);

	if (status < 0)
		return -1;
	if (status == NOT_EXECUTABLE && output.len == 0)
		return 0;
	if (status != 0)
		return ask_failed(config, status, &output, err);
	ssh_options_parse(options, buf_cstr(&output));
	return 1;
}

/* ssh leaves out a key file that it cannot find; here that shall be told. */
static void put_first(struct ssh_files *files, char *path)
{
	if (files->count > 0 && strcmp(files->paths[0], path) == 0)
		return;
	if (files->count == SSH_FILES_MAX)
		files->count--;
	memmove(&files->paths[1], &files->paths[0], files->count * sizeof(files->paths[0]));
	files->paths[0] = path;
	files->count++;
}

/* Where osync.conf speaks for itself, or where there is no ssh to pass it through. */
static void apply_config(struct ssh_options *options, const struct config *config, bool asked)
{
	struct arena *arena = &options->arena;

	if (config->target.user)
		options->user = arena_strdup(arena, config->target.user);
	if (config->target.port)
		options->port = port_text(options, config);
	if (config->ssh_known_hosts_file) {
		options->known_hosts.count = 1;
		options->known_hosts.paths[0] = arena_strdup(arena, config->ssh_known_hosts_file);
		options->user_known_hosts = options->known_hosts.paths[0];
	}
	if (config->ssh_key_file)
		put_first(&options->identities, arena_strdup(arena, config->ssh_key_file));
	if (config->ssh_key_file && !asked)
		options->identities.count = 1;
	if (config->ssh_connect_timeout_s > 0)
		options->connect_timeout_s = config->ssh_connect_timeout_s;
	if (options->connect_timeout_s <= 0)
		options->connect_timeout_s = CONNECT_TIMEOUT_S;
}

int ssh_options_load(const struct config *config, struct ssh_options *options, struct err *err)
{
	who_am_i(options);
	set_defaults(options, config);
	int asked = ask_ssh(options, config, err);

	if (asked < 0)
		return -1;
	if (!asked && config->ssh_config_file)
		return err_set(
			err, ERR_CONFIG,
			"SSH_CONFIG_FILE needs the OpenSSH client: there is no 'ssh' in PATH");
	if (!asked)
		default_files(options);
	apply_config(options, config, asked);
	log_debug("ssh: %s@%s port %s, %zu key files, %zu known_hosts files%s%s", options->user,
		  options->host, options->port, options->identities.count,
		  options->known_hosts.count, options->proxy_jump ? ", jump " : "",
		  options->proxy_jump ? options->proxy_jump : "");
	return 0;
}
