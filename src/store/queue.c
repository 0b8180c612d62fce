/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/sys.h"
#include "store/atomic.h"

#define QUEUE_DIR "queue"

enum {
	NUMBER_DIGITS = 16,
	WHO_MAX = 200,	   /* bytes; what is longer is cut, which only concerns the order */
	JOIN_TRIES = 1000, /* others take the same place in the same moment */
};

/* Counted up by one, they do not get here: whatever has a higher one was never given it by us. */
#define NUMBER_MAX (UINT64_MAX / 2)

struct queue_place {
	int dirfd;
	int fd;
	char name[NAME_MAX + 1];
};

/* The files of a queue, one after the other. */
struct walk {
	DIR *dir;
	int dirfd; /* of `dir` */
	const char *name;
	uint64_t number;
	const char *who;
};

static int open_file(int dirfd, const char *name, int flags)
{
	return sys_openat(dirfd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
			  0600);
}

/* "NUMBER.WHO"; anything else is not ours. */
static bool parse(const char *name, uint64_t *number, const char **who)
{
	if (strspn(name, "0123456789abcdef") != NUMBER_DIGITS || name[NUMBER_DIGITS] != '.')
		return false;
	*number = strtoull(name, NULL, 16);
	*who = name + NUMBER_DIGITS + 1;
	return true;
}

/* The queue is the folder `name` in `at`. Where it cannot be listed, it has no files. */
static struct walk walk_begin(int at, const char *name)
{
	struct walk walk = { .dir = sys_list(at, name), .dirfd = -1 };

	if (walk.dir)
		walk.dirfd = dirfd(walk.dir);
	return walk;
}

static bool walk_next(struct walk *walk)
{
	while (walk->dir && (walk->name = sys_next_name(walk->dir)))
		if (parse(walk->name, &walk->number, &walk->who))
			return true;
	return false;
}

static void walk_close(struct walk *walk)
{
	cleanup_dir(&walk->dir);
}

#define AUTO_WALK AUTO(walk_close) struct walk

/* Hold the file as long as it is open. */
static bool hold(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return sys_fcntl_lock(fd, F_OFD_SETLK, &lock) == 0;
}

