/* SPDX-License-Identifier: BSD-2-Clause */
/* One run of one configuration and what is around it: loading, the log, what comes after. */
#ifndef CMD_JOB_H
#define CMD_JOB_H

enum job_start {
	JOB_BY_HAND,
	JOB_BY_CRON, /* nobody watches: jitter, no output while all is well, a log (no dry run) */
};

/*
 * Load the configuration that the arguments name, synchronize once and return the exit code.
 *
 * A log is kept where nobody reads what is printed (JOB_BY_CRON, --quiet), where LOGFILE names one,
 * and by no dry run.  One that cannot be written is said and keeps no run from its work.
 */
int job_run(int argc, char **argv, enum job_start start);

#endif
