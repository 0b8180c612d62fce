/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>

static int64_t clock_read_ns(clockid_t id)
{
	struct timespec ts = { 0, 0 };

	clock_gettime(id, &ts);
	return clock_from_timespec(ts);
}

int64_t clock_realtime_ns(void)
{
	return clock_read_ns(CLOCK_REALTIME);
}

int64_t clock_file_ns(void)
{
	return clock_read_ns(CLOCK_REALTIME_COARSE);
}

int64_t clock_monotonic_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

int64_t clock_monotonic_ms(void)
{
	return clock_monotonic_ns() / NS_PER_MS;
}

int64_t clock_steady_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC_COARSE);
}

void clock_sleep_ms(int64_t ms)
{
	struct timespec ts = clock_to_timespec(ms * NS_PER_MS);

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		continue;
}

int64_t clock_from_timespec(struct timespec ts)
{
	int64_t ns = 0;

	/* Towards zero first, or the lowest second there is would overflow before tv_nsec is added. */
	if (ts.tv_sec < 0 && ts.tv_nsec > 0) {
		ts.tv_sec++;
		ts.tv_nsec -= NS_PER_SEC;
	}
	if (__builtin_mul_overflow((int64_t)ts.tv_sec, NS_PER_SEC, &ns) ||
	    __builtin_add_overflow(ns, (int64_t)ts.tv_nsec, &ns))
		return ts.tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

struct timespec clock_to_timespec(int64_t ns)
{
	int64_t sec = ns / NS_PER_SEC;
	int64_t rest = ns % NS_PER_SEC;

	if (rest < 0) {
		rest += NS_PER_SEC;
		sec--;
	}
	return (struct timespec){ .tv_sec = sec, .tv_nsec = rest };
}

void clock_stamp(int64_t ns, char out[static 16])
{
	time_t sec = clock_to_timespec(ns).tv_sec;
	struct tm tm = { 0 };

	if (!gmtime_r(&sec, &tm) || strftime(out, 16, "%Y%m%d-%H%M%S", &tm) == 0)
		snprintf(out, 16, "00000000-000000");
}
