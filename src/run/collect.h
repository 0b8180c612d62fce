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

#endif
