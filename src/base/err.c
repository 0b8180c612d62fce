/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int err_set_at(struct err *err, enum err_kind kind, int sys, const char *where, const char *fmt,
	       ...)
{
	va_list ap;

	if (!err)
		return -1;
	err->kind = kind;
	err->sys = sys;
	err->where = where;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return -1;
}

int err_sys_at(struct err *err, int errnum, const char *where, const char *fmt, ...)
{
	char context[sizeof(err->msg)];
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	return err_set_at(err, ERR_SYSTEM, errnum, where, "%.300s: %s", context,
			  strerrordesc_np(errnum) ? strerrordesc_np(errnum) : "unknown error");
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char context[sizeof(err->msg)];
	char cause[sizeof(err->msg)];
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	memcpy(cause, err->msg, sizeof(cause));
	snprintf(err->msg, sizeof(err->msg), "%.200s: %.270s", context, cause);
	return -1;
}

void err_clear(struct err *err)
{
	if (err)
		*err = (struct err)ERR_INIT;
}

bool err_is_set(const struct err *err)
{
	return err->kind != ERR_NONE;
}

/* There is nobody left to tell when even this fails. */
static void say(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return;
}

noreturn void err_die(const char *what)
{
	say("osync: ");
	say(what);
	say("\n");
	abort();
}
