/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a run ended, as a value for who tells somebody about it: the exit code, why, and the lines for
 * people that want a look.  Everything is escaped; the lists are bounded, what is beyond is counted.
 */
#ifndef RUN_OUTCOME_H
#define RUN_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
	OUTCOME_NOTES_MAX = 16 * 1024, /* bytes of each list: what somebody reads in a mail */
};

/* Lines, each with its end. */
struct outcome_notes {
	struct buf lines;
	uint64_t count; /* of all, also of those that had no room */
};

struct outcome {
	int code;	 /* exit code */
	struct err err;	 /* why the run as a whole failed; ERR_NONE: it came to its end */
	char run[40];	 /* its name */
	bool online;	 /* the target could not be reached, but others could */
	uint64_t failed; /* paths that are still pending */
	bool look;	 /* it said what no later run may say again, whatever the exit code is */
	struct outcome_notes conflicts;
	struct outcome_notes problems; /* of paths, and warnings about the run */
	char *summary;		       /* one line, or NULL */
};

#define OUTCOME_INIT                                                                     \
	{                                                                                \
		0, ERR_INIT, "", false, 0, false, { BUF_INIT, 0 }, { BUF_INIT, 0 }, NULL \
	}
#define AUTO_OUTCOME AUTO(outcome_release) struct outcome

void outcome_release(struct outcome *outcome);
/* Add a line to a list. */
void outcome_note(struct outcome_notes *notes, const char *line);

#endif
