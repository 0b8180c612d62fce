/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lets days pass in seconds: what LD_PRELOAD puts between a program and its clocks.
 *
 * The file that OSYNC_PERIODS names is an array of 64-bit numbers, made whole by the test and grown
 * by it: how many periods there are, then for each three numbers of nanoseconds: when it began by the
 * kernel's clock, how far the simulated time is ahead of that one from then on (these two grow), and by
 * how much this machine's clock is wrong meanwhile.  A wrong clock shows the wrong time of day; what
 * counts the time since the machine was started goes on as it should.
 *
 * What happened in a period is of that time for ever: so the times of files are shifted by the
 * period that they lie in, when they are read and when they are set, and agree with the clock.
 * A time that is set and lies in no period of this machine (it comes from one whose clock differs) is
 * kept as what it is, ELSEWHERE_NS later, where no clock ever comes to.
 *
 * The monotonic clock of a process keeps the distance that it had when the process was started: it
 * differs between those of two periods, as it should, and never jumps within one.  The others follow.
 *
 * libfaketime cannot do this: it shifts all files by one distance, so that each changes with it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_SEC INT64_C(1000000000)

/* 73 years. Simulated times are before LATEST_NS, the year 2061; what is kept elsewhere is after. */
#define ELSEWHERE_NS (INT64_C(1) << 61)
#define LATEST_NS    (ELSEWHERE_NS + (ELSEWHERE_NS >> 2))

enum { PERIODS_MAX = 4096, STAMPS = 2 };

struct period {
	int64_t began_ns;
	int64_t ahead_ns;
	int64_t wrong_ns;
};

struct table {
	int64_t count;
	struct period periods[PERIODS_MAX];
};

static const struct table *table;
static int64_t ahead_at_start_ns;

