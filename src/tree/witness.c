/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/witness.h"

#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/cleanup.h"
#include "base/sys.h"

/* Room for some events: one of a watched file has no name. */
enum { EVENTS_SIZE = 64 * sizeof(struct inotify_event) };

void witness_init(struct witness *witness)
{
	*witness = (struct witness){ .fd = -1 };
}

void witness_release(struct witness *witness)
{
	cleanup_close(&witness->fd);
}

int witness_begin(struct witness *witness, int fd)
{
	char path[32];

	if (witness->fd < 0)
		witness->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (witness->fd < 0)
		return -1;
	/* The link in /proc leads to the open file itself, whatever has its name by now. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return inotify_add_watch(witness->fd, path, IN_MODIFY);
}

/* Of this watch: an overflow means that something has come which nobody has seen. */
static enum witnessed judge(const struct inotify_event *event, int watch)
{
	if (event->mask & IN_Q_OVERFLOW)
		return WITNESS_NONE;
	return event->wd == watch && event->mask & IN_MODIFY ? WITNESS_WRITTEN : WITNESS_QUIET;
}

enum witnessed witness_end(struct witness *witness, int watch)
{
	enum witnessed seen = WITNESS_QUIET;
	char events[EVENTS_SIZE];
	ssize_t len = 0;

	if (watch < 0)
		return WITNESS_NONE;
	while ((len = sys_read(witness->fd, events, sizeof(events))) > 0) {
		for (ssize_t at = 0; at < len;) {
			struct inotify_event event;

			memcpy(&event, events + at, sizeof(event));
			at += (ssize_t)(sizeof(event) + event.len);
			if (seen != WITNESS_WRITTEN && judge(&event, watch) != WITNESS_QUIET)
				seen = judge(&event, watch);
		}
	}
	inotify_rm_watch(witness->fd, watch);
	return seen;
}
