/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of the wanted can be kept on both sides' file systems, and what a person is told about the
 * rest.  What one side cannot hold is not synced at all between the two: it would come
 * back from there as if somebody had removed it.
 */
#ifndef RUN_ABILITY_H
#define RUN_ABILITY_H

struct changes;
struct policy;
struct session;

/* Fill the policy's fields, granularity_ns, plain_modes and no_*. Both sides must be locked. */
void ability_limit(const struct session *session, struct policy *policy);

/*
 * One warning for each side that lacks something that is wanted; nothing where there is no such
 * thing. The changes must have their verdicts.
 */
void ability_report(const struct session *session, const struct changes *changes);

#endif
