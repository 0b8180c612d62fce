/* SPDX-License-Identifier: BSD-2-Clause */
#include "batch/summary.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "run/report.h"

enum { NAME_MAX_SHOWN = 40 /* columns kept for names; longer ones push the rest */ };

static const struct {
	int code;
	const char *words;
} words[] = {
	{ EXIT_IN_SYNC, "in sync" },
	{ EXIT_FAILED, "failed" },
	{ EXIT_LOOK, "finished, wants a look" },
	{ EXIT_GUARD, "stopped by a guard" },
	{ EXIT_BAD_USAGE, "wrong usage" },
	{ EXIT_UNREACHABLE, "target not reachable" },
	{ EXIT_LOCKED, "locked by another run" },
	{ EXIT_DENIED, "not authorised" },
	{ EXIT_BAD_CONFIG, "wrong configuration" },
};

void summary_add_words(struct buf *out, int code, bool dry_run)
{
	if (dry_run && code == EXIT_IN_SYNC) {
		buf_addstr(out, "only looked at");
		return;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].code == code) {
			buf_addstr(out, words[i].words);
			return;
		}
	if (code > 128)
		buf_addf(out, "ended by signal %d", code - 128);
	else
		buf_addf(out, "exit code %d", code);
}

void summary_add_time(struct buf *out, int64_t ms)
{
	if (ms < 60000)
		buf_addf(out, "%" PRId64 ".%d s", ms / 1000, (int)(ms % 1000 / 100));
	else
		buf_addf(out, "%" PRId64 " min %d s", ms / 60000, (int)(ms / 1000 % 60));
}

/* Blanks up to `width` columns from `start` on; names are counted in bytes. */
static void pad(struct buf *out, size_t start, size_t width)
{
	do
		buf_addch(out, ' ');
	while (out->len < start + width);
}

static void add_row(struct buf *out, const struct summary_row *row, size_t width, bool dry_run)
{
	size_t start = 0;

	buf_addstr(out, "  ");
	start = out->len;
	text_add_escaped(out, row->name);
	pad(out, start, width);
	start = out->len;
	if (row->done)
		summary_add_words(out, row->code, dry_run);
	else
		buf_addstr(out, row->tries ? "not finished" : "not begun");
	pad(out, start, 24);
	start = out->len;
	buf_addf(out, "%u %s", row->tries, row->tries == 1 ? "try" : "tries");
	pad(out, start, 9);
	start = out->len;
	summary_add_time(out, row->busy_ms);
	if (row->message[0]) {
		pad(out, start, 10);
		buf_addstr(out, row->message);
	}
	buf_addch(out, '\n');
}

void summary_add_text(struct buf *out, const struct summary_row *rows, size_t count, bool dry_run)
{
	size_t width = 0;
	size_t good = 0;

	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(rows[i].name);

		if (len > width && len <= NAME_MAX_SHOWN)
			width = len;
		good += rows[i].done && rows[i].code == EXIT_IN_SYNC;
	}
	for (size_t i = 0; i < count; i++)
		add_row(out, &rows[i], width + 2, dry_run);
	buf_addf(out, "%zu of %zu profiles ", good, count);
	summary_add_words(out, EXIT_IN_SYNC, dry_run);
	buf_addch(out, '\n');
}

static void add_member(struct buf *out, const char *key, const char *value)
{
	buf_addf(out, ",\"%s\":", key);
	text_add_json(out, value);
}

void summary_add_json(struct buf *out, const struct summary_row *rows, size_t count, int code,
		      int64_t duration_ms)
{
	size_t good = 0;

	for (size_t i = 0; i < count; i++) {
		const struct summary_row *row = &rows[i];

		buf_addstr(out, "{\"event\":\"profile\"");
		add_member(out, "profile", row->name);
		buf_addf(out, ",\"done\":%s,\"exit\":", row->done ? "true" : "false");
		if (row->done)
			buf_addf(out, "%d", row->code);
		else
			buf_addstr(out, "null");
		buf_addf(out, ",\"tries\":%u,\"busy_ms\":%" PRId64, row->tries, row->busy_ms);
		if (row->message[0])
			add_member(out, "error", row->message);
		buf_addstr(out, "}\n");
		good += row->done && row->code == EXIT_IN_SYNC;
	}
	buf_addf(out,
		 "{\"event\":\"batch\",\"exit\":%d,\"profiles\":%zu,\"in_sync\":%zu,"
		 "\"duration_ms\":%" PRId64 "}\n",
		 code, count, good, duration_ms);
}
