/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
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
#include "base/sys.h"
#include "base/text.h"
#include "store/silence.h"

struct lock {
	int fd;	   /* -1: there was nothing to lock */
	int dirfd; /* borrowed */
	char *name;
	enum lock_mode mode;
	pid_t owner;
	struct buf line;      /* what we have written into it; empty: the disk was full */
	struct stat held;     /* of the locked file */
	int64_t read_ms;      /* when lock_fence() has read the line last, */
	int64_t seen_ms;      /* and looked whether the file is ours */
	atomic_llong beat_ms; /* when we have beaten it last; by any thread */
};

enum {
	LINE_MS = 10, /* between two readings of the line by lock_fence() */
	/* For as long a heartbeat keeps everybody away: half of the least that others wait. */
	BEATEN_MS = 30000,
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
	       sys_same_file(&now, locked);
}

/* The holder's line, escaped, of which nothing is believed; nothing where there is none. */
static void add_holder(int fd, struct buf *out)
{
	char line[LOCK_HOLDER_MAX + 1] = "";
	ssize_t got = sys_pread(fd, line, sizeof(line) - 1, 0);

	line[got > 0 ? got : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	text_add_escaped(out, line);
}

/* ERR_LOCKED with the holder's line. */
static int report_holder(int fd, const char *name, struct err *err)
{
	AUTO_BUF shown = BUF_INIT;

	add_holder(fd, &shown);
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
	lock->held = st;
	lock->fd = steal_fd(&fd);
	return ATTEMPT_HELD;
}

/* Say who we are. The lock holds without it, so a full disk is not worth a failed run. */
static void sign(struct lock *lock, const char *holder)
{
	char stamp[16];
	char since[48];
	struct buf *line = &lock->line;

	clock_stamp(clock_realtime_ns(), stamp);
	snprintf(since, sizeof(since), " since %s UTC\n", stamp);
	text_add_escaped(line, holder);
	if (line->len > LOCK_HOLDER_MAX - strlen(since))
		line->len = LOCK_HOLDER_MAX - strlen(since);
	buf_addstr(line, since);
	if (sys_ftruncate(lock->fd, 0) == 0 &&
	    sys_pwrite_all(lock->fd, line->data, line->len, 0) == 0)
		return;
	log_debug("cannot write the holder into the lock: %s", strerrorname_np(errno));
	buf_reset(line);
}

static struct lock *lock_new(int dirfd, const char *name, enum lock_mode mode)
{
	struct lock *lock = xcalloc(1, sizeof(*lock));

	atomic_init(&lock->beat_ms, -BEATEN_MS);
	lock->fd = -1;
	lock->dirfd = dirfd;
	lock->name = xstrdup(name);
	lock->mode = mode;
	lock->owner = getpid();
	return lock;
}

struct lock *lock_take(int dirfd, const char *name, enum lock_mode mode, const char *holder,
		       struct err *err)
{
	struct lock *lock = lock_new(dirfd, name, mode);
	enum attempt result = ATTEMPT_AGAIN;

	while (result == ATTEMPT_AGAIN)
		result = attempt(dirfd, name, lock, err);
	if (result != ATTEMPT_HELD) {
		lock_free(lock);
		return NULL;
	}
	if (mode == LOCK_HOLD)
		sign(lock, holder);
	return lock;
}

bool lock_is_free(int dirfd, const char *name)
{
	AUTO_CLOSE int fd = open_file(dirfd, name, LOCK_PEEK);

	if (fd < 0)
		return errno == ENOENT;
	return sys_flock(fd, LOCK_SH | LOCK_NB) == 0;
}

void lock_describe(int dirfd, const char *name, struct buf *out)
{
	AUTO_CLOSE int fd = open_file(dirfd, name, LOCK_PEEK);

	if (fd >= 0)
		add_holder(fd, out);
	if (out->len == 0)
		buf_addstr(out, "another run");
}

int lock_held_by_other(int dirfd, const char *name, struct err *err)
{
	AUTO_CLOSE int fd = open_file(dirfd, name, LOCK_PEEK);

	return report_holder(fd, name, err);
}

/* Whether the file NAME is what was seen before. */
static bool is_marked(int dirfd, const char *name, const struct silence_mark *mark)
{
	struct silence_mark now = { 0 };

	return silence_look(dirfd, name, &now) && now.dev == mark->dev && now.ino == mark->ino &&
	       now.mtime_ns == mark->mtime_ns;
}

/*
 * Put the locked file `fresh` in the place of NAME if that is still the silent holder's: 0, or -1. Another
 * one who does the same, or a holder that has just begun, finds his own put back.
 */
static int replace(int dirfd, const char *fresh, const char *name, const struct silence_mark *mark)
{
	if (sys_renameat2(dirfd, fresh, dirfd, name, RENAME_EXCHANGE) == 0) {
		if (is_marked(dirfd, fresh, mark))
			return 0;
		sys_renameat2(dirfd, fresh, dirfd, name, RENAME_EXCHANGE);
		return -1;
	}
	/* A file system that cannot exchange: two who act in the same moment find out by lock_check(). */
	if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
		return -1;
	return is_marked(dirfd, name, mark) ? sys_renameat2(dirfd, fresh, dirfd, name, 0) : -1;
}

struct lock *lock_seize(int dirfd, const char *name, const struct silence_mark *mark,
			const char *holder, struct err *err)
{
	AUTO_FREE char *fresh = xasprintf("%s.new-%016llx", name, (unsigned long long)random_u64());
	struct lock *lock = lock_take(dirfd, fresh, LOCK_HOLD, holder, err);
	int status = -1;

	if (!lock)
		return NULL;
	sys_point("before-seize");
	status = replace(dirfd, fresh, name, mark);
	/* The old holder's, or ours where it came to nothing. */
	sys_unlinkat(dirfd, fresh, 0);
	free(lock->name);
	lock->name = xstrdup(name);
	if (status == 0)
		return lock;
	lock_free(lock);
	lock_held_by_other(dirfd, name, err);
	return NULL;
}

static bool has_our_line(const struct lock *lock)
{
	char line[LOCK_HOLDER_MAX + 1];
	ssize_t got = 0;

	if (lock->line.len == 0)
		return true;
	got = pread(lock->fd, line, sizeof(line), 0);
	return got == (ssize_t)lock->line.len && memcmp(line, lock->line.data, (size_t)got) == 0;
}

/*
 * While it is open no other file can have its number. Not by way of base/sys.h: this stands in front of
 * every change, and fails by itself in tests.
 */
static bool has_our_name(const struct lock *lock)
{
	struct stat named;

	return fstatat(lock->dirfd, lock->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       sys_same_file(&lock->held, &named);
}

static int taken_over(const struct lock *lock, struct err *err)
{
	AUTO_BUF other = BUF_INIT;

	lock_describe(lock->dirfd, lock->name, &other);
	return err_set(
		err, ERR_LOCKED,
		"the lock was taken over by %.250s: this run had given no sign of life; nothing "
		"more was changed, and the next run goes on from here",
		buf_cstr(&other));
}

int lock_check(const struct lock *lock, struct err *err)
{
	if (lock->fd < 0 || lock->mode != LOCK_HOLD)
		return 0;
	return has_our_name(lock) && has_our_line(lock) ? 0 : taken_over(lock, err);
}

int lock_fence(struct lock *lock, struct err *err)
{
	int64_t now_ms = clock_monotonic_ms();

	if (lock->fd < 0 || lock->mode != LOCK_HOLD)
		return 0;
	/* Of thousands of small files, many fall into one millisecond. */
	if (now_ms == lock->seen_ms && now_ms - atomic_load(&lock->beat_ms) < BEATEN_MS)
		return 0;
	if (!has_our_name(lock))
		return taken_over(lock, err);
	if (now_ms - lock->read_ms >= LINE_MS) {
		if (!has_our_line(lock))
			return taken_over(lock, err);
		lock->read_ms = now_ms;
	}
	lock->seen_ms = now_ms;
	return 0;
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
	/* Called by a thread of its own: past base/sys.h, which counts for tests and knows of one only. */
	if (lock->mode == LOCK_HOLD && lock->fd >= 0 && futimens(lock->fd, NULL) == 0)
		atomic_store(&lock->beat_ms, clock_monotonic_ms());
}

static void release(struct lock *lock)
{
	if (lock->fd < 0 || lock->owner != getpid())
		return;
	if (lock->mode == LOCK_HOLD)
		sys_ftruncate(lock->fd, 0);
	/* Closing alone would leave it to a child that has a copy of the descriptor. */
	sys_flock(lock->fd, LOCK_UN);
}

void lock_free(struct lock *lock)
{
	if (!lock)
		return;
	release(lock);
	cleanup_close(&lock->fd);
	buf_release(&lock->line);
	free(lock->name);
	free(lock);
}
