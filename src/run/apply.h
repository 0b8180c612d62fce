/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Carry out the plan: phase by phase, both directions at once, each finished path recorded
 * only after both sides have made it durable.
 *
 * A failure of one path is reported and the run goes on; what depends on it is not done.  Only a
 * lost connection, a broken protocol or a signal ends it early; what was recorded until then stands.
 */
#ifndef RUN_APPLY_H
#define RUN_APPLY_H

struct changes;
struct err;
struct plan;
struct session;

/* The session is prepared. */
int apply(struct session *session, struct changes *changes, struct plan *plan, struct err *err);

#endif
