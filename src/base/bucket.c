/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/bucket.h"

#include <limits.h>

enum { THOUSAND = 1000 };

/* Bytes that leave in one go, and that may be made up for after a pause. */
static int64_t burst(const struct bucket *bucket)
{
	int64_t bytes = bucket->rate * BUCKET_BURST_MS / THOUSAND;

	return bytes < BUCKET_PIECE ? BUCKET_PIECE : bytes;
}

void bucket_init(struct bucket *bucket, int64_t rate, int64_t now_ms)
{
	*bucket = (struct bucket){ .rate = rate, .level = 1, .at_ms = now_ms };
}

/* What has come in since the last look; a clock does not make more than a burst. */
static void fill(struct bucket *bucket, int64_t now_ms)
{
	int64_t most = burst(bucket) * THOUSAND;
	int64_t due_ms = (most - bucket->level) / bucket->rate + 1;
	int64_t passed_ms = now_ms - bucket->at_ms;

	bucket->at_ms = now_ms;
	if (passed_ms <= 0)
		return;
	bucket->level = passed_ms >= due_ms ? most : bucket->level + passed_ms * bucket->rate;
}

size_t bucket_allows(struct bucket *bucket, size_t wanted, int64_t now_ms)
{
	if (bucket->rate == 0)
		return wanted;
	fill(bucket, now_ms);
	if (bucket->level <= 0)
		return 0;
	return wanted < (size_t)burst(bucket) ? wanted : (size_t)burst(bucket);
}

void bucket_take(struct bucket *bucket, size_t written)
{
	if (bucket->rate > 0 && written > 0)
		bucket->level -= ((int64_t)written + BUCKET_HEAD) * THOUSAND;
}

int bucket_wait_ms(const struct bucket *bucket)
{
	int64_t wait_ms = 0;

	if (bucket->rate == 0 || bucket->level > 0)
		return 0;
	wait_ms = -bucket->level / bucket->rate + 1;
	return wait_ms < INT_MAX ? (int)wait_ms : INT_MAX;
}
