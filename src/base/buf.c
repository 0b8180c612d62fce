/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/buf.h"

#include <assert.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* First allocation: most buffers hold a path or a message. */
enum { BUF_FIRST = 128 };

void buf_release(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf)BUF_INIT;
}

void buf_reset(struct buf *buf)
{
	buf->len = 0;
}

void buf_reserve(struct buf *buf, size_t more)
{
	size_t need = buf->len + more + 1;
	size_t cap = buf->cap ? buf->cap : BUF_FIRST;

	if (need <= more)
		err_die("out of memory: length overflow");
	if (need <= buf->cap)
		return;
	while (cap < need)
		cap += cap / 2 + 1;
	buf->data = xrealloc(buf->data, cap);
	buf->cap = cap;
}

void buf_add(struct buf *buf, const void *data, size_t len)
{
	if (len == 0)
		return;
	buf_reserve(buf, len);
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
}

void buf_addstr(struct buf *buf, const char *str)
{
	buf_add(buf, str, strlen(str));
}

void buf_addch(struct buf *buf, int c)
{
	if (buf->cap - buf->len <= 1)
		buf_reserve(buf, 1);
	buf->data[buf->len++] = (unsigned char)c;
}

void buf_addf(struct buf *buf, const char *fmt, ...)
{
	va_list ap;
	va_list again;
	int len = 0;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len > 0) {
		buf_reserve(buf, (size_t)len);
		vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, fmt, again);
		buf->len += (size_t)len;
	}
	va_end(again);
}

void *buf_extend(struct buf *buf, size_t len)
{
	void *start = NULL;

	buf_reserve(buf, len);
	start = buf->data + buf->len;
	buf->len += len;
	return start;
}

void buf_consume(struct buf *buf, size_t len)
{
	assert(len <= buf->len);
	if (len == 0)
		return;
	buf->len -= len;
	memmove(buf->data, buf->data + len, buf->len);
}

char *buf_cstr(struct buf *buf)
{
	buf_reserve(buf, 0);
	buf->data[buf->len] = '\0';
	return (char *)buf->data;
}

char *buf_steal_cstr(struct buf *buf)
{
	char *str = buf_cstr(buf);

	*buf = (struct buf)BUF_INIT;
	return str;
}

void *xmalloc(size_t size)
{
	return xrealloc(NULL, size ? size : 1);
}

void *xcalloc(size_t count, size_t size)
{
	void *ptr = calloc(count ? count : 1, size ? size : 1);

	if (!ptr)
		err_die("out of memory");
	return ptr;
}

void xtrim(void)
{
	malloc_trim(0);
}

void *xrealloc(void *ptr, size_t size)
{
	void *grown = realloc(ptr, size);

	if (!grown)
		err_die("out of memory");
	return grown;
}

char *xstrdup(const char *str)
{
	return xstrndup(str, strlen(str));
}

char *xstrndup(const char *str, size_t max)
{
	size_t len = strnlen(str, max);
	char *copy = xmalloc(len + 1);

	memcpy(copy, str, len);
	copy[len] = '\0';
	return copy;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *str = NULL;
	int len = 0;

	va_start(ap, fmt);
	len = vasprintf(&str, fmt, ap);
	va_end(ap);
	if (len < 0)
		err_die("out of memory");
	return str;
}
