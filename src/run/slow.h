/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bitpocket's pair of commands for syncs that take long: SLOW_SYNC_START_CMD is run once the run has
 * taken SLOW_SYNC_TIME seconds, beside it, and SLOW_SYNC_STOP_CMD when the run is over; never the
 * second without the first.  A dry run has neither.
 *
 * A run that is killed runs no second one, but what the first one has started ends with it
 * (base/shell.h).
 */
#ifndef RUN_SLOW_H
#define RUN_SLOW_H

#include <stdint.h>

struct config;
struct report;
struct slow;

/* NULL where it is not asked for: then none is needed below. `run` is kept, not copied. */
struct slow *slow_new(const struct config *config, const char *run, struct report *report);
/* Start the first when so much time has passed, and log what it says. */
void slow_tick(struct slow *slow, int64_t passed_ms);
/* After how long slow_tick() has something to do, INT64_MAX if never. */
int64_t slow_wait_ms(const struct slow *slow, int64_t passed_ms);
/* End the first one if it still runs, run the second one, and free. */
void slow_end(struct slow *slow);

#endif
