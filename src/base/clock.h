/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time.  Wall-clock times are int64_t nanoseconds since 1970 (1678..2262);
 * they are only ever compared with times of the same machine.  Durations and
 * deadlines use the monotonic clock, in milliseconds.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_SEC INT64_C(1000000000)
#define NS_PER_MS  INT64_C(1000000)

int64_t clock_realtime_ns(void);
/* The coarse clock from which local file systems take their time stamps. */
int64_t clock_file_ns(void);
int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_ns(void);
/* The monotonic clock too, in ticks of some milliseconds, for whom reading that would cost too much. */
int64_t clock_steady_ns(void);
void clock_sleep_ms(int64_t ms);

/* Saturating, so that a nonsense time stamp cannot overflow. */
int64_t clock_from_timespec(struct timespec ts);
struct timespec clock_to_timespec(int64_t ns);
/* "YYYYMMDD-HHMMSS" in UTC and a NUL. */
void clock_stamp(int64_t ns, char out[static 16]);

#endif
