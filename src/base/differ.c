/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/differ.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/blocks.h"
#include "base/buf.h"

enum {
	SAME_MAX = 4, /* blocks of one sum that are in the table */
	FILTER_LOAD =
		32, /* bits of the filter for each sum: one position in so many is looked up */
	AHEAD = 4,  /* blocks whose sums are found together, where one match leads to the next */
	CERTAINTY = 20,	    /* bits: one mistake in a million files that match nowhere */
	FILL = 256 * 1024,  /* bytes that are asked for at once, at least */
	QUEUE = 4,	    /* pieces found and not handed out */
	LOOKS_PER_BYTE = 4, /* bytes that may be looked at ahead for each that the window moves */
};

struct differ {
	uint32_t *sums;
	size_t count;
	size_t block;
	size_t confirm; /* blocks in a row that prove a match that was not expected */
	uint64_t looks; /* bytes that may still be looked at ahead */
	struct block_roller roller;
	struct block_filter filter;
	uint32_t *slots; /* index + 1 by sum, open addressing; 0: free */
	unsigned slot_bits;

	unsigned char *window; /* new bytes, from `offset` of the new version on */
	uint64_t offset;
	size_t cap;
	size_t start; /* what is in front of it has been dealt with */
	size_t pos;   /* from start to here nothing was found */
	size_t end;
	uint64_t shift; /* offset in the old version less that in the new one, of the last match */
	uint32_t sum;	/* of the block at pos, */
	bool summed;	/* where this says so */
	uint32_t ahead[AHEAD]; /* of the blocks from pos on, known already: the last `aheads` */
	size_t aheads;
	bool ended;
	uint64_t copy_offset; /* matched and not handed out */
	uint64_t copy_len;
	struct differ_piece queue[QUEUE];
	size_t queued;
	size_t taken;
};

/* The table --------------------------------------------------------------------- */

static unsigned bits_of(uint64_t value)
{
	unsigned bits = 0;

	while (bits < 63 && UINT64_C(1) << bits < value)
		bits++;
	return bits;
}

static size_t slot_of(const struct differ *differ, uint32_t sum)
{
	/* Fibonacci hashing: the low bits have chosen in the filter already. */
	return (size_t)((sum * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - differ->slot_bits));
}

static size_t next_slot(const struct differ *differ, size_t slot)
{
	return (slot + 1) & (((size_t)1 << differ->slot_bits) - 1);
}

static void insert(struct differ *differ, size_t index)
{
	uint32_t sum = differ->sums[index];
	uint64_t place = sum & ((UINT64_C(1) << differ->filter.bits) - 1);
	size_t slot = slot_of(differ, sum);
	int same = 0;

	for (; differ->slots[slot]; slot = next_slot(differ, slot)) {
		same += differ->sums[differ->slots[slot] - 1] == sum;
		if (same == SAME_MAX)
			return;
	}
	differ->slots[slot] = (uint32_t)index + 1;
	differ->filter.set[place / 64] |= UINT64_C(1) << (place % 64);
}

/* Bytes behind pos that are needed to go on. */
static size_t ahead_of(const struct differ *differ)
{
	size_t blocks = differ->confirm + 1 > AHEAD ? differ->confirm + 1 : AHEAD;

	return blocks * differ->block;
}

struct differ *differ_new(uint32_t *sums, size_t count, size_t block, uint64_t size)
{
	struct differ *differ = xcalloc(1, sizeof(*differ));

	assert(block >= BLOCK_MIN && block <= BLOCK_MAX && count <= BLOCKS_MAX);
	differ->sums = sums;
	differ->count = count;
	differ->block = block;
	/* So many pairs of a place and a block may look alike by chance. */
	differ->confirm = (bits_of(size) + bits_of(count) + CERTAINTY + 31) / 32;
	differ->looks = 64 * (uint64_t)block;
	block_roller_init(&differ->roller, block);
	differ->filter.bits = bits_of((uint64_t)count * FILTER_LOAD + 64);
	differ->filter.set = xcalloc(((size_t)1 << differ->filter.bits) / 64, sizeof(uint64_t));
	differ->slot_bits = bits_of((uint64_t)count * 2 + 2);
	differ->slots = xcalloc((size_t)1 << differ->slot_bits, sizeof(*differ->slots));
	for (size_t i = 0; i < count; i++)
		insert(differ, i);
	differ->cap = DIFFER_DATA_MAX + FILL + ahead_of(differ);
	differ->window = xmalloc(differ->cap);
	return differ;
}

void differ_free(struct differ *differ)
{
	if (!differ)
		return;
	free(differ->sums);
	free(differ->filter.set);
	free(differ->slots);
	free(differ->window);
	free(differ);
}

/* Bytes in ---------------------------------------------------------------------- */

unsigned char *differ_room(struct differ *differ, size_t *len)
{
	assert(!differ->ended && differ->taken == differ->queued);
	if (differ->cap - differ->end < FILL) {
		memmove(differ->window, differ->window + differ->start,
			differ->end - differ->start);
		differ->offset += differ->start;
		differ->pos -= differ->start;
		differ->end -= differ->start;
		differ->start = 0;
	}
	*len = differ->cap - differ->end;
	return differ->window + differ->end;
}

void differ_added(struct differ *differ, size_t len)
{
	assert(len <= differ->cap - differ->end);
	differ->end += len;
}

void differ_end(struct differ *differ)
{
	differ->ended = true;
}

void differ_skip(struct differ *differ, uint64_t len)
{
	assert(differ->ended && differ->start == differ->end);
	differ->offset += differ->end + len;
	differ->start = differ->pos = differ->end = 0;
	differ->summed = false;
	differ->aheads = 0;
	differ->ended = false;
}

