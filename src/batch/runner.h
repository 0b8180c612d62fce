/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run the profiles of a batch, each try in a process of its own (batch/attempt.h), in the order and as
 * often as batch/schedule.h decides, and say what comes of it.
 *
 * For people every line of a run is printed with the profile's name in front, on the stream it came on;
 * with --json every object gets the member "profile".  Asked to be quiet, runs are such as
 * `osync cron` starts: each judges itself whether somebody is to be told; of the batch only what no run
 * can tell is printed, and its log has the rest (runner_order's log).
 *
 * Asked to stop (base/stop.h) it passes the signal on to the runs, waits until they have ended in order,
 * and begins no more.
 */
#ifndef BATCH_RUNNER_H
#define BATCH_RUNNER_H

#include <stdbool.h>

#include "batch/schedule.h"

struct profiles;

struct runner_order {
	char *const *options; /* of `osync sync`, for every run */
	int option_count;
	bool quiet;
	bool json;
	bool dry_run;
	struct schedule_limits limits;
};

/*
 * Returns the exit code of the batch: the worst of the profiles' (report_worse), each the one of its
 * last try, but EXIT_LOOK instead of EXIT_IN_SYNC where an earlier try has said what wants a look, and
 * EXIT_FAILED for a run that was ended by a signal; or 128+n where the batch was stopped.
 */
int runner_run(const struct profiles *profiles, const struct runner_order *order);

#endif
