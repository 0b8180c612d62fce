/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes made printable: names may hold anything but '/' and NUL, terminals and
 * JSON may not.  Both forms can be turned back into the same bytes.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>

struct buf;

/*
 * Length of the valid UTF-8 sequence at the start of str[0..len), or 0 where
 * there is none (overlong forms, surrogates and values above U+10FFFF are invalid).
 */
size_t text_utf8_len(const char *str, size_t len);

/*
 * For people: valid UTF-8 as it is; control characters (C0, DEL, C1), bytes that
 * are not UTF-8 and backslashes as \n, \t, \xNN and "\\".
 */
void text_add_escaped(struct buf *out, const char *str);

/*
 * A JSON string with its quotes.  A byte that is not UTF-8 becomes the lone low
 * surrogate \udcNN (as Python's "surrogateescape" does), which no valid UTF-8
 * can produce, so the bytes can be recovered.
 */
void text_add_json(struct buf *out, const char *str);

#endif
