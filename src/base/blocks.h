/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sums of the blocks of a file, small enough to be sent, and to be found again at any offset of another
 * version of it (base/differ.h).
 *
 * A sum is the CRC-32C of the block, begun with 0 and not inverted: it rolls, it spreads better than
 * Adler's sums (rsync), and processors compute it as fast as memory is read, four blocks at a time.  It
 * proves nothing: whoever puts a file together by such sums compares the
 * digest of the whole in the end.
 */
#ifndef BASE_BLOCKS_H
#define BASE_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/worthwhile.h"

enum {
	BLOCK_MIN = WORTHWHILE(1024, 16),
	BLOCK_MAX = 1024 * 1024,
	BLOCKS_MAX = 4 * 1024 * 1024, /* of a file; one of more than 4 TiB has none behind these */
	BLOCK_SUM_LEN = 4,	      /* bytes of a sum on the wire */
};

/*
 * Bytes of a block in a file of `size` bytes, a power of two: about the root of half of its size, with
 * which the four bytes for each block are as much as a few blocks that have to be sent again.
 */
size_t block_size(uint64_t size);
/* Whether that can be a size of blocks. */
bool block_is_size(uint64_t block);
/* How many sums a file has: what is left at its end has none. */
uint64_t block_count(uint64_t size, size_t block);

/* The sum of data[0..len), behind bytes whose sum was `before` (0 for none). */
uint32_t block_add(uint32_t before, const void *data, size_t len);
/* The same of `len` zeros, of which only whole blocks are free. */
uint32_t block_add_zeros(uint32_t before, size_t len);
/*
 * The sums of `count` blocks of `block` bytes (a multiple of 8) that lie one behind the other, to sums[]: several
 * at a time, as no sum of one waits for that of another.
 */
void block_sums(const void *data, size_t block, size_t count, uint32_t *sums);

/* How far the sums of a file are. */
struct block_run {
	uint64_t block;	 /* bytes of one, */
	uint64_t filled; /* of which so many are in the sum */
	uint32_t sum;
	uint64_t done; /* blocks */
};

/* A window of one block that moves on byte by byte. */
struct block_roller {
	uint32_t out[256]; /* what a byte at the front of the window adds to its sum */
	size_t block;
};

void block_roller_init(struct block_roller *roller, size_t block);

/* A set of sums, with a few that are not in it: bit s mod 2^bits for each. */
struct block_filter {
	uint64_t *set;
	unsigned bits; /* at least 6 */
};

/*
 * Move the window, which begins at data and has the sum *sum, on by at most `len` bytes (there are len + block bytes
 * at data), to where its sum may be in the set. Returns by how many it was moved, at least 1.
 */
size_t block_roll(const struct block_roller *roller, const struct block_filter *filter,
		  const unsigned char *data, size_t len, uint32_t *sum);

#endif
