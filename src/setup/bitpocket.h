/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A folder that bitpocket syncs: what its .bitpocket says, as keys and patterns of ours.
 *
 * .bitpocket/config is shell, which bitpocket executes.  Here its assignments are read and nothing is
 * executed (config/parse.h).  A key that is understood becomes one of ours, a line that is not is named,
 * and where going on without it could sync what was not synced before, or elsewhere, that is an error.
 *
 *	REMOTE_HOST, REMOTE_PATH, REMOTE_PORT	TARGET_SYNC_DIR
 *	RSYNC_RSH	SSH_RSA_PRIVATE_KEY and its kin; what is not known of ssh's options: TRANSPORT_COMMAND
 *	RSYNC_OPTS	PRESERVE_ACL and its kin, patterns
 *	SLOW_SYNC_*	the same, run in the folder
 *	REMOTE_MOUNTPOINT	the same
 *	exclude, include, filter	one file of patterns, see setup/rules.h
 *
 * bitpocket's saved tree (.bitpocket/state) is left alone: it has names only, so the first run merges
 * both sides and deletes nothing.
 *
 * Pure: texts in, values and problems out.
 */
#ifndef SETUP_BITPOCKET_H
#define SETUP_BITPOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "setup/rules.h"

struct parse_lookup;
struct problems;

enum bitpocket_file {
	BITPOCKET_CONFIG,
	BITPOCKET_EXCLUDE,
	BITPOCKET_INCLUDE,
	BITPOCKET_FILTER,
	BITPOCKET_FILES,
};

/* Below the folder: ".bitpocket/config" and so on. */
extern const char *const bitpocket_names[BITPOCKET_FILES];

struct bitpocket {
	struct buf texts[BITPOCKET_FILES]; /* filled by the caller; empty where there is no file */
	char *target;			   /* as for TARGET_SYNC_DIR; NULL: it does not say */
	char **sets;			   /* "KEY=VALUE", in the order in which they count */
	size_t count;
	struct rules rules;
	struct buf unread; /* lines about lines that are no assignments */
};

#define AUTO_BITPOCKET AUTO(bitpocket_release) struct bitpocket

void bitpocket_release(struct bitpocket *bitpocket);

/*
 * Understand the texts.  `root` is the folder, absolute.  With `other_target` the target is said
 * elsewhere, and that of bitpocket does not matter.
 */
void bitpocket_read(struct bitpocket *bitpocket, const char *root, bool other_target,
		    const struct parse_lookup *lookup, struct problems *problems);

#endif
