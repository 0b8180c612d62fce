/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the far end writes on its standard error, line by line: logged as it comes, escaped
 * and marked with its origin, and the last of it kept for the account of a failure.
 *
 * Lines of a far osync ("osync...: ") are warnings (unless `plain`); anything else (login banners, noise of
 * shell start files) is shown with -v only, so that cron does not mail it every five minutes.
 */
#ifndef TRANSPORT_LINES_H
#define TRANSPORT_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum {
	LINES_LINE_MAX = 800, /* bytes; longer lines are cut into several */
	LINES_KEPT = 3,	      /* lines for the account */
};

struct lines {
	const char *origin;	/* host or command, kept, not copied */
	struct buf partial;	/* the line that is not finished */
	char *kept[LINES_KEPT]; /* escaped, oldest first, NULL where there are fewer */
	bool plain;		/* no line is anything but what it says */
};

#define LINES_INIT(who)                          \
	{                                        \
		(who), BUF_INIT, { NULL }, false \
	}
#define AUTO_LINES AUTO(lines_release) struct lines

void lines_release(struct lines *lines);
/* Take data[0..len) and log every line that it completes. */
void lines_feed(struct lines *lines, const void *data, size_t len);
/* The stream is over: log what is left. */
void lines_end(struct lines *lines);
/* Feed what a non-blocking descriptor has to offer; 1 = more may come, 0 = it has ended. */
int lines_drain(struct lines *lines, int fd);
#define LINES_JOINT "; "
/* Append the kept lines to out, with LINES_JOINT between them. */
void lines_last(const struct lines *lines, struct buf *out);

#endif
