/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One run at a time per root: flock(2) on a kept file, dropped by the kernel when
 * the holder dies, so there is nothing stale to clean up on a local file system.
 * The file says who holds it while it is held (one line, "PID@HOST INSTANCE since
 * TIME"), is emptied on release and is touched every few seconds (the heartbeat), so that
 * others can tell a live holder from one that sleeps (store/silence.h).
 *
 * What the line says is for people only; nothing is decided by it but by its own writer.  A holder that
 * was killed leaves its line behind, in a file that nobody has locked.
 *
 * TAKING OVER.  A process that is stopped, or hangs in a system call, keeps its flock.  Its lock is taken
 * over by putting another file, locked by the new holder, in the place of the old one (lock_seize).  The
 * old holder cannot be hindered from waking up; so before each single change of the tree or of our own
 * files it looks whether the file by that name is still its own and says what it wrote (lock_check),
 * and ends if it is not.  That is a fence and not an exclusion: between its look and its change it may
 * have slept, and so ONE operation, the one it was in, may still be done by it when it wakes.  That is as
 * if the user of that folder had done it by hand, and does no more harm than that:
 *
 *	- every change of a tree names the version that it expects, cannot overwrite another one, and puts
 *	  back what came out where that was something else (tree/changer.h);
 *	- what it has staged carries names that no other run has, and was swept by its successor: it
 *	  places its own bytes or none;
 *	- what it appends to the saved list or the cache is refused where another one has appended
 *	  (store/journal.h), and a frame that slips through in that one call is found by its checksum;
 *	- what it notes as done, it has done.
 *
 * Its trash folder is its own.  The mtimes of folders, which it would put back at its end, are left.
 *
 * The lock belongs to the process that took it.  A child forked meanwhile shares it with
 * its parent: closing everything, or lock_free (which in a child only closes), is how a
 * child that outlives its parent lets go of it.
 */
#ifndef STORE_LOCK_H
#define STORE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct err;
struct lock;
struct silence_mark;

enum lock_mode {
	LOCK_HOLD, /* create the file where missing, write the holder into it */
	LOCK_PEEK, /* for a dry run: lock an existing file without changing a byte; no file, no
		       lock.  Dry runs exclude writers, not one another. */
};

enum { LOCK_HOLDER_MAX = 400 };

/*
 * Take the lock NAME in folder dirfd (borrowed while it is held), if it is free; store/turn.h waits for it.
 * `holder` is one line that names us ("PID@HOST INSTANCE"); " since YYYYMMDD-HHMMSS UTC"
 * is put behind it.  Control characters in it are escaped, and it is cut where the line
 * would have more than LOCK_HOLDER_MAX bytes.  A disk too full for the line is no error.
 *
 * ERR_LOCKED names who holds it and since when.  ERR_SYSTEM where the file system has no locks, or
 * where NAME is no regular file.
 */
struct lock *lock_take(int dirfd, const char *name, enum lock_mode mode, const char *holder,
		       struct err *err);
/* Whether nobody holds it now. */
bool lock_is_free(int dirfd, const char *name);
/* Append who holds it, or held it last: one printable line, of which nothing is believed. */
void lock_describe(int dirfd, const char *name, struct buf *out);
/* The ERR_LOCKED of lock_take(). */
int lock_held_by_other(int dirfd, const char *name, struct err *err);
/*
 * Take the lock over from the holder whose mark was seen (store/silence.h) and has not changed. ERR_LOCKED
 * where it has by now. Of two who do this at once, at most one goes on.
 */
struct lock *lock_seize(int dirfd, const char *name, const struct silence_mark *mark,
			const char *holder, struct err *err);
/* Whether it is still ours. ERR_LOCKED says whose it is. A system call and a read. */
int lock_check(const struct lock *lock, struct err *err);
/*
 * The same in front of each of many changes: whose the name is, which is how a lock is taken over, it looks
 * each time, or once in a millisecond where the last heartbeat still keeps everybody from doing that; what the
 * line says, every few milliseconds: there another one signs only where the file system has lost a lock.
 */
int lock_fence(struct lock *lock, struct err *err);
/*
 * The ctime of the line that was just written, or 0: the file system's own clock, which is not ours on
 * a mounted server.
 */
int64_t lock_ctime_ns(const struct lock *lock);
/* Show that we are alive: touch the file. Cheap; call every few seconds. Any thread may. */
void lock_beat(struct lock *lock);
/* Empty the file and release. NULL does nothing. */
void lock_free(struct lock *lock);

#endif
