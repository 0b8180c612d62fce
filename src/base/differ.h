/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of a file is in an older version of it, of which only the sums of the blocks are known
 * (base/blocks.h): the new bytes go in, and out comes how to put them together, in order.
 *
 *	differ = differ_new(sums, count, block, size);
 *	while ((piece = differ_next(differ)).kind != DIFFER_END)
 *		DIFFER_MORE	bytes of the new version to differ_room(), differ_added() or differ_end()
 *		DIFFER_COPY	`len` bytes of the old version, from `offset` on
 *		DIFFER_DATA	`len` new bytes, at `data` until the next call
 *
 * Pure.  Behind a match the next block of the old version is compared first, which costs no more than
 * a checksum of the file; only where that fails is a window moved byte by byte, until its sum is in the
 * table or what it is over lies again where the last match has led to.  There one sum of 32 bits is
 * believed; anywhere else as many in a row as make a mistake in a file of this size improbable
 * (rsync sends 48 or more bits of each block instead).  What comes out may be wrong all the same: the
 * digest of the whole tells.  Time: linear in the bytes that go in, whatever they are.  Memory: some 20
 * bytes for each sum, and a few blocks.
 *
 * Measured beside it, on 128 MiB of noise in memory with 100 edits of 10 KB, in seconds of one processor, and
 * rejected:
 *
 *					old version	new version	wire (KB)
 *	this				0.02		0.04		64 + 1,784
 *	librsync 2.3, MD4		0.24		0.44		228 + 2,094
 *	librsync 2.3, BLAKE2		0.37		0.54		410 + 2,094
 *	chunks by content, of 4 KiB	0.11 (first)	0.12		0 + 1,994
 *	chunks by content, of 16 KiB	0.12 (first)	0.13		0 + 3,828
 *
 * Chunks cut by content (a gear hash as in FastCDC, XXH3 of each) whose list is kept from the last sync spare
 * the reading of the old version, but to find them takes twice as long as both passes here, it has to be done
 * with all that is sent for the first time as well, and where edits are scattered more has to be sent.
 */
#ifndef BASE_DIFFER_H
#define BASE_DIFFER_H

#include <stddef.h>
#include <stdint.h>

struct differ;

enum differ_kind { DIFFER_END, DIFFER_MORE, DIFFER_COPY, DIFFER_DATA };

struct differ_piece {
	enum differ_kind kind;
	uint64_t offset;
	size_t len;
	const unsigned char *data;
};

enum {
	DIFFER_DATA_MAX = 128 * 1024, /* bytes of one DIFFER_DATA */
	DIFFER_COPY_MAX = 4 * 1024 * 1024 /* bytes of one DIFFER_COPY */,
};

/*
 * `sums` (owned by the differ from now on) are those of the first `count` blocks of `block` bytes. `size`, of the new
 * version, says how improbable a mistake has to be; it may turn out to be another.
 */
struct differ *differ_new(uint32_t *sums, size_t count, size_t block, uint64_t size);
void differ_free(struct differ *differ);

struct differ_piece differ_next(struct differ *differ);
/* Where to put new bytes after DIFFER_MORE; *len: how many at most (at least 1). */
unsigned char *differ_room(struct differ *differ, size_t *len);
/* So many were put there. */
void differ_added(struct differ *differ, size_t len);
/* No more bytes are to come, or none before differ_skip(): all that went in comes out, then DIFFER_END. */
void differ_end(struct differ *differ);
/*
 * After DIFFER_END: the next `len` bytes of the new version are a matter of the caller's (a hole), and others
 * follow.
 */
void differ_skip(struct differ *differ, uint64_t len);

#endif
