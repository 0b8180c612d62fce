/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/codec.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"

enum { UINT_MAX_LEN = 10 /* bytes of the longest value */ };

void enc_u8(struct buf *out, unsigned value)
{
	buf_addch(out, (int)value);
}

/* Straight into the buffer: lists of files are made of little else. */
void enc_uint(struct buf *out, uint64_t value)
{
	unsigned char *pos = NULL;

	if (out->cap - out->len <= UINT_MAX_LEN)
		buf_reserve(out, UINT_MAX_LEN);
	pos = out->data + out->len;
	while (value >= 0x80) {
		*pos++ = (unsigned char)(value | 0x80);
		value >>= 7;
	}
	*pos++ = (unsigned char)value;
	out->len = (size_t)(pos - out->data);
}

void enc_int(struct buf *out, int64_t value)
{
	enc_uint(out, ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

void enc_bytes(struct buf *out, const void *data, size_t len)
{
	enc_uint(out, len);
	buf_add(out, data, len);
}

void enc_str(struct buf *out, const char *str)
{
	enc_bytes(out, str, strlen(str));
}

void enc_raw(struct buf *out, const void *data, size_t len)
{
	buf_add(out, data, len);
}

void enc_le32(struct buf *out, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		enc_u8(out, (value >> (8 * i)) & 0xff);
}

void enc_le64(struct buf *out, uint64_t value)
{
	enc_le32(out, (uint32_t)value);
	enc_le32(out, (uint32_t)(value >> 32));
}

void dec_init(struct dec *dec, const void *data, size_t len)
{
	/* An empty buffer's data is NULL, to which not even 0 may be added. */
	dec->pos = len ? data : (const unsigned char *)"";
	dec->end = dec->pos + len;
	dec->bad = false;
}

size_t dec_left(const struct dec *dec)
{
	return dec->bad ? 0 : (size_t)(dec->end - dec->pos);
}

/* Step over len bytes, or set bad. NULL when bad. */
static const unsigned char *dec_take(struct dec *dec, size_t len)
{
	const unsigned char *start = dec->pos;

	if (dec->bad || len > (size_t)(dec->end - dec->pos)) {
		dec->bad = true;
		return NULL;
	}
	dec->pos += len;
	return start;
}

unsigned dec_u8(struct dec *dec)
{
	const unsigned char *byte = dec_take(dec, 1);

	return byte ? *byte : 0;
}

uint64_t dec_uint(struct dec *dec)
{
	const unsigned char *pos = dec->pos;
	const size_t left = dec_left(dec);
	uint64_t value = 0;

	for (size_t i = 0; i < left && i < UINT_MAX_LEN; i++) {
		/* The last one has a single bit left. */
		if (i == UINT_MAX_LEN - 1 && pos[i] > 1)
			break;
		value |= (uint64_t)(pos[i] & 0x7f) << (7 * i);
		if (!(pos[i] & 0x80)) {
			dec->pos = pos + i + 1;
			return value;
		}
	}
	dec->bad = true;
	return 0;
}

int64_t dec_int(struct dec *dec)
{
	uint64_t raw = dec_uint(dec);

	return (int64_t)((raw >> 1) ^ (raw & 1 ? UINT64_MAX : 0));
}

uint32_t dec_u32(struct dec *dec)
{
	uint64_t value = dec_uint(dec);

	if (value > UINT32_MAX) {
		dec->bad = true;
		return 0;
	}
	return (uint32_t)value;
}

const unsigned char *dec_bytes(struct dec *dec, size_t max, size_t *len)
{
	uint64_t want = dec_uint(dec);
	const unsigned char *data = NULL;

	if (want > max)
		dec->bad = true;
	data = dec_take(dec, dec->bad ? 0 : (size_t)want);
	*len = data ? (size_t)want : 0;
	return data;
}

char *dec_str(struct dec *dec, size_t max, struct arena *arena)
{
	size_t len = 0;
	const unsigned char *data = dec_bytes(dec, max, &len);

	if (len > 0 && memchr(data, '\0', len)) {
		dec->bad = true;
		len = 0;
	}
	return arena_strndup(arena, len ? (const char *)data : "", len);
}

void dec_raw(struct dec *dec, void *out, size_t len)
{
	const unsigned char *data = dec_take(dec, len);

	if (data)
		memcpy(out, data, len);
	else
		memset(out, 0, len);
}

uint32_t dec_le32(struct dec *dec)
{
	unsigned char b[4];

	dec_raw(dec, b, sizeof(b));
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

uint64_t dec_le64(struct dec *dec)
{
	uint64_t low = dec_le32(dec);

	return low | (uint64_t)dec_le32(dec) << 32;
}

bool dec_done(const struct dec *dec)
{
	return !dec->bad && dec->pos == dec->end;
}
