/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is who: the names under which a pair of folders is known, the saved list that belongs
 * to it, and the guards against syncing with the wrong folder.
 */
#ifndef RUN_IDENTITY_H
#define RUN_IDENTITY_H

#include "model/entry.h"
#include "store/table.h"

struct config;
struct err;
struct session;
struct uuid;

/*
 * The name by which both roots know this job: INSTANCE-DIGITS, the digits from the identity of the
 * initiator's folder. So it stays the same when that folder is mounted elsewhere, on another
 * machine or under another host name, and several machines may use one configuration. Malloc'ed.
 */
char *identity_profile(const struct config *config, const struct uuid *initiator);
/*
 * The name by which the target remembers which folder was at this place: INSTANCE-DIGITS, the digits
 * from this machine and the folder's path.  Malloc'ed.
 */
char *identity_place(const struct config *config);
/*
 * Set session->initiator: the identity in the initiator's folder, else in the saved list, else a new
 * one for it to get. ERR_SYSTEM where there is one that cannot be read.
 */
int identity_of_initiator(struct session *session, struct err *err);
/*
 * With the lock: 1 where session->initiator is what the folder has, or is to get. 0 where another
 * first run has given it an identity meanwhile. Looks at the folder only where its agent had found
 * none there.
 */
int identity_is_still_ours(const struct session *session, struct err *err);
/* A side's folder as the user gave it, escaped for messages. Malloc'ed. */
char *identity_folder(const struct config *config, enum side side);
/* "PID@HOST INSTANCE", for the lock. Malloc'ed. */
char *identity_holder(const struct config *config);

/*
 * Open the saved list where it is there (session->list stays NULL where not). A list that cannot be
 * trusted is set aside (not in a dry run) and said; the run then goes on without history.
 */
int identity_open_list(struct session *session, enum table_mode mode, struct err *err);
/* Make the folder and the list where missing. */
int identity_create_list(struct session *session, struct err *err);

/*
 * Compare the identities both roots have with those in the saved list and in the target's memory.
 * ERR_GUARD where they differ and --adopt was not given; with it, history is forgotten for this run.
 */
int identity_check(struct session *session, struct err *err);

#endif
