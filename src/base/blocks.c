/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/blocks.h"

#include <string.h>

/* CRC-32C (Castagnoli), reflected. */
enum { SLICES = 8, TOGETHER = 4 /* blocks summed at a time */ };
#define CASTAGNOLI UINT32_C(0x82f63b78)

static uint32_t tables[SLICES][256];

/* Before main(), so that nobody need ask whether it was done. */
__attribute__((constructor)) static void make_tables(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t sum = i;

		for (int bit = 0; bit < 8; bit++)
			sum = sum & 1 ? (sum >> 1) ^ CASTAGNOLI : sum >> 1;
		tables[0][i] = sum;
	}
	for (size_t slice = 1; slice < SLICES; slice++)
		for (size_t i = 0; i < 256; i++) {
			uint32_t sum = tables[slice - 1][i];

			tables[slice][i] = (sum >> 8) ^ tables[0][sum & 0xff];
		}
}

size_t block_size(uint64_t size)
{
	size_t block = BLOCK_MIN;

	while (block < BLOCK_MAX && (uint64_t)block * block < size / 2)
		block *= 2;
	return block;
}

bool block_is_size(uint64_t block)
{
	return block >= BLOCK_MIN && block <= BLOCK_MAX && (block & (block - 1)) == 0;
}

uint64_t block_count(uint64_t size, size_t block)
{
	uint64_t count = size / block;

	return count < BLOCKS_MAX ? count : BLOCKS_MAX;
}

static uint32_t add_byte(uint32_t sum, unsigned char byte)
{
	return (sum >> 8) ^ tables[0][(sum ^ byte) & 0xff];
}

/* Eight bytes a step ("slicing by 8", Kounavis and Berry, 2005). */
static uint32_t add_in_tables(uint32_t sum, const unsigned char *data, size_t len)
{
	for (; len >= 8; data += 8, len -= 8) {
		sum ^= (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
		       (uint32_t)data[3] << 24;
		sum = tables[7][sum & 0xff] ^ tables[6][sum >> 8 & 0xff] ^
		      tables[5][sum >> 16 & 0xff] ^ tables[4][sum >> 24] ^ tables[3][data[4]] ^
		      tables[2][data[5]] ^ tables[1][data[6]] ^ tables[0][data[7]];
	}
	for (; len > 0; data++, len--)
		sum = add_byte(sum, *data);
	return sum;
}

static bool is_in(const struct block_filter *filter, uint32_t sum)
{
	uint64_t place = sum & ((UINT64_C(1) << filter->bits) - 1);

	return filter->set[place / 64] >> (place % 64) & 1;
}

static size_t roll_in_tables(const struct block_roller *roller, const struct block_filter *filter,
			     const unsigned char *data, size_t len, uint32_t *sum)
{
	size_t done = 0;

	do {
		*sum = add_byte(*sum, data[done + roller->block]) ^ roller->out[data[done]];
		done++;
	} while (done < len && !is_in(filter, *sum));
	return done;
}

#ifdef __x86_64__
#define HAS_INSTRUCTION __builtin_cpu_supports("sse4.2")

__attribute__((target("sse4.2"))) static uint32_t add_by_instruction(uint32_t sum,
								     const unsigned char *data,
								     size_t len)
{
	uint64_t wide = sum;

	for (; len >= 8; data += 8, len -= 8) {
		uint64_t word = 0;

		memcpy(&word, data, sizeof(word));
		wide = __builtin_ia32_crc32di(wide, word);
	}
	sum = (uint32_t)wide;
	for (; len > 0; data++, len--)
		sum = __builtin_ia32_crc32qi(sum, *data);
	return sum;
}

__attribute__((target("sse4.2"))) static size_t roll_by_instruction(
	const struct block_roller *roller, const struct block_filter *filter,
	const unsigned char *data, size_t len, uint32_t *sum)
{
	uint32_t here = *sum;
	size_t done = 0;

	do {
		here = __builtin_ia32_crc32qi(here, data[done + roller->block]) ^
		       roller->out[data[done]];
		done++;
	} while (done < len && !is_in(filter, here));
	*sum = here;
	return done;
}

/* The instruction takes three cycles, and a new one can begin in each. */
__attribute__((target("sse4.2"))) static void sums_by_instruction(const unsigned char *data,
								  size_t block, uint32_t *sums)
{
	uint64_t wide[TOGETHER] = { 0 };

	for (size_t at = 0; at < block; at += sizeof(uint64_t))
		for (size_t i = 0; i < TOGETHER; i++) {
			uint64_t word = 0;

			memcpy(&word, data + i * block + at, sizeof(word));
			wide[i] = __builtin_ia32_crc32di(wide[i], word);
		}
	for (size_t i = 0; i < TOGETHER; i++)
		sums[i] = (uint32_t)wide[i];
}
#else
#define HAS_INSTRUCTION	    false
#define add_by_instruction  add_in_tables
#define roll_by_instruction roll_in_tables

static void sums_by_instruction(const unsigned char *data, size_t block, uint32_t *sums)
{
	for (size_t i = 0; i < TOGETHER; i++)
		sums[i] = add_in_tables(0, data + i * block, block);
}
#endif

uint32_t block_add(uint32_t before, const void *data, size_t len)
{
	return HAS_INSTRUCTION ? add_by_instruction(before, data, len)
			       : add_in_tables(before, data, len);
}

uint32_t block_add_zeros(uint32_t before, size_t len)
{
	static const unsigned char zeros[4096];

	/* Zeros behind nothing but zeros are nothing. */
	for (; before != 0 && len > sizeof(zeros); len -= sizeof(zeros))
		before = block_add(before, zeros, sizeof(zeros));
	return before == 0 ? 0 : block_add(before, zeros, len);
}

void block_sums(const void *data, size_t block, size_t count, uint32_t *sums)
{
	const unsigned char *at = data;

	for (; HAS_INSTRUCTION && count >= TOGETHER; count -= TOGETHER) {
		sums_by_instruction(at, block, sums);
		at += TOGETHER * block;
		sums += TOGETHER;
	}
	for (; count > 0; count--, at += block)
		*sums++ = block_add(0, at, block);
}

void block_roller_init(struct block_roller *roller, size_t block)
{
	roller->block = block;
	roller->out[0] = 0;
	/* The sum is linear: a byte is the sum of its bits. */
	for (unsigned bit = 1; bit < 256; bit *= 2)
		roller->out[bit] = block_add_zeros(add_byte(0, (unsigned char)bit), block);
	for (unsigned i = 1; i < 256; i++)
		roller->out[i] = roller->out[i & (i - 1)] ^ roller->out[i & -i];
}

size_t block_roll(const struct block_roller *roller, const struct block_filter *filter,
		  const unsigned char *data, size_t len, uint32_t *sum)
{
	return HAS_INSTRUCTION ? roll_by_instruction(roller, filter, data, len, sum)
			       : roll_in_tables(roller, filter, data, len, sum);
}
