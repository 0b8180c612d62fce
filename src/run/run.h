/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One run, from connecting to the exit code: the pipeline of the README.
 */
#ifndef RUN_RUN_H
#define RUN_RUN_H

struct config;
struct outcome;

/*
 * Synchronize once as configured; says what it does (run/report.h) and returns the exit code, which is
 * also in `outcome` (OUTCOME_INIT before, released by the caller) with what led to it.
 */
int run_sync(const struct config *config, struct outcome *outcome);

#endif
