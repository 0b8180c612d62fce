/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model/filter for a test in another language: one command a line on stdin, one answer
 * a line on stdout.  Bytes are in hex, so that anything can be said.
 *
 *	new			an empty filter; answers "ok"
 *	add - PATTERN		filter_add, '-' for FILTER_EXCLUDE, '+' for FILTER_INCLUDE
 *	list - SEPARATOR LIST	filter_add_list; the separator is one byte
 *	text - BYTES		filter_add_text, as the file "rules"
 *				all three: "ok", or "error MESSAGE"
 *	wire			replace the filter by what decoding its encoding gives;
 *				answers "ok", or "differs" when the checksum changed
 *	file PATH, dir PATH	filter_excludes: "out" or "in"
 *
 * Built by the test that uses it.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "model/filter.h"

/* A command line is at most a from-file in hex. */
enum { LINE_BYTES = 1 << 20, WORDS = 4 };

static void unhex(struct buf *out, const char *hex)
{
	buf_reset(out);
	for (; hex[0] && hex[1]; hex += 2) {
		const char digits[3] = { hex[0], hex[1], '\0' };

		buf_addch(out, (int)strtoul(digits, NULL, 16));
	}
}

/* Split at blanks; missing words are empty. */
static void split(char *line, char *words[WORDS])
{
	line[strcspn(line, "\n")] = '\0';
	for (int i = 0; i < WORDS; i++) {
		words[i] = line;
		line += strcspn(line, " ");
		if (*line)
			*line++ = '\0';
	}
}

static int add(struct filter *filter, char *words[WORDS], struct err *err)
{
	enum filter_kind kind = words[1][0] == '+' ? FILTER_INCLUDE : FILTER_EXCLUDE;
	AUTO_BUF first = BUF_INIT;
	AUTO_BUF second = BUF_INIT;

	unhex(&first, words[2]);
	unhex(&second, words[3]);
	if (strcmp(words[0], "add") == 0)
		return filter_add(filter, kind, buf_cstr(&first), "rules", err);
	if (strcmp(words[0], "text") == 0)
		return filter_add_text(filter, kind, buf_cstr(&first), first.len, "rules", err);
	return filter_add_list(filter, kind, buf_cstr(&second), buf_cstr(&first)[0], "rules", err);
}

static const char *rewire(struct filter **filter)
{
	AUTO_BUF wire = BUF_INIT;
	struct dec dec;
	struct filter *copy = NULL;
	bool same = false;

	filter_encode(&wire, *filter);
	dec_init(&dec, wire.data, wire.len);
	copy = filter_decode(&dec);
	same = copy && dec_done(&dec) && filter_checksum(copy) == filter_checksum(*filter);
	if (copy) {
		filter_free(*filter);
		*filter = copy;
	}
	return same ? "ok" : "differs";
}

static void answer(struct filter **filter, char *words[WORDS])
{
	struct err err = ERR_INIT;
	AUTO_BUF path = BUF_INIT;
	bool is_dir = strcmp(words[0], "dir") == 0;

	if (strcmp(words[0], "new") == 0) {
		filter_free(*filter);
		*filter = filter_new();
		puts("ok");
	} else if (strcmp(words[0], "wire") == 0) {
		puts(rewire(filter));
	} else if (is_dir || strcmp(words[0], "file") == 0) {
		unhex(&path, words[1]);
		puts(filter_excludes(*filter, buf_cstr(&path), is_dir) ? "out" : "in");
	} else if (add(*filter, words, &err) == 0) {
		puts("ok");
	} else {
		printf("error %s\n", err.msg);
	}
	fflush(stdout);
}

int main(void)
{
	struct filter *filter = filter_new();
	char *line = xmalloc(LINE_BYTES);
	char *words[WORDS];

	while (fgets(line, LINE_BYTES, stdin)) {
		split(line, words);
		answer(&filter, words);
	}
	free(line);
	filter_free(filter);
	return 0;
}
