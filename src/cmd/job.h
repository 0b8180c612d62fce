/* SPDX-License-Identifier: BSD-2-Clause */
/* One run of one configuration and what is around it: loading, the log, what comes after. */
#ifndef CMD_JOB_H
#define CMD_JOB_H

struct outcome;

/* How it is started: any of these. */
enum job_start {
	JOB_BY_HAND = 0,
	/*
	 * Nobody watches: jitter, no output while all is well, a log (no dry run).  So are runs with
	 * --silent, however they are started.
	 */
	JOB_BY_CRON = 1,
	/*
	 * Another try follows if this one cannot reach the target, loses it or finds it locked: then nobody
	 * is told yet, unless there is something that only this run can tell.
	 */
	JOB_TRIED_AGAIN = 2,
};

/*
 * Load the configuration that the arguments name, synchronize once and return the exit code. How the run
 * ended is in `outcome` as well (OUTCOME_INIT before, released by the caller), where there was one;
 * otherwise code and err say what is wrong with the configuration.
 *
 * A log is kept where nobody reads what is printed (JOB_BY_CRON, --quiet), where LOGFILE names one,
 * and by no dry run.  One that cannot be written is said and keeps no run from its work.
 */
int job_run(int argc, char **argv, unsigned start, struct outcome *outcome);

#endif
