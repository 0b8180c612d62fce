/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/quote.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"

/* Bytes that mean nothing to any shell, wherever they stand in a word. */
static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("/._-:,@+", c));
}

static bool word_is_plain(const char *word)
{
	for (const char *c = word; *c; c++)
		if (!is_plain(*c))
			return false;
	return *word != '\0';
}

void quote_word(struct buf *out, const char *word)
{
	buf_addch(out, '\'');
	for (const char *c = word; *c; c++) {
		/* The csh family looks for ! even between single quotes. */
		if (*c == '\'' || *c == '!')
			buf_addf(out, "'\\%c'", *c);
		else
			buf_addch(out, *c);
	}
	buf_addch(out, '\'');
}

void quote_if_needed(struct buf *out, const char *word)
{
	if (word_is_plain(word))
		buf_addstr(out, word);
	else
		quote_word(out, word);
}

void quote_program(struct buf *out, const char *program)
{
	const char *slash = strchr(program, '/');

	if (program[0] != '~' || !slash) {
		quote_if_needed(out, program);
		return;
	}
	for (const char *c = program + 1; c < slash; c++)
		if (!is_plain(*c)) {
			quote_if_needed(out, program);
			return;
		}
	buf_add(out, program, (size_t)(slash + 1 - program));
	if (slash[1])
		quote_if_needed(out, slash + 1);
}

static void add_root(struct buf *out, const char *root)
{
	AUTO_BUF path = BUF_INIT;

	/* So that no path is ever taken for an option. */
	if (root[0] == '-')
		buf_addstr(&path, "./");
	buf_addstr(&path, root);
	quote_word(out, buf_cstr(&path));
}

struct quote_agent quote_agent_of(const struct config *config)
{
	return (struct quote_agent){ .osync = config->remote_osync_path,
				     .root = config->target.path,
				     .state_dir = config_target_state_dir(config),
				     .token = config->remote_token,
				     .sudo = config->sudo_exec,
				     .hooks = config_has_remote_hooks(config) };
}

struct quote_agent quote_agent_shown(const struct config *config)
{
	struct quote_agent agent = quote_agent_of(config);

	if (agent.token)
		agent.token = "...";
	return agent;
}

/* What stands before the program. */
static void add_prefix(struct buf *out, const struct quote_agent *agent)
{
	if (agent->token)
		buf_addf(out, "env _REMOTE_TOKEN=%s ", agent->token);
	if (agent->sudo)
		buf_addstr(out, "sudo -n ");
}

static void add_verb(struct buf *out, const struct quote_agent *agent)
{
	buf_addstr(out, agent->hooks ? " agent --allow-hooks" : " agent");
}

void quote_remote(struct buf *out, const struct quote_agent *agent)
{
	add_prefix(out, agent);
	quote_program(out, agent->osync);
	add_verb(out, agent);
	if (agent->state_dir) {
		buf_addstr(out, " --state-dir ");
		quote_word(out, agent->state_dir);
	}
	buf_addstr(out, " --root ");
	add_root(out, agent->root);
}

/* A word that two shells will read. */
static void add_twice_quoted(struct buf *out, const char *word)
{
	AUTO_BUF once = BUF_INIT;

	if (word_is_plain(word)) {
		buf_addstr(out, word);
		return;
	}
	quote_program(&once, word);
	quote_word(out, buf_cstr(&once));
}

void quote_command(struct buf *out, const char *command, const struct quote_agent *agent)
{
	buf_addstr(out, command);
	buf_addch(out, ' ');
	add_prefix(out, agent);
	add_twice_quoted(out, agent->osync);
	add_verb(out, agent);
	if (agent->state_dir) {
		buf_addstr(out, " --state-dir ");
		add_twice_quoted(out, agent->state_dir);
	}
	buf_addstr(out, " --root ");
	if (agent->root[0] == '-')
		buf_addstr(out, "./");
	add_twice_quoted(out, agent->root);
}

static const char *token_value(char token, const struct quote_tokens *tokens)
{
	switch (token) {
	case '%':
		return "%";
	case 'h':
		return tokens->host;
	case 'n':
		return tokens->host_given;
	case 'k':
		return tokens->host_key_name;
	case 'p':
		return tokens->port;
	case 'r':
		return tokens->user;
	case 'd':
		return tokens->home;
	case 'u':
		return tokens->local_user;
	default:
		return NULL;
	}
}

int quote_expand(struct buf *out, const char *text, const struct quote_tokens *tokens,
		 bool for_shell, struct err *err)
{
	for (const char *c = text; *c; c++) {
		if (*c != '%') {
			buf_addch(out, *c);
			continue;
		}
		const char *value = token_value(*++c, tokens);

		if (!value)
			return err_set(err, ERR_CONFIG,
				       "osync does not know the token '%%%.1s' of '%s'", c, text);
		/* '%' by itself is harmless, and is in no plain word. */
		if (for_shell && *c != '%' && !word_is_plain(value))
			return err_set(err, ERR_CONFIG, "'%s' cannot be put into the command '%s'",
				       value, text);
		buf_addstr(out, value);
	}
	return 0;
}
