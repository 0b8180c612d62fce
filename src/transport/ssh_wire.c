/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/ssh_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

enum {
	FILE_MAX = 64 * 1024,	      /* bytes; an 16384-bit RSA key is 13 KiB */
	WHOLE_MAX = 64 * 1024 * 1024, /* bytes: a known_hosts file of a large site */
};

void ssh_wire_init(struct ssh_wire *wire, const void *data, size_t len)
{
	/* An empty buffer has no memory. */
	wire->pos = data ? data : (const unsigned char *)"";
	wire->end = wire->pos + len;
	wire->bad = false;
}

struct ssh_bytes ssh_wire_raw(struct ssh_wire *wire, size_t len)
{
	struct ssh_bytes bytes = { wire->pos, len };

	if (wire->bad || len > (size_t)(wire->end - wire->pos)) {
		wire->bad = true;
		return (struct ssh_bytes){ (const unsigned char *)"", 0 };
	}
	wire->pos += len;
	return bytes;
}

unsigned ssh_wire_u8(struct ssh_wire *wire)
{
	struct ssh_bytes bytes = ssh_wire_raw(wire, 1);

	return bytes.len == 1 ? bytes.data[0] : 0;
}

uint32_t ssh_wire_u32(struct ssh_wire *wire)
{
	struct ssh_bytes bytes = ssh_wire_raw(wire, 4);
	uint32_t value = 0;

	for (size_t i = 0; i < bytes.len; i++)
		value = value << 8 | bytes.data[i];
	return value;
}

struct ssh_bytes ssh_wire_string(struct ssh_wire *wire)
{
	return ssh_wire_raw(wire, ssh_wire_u32(wire));
}

bool ssh_bytes_are(struct ssh_bytes bytes, const char *text)
{
	return bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len) == 0;
}

void ssh_put_u32(struct buf *out, uint32_t value)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_addch(out, (int)(value >> shift & 0xff));
}

void ssh_put_string(struct buf *out, const void *data, size_t len)
{
	ssh_put_u32(out, (uint32_t)len);
	buf_add(out, data, len);
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int ssh_base64_decode(struct buf *out, const char *text, size_t len)
{
	uint32_t bits = 0;
	unsigned count = 0;
	bool padded = false;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n' || text[i] == '\r' || text[i] == ' ' || text[i] == '\t')
			continue;
		const char *digit = text[i] ? strchr(alphabet, text[i]) : NULL;

		if (text[i] == '=')
			padded = true;
		else if (!digit || padded)
			return -1;
		else
			bits = bits << 6 | (uint32_t)(digit - alphabet), count++;
		if (count == 4) {
			buf_addch(out, (int)(bits >> 16 & 0xff));
			buf_addch(out, (int)(bits >> 8 & 0xff));
			buf_addch(out, (int)(bits & 0xff));
			bits = count = 0;
		}
	}
	if (count == 1)
		return -1;
	if (count >= 2)
		buf_addch(out, (int)(bits >> (count == 2 ? 4 : 10) & 0xff));
	if (count == 3)
		buf_addch(out, (int)(bits >> 2 & 0xff));
	return 0;
}

void ssh_base64_encode(struct buf *out, const unsigned char *data, size_t len)
{
	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i < 3 ? len - i : 3;
		uint32_t bits = (uint32_t)data[i] << 16;

		bits |= have > 1 ? (uint32_t)data[i + 1] << 8 : 0;
		bits |= have > 2 ? (uint32_t)data[i + 2] : 0;
		for (size_t digit = 0; digit <= have; digit++)
			buf_addch(out, alphabet[bits >> (18 - 6 * digit) & 63]);
	}
}

void ssh_buf_wipe(struct buf *buf)
{
	if (buf->data)
		explicit_bzero(buf->data, buf->cap);
	buf_release(buf);
}

static int read_up_to(const char *path, size_t max, struct buf *out)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t taken = 0;

	if (fd < 0)
		return -1;
	while (taken < max) {
		buf_reserve(out, FILE_MAX);
		ssize_t got = read(fd, out->data + out->len, FILE_MAX);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -1 : 0;
		out->len += (size_t)got;
		taken += (size_t)got;
	}
	errno = EFBIG;
	return -1;
}

int ssh_read_file(const char *path, struct buf *out)
{
	/* A second read, for the end of the file, must not make the buffer grow. */
	buf_reserve(out, FILE_MAX + (size_t)FILE_MAX);
	return read_up_to(path, FILE_MAX, out);
}

int ssh_read_whole(const char *path, struct buf *out)
{
	return read_up_to(path, WHOLE_MAX, out);
}
