/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One run, from connecting to the exit code: the pipeline of the README.
 */
#ifndef RUN_RUN_H
#define RUN_RUN_H

struct config;

/* Synchronize once as configured; says what it does (run/report.h) and returns the exit code. */
int run_sync(const struct config *config);

#endif
