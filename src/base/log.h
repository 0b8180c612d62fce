/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Diagnostics for -v: what the program does, on standard error, one line a call.
 * Results (changes, problems, the summary) are run/report's job, not this one's.
 * Names must be escaped by the caller (text_add_escaped).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level {
	LOG_QUIET, /* nothing */
	LOG_WARN,  /* something a person should know, the run goes on */
	LOG_INFO,  /* -v: the steps of the run */
	LOG_DEBUG, /* -vv: details, places in the code */
};

/* Lines above `level` are dropped. `prefix` (kept, not copied) goes before each, e.g. "osync". */
void log_setup(enum log_level level, const char *prefix);
enum log_level log_current(void);
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
