/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How values are written to the wire and to our own files: unsigned LEB128
 * (7 bits a byte, least significant first), signed values in zigzag form,
 * byte strings as length and bytes.
 *
 * Encoding appends to a buffer and cannot fail.  Decoding reads from a bounded
 * run of bytes; the first thing that does not fit sets `bad`, after which
 * everything reads as zero or empty, so a message is decoded straight through
 * and `bad` is looked at once, at the end.
 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;

void enc_u8(struct buf *out, unsigned value);
void enc_uint(struct buf *out, uint64_t value);
void enc_int(struct buf *out, int64_t value);
void enc_bytes(struct buf *out, const void *data, size_t len);
void enc_str(struct buf *out, const char *str);
/* Bytes without a length in front. */
void enc_raw(struct buf *out, const void *data, size_t len);
/* Fixed-width little endian. */
void enc_le32(struct buf *out, uint32_t value);
void enc_le64(struct buf *out, uint64_t value);

struct dec {
	const unsigned char *pos;
	const unsigned char *end;
	bool bad;
};

void dec_init(struct dec *dec, const void *data, size_t len);
size_t dec_left(const struct dec *dec);
unsigned dec_u8(struct dec *dec);
uint64_t dec_uint(struct dec *dec);
int64_t dec_int(struct dec *dec);
/* A value that must fit 32 bits. */
uint32_t dec_u32(struct dec *dec);
/* A byte string of at most `max` bytes; *len gets its length. Points into the input. */
const unsigned char *dec_bytes(struct dec *dec, size_t max, size_t *len);
/* A byte string without NUL of at most `max` bytes, copied into the arena as a C string. */
char *dec_str(struct dec *dec, size_t max, struct arena *arena);
/* Copy exactly len raw bytes to out. */
void dec_raw(struct dec *dec, void *out, size_t len);
uint32_t dec_le32(struct dec *dec);
uint64_t dec_le64(struct dec *dec);
/* True when everything was read, nothing is left over and nothing was bad. */
bool dec_done(const struct dec *dec);

#endif
