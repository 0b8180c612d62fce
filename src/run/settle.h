/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Read what must be read before anything can be decided: digests of files whose stat key
 * changed and that may be the same all the same, and of files that may have been moved.
 */
#ifndef RUN_SETTLE_H
#define RUN_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/entry.h"

struct changes;
struct err;
struct reuse;
struct session;

/*
 * Complete the entries of the changes with digests, and fill `reuse` with what the saved list offers.
 * What cannot be read is reported and left alone.
 */
int settle(struct session *session, struct changes *changes, struct reuse *reuse, struct err *err);

/*
 * Look by name for what the verdicts say was deleted: a listing may miss a name that is being
 * replaced while it is read, and the user may have put it there again since. What is there is reported and
 * marked as failed. A folder that would go is looked into: where it directly holds what is not synced, that is
 * marked (change->holds). *contradicted tells whether anything is, so that verdicts must be reached anew.
 */
int settle_deletions(struct session *session, struct changes *changes, bool *contradicted,
		     struct err *err);

/*
 * What `side` has at `path` now, read completely with this seed: the entry with the digest of a file
 * or of a symlink's target (without the target itself), or ENTRY_ABSENT. -1 with the agent's reason, or a lost connection.
 */
int settle_read(struct session *session, enum side side, const char *path, uint64_t seed,
		struct entry *out, struct err *err);
/* Whether that failure ends the run; anything else concerns the one path and is forgotten (err is cleared). */
bool settle_lost(struct err *err);

#endif
