/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A growable run of bytes, the only one in the program.
 *
 * data[0..len) is valid; there is always room for a NUL at data[len], which
 * buf_cstr() writes.  Growing never fails (out of memory ends the program): a
 * length that came from outside must be bounded before it gets here.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct buf {
	unsigned char *data;
	size_t len;
	size_t cap;
};

#define BUF_INIT           \
	{                  \
		NULL, 0, 0 \
	}
#define AUTO_BUF AUTO(buf_release) struct buf

void buf_release(struct buf *buf);
/* Forget the contents, keep the memory. */
void buf_reset(struct buf *buf);
/* Make room for `more` further bytes (and a NUL). */
void buf_reserve(struct buf *buf, size_t more);

void buf_add(struct buf *buf, const void *data, size_t len);
void buf_addstr(struct buf *buf, const char *str);
void buf_addch(struct buf *buf, int c);
void buf_addf(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Append `len` uninitialised bytes and return where they begin. */
void *buf_extend(struct buf *buf, size_t len);
/* Drop `len` bytes from the front; O(bytes that stay). */
void buf_consume(struct buf *buf, size_t len);
/* The contents as a C string, valid until the next change. */
char *buf_cstr(struct buf *buf);
/* Hand the contents over as a malloc'ed C string; the buffer is empty afterwards. */
char *buf_steal_cstr(struct buf *buf);

/* malloc and friends that end the program instead of returning NULL. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *ptr, size_t size);
/* Give what was freed back to the system. */
void xtrim(void);
char *xstrdup(const char *str);
/* At most `max` bytes of str, and never beyond its NUL (which it need not have). */
char *xstrndup(const char *str, size_t max);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
