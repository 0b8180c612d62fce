/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A log file: only ever appended to, 0600 where it is made, never through a link.
 *
 * It is opened anew by every run, so it may be renamed or removed between two of them (logrotate).
 * Where nobody does that it does not grow without end: one that has LOG_FILE_MAX bytes becomes
 * NAME.old, in the place of an earlier one, and a new one is begun.
 *
 * These calls do not pass the doors of base/sys.h: nothing that matters depends on them.
 */
#ifndef BASE_LOG_FILE_H
#define BASE_LOG_FILE_H

#include <stddef.h>

struct err;
struct log_file;

enum { LOG_FILE_MAX = 10 * 1024 * 1024 };

/*
 * Open or create it; a device or a pipe with a reader will do.  NULL with err.  `max` is
 * LOG_FILE_MAX but in tests.
 */
struct log_file *log_file_open(const char *path, size_t max, struct err *err);
/* Append; what cannot be written is lost. */
void log_file_append(struct log_file *file, const void *line, size_t len);
/* Why a line was lost, or NULL. Owned by the file. */
const char *log_file_failure(const struct log_file *file);
int log_file_fd(const struct log_file *file);
/* From now on this process only appends: another one sees to the size. */
void log_file_share(struct log_file *file);
void log_file_close(struct log_file *file);
#endif
