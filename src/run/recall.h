/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a run that was killed had done and not recorded, as both sides' agents noted it
 * (store/done_log.h), is taken over into the saved list before anything is compared: what its
 * users have done since is then seen as done after it.
 */
#ifndef RUN_RECALL_H
#define RUN_RECALL_H

#include <stdint.h>

#include "base/buf.h"

struct err;
struct msg_locked;
struct session;

/* What one side told with LOCKED. */
struct recall {
	struct buf done; /* records as in store/done_log.h */
	uint64_t generation;
};

void recall_keep(struct recall *recall, const struct msg_locked *locked);
void recall_release(struct recall *recall);
/*
 * Bring the saved list up to date, durably: 1 where something was, and it is to be opened again; 0;
 * -1. Notes that belong to another state of the list are passed over. O(list * log notes) where something was
 * renamed, else O(notes).
 */
int recall(struct session *session, struct err *err);

#endif
