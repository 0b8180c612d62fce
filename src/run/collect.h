/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Look at both sides at once and merge what they show with the saved list: one pass over three
 * sorted streams.  Only paths that are not proven unchanged are kept.
 */
#ifndef RUN_COLLECT_H
#define RUN_COLLECT_H

struct census;
struct changes;
struct err;
struct session;

/*
 * Fill the (empty) set of changes, in path order, and the census.  What could not be read is
 * reported.  ERR_PROTOCOL for a listing that is not in order.
 */
int collect(struct session *session, struct changes *changes, struct census *census,
	    struct err *err);

/*
 * Ask the target for its listing as collect() would if the saved list stays what it is now: to be sent
 * behind LOCK, so that it costs no round trip of its own.  The agent looks only with the lock.  Nothing is
 * asked on a first run, or where commands that may change something come first.  collect() sees whether
 * it was the right question, and otherwise asks anew.
 */
void collect_ahead(struct session *session);
/* Let the answer to that pass by, whatever it is: the lock was refused. */
int collect_drop_ahead(struct session *session, struct err *err);

#endif
