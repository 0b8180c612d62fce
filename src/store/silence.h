/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For how long the holder of a lock has given no sign of life.
 *
 * A live holder touches the lock's file every few seconds (lock_beat).  How old its time stamp is says
 * nothing to be relied on, since clocks differ and jump; so what counts is for how long it was SEEN not to
 * change, by this machine's monotonic clock, which also stands still while the machine is suspended
 * (and the holder with it).  What was seen is kept in "lock.silent" beside the lock, so that runs that do
 * not wait, one every five minutes, can learn it between them: it counts until the next boot.
 *
 * A silent holder may be stopped (SIGSTOP), hang in a system call, or be a machine that has lost its
 * file server.  It may wake up at any time: store/lock.h says why that does no harm.
 */
#ifndef STORE_SILENCE_H
#define STORE_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"

/* What would show that the holder lives, or that it is another one. */
struct silence_mark {
	uint64_t dev;
	uint64_t ino;
	int64_t mtime_ns;
};

struct silence {
	struct silence_mark mark;
	int64_t since_ms; /* monotonic; when the mark was first seen */
	bool known;
	bool saved; /* the file says the same */
};

/* The mark of the lock NAME; false where it cannot be had. */
bool silence_look(int dirfd, const char *name, struct silence_mark *mark);
/*
 * The mark was seen at now_ms: for how many ms it has been the same. Pure. A clock that went back (another
 * boot) begins anew.
 */
int64_t silence_seen(struct silence *silence, const struct silence_mark *mark, int64_t now_ms);

/* What was seen before, in this boot; nothing where that is not known. */
void silence_load(int dirfd, const struct uuid *boot, struct silence *silence);
/* Keep it for others. A failure costs no more than time. */
void silence_save(int dirfd, const struct uuid *boot, struct silence *silence);
/* Remove what was kept. */
void silence_remove(int dirfd);

#endif
