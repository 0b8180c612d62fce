/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/digest.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/err.h"

struct digest_stream;

static XXH3_state_t *state_of(struct digest_stream *stream)
{
	return (XXH3_state_t *)(void *)stream;
}

struct digest_stream *digest_stream_new(uint64_t seed)
{
	XXH3_state_t *state = XXH3_createState();

	if (!state)
		err_die("out of memory");
	XXH3_128bits_reset_withSeed(state, seed);
	return (struct digest_stream *)(void *)state;
}

void digest_stream_free(struct digest_stream *stream)
{
	if (stream)
		XXH3_freeState(state_of(stream));
}

#ifdef __x86_64__
/*
 * The same with AVX2 or AVX-512 where the processor has them, three times as fast; not in every build of
 * the library.
 */
__attribute__((weak)) XXH_errorcode XXH3_128bits_update_dispatch(XXH3_state_t *state,
								 const void *data, size_t len);
#define HAS_DISPATCH (XXH3_128bits_update_dispatch != NULL)
#else
#define HAS_DISPATCH		     false
#define XXH3_128bits_update_dispatch XXH3_128bits_update
#endif

void digest_stream_add(struct digest_stream *stream, const void *data, size_t len)
{
	if (HAS_DISPATCH)
		XXH3_128bits_update_dispatch(state_of(stream), data, len);
	else
		XXH3_128bits_update(state_of(stream), data, len);
}

void digest_stream_add_zeros(struct digest_stream *stream, uint64_t len)
{
	static const unsigned char zeros[65536];

	while (len > 0) {
		size_t step = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

		digest_stream_add(stream, zeros, step);
		len -= step;
	}
}

/* The canonical (big endian) form, so that digests agree between machines. */
static struct digest digest_from(XXH128_hash_t hash)
{
	XXH128_canonical_t canonical;
	struct digest digest;

	XXH128_canonicalFromHash(&canonical, hash);
	memcpy(digest.bytes, canonical.digest, DIGEST_LEN);
	return digest;
}

struct digest digest_stream_value(const struct digest_stream *stream)
{
	return digest_from(XXH3_128bits_digest((const XXH3_state_t *)(const void *)stream));
}

struct digest digest_of(const void *data, size_t len, uint64_t seed)
{
	return digest_from(XXH3_128bits_withSeed(data, len, seed));
}

bool digest_is_none(const struct digest *digest)
{
	static const struct digest none = { { 0 } };

	return digest_same(digest, &none);
}

bool digest_same(const struct digest *a, const struct digest *b)
{
	return memcmp(a->bytes, b->bytes, DIGEST_LEN) == 0;
}

uint64_t digest_checksum(const void *data, size_t len)
{
	return XXH3_64bits(data, len);
}

void digest_hex(const struct digest *digest, char out[static DIGEST_HEX_LEN + 1])
{
	for (size_t i = 0; i < DIGEST_LEN; i++)
		snprintf(out + 2 * i, 3, "%02x", digest->bytes[i]);
}
