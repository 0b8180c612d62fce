/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Give up, for good, what this process will not need: with Landlock, where the kernel has it, files
 * can be opened, made, renamed and removed beneath some folders only.
 *
 * This is a second wall.  The first are the checks of every path and the opening by descriptor that
 * follows no link; what gets past these, through a mistake in this program or in a library, ends here.
 *
 * What stays allowed: everything beneath the folders that are named, or only reading it, by whatever
 * path it is reached; what is open already; reading what the C library needs for the names of users and groups (/etc,
 * /run, its own modules).  What Landlock does not cover at all: stat, chmod, chown, time stamps and
 * extended attributes, and opening as O_PATH.
 *
 * It cannot be undone, holds for everything that this process starts, and keeps it from gaining
 * privileges by starting a program.  So whatever must run outside, hooks above all, has to be started
 * before, by a process that is not confined.
 */
#ifndef BASE_CONFINE_H
#define BASE_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

struct err;

/* A folder that stays within reach. */
struct confine_folder {
	int fd;		 /* open on it; negative: there is none */
	bool is_written; /* else things are only read there */
};

/*
 * Confine the process (its only thread) to these folders, and what lies below them.  The version of
 * Landlock that holds from now on (2 or more), or -1 and why nothing was changed: a kernel before 5.19,
 * which would also refuse renames between folders, one without Landlock, or a container that forbids it.
 *
 * Builds with fault points stay as they are where a test steers them (base/sys.h): its commands and
 * its files are outside.  What the sanitizers report may go to the folder OSYNC_REPORTS.
 */
int confine_to(const struct confine_folder *folders, size_t count, struct err *err);

#endif
