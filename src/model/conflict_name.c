/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/conflict_name.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/text.h"

/* What counts as an extension is short; a longer tail is part of the stem. */
enum { EXTENSION_MAX = 32 };

/* Where the extension (with its dot) of a name begins, or its end where there is none. */
static size_t stem_len(const char *name)
{
	const char *dot = strrchr(name, '.');

	if (!dot || dot == name || strlen(dot) > EXTENSION_MAX)
		return strlen(name);
	return (size_t)(dot - name);
}

/* The longest prefix of at most max bytes that does not end inside a UTF-8 character. */
static size_t cut_utf8(const char *str, size_t len, size_t max)
{
	size_t end = 0;

	while (end < len) {
		size_t seq = text_utf8_len(str + end, len - end);
		size_t step = seq ? seq : 1;

		if (end + step > max)
			break;
		end += step;
	}
	return end;
}

void conflict_name(struct buf *out, const char *path, int64_t mtime_ns, const struct digest *digest,
		   size_t digits)
{
	const char *name = path_name(path);
	size_t stem = stem_len(name);
	const char *extension = name + stem;
	char hex[DIGEST_HEX_LEN + 1];
	char stamp[16];
	char mark[80];
	size_t room = 0;

	digest_hex(digest, hex);
	clock_stamp(mtime_ns, stamp);
	snprintf(mark, sizeof(mark), ".conflict-%s-%.*s", stamp, (int)digits, hex);
	room = PATH_NAME_MAX - strlen(mark) - strlen(extension);
	buf_add(out, path, (size_t)(name - path));
	buf_add(out, name, cut_utf8(name, stem, room));
	buf_addstr(out, mark);
	buf_addstr(out, extension);
}
