/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trying again within a run, when the line to a server has broken.
 *
 *	again_start
 *	(a try: connect, lock, look, decide, act, commit)
 *	again_is_due	after one that failed: waits, and says whether there is to be another one
 *
 * Each try is all that a run is, from connecting on: locks, identities, generations, both listings, the
 * guards.  What the one before has done is found as what a killed run had done is (store/done_log.h).
 * Only what a run does once is left out: jitter, the name, the limits, the report.
 *
 * Tried again is what may be different the next moment: a connection that broke after the agent had
 * welcomed us, or that cannot be made again then.  Never a target that could not be reached in the first
 * place (the next run will come), a refusal, a guard, a lock, a peer that breaks the protocol, a run
 * that was told to stop.  Nor one with commands before or after it: they run under the locks, and
 * these are given back in between.
 *
 * RESUME_TRY tries without a single change are the last; each that changes something begins the count
 * anew, up to AGAIN_MAX in all.
 */
#ifndef RUN_AGAIN_H
#define RUN_AGAIN_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct report;
struct session;

enum { AGAIN_MAX = 20 /* a line that breaks so often is told */ };

struct again {
	int tries;     /* made again so far */
	int fruitless; /* of these, the last ones that changed nothing */
	uint64_t done; /* changes when the last one had ended */
	bool reached;  /* a try had got as far as to the agent */
};

void again_start(struct again *again);
/* session: of the try that has ended with err, closed. err is cleared where there is another one. */
bool again_is_due(struct again *again, const struct session *session, struct err *err);

#endif
