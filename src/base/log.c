/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static struct {
	enum log_level level;
	const char *prefix;
} sink = { LOG_WARN, "osync" };

void log_setup(enum log_level level, const char *prefix)
{
	sink.level = level;
	sink.prefix = prefix;
}

enum log_level log_current(void)
{
	return sink.level;
}

__attribute__((format(printf, 2, 0))) static void log_line(enum log_level level, const char *fmt,
							   va_list ap)
{
	char line[1024];
	int saved = errno;

	if (level > sink.level)
		return;
	vsnprintf(line, sizeof(line), fmt, ap);
	/* One call, so that lines of several processes do not mix. */
	fprintf(stderr, "%s: %s\n", sink.prefix, line);
	errno = saved;
}

void log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_WARN, fmt, ap);
	va_end(ap);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_INFO, fmt, ap);
	va_end(ap);
}

void log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_DEBUG, fmt, ap);
	va_end(ap);
}
