/* SPDX-License-Identifier: BSD-2-Clause */
/* A new version put together from an old one and as few new bytes as can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/blocks.h"
#include "base/buf.h"
#include "base/differ.h"

static uint64_t state;

static uint64_t next_random(void)
{
	state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return state >> 33;
}

static void add_noise(struct buf *buf, size_t len)
{
	unsigned char *at = buf_extend(buf, len);

	for (size_t i = 0; i < len; i++)
		at[i] = (unsigned char)next_random();
}

static void add_same(struct buf *buf, int byte, size_t len)
{
	memset(buf_extend(buf, len), byte, len);
}

static uint32_t *sums_of(const struct buf *old, size_t block, size_t *count)
{
	uint32_t *sums = NULL;

	*count = (size_t)block_count(old->len, block);
	sums = xcalloc(*count + 1, sizeof(*sums));
	for (size_t i = 0; i < *count; i++)
		sums[i] = block_add(0, old->data + i * block, block);
	return sums;
}

struct result {
	struct buf bytes;
	size_t sent;
	size_t copies;
};

static void take(struct result *result, const struct buf *old, const struct differ_piece *piece)
{
	if (piece->kind == DIFFER_DATA) {
		assert_in_range(piece->len, 1, DIFFER_DATA_MAX);
		buf_add(&result->bytes, piece->data, piece->len);
		result->sent += piece->len;
		return;
	}
	assert_int_equal(piece->kind, DIFFER_COPY);
	assert_in_range(piece->len, 1, DIFFER_COPY_MAX);
	assert_true(piece->offset <= old->len && piece->len <= old->len - piece->offset);
	buf_add(&result->bytes, old->data + piece->offset, piece->len);
	result->copies++;
}

/* Feed `new` in pieces of at most `step` bytes and put together what comes out. */
static struct result differ_with(const struct buf *old, const struct buf *new, size_t block,
				 size_t step)
{
	struct result result = { .bytes = BUF_INIT };
	size_t count = 0;
	uint32_t *sums = sums_of(old, block, &count);
	struct differ *differ = differ_new(sums, count, block, new->len);
	struct differ_piece piece;
	size_t fed = 0;

	while ((piece = differ_next(differ)).kind != DIFFER_END) {
		size_t len = 0;
		unsigned char *room = NULL;

		if (piece.kind != DIFFER_MORE) {
			take(&result, old, &piece);
			continue;
		}
		if (fed == new->len) {
			differ_end(differ);
			continue;
		}
		room = differ_room(differ, &len);
		assert_true(len > 0);
		len = len < step ? len : step;
		len = len < new->len - fed ? len : new->len - fed;
		memcpy(room, new->data + fed, len);
		differ_added(differ, len);
		fed += len;
	}
	differ_free(differ);
	assert_int_equal(result.bytes.len, new->len);
	assert_true(new->len == 0 || memcmp(result.bytes.data, new->data, new->len) == 0);
	return result;
}

/* How many bytes have to be sent. */
static size_t sent_between(const struct buf *old, const struct buf *new, size_t block)
{
	struct result result = differ_with(old, new, block, 100000);

	buf_release(&result.bytes);
	return result.sent;
}

static void the_sum_is_the_crc_of_castagnoli(void **unused)
{
	const char *text = "123456789";
	uint32_t inverted = 0;

	(void)unused;
	/* Its check value is that of a sum begun with ones and inverted: begin with these ones by hand. */
	inverted = block_add(0xffffffff, text, 9) ^ 0xffffffff;
	assert_int_equal(inverted, 0xe3069283);
	/* In pieces it is the same. */
	assert_int_equal(block_add(block_add(0, text, 4), text + 4, 5), block_add(0, text, 9));
	assert_int_equal(block_add_zeros(0x1234, 5000),
			 block_add(0x1234, (unsigned char[5000]){ 0 }, 5000));
	assert_int_equal(block_add_zeros(0, 5000), 0);
}

static void a_rolled_sum_is_that_of_the_block_there(void **unused)
{
	AUTO_BUF data = BUF_INIT;
	struct block_roller roller;
	uint64_t set[1] = { 0 };
	struct block_filter filter = { .set = set, .bits = 6 };
	uint32_t sum = 0;

	(void)unused;
	state = 1;
	add_noise(&data, 5000);
	block_roller_init(&roller, 1024);
	sum = block_add(0, data.data, 1024);
	/* Nothing is in the set, so it goes as far as it may. */
	assert_int_equal(block_roll(&roller, &filter, data.data, 3000, &sum), 3000);
	assert_int_equal(sum, block_add(0, data.data + 3000, 1024));
	set[0] = UINT64_C(1) << (block_add(0, data.data + 3010, 1024) % 64);
	assert_in_range(block_roll(&roller, &filter, data.data + 3000, 500, &sum), 1, 10);
}

