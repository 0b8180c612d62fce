/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"

void lines_release(struct lines *lines)
{
	buf_release(&lines->partial);
	for (int i = 0; i < LINES_KEPT; i++) {
		free(lines->kept[i]);
		lines->kept[i] = NULL;
	}
}

static void keep(struct lines *lines, char *line)
{
	int count = 0;

	while (count < LINES_KEPT && lines->kept[count])
		count++;
	if (count == LINES_KEPT) {
		free(lines->kept[0]);
		memmove(&lines->kept[0], &lines->kept[1],
			(LINES_KEPT - 1) * sizeof(lines->kept[0]));
		count--;
	}
	lines->kept[count] = line;
}

/* Log the unfinished line as it stands and begin the next. */
static void finish_line(struct lines *lines)
{
	AUTO_BUF shown = BUF_INIT;

	while (lines->partial.len > 0 && lines->partial.data[lines->partial.len - 1] == '\r')
		lines->partial.len--;
	if (lines->partial.len == 0)
		return;
	/* A NUL would end the text early. */
	for (size_t i = 0; i < lines->partial.len; i++)
		if (lines->partial.data[i] == '\0')
			lines->partial.data[i] = '?';
	text_add_escaped(&shown, buf_cstr(&lines->partial));
	buf_reset(&lines->partial);
	if (!lines->plain && strncmp(buf_cstr(&shown), "osync", 5) == 0)
		log_warn("%s: %s", lines->origin, buf_cstr(&shown));
	else
		log_info("%s: %s", lines->origin, buf_cstr(&shown));
	keep(lines, buf_steal_cstr(&shown));
}

void lines_feed(struct lines *lines, const void *data, size_t len)
{
	const unsigned char *pos = data;

	for (size_t i = 0; i < len; i++) {
		if (pos[i] == '\n' || lines->partial.len == LINES_LINE_MAX)
			finish_line(lines);
		if (pos[i] != '\n')
			buf_addch(&lines->partial, pos[i]);
	}
}

void lines_end(struct lines *lines)
{
	finish_line(lines);
}

int lines_drain(struct lines *lines, int fd)
{
	char chunk[4096];
	ssize_t got = 0;

	while ((got = read(fd, chunk, sizeof(chunk))) > 0)
		lines_feed(lines, chunk, (size_t)got);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 1;
	lines_end(lines);
	return 0;
}

void lines_last(const struct lines *lines, struct buf *out)
{
	for (int i = 0; i < LINES_KEPT && lines->kept[i]; i++) {
		if (i > 0)
			buf_addstr(out, LINES_JOINT);
		buf_addstr(out, lines->kept[i]);
	}
}
