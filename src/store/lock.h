/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One run at a time per root: flock(2) on a kept file, dropped by the kernel when
 * the holder dies, so there is nothing stale to clean up on a local file system.
 * The file says who holds it while it is held (one line, "PID@HOST INSTANCE since
 * TIME"), is emptied on release and is touched now and then (the heartbeat), so that
 * people and the clean-up job can tell a live holder by the server's own clock.
 *
 * What the line says is for people only; nothing is decided by it.  A holder that was
 * killed leaves its line behind, in a file that nobody has locked.
 *
 * The lock belongs to the process that took it.  A child forked meanwhile shares it with
 * its parent: closing everything, or lock_free (which in a child only closes), is how a
 * child that outlives its parent lets go of it.
 */
#ifndef STORE_LOCK_H
#define STORE_LOCK_H

#include <stdint.h>

struct err;
struct lock;

enum lock_mode {
	LOCK_HOLD, /* create the file where missing, write the holder into it */
	LOCK_PEEK, /* for a dry run: lock an existing file without changing a byte; no file, no
		       lock.  Dry runs exclude writers, not one another. */
};

enum { LOCK_HOLDER_MAX = 400 };

/*
 * Take the lock NAME in folder dirfd, waiting up to wait_ms (0: do not wait).
 * `holder` is one line that names us ("PID@HOST INSTANCE"); " since YYYYMMDD-HHMMSS UTC"
 * is put behind it.  Control characters in it are escaped, and it is cut where the line
 * would have more than LOCK_HOLDER_MAX bytes.  A disk too full for the line is no error.
 *
 * ERR_LOCKED names who holds it and since when.  ERR_SIGNAL when asked to stop
 * (base/stop.h) while waiting.  ERR_SYSTEM where the file system has no locks, or where
 * NAME is no regular file.
 */
struct lock *lock_take(int dirfd, const char *name, enum lock_mode mode, const char *holder,
		       int64_t wait_ms, struct err *err);
/*
 * The ctime of the line that was just written, or 0: the file system's own clock, which is not ours on
 * a mounted server.
 */
int64_t lock_ctime_ns(const struct lock *lock);
/* Show that we are alive: touch the file. Cheap; call every few seconds. */
void lock_beat(struct lock *lock);
/* Empty the file and release. NULL does nothing. */
void lock_free(struct lock *lock);

#endif
