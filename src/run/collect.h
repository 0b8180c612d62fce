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
 * Ask both sides for their listings as collect() would if the saved list stays what it is now.  To be said behind
 * the LOCK of the target, so that it costs no round trip of its own (its agent looks only with the lock), when the
 * initiator's lock is held, so that this side is listed meanwhile.  Nothing is
 * asked on a first run, or where commands that may change something come first.  collect() sees whether
 * it was the right question, and otherwise asks anew.
 */
void collect_ahead(struct session *session);
/* The saved list has changed in a way that its generation does not show: what this side left out is not known. */
void collect_distrust(struct session *session);
/* Let the answers to that pass by, whatever they are: the lock was refused. */
int collect_drop_ahead(struct session *session, struct err *err);

#endif
