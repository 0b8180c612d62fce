/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SSH key of a job on this machine, and the line by which a server lets it in for that one folder.
 */
#ifndef SETUP_KEY_H
#define SETUP_KEY_H

#include <stdbool.h>

struct buf;
struct config;
struct err;

/* The name of this machine as a word for names and comments: [A-Za-z0-9._-]. Malloc'ed. */
char *key_machine(void);

/*
 * Have an ed25519 key at `path` (0600, in a folder for its owner alone), without a passphrase, as cron
 * has nobody to ask.  A file that is there is left as it is.  *made: whether it was not.
 * ERR_SYSTEM where ssh-keygen is missing or fails.
 */
int key_make(const char *path, const char *comment, bool *made, struct err *err);

/* Append its public half, "TYPE BASE64 COMMENT", from PATH.pub or from the key itself. */
int key_public(const char *path, struct buf *out, struct err *err);

/*
 * Append the line for the server's authorized_keys: this key may serve that folder and nothing else.
 * The words of the agent are those that a run of this configuration asks for.  Pure.
 */
void key_authorize(struct buf *out, const struct config *config, const char *public_key);

#endif
