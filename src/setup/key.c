/* SPDX-License-Identifier: BSD-2-Clause */
#include "setup/key.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/process.h"
#include "base/text.h"
#include "config/config.h"
#include "config/locate.h"
#include "store/atomic.h"
#include "transport/quote.h"

enum {
	KEYGEN_MS = 60 * 1000,
	NOT_EXECUTABLE = 127,
	PUBLIC_MAX = 16 * 1024, /* bytes of a public key's file */
};

char *key_machine(void)
{
	char host[HOST_NAME_MAX + 1] = "";

	gethostname(host, sizeof(host) - 1);
	host[strcspn(host, ".")] = '\0';
	for (char *c = host; *c; c++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", *c))
			*c = '-';
	return xstrdup(*host ? host : "machine");
}

/* Run ssh-keygen; what it printed is in `out`. */
static int keygen(char *const argv[], struct buf *out, struct err *err)
{
	AUTO_BUF shown = BUF_INIT;
	int status = process_capture(argv, KEYGEN_MS, out, err);

	if (status == 0 || status < 0)
		return status;
	if (status == NOT_EXECUTABLE)
		return err_set(
			err, ERR_SYSTEM,
			"there is no ssh-keygen in PATH: install the OpenSSH client, or name "
			"a key with --ssh-key");
	text_add_escaped(&shown, buf_cstr(out));
	return err_set(err, ERR_SYSTEM, "ssh-keygen failed with status %d: %.300s", status,
		       buf_cstr(&shown));
}

static int make_folder_of(const char *path, struct err *err)
{
	AUTO_FREE char *folder = xstrdup(path);
	AUTO_CLOSE int fd = -1;

	*strrchr(folder, '/') = '\0';
	fd = atomic_mkdir_path_open(*folder ? folder : "/", err);
	return fd < 0 ? -1 : 0;
}

int key_make(const char *path, const char *comment, bool *made, struct err *err)
{
	AUTO_FREE char *file = xstrdup(path);
	AUTO_FREE char *words = xstrdup(comment);
	char program[] = "ssh-keygen", quiet[] = "-q", type[] = "-t", ed25519[] = "ed25519";
	char phrase[] = "-N", none[] = "", comment_is[] = "-C", file_is[] = "-f";
	char *const argv[] = { program,	   quiet, type,	   ed25519, phrase, none,
			       comment_is, words, file_is, file,    NULL };
	AUTO_BUF out = BUF_INIT;
	struct stat st;

	*made = false;
	if (lstat(path, &st) == 0)
		return 0;
	if (errno != ENOENT)
		return err_sys(err, errno, "cannot look at '%s'", path);
	if (make_folder_of(path, err) < 0 || keygen(argv, &out, err) < 0)
		return err_wrap(err, "cannot make a key");
	*made = true;
	return 0;
}

/* The first line, where it is one of a public key. */
static int take_line(const struct buf *text, struct buf *out)
{
	AUTO_FREE char *line = xstrndup((const char *)text->data, text->len);

	line[strcspn(line, "\r\n")] = '\0';
	if (strncmp(line, "ssh-", 4) != 0 && strncmp(line, "ecdsa-", 6) != 0 &&
	    strncmp(line, "sk-", 3) != 0)
		return -1;
	for (const char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return -1;
	buf_addstr(out, line);
	return 0;
}

int key_public(const char *path, struct buf *out, struct err *err)
{
	AUTO_FREE char *beside = xasprintf("%s.pub", path);
	AUTO_FREE char *file = xstrdup(path);
	char program[] = "ssh-keygen", show[] = "-y", phrase[] = "-P", none[] = "",
	     file_is[] = "-f";
	char *const argv[] = { program, show, phrase, none, file_is, file, NULL };
	AUTO_BUF text = BUF_INIT;

	if (access(beside, R_OK) == 0 && locate_read(beside, PUBLIC_MAX, &text, NULL) == 0 &&
	    take_line(&text, out) == 0)
		return 0;
	buf_reset(&text);
	if (keygen(argv, &text, err) < 0)
		return err_wrap(err, "cannot read the key '%s'", path);
	if (take_line(&text, out) < 0)
		return err_set(err, ERR_SYSTEM, "'%s' holds no key that ssh-keygen knows", path);
	return 0;
}

void key_authorize(struct buf *out, const struct config *config, const char *public_key)
{
	AUTO_BUF command = BUF_INIT;
	struct quote_agent agent = quote_agent_of(config);

	/* That is for a filter of osync 1.3; under a forced command there is none. */
	agent.token = NULL;
	quote_remote(&command, &agent);
	buf_addstr(out, "restrict,command=\"");
	for (const char *c = buf_cstr(&command); *c; c++) {
		if (*c == '"')
			buf_addch(out, '\\');
		buf_addch(out, *c);
	}
	buf_addf(out, "\" %s", public_key);
}
