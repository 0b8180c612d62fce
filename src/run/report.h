/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a run says: one line per change and per problem while it goes on, a summary at the
 * end, for people or as JSON (one object a line), and the exit code that follows from it.
 *
 * People's lines go to standard output, problems and errors to standard error; JSON goes to
 * standard output, all of it.  Under `osync cron` without -v nothing goes to standard error: there the
 * outcome is judged when the run is over (alert/alert.h).  The log (base/log.h) has all lines for
 * people, whatever is printed.  Names are escaped.
 */
#ifndef RUN_REPORT_H
#define RUN_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "model/entry.h"
#include "model/plan.h"

struct config;
struct err;
struct outcome;
struct report;

/* Exit codes (README, "Exit codes"). */
enum report_exit {
	EXIT_IN_SYNC = 0,
	EXIT_FAILED = 1,
	EXIT_LOOK = 2,
	EXIT_GUARD = 3,
	EXIT_BAD_USAGE = 64,
	EXIT_UNREACHABLE = 69,
	EXIT_LOCKED = 75,
	EXIT_DENIED = 77,
	EXIT_BAD_CONFIG = 78,
};

struct report *report_new(const struct config *config, const char *run);
void report_free(struct report *report);
/* Put what the run comes to into `outcome` (borrowed) as well. */
void report_into(struct report *report, struct outcome *outcome);

/*
 * Another try follows, which judges all that is pending anew: paths that failed count from nothing, and
 * what was said is not said again.
 */
void report_again(struct report *report);

/* The run begins: for the log. */
void report_begin(struct report *report);
/* One operation that was done (or would be, in a dry run). */
void report_change(struct report *report, const struct op *op);
/*
 * A conflict: `path`, whose version on `loser` gave way; kept under `copy` (NULL: it is kept beside it
 * already), or, with keep_loser false, in the trash only.
 */
void report_conflict(struct report *report, const char *path, enum side loser, const char *copy,
		     bool keep_loser, enum reason reason);

/* A path about which something went wrong: it stays pending and is tried again. */
void report_failed(struct report *report, const char *path, const char *message);
/* The same, said by this run only: the next one need not find it. */
void report_failed_once(struct report *report, const char *path, const char *message);
/* A path that is left alone and wants a person's look, once. */
void report_skipped(struct report *report, const char *path, const char *message);
/* A conflict that was left alone (CONFLICT_POLICY=skip). */
void report_unresolved(struct report *report, const char *path, const char *message);
/* Something about the run as a whole that a person should know. */
void report_warning(struct report *report, const char *message);

/* The same, where it makes the exit code EXIT_LOOK at least: a hook that failed, a run that took long. */
void report_look(struct report *report, const char *message);

/* The same, of SOFT_MAX_EXEC_TIME. */
void report_overdue(struct report *report, const char *message);

/*
 * The paths of all conflicts, in a file that can be read from its start, each ended by a NUL byte.
 * Borrowed; -1 where there is no ON_CONFLICT_CMD.
 */
int report_conflicts(const struct report *report);

/* What there was so far. */
struct report_tally {
	uint64_t changes[SIDES]; /* made to that side */
	uint64_t conflicts;
	uint64_t failed;
	uint64_t skipped;
	bool overdue; /* longer than SOFT_MAX_EXEC_TIME */
};
struct report_tally report_tally(const struct report *report);

struct report_totals {
	uint64_t scanned[SIDES];
	uint64_t sent_bytes;
	uint64_t received_bytes;
};
void report_hashed(struct report *report, uint64_t bytes);
/* The last lines. err: why the run as a whole failed, or NULL. Returns the exit code. */
int report_end(struct report *report, const struct report_totals *totals, const struct err *err);

/* The exit code, were this the end. err: as report_end(). */
int report_code(const struct report *report, const struct err *err);
/* The exit code for an error. */
int report_exit_code(const struct err *err);

/*
 * The worse of two exit codes, for who can give only one for several runs: the more it takes a person,
 * the worse.  From good to bad: 0, 75, 2, 69, 1 and what is not known, 77, 78, 64, 3.
 */
int report_worse(int one, int other);

#endif
