/* SPDX-License-Identifier: BSD-2-Clause */
/* What it means that an operation has failed, where that is more than a failure. */
#ifndef RUN_FAILURE_H
#define RUN_FAILURE_H

#include <stdbool.h>

struct changes;
struct err;
struct op;
struct plan;
struct session;

/*
 * A deleted folder that holds files which are not synced stays, and so does what is in it. It is said
 * and forgotten, as are those above it, so that the next run makes them folders on both sides again.
 * Whether this is such a failure: not where something below has really failed, nor where something
 * may be in it that could not be renamed.
 */
bool failure_leaves_folder(struct session *session, const struct changes *changes,
			   const struct plan *plan, const struct op *op, const struct err *why);

#endif
