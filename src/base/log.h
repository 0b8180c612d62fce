/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Diagnostics, one line a call: on standard error for who watches, as -v asks, and in the log
 * for who looks later, at any verbosity.
 *
 * The log is any of a file (base/log_file.h), syslog, and a copy of what this run has said, for
 * a mail.  A line of the file is
 *
 *	2026-11-21T08:05:11+0100 20261121-070511-3f9a2c warn  text
 *
 * local time with its distance from UTC, the name of the run ("-" before it has one), error, warn,
 * info or debug, text.  It goes out by one write(2) to its end, alone or with others (log_gather), so
 * lines of several processes do not mix: the children of a run write to the same places (log_enter_child).
 *
 * Nothing here fails: what cannot be written is lost, and said once on standard error.
 *
 * Names must be escaped by the caller (text_add_escaped).  Control characters that get here all
 * the same become \xNN, so that nothing can forge a line.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

enum log_level {
	LOG_QUIET, /* nothing */
	LOG_WARN,  /* something a person should know, the run goes on */
	LOG_INFO,  /* -v: the steps of the run */
	LOG_DEBUG, /* -vv: details, places in the code */
};

/* How much a line of the log matters: the severities of syslog (RFC 5424). */
enum log_rank { RANK_ERROR = 3, RANK_WARN = 4, RANK_INFO = 6, RANK_DEBUG = 7 };

/*
 * Lines above `level` are not printed. `prefix` (kept, not copied) goes before each, e.g. "osync".
 * The log takes warnings and steps at any level, details with LOG_DEBUG.
 */
void log_setup(enum log_level level, const char *prefix);
enum log_level log_current(void);
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The log ------------------------------------------------------------------------- */

/* From now on also to this file; -1 with err where it cannot be opened. Replaces an earlier one. */
int log_to_file(const char *path, struct err *err);
/* From now on also to syslog, as "osync[PID]". */
void log_to_syslog(void);
/* From now on keep what is logged, for log_copy(). -1 with err where there is no memory file. */
int log_keep_copy(struct err *err);
/* What was kept: the first 256 KiB, and from there on warnings and errors up to 512 KiB. */
void log_copy(struct buf *out);
/* Whether there is a log. */
bool log_is_on(void);
/* Why lines of the log's file were lost, or NULL. Valid until log_close(). */
const char *log_failure(void);
/* The run that speaks from now on, at most 39 bytes; NULL: none. */
void log_name_run(const char *run);
/* A line for the log only, of any length. */
void log_event(enum log_rank rank, const char *text);
/*
 * Where there are many calm lines: from now on those of this process may be held back until log_flush(), a
 * warning, or until there are many. false: not any more. Lost with a process that is killed.
 */
void log_gather(bool gathers);
void log_flush(void);
/* End the log: file, syslog and copy. */
void log_close(void);

enum { LOG_FDS = 2 };

/* The descriptors of the log, for a child that closes all others; the number of them. */
int log_descriptors(int fds[static LOG_FDS]);
/* Call in a forked child that goes on logging, before it closes what it does not need. */
void log_enter_child(void);

#endif
