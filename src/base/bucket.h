/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A token bucket: how much may be written now so that no more than so many bytes a second leave.
 *
 *	bucket_init		once
 *	bucket_allows		how much of what is there may be written; 0: not yet, wait bucket_wait_ms()
 *	bucket_take		what was written
 *
 * In any span of T seconds no more than rate * T bytes leave, and BUCKET_BURST_MS worth of it (but at
 * least BUCKET_PIECE bytes) twice: once because a piece leaves whole, once because who was woken late
 * makes up for it.  Every write is charged BUCKET_HEAD bytes on top, for what the layers below put
 * around it.  Nothing here sleeps or looks at a clock: the caller does, and may do other things meanwhile.
 */
#ifndef BASE_BUCKET_H
#define BASE_BUCKET_H

#include <stddef.h>
#include <stdint.h>

enum {
	BUCKET_BURST_MS = 100,
	BUCKET_PIECE = 512, /* bytes */
	BUCKET_HEAD = 64,   /* bytes: of SSH (length, padding, MAC, channel) and of TCP */
};

struct bucket {
	int64_t rate;  /* bytes a second; 0: no limit */
	int64_t level; /* thousandths of a byte that may leave; negative: owed */
	int64_t at_ms; /* when that was so */
};

/* From now_ms (clock_monotonic_ms) on, `rate` bytes a second; 0: any number. */
void bucket_init(struct bucket *bucket, int64_t rate, int64_t now_ms);
/* How many of `wanted` bytes may be written now. */
size_t bucket_allows(struct bucket *bucket, size_t wanted, int64_t now_ms);
/* So many were written in one go. */
void bucket_take(struct bucket *bucket, size_t written);
/* After bucket_allows() said 0: when to ask again. */
int bucket_wait_ms(const struct bucket *bucket);

#endif
