/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system's log, which journald reads too.  Apart from base/log.h, because <syslog.h> takes the
 * same names for other things.
 */
#ifndef BASE_LOG_SYSLOG_H
#define BASE_LOG_SYSLOG_H

/* Lines go out as "osync[PID]: ...", facility user. */
void log_syslog_open(void);
/* One line with a severity of RFC 5424 (enum log_rank of base/log.h). */
void log_syslog_line(int severity, const char *text);
/* Before the descriptor behind it is closed by somebody else. */
void log_syslog_close(void);

#endif
