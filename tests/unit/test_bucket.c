/* SPDX-License-Identifier: BSD-2-Clause */
/* A rate that is never exceeded, whatever the clock and the writer do. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bucket.h"
#include "base/random.h"

static const int64_t rates[] = { 1024, 10 * 1024, 300000, 12500000, INT64_C(100) << 30 };
enum { RATES = sizeof(rates) / sizeof(rates[0]) };

static int64_t most_in(int64_t rate, int64_t ms)
{
	int64_t burst = rate / 1000 * BUCKET_BURST_MS;

	burst = burst < BUCKET_PIECE ? BUCKET_PIECE : burst;
	return rate / 1000 * ms + rate % 1000 * ms / 1000 + 2 * burst + 2;
}

/* A writer that always has more, and is woken when the bucket says, or up to `late_ms` later. */
static int64_t write_for(int64_t rate, int64_t ms, unsigned late_ms)
{
	struct bucket bucket;
	int64_t start_ms = 5000;
	int64_t now_ms = start_ms;
	int64_t written = 0;

	bucket_init(&bucket, rate, now_ms);
	while (now_ms < start_ms + ms) {
		size_t may = bucket_allows(&bucket, SIZE_MAX / 4, now_ms);

		bucket_take(&bucket, may);
		written += (int64_t)may;
		assert_true(written <= most_in(rate, now_ms - start_ms));
		/* As one who was told to wait, and one who asks again at once. */
		now_ms += may > 0 ? 0 : bucket_wait_ms(&bucket);
		if (may == 0 && late_ms > 0)
			now_ms += (int64_t)(random_u64() % late_ms);
		assert_true(may > 0 || bucket_wait_ms(&bucket) > 0);
	}
	return written;
}

static void no_rate_is_exceeded(void **state)
{
	for (size_t i = 0; i < RATES; i++)
		for (unsigned late_ms = 0; late_ms < 300; late_ms += 50)
			write_for(rates[i], 60 * 1000, late_ms);
}

/* It is a limit and no brake: who is woken in time gets nearly all of it. */
static void a_rate_is_nearly_reached(void **state)
{
	for (size_t i = 0; i < RATES; i++)
		assert_true(write_for(rates[i], 60 * 1000, 0) >= rates[i] * 60 / 100 * 88);
	assert_true(write_for(1 << 20, 60 * 1000, 20) >= (INT64_C(60) << 20) / 100 * 98);
}

/* An hour without a word is no credit for an hour. */
static void what_was_not_used_is_gone(void **state)
{
	struct bucket bucket;
	int64_t written = 0;

	bucket_init(&bucket, 1000000, 0);
	for (size_t may = 1; may > 0; written += (int64_t)may) {
		may = bucket_allows(&bucket, 1 << 20, INT64_C(3600) * 1000);
		bucket_take(&bucket, may);
	}
	assert_in_range(written, 100000, 200000);
}

/* Many small writes are as much for the line as what they are wrapped in. */
static void small_writes_are_charged_for_what_is_put_around_them(void **state)
{
	struct bucket bucket;
	int written = 0;

	bucket_init(&bucket, 10240, 0);
	for (int64_t now_ms = 0; now_ms < 10000; now_ms++)
		for (size_t may = bucket_allows(&bucket, 9, now_ms); may > 0;
		     may = bucket_allows(&bucket, 9, now_ms)) {
			assert_int_equal(may, 9);
			bucket_take(&bucket, may);
			written++;
		}
	assert_in_range(written * (9 + BUCKET_HEAD), 100000, 102400 + 2 * 1024 + 100);
}

static void no_limit_is_none(void **state)
{
	struct bucket bucket;

	bucket_init(&bucket, 0, 7);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(bucket_allows(&bucket, SIZE_MAX, 7), SIZE_MAX);
		bucket_take(&bucket, SIZE_MAX / 2);
		assert_int_equal(bucket_wait_ms(&bucket), 0);
	}
}

/* A clock that goes back, or what was not written, changes nothing. */
static void nothing_written_is_nothing_charged(void **state)
{
	struct bucket bucket;

	bucket_init(&bucket, 1000, 1000);
	for (int64_t now_ms = 1000; now_ms > 0; now_ms -= 10) {
		assert_int_equal(bucket_allows(&bucket, 4096, now_ms), BUCKET_PIECE);
		bucket_take(&bucket, 0);
	}
	bucket_take(&bucket, BUCKET_PIECE);
	assert_int_equal(bucket_allows(&bucket, 4096, -500), 0);
	assert_int_equal(bucket_wait_ms(&bucket), BUCKET_PIECE + BUCKET_HEAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_rate_is_exceeded),
		cmocka_unit_test(a_rate_is_nearly_reached),
		cmocka_unit_test(what_was_not_used_is_gone),
		cmocka_unit_test(small_writes_are_charged_for_what_is_put_around_them),
		cmocka_unit_test(no_limit_is_none),
		cmocka_unit_test(nothing_written_is_nothing_charged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
