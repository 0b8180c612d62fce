/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* Table 3-7 of the Unicode standard: well-formed UTF-8 byte sequences. */
size_t text_utf8_len(const char *str, size_t len)
{
	const unsigned char *s = (const unsigned char *)str;
	size_t need = 0;

	if (len == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		need = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		need = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		need = 4;
	if (need == 0 || len < need)
		return 0;
	for (size_t i = 1; i < need; i++)
		if (!is_continuation(s[i]))
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
		return 0;
	if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return need;
}

/* C0, DEL, and C1 (U+0080..U+009F is C2 80..C2 9F), all of which can steer a terminal. */
static bool is_control(const char *str, size_t seq)
{
	unsigned char c = (unsigned char)str[0];

	if (seq == 1)
		return c < 0x20 || c == 0x7f;
	return seq == 2 && c == 0xc2 && (unsigned char)str[1] < 0xa0;
}

/* How many bytes at the start stand for themselves, as nearly all do. */
static size_t plain_len(const char *str)
{
	size_t len = 0;

	while (str[len] >= 0x20 && str[len] < 0x7f && str[len] != '\\')
		len++;
	return len;
}

void text_add_escaped(struct buf *out, const char *str)
{
	size_t plain = plain_len(str);
	size_t len = strlen(str + plain);

	buf_add(out, str, plain);
	str += plain;
	while (len > 0) {
		size_t seq = text_utf8_len(str, len);
		size_t step = seq ? seq : 1;

		if (*str == '\\')
			buf_addstr(out, "\\\\");
		else if (*str == '\n')
			buf_addstr(out, "\\n");
		else if (*str == '\t')
			buf_addstr(out, "\\t");
		else if (seq == 0 || is_control(str, seq))
			for (size_t i = 0; i < step; i++)
				buf_addf(out, "\\x%02x", (unsigned char)str[i]);
		else
			buf_add(out, str, seq);
		str += step;
		len -= step;
	}
}

void text_add_json(struct buf *out, const char *str)
{
	size_t len = strlen(str);

	buf_addch(out, '"');
	while (len > 0) {
		size_t seq = text_utf8_len(str, len);
		size_t step = seq ? seq : 1;
		unsigned char c = (unsigned char)*str;

		if (seq == 0)
			buf_addf(out, "\\udc%02x", c);
		else if (c == '"' || c == '\\')
			buf_addf(out, "\\%c", c);
		else if (seq == 1 && (c < 0x20 || c == 0x7f))
			buf_addf(out, "\\u%04x", c);
		else
			buf_add(out, str, seq);
		str += step;
		len -= step;
	}
	buf_addch(out, '"');
}
