/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of setup/bitpocket share: the reading of its configuration. */
#ifndef SETUP_BITPOCKET_INTERNAL_H
#define SETUP_BITPOCKET_INTERNAL_H

#include <stdbool.h>

#include "config/problems.h"

struct assignments;
struct bitpocket;

struct reading {
	struct bitpocket *out;
	const char *root;
	const struct assignments *file;
	struct problems *problems;
	struct origin at; /* of what is being read */
	char *user;	  /* what RSYNC_RSH says; malloc'ed, or NULL */
	char *port;
};

/* Set a key of ours. */
void bitpocket_set(struct reading *r, const char *key, const char *value);

/* RSYNC_RSH: true where all its words are understood, and then set; false where it needs ssh itself. */
bool bitpocket_ssh(struct reading *r, const char *shell);
/* RSYNC_OPTS. */
void bitpocket_options(struct reading *r, const char *options);

#endif
