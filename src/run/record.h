/* SPDX-License-Identifier: BSD-2-Clause */
/* What the saved list is to say of a path, now that nothing more will be done about it in this run. */
#ifndef RUN_RECORD_H
#define RUN_RECORD_H

#include <stdbool.h>

struct change;
struct changes;
struct session;

/* Whether the path needs no operation but its record is out of date. */
bool record_is_due(const struct change *change);
/* Record what both sides show (change->now). */
void record_agreed(struct session *session, const struct changes *changes,
		   const struct change *change);
/* Nothing was done about it, but a rename carried it: its history goes along. */
void record_carried(struct session *session, const struct changes *changes,
		    const struct change *change);
/* Remember that a special file or mount point was seen and reported. */
void record_seen(struct session *session, const struct change *change);

#endif
