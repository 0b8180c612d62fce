/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/random.h"
#include "base/stop.h"
#include "base/sys.h"
#include "base/text.h"

/*
 * Milliseconds between two tries, chosen at random between these so that waiting
 * initiators do not try in step: short enough not to leave a server idle, long
 * enough to cost nothing.
 */
enum { POLL_MIN_MS = 50, POLL_MAX_MS = 250 };

struct lock {
	int fd; /* -1: there was nothing to lock */
	enum lock_mode mode;
	pid_t owner;
};

/* What one try came to. */
enum attempt { ATTEMPT_FAILED = -1, ATTEMPT_HELD, ATTEMPT_AGAIN, ATTEMPT_BUSY };

static int open_file(int dirfd, const char *name, enum lock_mode mode)
{
	const int safe = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

	if (mode == LOCK_PEEK)
		return sys_openat(dirfd, name, O_RDONLY | safe, 0);
	return sys_openat(dirfd, name, O_RDWR | O_CREAT | safe, 0600);
}

/* Whether NAME is still the file we have locked, and not one made after it was removed. */
static bool still_named(int dirfd, const char *name, const struct stat *locked)
{
	struct stat now;

	return sys_fstatat(dirfd, name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       now.st_dev == locked->st_dev && now.st_ino == locked->st_ino;
}

/* ERR_LOCKED with the holder's line, of which nothing is believed. */
static int report_holder(int fd, const char *name, struct err *err)
{
	char line[LOCK_HOLDER_MAX + 1] = "";
	ssize_t got = sys_pread(fd, line, sizeof(line) - 1, 0);
	AUTO_BUF shown = BUF_INIT;

	line[got > 0 ? got : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	text_add_escaped(&shown, line);
	if (shown.len == 0)
		return err_set(err, ERR_LOCKED, "'%s' is locked by a process that left no name",
			       name);
	return err_set(err, ERR_LOCKED, "'%s' is locked by %.350s", name, buf_cstr(&shown));
}

static int no_lock(int errnum, const char *name, struct err *err)
{
	if (errnum == ENOLCK || errnum == EOPNOTSUPP || errnum == ENOSYS || errnum == EINVAL)
		return err_sys(err, errnum,
			       "cannot lock '%s': its file system does not offer locks "
			       "(on NFS, is the lock service running?)",
			       name);
	return err_sys(err, errnum, "cannot lock '%s'", name);
}

/* One try; err is set when it failed, and when the lock is busy. */
static enum attempt attempt(int dirfd, const char *name, struct lock *lock, struct err *err)
{
	AUTO_CLOSE int fd = open_file(dirfd, name, lock->mode);
	/* A shared lock is all that a descriptor open for reading can get on NFS. */
	int operation = lock->mode == LOCK_PEEK ? LOCK_SH : LOCK_EX;
	struct stat st;

	if (fd < 0 && errno == ENOENT && lock->mode == LOCK_PEEK)
		return ATTEMPT_HELD;
	if (fd < 0 || sys_fstat(fd, &st) < 0)
		return (enum attempt)err_sys(err, errno, "cannot open the lock '%s'", name);
	if (!S_ISREG(st.st_mode))
		return (enum attempt)err_set(err, ERR_SYSTEM, "the lock '%s' is not a regular file",
					     name);
	sys_point("lock-opened");
	if (sys_flock(fd, operation | LOCK_NB) < 0) {
		if (errno == EINTR)
			return ATTEMPT_AGAIN;
		if (errno != EWOULDBLOCK)
			return (enum attempt)no_lock(errno, name, err);
		report_holder(fd, name, err);
		return ATTEMPT_BUSY;
	}
	if (!still_named(dirfd, name, &st))
		return ATTEMPT_AGAIN;
	lock->fd = steal_fd(&fd);
	return ATTEMPT_HELD;
}

/* Sleep until the next try, unless we are asked to stop. */
static int wait_a_little(int64_t left_ms, const char *name, struct err *err)
{
	int64_t ms = POLL_MIN_MS + (int64_t)(random_u64() % (POLL_MAX_MS - POLL_MIN_MS + 1));
	struct timespec ts = clock_to_timespec((ms < left_ms ? ms : left_ms) * NS_PER_MS);

	/* Not clock_sleep_ms(), which would sleep on after a signal. */
	nanosleep(&ts, NULL);
	if (!stop_signal())
		return 0;
	return err_set_at(err, ERR_SIGNAL, stop_signal(), ERR_WHERE,
			  "stopped while waiting for the lock '%s'", name);
}

static int wait_for(int dirfd, const char *name, int64_t wait_ms, struct lock *lock,
		    struct err *err)
{
	const int64_t start = clock_monotonic_ms();

	for (;;) {
		enum attempt result = attempt(dirfd, name, lock, err);
		int64_t left_ms = wait_ms - (clock_monotonic_ms() - start);

		if (result == ATTEMPT_HELD)
			break;
		if (result == ATTEMPT_FAILED || (result == ATTEMPT_BUSY && left_ms <= 0))
			return -1;
		if (result == ATTEMPT_BUSY && wait_a_little(left_ms, name, err) < 0)
			return -1;
	}
	err_clear(err);
	return 0;
}

/* Say who we are. The lock holds without it, so a full disk is not worth a failed run. */
static void sign(struct lock *lock, const char *holder)
{
	char stamp[16];
	char since[48];
	AUTO_BUF line = BUF_INIT;

	clock_stamp(clock_realtime_ns(), stamp);
	snprintf(since, sizeof(since), " since %s UTC\n", stamp);
	text_add_escaped(&line, holder);
	if (line.len > LOCK_HOLDER_MAX - strlen(since))
		line.len = LOCK_HOLDER_MAX - strlen(since);
	buf_addstr(&line, since);
	if (sys_ftruncate(lock->fd, 0) < 0 || sys_pwrite_all(lock->fd, line.data, line.len, 0) < 0)
		log_debug("cannot write the holder into the lock: %s", strerrorname_np(errno));
}

struct lock *lock_take(int dirfd, const char *name, enum lock_mode mode, const char *holder,
		       int64_t wait_ms, struct err *err)
{
	AUTO_FREE struct lock *lock = xcalloc(1, sizeof(*lock));

	lock->fd = -1;
	lock->mode = mode;
	lock->owner = getpid();
	if (wait_for(dirfd, name, wait_ms, lock, err) < 0)
		return NULL;
	if (mode == LOCK_HOLD)
		sign(lock, holder);
	return steal_ptr(&lock);
}

int64_t lock_ctime_ns(const struct lock *lock)
{
	struct stat st;

	if (lock->fd < 0 || lock->mode != LOCK_HOLD || fstat(lock->fd, &st) < 0)
		return 0;
	return clock_from_timespec(st.st_ctim);
}

void lock_beat(struct lock *lock)
{
	if (lock->mode == LOCK_HOLD)
		sys_futimens(lock->fd, NULL);
}

void lock_free(struct lock *lock)
{
	if (!lock)
		return;
	if (lock->fd >= 0 && lock->owner == getpid()) {
		if (lock->mode == LOCK_HOLD)
			sys_ftruncate(lock->fd, 0);
		/* Closing alone would leave it to a child that has a copy of the descriptor. */
		sys_flock(lock->fd, LOCK_UN);
	}
	cleanup_close(&lock->fd);
	free(lock);
}