/* Whether somebody holds it; asking does not get in anybody's way. */
static bool is_held(int dirfd, const char *name)
{
	AUTO_CLOSE int fd = open_file(dirfd, name, O_RDONLY);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fd >= 0 && sys_fcntl_lock(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* Hold the file NAME and be sure that it is still there: its descriptor, or -1 with errno. */
static int hold_named(int dirfd, const char *name, int flags)
{
	AUTO_CLOSE int fd = open_file(dirfd, name, O_RDWR | flags);
	struct stat held;
	struct stat named;

	if (fd < 0 || sys_fstat(fd, &held) < 0 || !hold(fd) ||
	    sys_fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (S_ISREG(held.st_mode) && sys_same_file(&held, &named))
		return steal_fd(&fd);
	errno = EAGAIN;
	return -1;
}

/* Whether this is a place, and nobody's now. */
static bool is_left(int dirfd, const char *name)
{
	struct stat st;

	return sys_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       !is_held(dirfd, name);
}

/* The place that `who` has left behind, the first if there are several: its number in *number. */
static bool find_left(int dirfd, const char *who, char name[static NAME_MAX + 1], uint64_t *last)
{
	AUTO_WALK walk = walk_begin(dirfd, ".");
	bool found = false;
	uint64_t best = 0;

	*last = 0;
	while (walk_next(&walk)) {
		if (walk.number > NUMBER_MAX)
			continue;
		if (walk.number > *last)
			*last = walk.number;
		if (strcmp(walk.who, who) != 0 || (found && walk.number > best) ||
		    !is_left(dirfd, walk.name))
			continue;
		found = true;
		best = walk.number;
		snprintf(name, NAME_MAX + 1, "%s", walk.name);
	}
	return found;
}

/* Our old place or a new one: its descriptor, or -1 with errno. */
static int try_join(int dirfd, const char *who, char name[static NAME_MAX + 1])
{
	uint64_t last = 0;

	if (find_left(dirfd, who, name, &last))
		return hold_named(dirfd, name, 0);
	snprintf(name, NAME_MAX + 1, "%0*" PRIx64 ".%.*s", NUMBER_DIGITS, last + 1, WHO_MAX, who);
	return hold_named(dirfd, name, O_CREAT);
}

/* Somebody was faster. */
static bool was_overtaken(int errnum)
{
	return errnum == EAGAIN || errnum == EACCES || errnum == ENOENT;
}

struct queue_place *queue_join(int workdir, const char *who, struct err *err)
{
	AUTO_CLOSE int dirfd = atomic_mkdir_open(workdir, QUEUE_DIR, err);
	AUTO_FREE char *cut = xstrndup(who, WHO_MAX);
	AUTO_FREE struct queue_place *place = xcalloc(1, sizeof(*place));
	struct stat st;

	if (dirfd < 0)
		return NULL;
	place->fd = -1;
	for (int tries = 0; place->fd < 0; tries++) {
		place->fd = try_join(dirfd, cut, place->name);
		if (place->fd < 0 && (!was_overtaken(errno) || tries >= JOIN_TRIES)) {
			err_sys(err, errno, "cannot wait in the queue '%s'", QUEUE_DIR);
			return NULL;
		}
	}
	sys_futimens(place->fd, NULL);
	place->dirfd = steal_fd(&dirfd);
	if (sys_fstat(place->fd, &st) == 0)
		queue_sweep(workdir, clock_from_timespec(st.st_mtim), QUEUE_KEEP_NS, QUEUE_REMOVE);
	return steal_ptr(&place);
}

unsigned queue_ahead(const struct queue_place *place)
{
	AUTO_WALK walk = walk_begin(place->dirfd, ".");
	unsigned count = 0;

	while (walk_next(&walk))
		/* As text, names stand in the order of their numbers, and then of WHO. */
		if (strcmp(walk.name, place->name) < 0 && is_held(place->dirfd, walk.name))
			count++;
	return count;
}

unsigned queue_length(int workdir)
{
	AUTO_WALK walk = walk_begin(workdir, QUEUE_DIR);
	unsigned count = 0;

	while (walk_next(&walk))
		count += is_held(walk.dirfd, walk.name);
	return count;
}

void queue_leave(struct queue_place *place, enum queue_end end)
{
	if (!place)
		return;
	if (end == QUEUE_SERVED)
		sys_unlinkat(place->dirfd, place->name, 0);
	else
		sys_futimens(place->fd, NULL);
	cleanup_close(&place->fd);
	cleanup_close(&place->dirfd);
	free(place);
}

void queue_forget(int workdir, const char *who)
{
	AUTO_FREE char *cut = xstrndup(who, WHO_MAX);
	AUTO_WALK walk = walk_begin(workdir, QUEUE_DIR);

	while (walk_next(&walk)) {
		AUTO_CLOSE int fd = strcmp(walk.who, cut) == 0 && is_left(walk.dirfd, walk.name)
					    ? hold_named(walk.dirfd, walk.name, 0)
					    : -1;

		if (fd >= 0)
			sys_unlinkat(walk.dirfd, walk.name, 0);
	}
}

/* Whether this is a place that nobody has come back to; removed while nobody else can take it. */
static bool sweep_one(int dirfd, const char *name, int64_t before_ns, enum queue_sweep_mode mode)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;

	if (sys_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
	    clock_from_timespec(st.st_mtim) >= before_ns)
		return false;
	if (mode == QUEUE_COUNT)
		return !is_held(dirfd, name);
	fd = hold_named(dirfd, name, 0);
	return fd >= 0 && sys_unlinkat(dirfd, name, 0) == 0;
}

unsigned queue_sweep(int workdir, int64_t now_ns, int64_t keep_ns, enum queue_sweep_mode mode)
{
	AUTO_WALK walk = walk_begin(workdir, QUEUE_DIR);
	unsigned count = 0;

	while (walk_next(&walk))
		count += sweep_one(walk.dirfd, walk.name, now_ns - keep_ns, mode);
	return count;
}
