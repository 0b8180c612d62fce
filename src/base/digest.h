/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Content digests: XXH3-128 (libxxhash) with a 64-bit seed.
 *
 * The seed is random per profile and travels in the hello, so nobody who does
 * not know it can prepare two files that collide.  Seed 0 is used where every
 * machine must compute the same value (names of conflict copies, checksums).
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_LEN = 16, DIGEST_HEX_LEN = 2 * DIGEST_LEN };

struct digest {
	unsigned char bytes[DIGEST_LEN];
};

/* Opaque running state; a stream is heap-allocated (libxxhash wants alignment). */
struct digest_stream;

struct digest_stream *digest_stream_new(uint64_t seed);
void digest_stream_free(struct digest_stream *stream);
void digest_stream_add(struct digest_stream *stream, const void *data, size_t len);
/* Feed `len` zero bytes (a hole). O(len), no I/O. */
void digest_stream_add_zeros(struct digest_stream *stream, uint64_t len);
struct digest digest_stream_value(const struct digest_stream *stream);

struct digest digest_of(const void *data, size_t len, uint64_t seed);
/* Whether it is all zero, which no content has in practice: nobody has read any. */
bool digest_is_none(const struct digest *digest);
bool digest_same(const struct digest *a, const struct digest *b);
/* A 64-bit checksum (XXH3-64, seed 0) for our own files and listings. */
uint64_t digest_checksum(const void *data, size_t len);
/* Lower-case hex and a NUL. */
void digest_hex(const struct digest *digest, char out[static DIGEST_HEX_LEN + 1]);

#endif
