/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One try of one profile: a process of this very program, what it prints and how it ended.
 *
 *	attempt_start
 *	attempt_polls, poll, attempt_read ...	hand out its lines; until attempt_ended()
 *	attempt_free
 *
 * The process runs `osync batch --attempt ...` (the file this process was started from, also when another
 * has been installed in its place), in a process group of its own, so that a Ctrl-C reaches it through
 * the batch only and once.  It gets SIGTERM when the batch is gone, however that came, and then ends as
 * it does for any SIGTERM: in order, with its agents and commands.
 *
 * How it ended it tells in one message, besides its exit status: what an exit code leaves open.
 */
#ifndef BATCH_ATTEMPT_H
#define BATCH_ATTEMPT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

struct attempt;
struct err;
struct outcome;

/* What is told about the end of a run. */
struct attempt_end {
	int32_t code;
	bool told;	   /* the run itself says so: the rest counts */
	bool finished;	   /* it came to its end */
	bool look;	   /* as struct outcome has it */
	char message[480]; /* why it failed; escaped; "": it has not */
};

/* How such a process is called: `osync batch --attempt WORD --config=FILE options`. */
#define ATTEMPT_OPTION	  "--attempt"
#define ATTEMPT_HAND	  "hand"
#define ATTEMPT_CRON	  "cron"
#define ATTEMPT_HAND_MORE "hand-more" /* another try follows if it fails in passing */
#define ATTEMPT_CRON_MORE "cron-more"

enum { ATTEMPT_POLLS = 2, ATTEMPT_TELL_FD = 3 };

/* A line without its end (escaped by who printed it), and whether it came on standard error. */
typedef void attempt_line_fn(void *arg, const char *line, bool error);

/* argv: its arguments with the program's name, NULL at the end.  NULL where no process can be made. */
struct attempt *attempt_start(const char *const argv[], struct err *err);
/* What to wait for; a descriptor of -1 is none. */
void attempt_polls(const struct attempt *attempt, struct pollfd polls[static ATTEMPT_POLLS]);
/* Hand out the lines that are there by now. */
void attempt_read(struct attempt *attempt, attempt_line_fn *line, void *arg);
/*
 * Whether it has ended: then all it printed has been handed out and *end says how. Not told: the
 * exit status is all there is; 128+n for a signal, or 127 where it could not be executed.
 */
bool attempt_ended(struct attempt *attempt, struct attempt_end *end, attempt_line_fn *line,
		   void *arg);
/* Pass a signal on. */
void attempt_signal(const struct attempt *attempt, int signal);
/* NULL does nothing. One that runs is killed. */
void attempt_free(struct attempt *attempt);

/* In the process itself, before anything else: 0, or -1 where it is none of a batch. */
int attempt_begin(void);
/* The run has ended so. */
void attempt_tell(const struct outcome *outcome);

#endif
