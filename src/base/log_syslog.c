/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log_syslog.h"

#include <syslog.h>

void log_syslog_open(void)
{
	openlog("osync", LOG_PID, LOG_USER);
}

void log_syslog_line(int severity, const char *text)
{
	syslog(severity, "%s", text);
}

void log_syslog_close(void)
{
	closelog();
}
