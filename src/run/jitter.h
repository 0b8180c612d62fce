/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * START_JITTER: many machines whose clocks agree start in the same second; each waits a moment of
 * its own choice first, so that they do not all meet at one server.
 *
 * Only a run that nobody waits for waits: one of `osync cron` or with --silent, and no dry run.
 */
#ifndef RUN_JITTER_H
#define RUN_JITTER_H

#include <stdint.h>

struct config;

/* How long to wait, in ms, for the random number `random`: 0 <= result < START_JITTER. Pure. */
int64_t jitter_ms(const struct config *config, uint64_t random);
/* Wait that long, or until the run is asked to stop. */
void jitter_wait(const struct config *config);

#endif