/* Pieces out -------------------------------------------------------------------- */

static void enqueue(struct differ *differ, const struct differ_piece *piece)
{
	assert(differ->queued < QUEUE);
	differ->queue[differ->queued++] = *piece;
}

static void enqueue_copy(struct differ *differ)
{
	const struct differ_piece piece = { .kind = DIFFER_COPY,
					    .offset = differ->copy_offset,
					    .len = (size_t)differ->copy_len };

	if (differ->copy_len > 0)
		enqueue(differ, &piece);
	differ->copy_len = 0;
}

/* What lies before pos is in no block of the old version. */
static void enqueue_data(struct differ *differ)
{
	const struct differ_piece piece = { .kind = DIFFER_DATA,
					    .len = differ->pos - differ->start,
					    .data = differ->window + differ->start };

	if (piece.len == 0)
		return;
	enqueue_copy(differ);
	enqueue(differ, &piece);
	differ->start = differ->pos;
}

static uint64_t old_offset(const struct differ *differ)
{
	return differ->offset + differ->pos + differ->shift;
}

/* The block at pos is that one of the old version. */
static void match(struct differ *differ, size_t index)
{
	uint64_t old = (uint64_t)index * differ->block;

	enqueue_data(differ);
	if (differ->copy_len > 0 && (differ->copy_offset + differ->copy_len != old ||
				     differ->copy_len + differ->block > DIFFER_COPY_MAX))
		enqueue_copy(differ);
	if (differ->copy_len == 0)
		differ->copy_offset = old;
	differ->copy_len += differ->block;
	differ->shift = old - (differ->offset + differ->pos);
	differ->pos += differ->block;
	differ->start = differ->pos;
	differ->summed = false;
}

/* Whether what follows the block at pos is what follows that one of the old version. */
static bool is_confirmed(const struct differ *differ, size_t index)
{
	if (differ->count - index < differ->confirm ||
	    differ->end - differ->pos < differ->confirm * differ->block)
		return false;
	for (size_t i = 1; i < differ->confirm; i++)
		if (block_add(0, differ->window + differ->pos + i * differ->block, differ->block) !=
		    differ->sums[index + i])
			return false;
	return true;
}

/* Look the block at pos up: 1 when it was found, 0. */
static bool look_up(struct differ *differ)
{
	uint64_t cost = (differ->confirm - 1) * differ->block;

	for (size_t slot = slot_of(differ, differ->sum); differ->slots[slot];
	     slot = next_slot(differ, slot)) {
		size_t index = differ->slots[slot] - 1;

		if (differ->sums[index] != differ->sum || differ->looks < cost)
			continue;
		differ->looks -= cost;
		if (is_confirmed(differ, index)) {
			match(differ, index);
			return true;
		}
	}
	return false;
}

/* Where the last match has led to. */
static bool is_expected(const struct differ *differ)
{
	uint64_t old = old_offset(differ);

	return old % differ->block == 0 && old / differ->block < differ->count &&
	       differ->sums[old / differ->block] == differ->sum;
}

static size_t smaller(size_t one, size_t other)
{
	return one < other ? one : other;
}

/* To where something may be found again. There is at least a byte behind the block at pos. */
static void move_window(struct differ *differ)
{
	size_t room = smaller(differ->end - differ->pos - differ->block,
			      DIFFER_DATA_MAX - (differ->pos - differ->start));
	size_t expected = differ->block - (size_t)(old_offset(differ) % differ->block);
	size_t moved = block_roll(&differ->roller, &differ->filter, differ->window + differ->pos,
				  smaller(room, expected), &differ->sum);

	differ->pos += moved;
	differ->aheads = 0;
	differ->looks += moved * LOOKS_PER_BYTE;
}

/* The sum of the block at pos. */
static void sum_block(struct differ *differ)
{
	if (differ->aheads == 0 && differ->end - differ->pos >= AHEAD * differ->block) {
		block_sums(differ->window + differ->pos, differ->block, AHEAD, differ->ahead);
		differ->aheads = AHEAD;
	}
	if (differ->aheads > 0)
		differ->sum = differ->ahead[AHEAD - differ->aheads--];
	else
		differ->sum = block_add(0, differ->window + differ->pos, differ->block);
	differ->summed = true;
}

/* Deal with the block at pos, or move on by some bytes. */
static void step(struct differ *differ)
{
	size_t left = differ->end - differ->pos;

	if (left >= differ->block && !differ->summed)
		sum_block(differ);
	if (left >= differ->block && is_expected(differ)) {
		match(differ, (size_t)(old_offset(differ) / differ->block));
		return;
	}
	if (left >= differ->block && look_up(differ))
		return;
	if (left > differ->block) {
		move_window(differ);
	} else {
		differ->pos += smaller(left, DIFFER_DATA_MAX - (differ->pos - differ->start));
		differ->summed = false;
		differ->aheads = 0;
	}
}

struct differ_piece differ_next(struct differ *differ)
{
	const size_t ahead = ahead_of(differ);

	while (differ->taken == differ->queued) {
		differ->taken = differ->queued = 0;
		if (!differ->ended && differ->end - differ->pos < ahead)
			return (struct differ_piece){ .kind = DIFFER_MORE };
		if (differ->pos == differ->end) {
			enqueue_data(differ);
			enqueue_copy(differ);
			if (differ->queued == 0)
				return (struct differ_piece){ .kind = DIFFER_END };
			continue;
		}
		step(differ);
		if (differ->pos - differ->start >= DIFFER_DATA_MAX)
			enqueue_data(differ);
	}
	return differ->queue[differ->taken++];
}
