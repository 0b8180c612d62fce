/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words for shells: what reaches a shell, here or on the server, is put together here and
 * nowhere else.
 *
 * Quoting is for sh and its kin, and works with the csh family and fish too for every name
 * without a line end or a backslash.  Pure.
 */
#ifndef TRANSPORT_QUOTE_H
#define TRANSPORT_QUOTE_H

#include <stdbool.h>

struct buf;
struct config;
struct err;

/* Append `word` in single quotes; ' and ! stand outside them, behind a backslash. */
void quote_word(struct buf *out, const char *word);
/* The same, without quotes where no shell would see anything in the word. */
void quote_if_needed(struct buf *out, const char *word);
/* A program: quoted if needed, but a leading ~/ or ~user/ is left to the shell. */
void quote_program(struct buf *out, const char *program);

/* What the far end should run. Borrowed. */
struct quote_agent {
	const char *osync;     /* REMOTE_OSYNC_PATH */
	const char *root;      /* path of the root there */
	const char *state_dir; /* TARGET_CUSTOM_STATE_DIR, or NULL */
	const char *token;     /* _REMOTE_TOKEN, or NULL: a word that no shell sees anything in */
	bool sudo;	       /* as root, through sudo */
	bool hooks;	       /* with --allow-hooks: who may log in may run commands anyway */
};

/* What the configuration asks for. */
struct quote_agent quote_agent_of(const struct config *config);
/* The same for eyes: without what is secret. */
struct quote_agent quote_agent_shown(const struct config *config);

/*
 * Append "[env _REMOTE_TOKEN=TOKEN ][sudo -n ]OSYNC agent [--allow-hooks] [--state-dir 'DIR'] --root
 * 'ROOT'" for the login shell of the server.  The spelling is a promise: ssh_filter.sh of osync 1.3
 * looks for "env _REMOTE_TOKEN=TOKEN" in these bytes, and sudoers names the words behind sudo.
 */
void quote_remote(struct buf *out, const struct quote_agent *agent);
/*
 * Append TRANSPORT_COMMAND and, after a blank, the words of quote_remote(), each quoted
 * again so that they pass the local shell as well: what `ssh -o ... HOST` needs, since it
 * hands its words on to another shell.  A word that needs no quotes gets none, so commands
 * that start a program themselves (`docker exec -i box`) work with plain paths.
 */
void quote_command(struct buf *out, const char *command, const struct quote_agent *agent);

/* What the percent signs of ssh_config stand for; NULL: unknown here. */
struct quote_tokens {
	const char *host;	   /* %h, after ssh_config's HostName */
	const char *host_given;	   /* %n, as it was typed */
	const char *host_key_name; /* %k */
	const char *port;	   /* %p */
	const char *user;	   /* %r */
	const char *home;	   /* %d */
	const char *local_user;	   /* %u */
};

/*
 * Append `text` with %h %n %k %p %r %d %u and %% expanded.  -1 with ERR_CONFIG on another
 * token.  With `for_shell`, also on a value that a shell would not take as a plain word.
 */
int quote_expand(struct buf *out, const char *text, const struct quote_tokens *tokens,
		 bool for_shell, struct err *err);

#endif
