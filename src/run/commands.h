/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands of the user that are run on this machine when something has happened, without a lock:
 *
 *	ON_CONFLICT_CMD	after a run that found conflicts; their paths are on its standard input, each
 *			ended by a NUL byte, which no path holds (`xargs -0`, `read -d ''`)
 *	ON_ERROR_CMD	after a run that failed, but not one that found another at work
 *
 * Both are told how the run went (run/facts.h), and run once for each run; a dry run has neither, nor
 * has one that was stopped by a signal.
 * Each may take MAX_EXEC_TIME_PER_CMD_AFTER, or COMMANDS_LIMIT_S: nobody may be watching, and a command
 * that hangs must not pile up.  One that fails is reported, and the run ends with EXIT_LOOK at least.
 */
#ifndef RUN_COMMANDS_H
#define RUN_COMMANDS_H

#include <stdint.h>

struct config;
struct err;
struct facts;
struct report;

enum { COMMANDS_LIMIT_S = 300 };

/* When the run is over. err: what ended it before its time, or none. */
void commands_after_run(const struct config *config, struct report *report, const char *run,
			const struct err *err);

/* One command to its end. input: its standard input (borrowed), -1 for /dev/null. */
void commands_run(const struct config *config, struct report *report, const char *key,
		  const char *command, int input, const struct facts *facts);
/* What each may take. */
int64_t commands_limit_ms(const struct config *config);

#endif