static void blocks_grow_with_the_file_and_have_bounds(void **unused)
{
	(void)unused;
	assert_int_equal(block_size(0), BLOCK_MIN);
	assert_int_equal(block_size(UINT64_C(512) << 20), 16384);
	assert_int_equal(block_size(UINT64_MAX), BLOCK_MAX);
	for (unsigned bits = 0; bits < 64; bits++)
		assert_true(block_count(UINT64_C(1) << bits, block_size(UINT64_C(1) << bits)) <=
			    BLOCKS_MAX);
}

static void an_equal_file_costs_no_bytes_but_its_end(void **unused)
{
	AUTO_BUF old = BUF_INIT;

	(void)unused;
	state = 2;
	add_noise(&old, 1000000);
	assert_int_equal(sent_between(&old, &old, 1024), 1000000 % 1024);
}

static void an_insertion_costs_a_block_or_two(void **unused)
{
	AUTO_BUF old = BUF_INIT;
	AUTO_BUF new = BUF_INIT;

	(void)unused;
	state = 3;
	add_noise(&old, 1000000);
	for (size_t at = 0; at < 900000; at += 100003) {
		buf_reset(&new);
		buf_add(&new, old.data, at);
		buf_addstr(&new, "twelve bytes");
		buf_add(&new, old.data + at, old.len - at);
		assert_in_range(sent_between(&old, &new, 1024), 12, 12 + 3 * 1024);
		/* And the other way round: a deletion. */
		assert_in_range(sent_between(&new, &old, 1024), 0, 3 * 1024);
	}
}

static void an_edit_in_place_costs_its_blocks(void **unused)
{
	AUTO_BUF old = BUF_INIT;
	AUTO_BUF new = BUF_INIT;

	(void)unused;
	state = 4;
	add_noise(&old, 2000000);
	buf_add(&new, old.data, old.len);
	/* So close together that between two of them there is one good block, which no other confirms. */
	for (size_t at = 500; at < 100 * 2048; at += 2048)
		new.data[at] ^= 1;
	assert_in_range(sent_between(&old, &new, 1024), 100 * 1024, 100 * 1024 + 2048);
}

static void blocks_that_were_moved_are_found(void **unused)
{
	AUTO_BUF old = BUF_INIT;
	AUTO_BUF new = BUF_INIT;

	(void)unused;
	state = 5;
	add_noise(&old, 1000000);
	buf_add(&new, old.data + 400321, 300000);
	buf_add(&new, old.data + 7, 300000);
	buf_add(&new, old.data + 400321, 300000);
	assert_in_range(sent_between(&old, &new, 1024), 0, 4 * 2 * 1024);
}

static void a_file_of_one_byte_over_and_over_takes_no_longer_than_another(void **unused)
{
	AUTO_BUF old = BUF_INIT;
	AUTO_BUF new = BUF_INIT;

	(void)unused;
	state = 6;
	/* Each block of the old one is as long as the runs of the new one are not: nothing is confirmed. */
	for (int i = 0; i < 500; i++) {
		add_same(&old, 0, 1024);
		add_noise(&old, 1024);
	}
	for (int i = 0; i < 500; i++) {
		add_same(&new, 0, 2040);
		add_noise(&new, 8);
	}
	sent_between(&old, &new, 1024);
	add_same(&old, 'x', 300000);
	add_same(&new, 'x', 299999);
	sent_between(&old, &new, 1024);
}

static void what_was_skipped_is_not_lost_count_of(void **unused)
{
	AUTO_BUF old = BUF_INIT;
	struct result result = { .bytes = BUF_INIT };
	size_t count = 0;
	struct differ *differ = NULL;
	struct differ_piece piece;
	size_t len = 0;

	(void)unused;
	state = 7;
	add_noise(&old, 20480);
	/* The new version: 5 KiB as before, 10 KiB of hole, and the last 5 KiB as before. */
	differ = differ_new(sums_of(&old, 1024, &count), 20, 1024, old.len);
	for (size_t part = 0; part < 2; part++) {
		assert_int_equal(differ_next(differ).kind, DIFFER_MORE);
		memcpy(differ_room(differ, &len), old.data + part * 15360, 5120);
		differ_added(differ, 5120);
		differ_end(differ);
		while ((piece = differ_next(differ)).kind != DIFFER_END) {
			assert_int_equal(piece.kind, DIFFER_COPY);
			assert_int_equal(piece.offset, part * 15360);
			take(&result, &old, &piece);
		}
		if (part == 0)
			differ_skip(differ, 10240);
	}
	assert_int_equal(result.bytes.len, 10240);
	buf_release(&result.bytes);
	differ_free(differ);
}