static int64_t to_ns(struct timespec ts)
{
	return (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static struct timespec from_ns(int64_t ns)
{
	int64_t rest = ((ns % NS_PER_SEC) + NS_PER_SEC) % NS_PER_SEC;

	return (struct timespec){ .tv_sec = (time_t)((ns - rest) / NS_PER_SEC), .tv_nsec = rest };
}

/* What stands behind us under this name. */
#define NEXT(name) ((__typeof__(&(name)))(uintptr_t)dlsym(RTLD_NEXT, #name))

static int next_clock_gettime(clockid_t id, struct timespec *ts)
{
	static __typeof__(&clock_gettime) next;

	next = next ? next : NEXT(clock_gettime);
	return next(id, ts);
}

static int64_t count(void)
{
	return table ? __atomic_load_n(&table->count, __ATOMIC_ACQUIRE) : 0;
}

static int64_t shift_of(int64_t i)
{
	return table->periods[i].ahead_ns + table->periods[i].wrong_ns;
}

/* From the kernel's time to this machine's; what is older than the first period stays. */
static int64_t simulated_ns(int64_t ns)
{
	if (ns >= LATEST_NS)
		return ns - ELSEWHERE_NS;
	for (int64_t i = count() - 1; i >= 0; i--)
		if (ns >= table->periods[i].began_ns)
			return ns + shift_of(i);
	return ns;
}

/* The other way round: simulated_ns(kernel_ns(ns)) is ns, now and in all periods to come. */
static int64_t kernel_ns(int64_t ns)
{
	struct timespec now = { 0 };
	int64_t ends_ns = 0;

	if (count() == 0 || ns < table->periods[0].began_ns)
		return ns;
	next_clock_gettime(CLOCK_REALTIME, &now);
	ends_ns = to_ns(now) + 1;
	for (int64_t i = count() - 1; i >= 0; ends_ns = table->periods[i--].began_ns)
		if (ns - shift_of(i) >= table->periods[i].began_ns && ns - shift_of(i) < ends_ns)
			return ns - shift_of(i);
	return ns + ELSEWHERE_NS;
}

__attribute__((constructor)) static void open_table(void)
{
	const char *path = getenv("OSYNC_PERIODS");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *mapped = MAP_FAILED;

	if (path && fd < 0)
		abort();
	if (fd < 0)
		return;
	mapped = mmap(NULL, sizeof(*table), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (mapped == MAP_FAILED)
		abort();
	table = mapped;
	if (count() > 0)
		ahead_at_start_ns = table->periods[count() - 1].ahead_ns;
}

/* Clocks -------------------------------------------------------------------------- */

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int status = next_clock_gettime(id, ts);

	if (status < 0 || count() == 0)
		return status;
	if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		*ts = from_ns(simulated_ns(to_ns(*ts)));
	else if (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE)
		*ts = from_ns(to_ns(*ts) + ahead_at_start_ns);
	else if (id == CLOCK_BOOTTIME)
		*ts = from_ns(to_ns(*ts) + table->periods[count() - 1].ahead_ns);
	return 0;
}

/* Who waits does so by the monotonic clock, in the whole program. */
int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
			   const struct timespec *until)
{
	static __typeof__(&pthread_cond_timedwait) next;
	struct timespec when = from_ns(to_ns(*until) - ahead_at_start_ns);

	next = next ? next : NEXT(pthread_cond_timedwait);
	return next(cond, mutex, &when);
}

/* The times of files --------------------------------------------------------------- */

static void shift(struct timespec *ts)
{
	*ts = from_ns(simulated_ns(to_ns(*ts)));
}

static int shift_stat(int status, struct stat *st)
{
	if (status < 0)
		return status;
	shift(&st->st_atim);
	shift(&st->st_mtim);
	shift(&st->st_ctim);
	return status;
}

int fstat(int fd, struct stat *st)
{
	static __typeof__(&fstat) next;

	next = next ? next : NEXT(fstat);
	return shift_stat(next(fd, st), st);
}

int stat(const char *path, struct stat *st)
{
	static __typeof__(&stat) next;

	next = next ? next : NEXT(stat);
	return shift_stat(next(path, st), st);
}

int lstat(const char *path, struct stat *st)
{
	static __typeof__(&lstat) next;

	next = next ? next : NEXT(lstat);
	return shift_stat(next(path, st), st);
}

int fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	static __typeof__(&fstatat) next;

	next = next ? next : NEXT(fstatat);
	return shift_stat(next(dirfd, path, st, flags), st);
}

static void shift_statx(struct statx_timestamp *stamp)
{
	struct timespec ts = { .tv_sec = stamp->tv_sec, .tv_nsec = stamp->tv_nsec };

	shift(&ts);
	stamp->tv_sec = ts.tv_sec;
	stamp->tv_nsec = (uint32_t)ts.tv_nsec;
}

int statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *stx)
{
	static __typeof__(&statx) next;
	int status = 0;

	next = next ? next : NEXT(statx);
	status = next(dirfd, path, flags, mask, stx);
	if (status < 0)
		return status;
	shift_statx(&stx->stx_atime);
	shift_statx(&stx->stx_mtime);
	shift_statx(&stx->stx_ctime);
	shift_statx(&stx->stx_btime);
	return 0;
}

/* The other way round; NULL stays what it is: now. */
static const struct timespec *unshift(const struct timespec *times, struct timespec *room)
{
	if (!times)
		return NULL;
	for (int i = 0; i < STAMPS; i++) {
		room[i] = times[i];
		if (times[i].tv_nsec != UTIME_NOW && times[i].tv_nsec != UTIME_OMIT)
			room[i] = from_ns(kernel_ns(to_ns(times[i])));
	}
	return room;
}

int utimensat(int dirfd, const char *path, const struct timespec times[STAMPS], int flags)
{
	static __typeof__(&utimensat) next;
	struct timespec room[STAMPS];

	next = next ? next : NEXT(utimensat);
	return next(dirfd, path, unshift(times, room), flags);
}

int futimens(int fd, const struct timespec times[STAMPS])
{
	static __typeof__(&futimens) next;
	struct timespec room[STAMPS];

	next = next ? next : NEXT(futimens);
	return next(fd, unshift(times, room));
}
