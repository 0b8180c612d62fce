/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors as values.
 *
 * A function that can fail takes a caller-owned `struct err *` as its last
 * parameter and returns -1 (or NULL).  The first cause wins: it sets kind, sys
 * and where; callers add context in front with err_wrap().  Nobody below run/,
 * cmd/ and main.c prints.
 *
 *	if (fd < 0)
 *		return err_sys(err, errno, "cannot open '%s'", dir);
 *	if (list_load(list, err) < 0)
 *		return err_wrap(err, "cannot read the saved file list");
 *
 * All setters return -1 so that they can stand behind `return`.  A NULL err is
 * allowed everywhere and means that the caller does not want to know why.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>
#include <stdnoreturn.h>

/* What a caller does about it; a kind exists only where somebody acts on it. */
enum err_kind {
	ERR_NONE = 0,
	ERR_SYSTEM,   /* a system call or a resource failed: the path or the run fails (exit 1) */
	ERR_CHANGED,  /* a path is not what the plan expected: leave it, try again next run */
	ERR_CORRUPT,  /* our own durable file is unusable: set it aside, merge without history */
	ERR_PROTOCOL, /* the other side broke the protocol: the run ends (exit 1) */
	ERR_GUARD,    /* a guard stopped the run before any change (exit 3) */
	ERR_USAGE,    /* bad command line (exit 64) */
	ERR_UNREACHABLE, /* the target or its agent cannot be reached or went away (exit 69) */
	ERR_LOCKED,	 /* another run holds a lock (exit 75) */
	ERR_DENIED,	 /* host key or login refused (exit 77) */
	ERR_CONFIG,	 /* bad configuration (exit 78) */
	ERR_SIGNAL,	 /* stopped by a signal; sys holds its number (exit 128+n) */
};

struct err {
	enum err_kind kind;
	int sys;	   /* errno at the point of failure, or 0 */
	const char *where; /* "file.c:123" of the first cause, for -vv */
	char msg[480];	   /* one line, outermost context first, no newline */
};

#define ERR_INIT                   \
	{                          \
		ERR_NONE, 0, 0, "" \
	}

#define ERR_STR_(x) #x
#define ERR_STR(x)  ERR_STR_(x)
#define ERR_WHERE   __FILE__ ":" ERR_STR(__LINE__)

/* Record a first cause of the given kind. Returns -1. */
#define err_set(err, kind, ...) err_set_at((err), (kind), 0, ERR_WHERE, __VA_ARGS__)
/* Record a failed system call: kind ERR_SYSTEM, ": strerror" is appended. Returns -1. */
#define err_sys(err, errnum, ...) err_sys_at((err), (errnum), ERR_WHERE, __VA_ARGS__)

int err_set_at(struct err *err, enum err_kind kind, int sys, const char *where, const char *fmt,
	       ...) __attribute__((format(printf, 5, 6)));
int err_sys_at(struct err *err, int errnum, const char *where, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Put context in front of the message ("context: message"). Returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Forget a handled error. */
void err_clear(struct err *err);
/* Whether an error has been recorded. */
bool err_is_set(const struct err *err);

/* Print one line to stderr and abort: for memory that cannot be had. */
noreturn void err_die(const char *what);

#endif