/* Words of which any two files of a run share some. */
static void add_words(struct buf *buf, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		uint64_t kind = next_random() % 6;
		size_t len = next_random() % 3000;
		uint64_t before = state;

		if (kind == 0) {
			add_noise(buf, len);
		} else if (kind == 1) {
			add_same(buf, (int)(next_random() % 2), len);
		} else if (kind < 5) {
			state = kind;
			add_noise(buf, 2000);
			state = before;
		} else if (buf->len > 0) {
			size_t at = next_random() % buf->len;
			AUTO_BUF part = BUF_INIT;

			buf_add(&part, buf->data + at, len < buf->len - at ? len : buf->len - at);
			buf_add(buf, part.data, part.len);
		}
	}
}

static void any_file_comes_out_of_any_other(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= 150; seed++) {
		AUTO_BUF old = BUF_INIT;
		AUTO_BUF new = BUF_INIT;
		struct result result;

		state = seed * 7919;
		add_words(&old, next_random() % 100);
		state = seed * 7919 + next_random() % 2;
		add_words(&new, next_random() % 100);
		result = differ_with(&old, &new, seed % 3 ? 1024 : 4096, 1 + next_random() % 50000);
		assert_true(result.sent <= new.len);
		buf_release(&result.bytes);
	}
}

/* One edit of data[0..): what it puts there goes to `cost`, with the blocks that it may spoil. */
static void edit(struct buf *data, size_t block, size_t *cost)
{
	size_t at = next_random() % data->len;
	size_t left = data->len - at;
	size_t gone = next_random() % 2 ? next_random() % 5000 % (left + 1) : 0;
	size_t come = next_random() % 2 ? next_random() % 5000 : 0;
	AUTO_BUF tail = BUF_INIT;

	buf_add(&tail, data->data + at + gone, left - gone);
	data->len = at;
	add_noise(data, come);
	buf_add(data, tail.data, tail.len);
	/* The one it is in, and behind it as many as prove that it is over, from a boundary on. */
	*cost += come + 4 * block;
}

static void random_edits_cost_no_more_than_they_change(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		AUTO_BUF old = BUF_INIT;
		AUTO_BUF new = BUF_INIT;
		struct result result;
		size_t block = seed % 2 ? 1024 : 2048;
		size_t cost = block;

		state = seed * 104729;
		add_noise(&old, 200000 + next_random() % 300000);
		buf_add(&new, old.data, old.len);
		for (size_t edits = next_random() % 12; edits > 0; edits--)
			edit(&new, block, &cost);
		result = differ_with(&old, &new, block, 1 + next_random() % 300000);
		assert_in_range(result.sent, 0, cost);
		buf_release(&result.bytes);
	}
}

static void sums_together_are_those_of_each_block(void **unused)
{
	AUTO_BUF data = BUF_INIT;
	uint32_t sums[11];

	(void)unused;
	state = 8;
	add_noise(&data, 11 * 1024 + 1);
	for (size_t count = 0; count <= 11; count++) {
		memset(sums, 0, sizeof(sums));
		block_sums(data.data + 1, 1024, count, sums);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(sums[i], block_add(0, data.data + 1 + i * 1024, 1024));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sum_is_the_crc_of_castagnoli),
		cmocka_unit_test(a_rolled_sum_is_that_of_the_block_there),
		cmocka_unit_test(blocks_grow_with_the_file_and_have_bounds),
		cmocka_unit_test(an_equal_file_costs_no_bytes_but_its_end),
		cmocka_unit_test(an_insertion_costs_a_block_or_two),
		cmocka_unit_test(an_edit_in_place_costs_its_blocks),
		cmocka_unit_test(blocks_that_were_moved_are_found),
		cmocka_unit_test(a_file_of_one_byte_over_and_over_takes_no_longer_than_another),
		cmocka_unit_test(what_was_skipped_is_not_lost_count_of),
		cmocka_unit_test(any_file_comes_out_of_any_other),
		cmocka_unit_test(random_edits_cost_no_more_than_they_change),
		cmocka_unit_test(sums_together_are_those_of_each_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
