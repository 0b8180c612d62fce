/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is wrong with a configuration: collected while it is read, so that one
 * run tells everything there is to mend, and told in the order of the file.
 *
 * A problem knows where it came from ("osync.conf:12", "--lock-wait") and
 * whether it stops the program (an error) or not (a warning).  Text is escaped
 * on the way out, once; callers pass bytes as they found them.
 */
#ifndef CONFIG_PROBLEMS_H
#define CONFIG_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

/* Where a value came from, weakest first: a stronger source replaces a weaker one. */
enum source { SOURCE_DEFAULT, SOURCE_ENVIRONMENT, SOURCE_FILE, SOURCE_OPTION };

/* `where` is the file's name, the option or "environment"; line is 0 where there are no lines. */
struct origin {
	enum source source;
	const char *where; /* not owned; NULL: nowhere in particular */
	unsigned line;
};

enum problem_kind {
	PROBLEM_ERROR, /* of the configuration, or of the command line if it came from an option */
	PROBLEM_WARNING, /* the run goes on */
};

struct problem;

struct problems {
	struct problem *items;
	size_t count;
	size_t cap;
	size_t dropped; /* beyond PROBLEMS_MAX: counted, not kept */
};

/* A file with more problems than this is not a configuration file. */
enum { PROBLEMS_MAX = 1000 };

#define PROBLEMS_INIT         \
	{                     \
		NULL, 0, 0, 0 \
	}
#define AUTO_PROBLEMS AUTO(problems_release) struct problems

void problems_release(struct problems *problems);

/*
 * Record one. `origin` may be NULL (a problem of the whole); the text says what
 * is wrong with the key's name in it, and what to do. Returns -1.
 */
int problems_add(struct problems *problems, enum problem_kind kind, const struct origin *origin,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Whether there is an error among them. */
bool problems_stop(const struct problems *problems);

/*
 * Append all as lines: errors of the command line, errors by line of the file,
 * errors of the whole, then warnings in the same order ("FILE:LINE: warning: ...").
 */
void problems_report(struct problems *problems, struct buf *out);

/*
 * 0 without errors; otherwise -1 and err holds ERR_USAGE (an option is wrong) or
 * ERR_CONFIG, and the first of them with the number of the others.
 */
int problems_judge(struct problems *problems, struct err *err);

#endif
