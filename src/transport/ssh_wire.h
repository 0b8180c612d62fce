/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values as SSH writes them (RFC 4251, section 5): big-endian 32-bit numbers, strings with
 * their length in front; and base64, in which keys stand in files.
 *
 * Reading works like base/codec: bounded, and the first thing that does not fit sets `bad`,
 * after which everything reads as zero or empty.
 */
#ifndef TRANSPORT_SSH_WIRE_H
#define TRANSPORT_SSH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct ssh_wire {
	const unsigned char *pos;
	const unsigned char *end;
	bool bad;
};

/* A run of bytes inside the input. */
struct ssh_bytes {
	const unsigned char *data;
	size_t len;
};

void ssh_wire_init(struct ssh_wire *wire, const void *data, size_t len);
unsigned ssh_wire_u8(struct ssh_wire *wire);
uint32_t ssh_wire_u32(struct ssh_wire *wire);
/* len bytes without a length in front. */
struct ssh_bytes ssh_wire_raw(struct ssh_wire *wire, size_t len);
struct ssh_bytes ssh_wire_string(struct ssh_wire *wire);

bool ssh_bytes_are(struct ssh_bytes bytes, const char *text);

void ssh_put_u32(struct buf *out, uint32_t value);
void ssh_put_string(struct buf *out, const void *data, size_t len);

/* Append the bytes that base64 text[0..len) stands for; blanks and line ends are skipped. */
int ssh_base64_decode(struct buf *out, const char *text, size_t len);
/* Append base64 without padding, as fingerprints are written. */
void ssh_base64_encode(struct buf *out, const unsigned char *data, size_t len);

/* Release a buffer that held a secret, overwriting it first. */
void ssh_buf_wipe(struct buf *buf);
#define AUTO_SECRET AUTO(ssh_buf_wipe) struct buf

/*
 * Append the contents of a file of at most 64 KiB.  The buffer grows once, before anything
 * is read, so no copy of a secret stays behind.  -1 with errno.
 */
int ssh_read_file(const char *path, struct buf *out);
/* Append the contents of a file that holds no secret, of at most 64 MiB. -1 with errno. */
int ssh_read_whole(const char *path, struct buf *out);

#endif
