/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/text.h"
#include "base/version.h"
#include "config/config.h"
#include "run/outcome.h"

struct report {
	const struct config *config;
	char *run;
	int64_t start_ms;
	uint64_t done[SIDES][REPORT_SILENT]; /* by side and enum op_report */
	uint64_t conflicts;
	uint64_t failed;
	uint64_t failed_once; /* of these, what no later try says again */
	uint64_t skipped;
	uint64_t looks;	    /* calls of report_look() */
	bool overdue;	    /* report_overdue() was called */
	int conflict_paths; /* a file in memory, for ON_CONFLICT_CMD; -1: there is none */
	uint64_t hashed_bytes;
	uint64_t *said; /* checksums of what wants a look; those of former tries are sorted */
	size_t said_count;
	size_t said_before;	 /* in former tries */
	struct buf line;	 /* scratch */
	struct outcome *outcome; /* NULL: nobody asks */
};

static const char *const op_names[REPORT_SILENT] = {
	[REPORT_CREATE] = "create", [REPORT_UPDATE] = "update",	    [REPORT_DELETE] = "delete",
	[REPORT_MOVE] = "move",	    [REPORT_METADATA] = "metadata",
};

struct report *report_new(const struct config *config, const char *run)
{
	struct report *report = xcalloc(1, sizeof(*report));

	report->config = config;
	report->run = xstrdup(run);
	report->start_ms = clock_monotonic_ms();
	report->conflict_paths =
		config->on_conflict_cmd ? memfd_create("conflicts", MFD_CLOEXEC) : -1;
	return report;
}

void report_free(struct report *report)
{
	if (!report)
		return;
	cleanup_close(&report->conflict_paths);
	free(report->said);
	free(report->run);
	buf_release(&report->line);
	free(report);
}

void report_into(struct report *report, struct outcome *outcome)
{
	report->outcome = outcome;
}

static int compare_said(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a;
	uint64_t right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

void report_again(struct report *report)
{
	if (report->said_count > 0)
		qsort(report->said, report->said_count, sizeof(*report->said), compare_said);
	report->said_before = report->said_count;
	report->failed = report->failed_once;
}

/* Whether no former try of this run has said the same. */
static bool is_news(struct report *report, const char *path, const char *message)
{
	AUTO_BUF text = BUF_INIT;
	uint64_t sum = 0;

	buf_add(&text, path, strlen(path) + 1);
	buf_addstr(&text, message);
	sum = digest_checksum(text.data, text.len);
	if (report->said_before > 0 &&
	    bsearch(&sum, report->said, report->said_before, sizeof(sum), compare_said))
		return false;
	/* Doubled at each power of two. */
	if ((report->said_count & (report->said_count - 1)) == 0)
		report->said =
			xrealloc(report->said,
				 (report->said_count ? report->said_count : 1) * 2 * sizeof(sum));
	report->said[report->said_count++] = sum;
	return true;
}

/* The line as it is, and end it. */
static void print_line(struct report *report, FILE *stream)
{
	buf_addch(&report->line, '\n');
	(void)fwrite(report->line.data, 1, report->line.len, stream);
	/* Somebody may be watching, and a killed run should have said what it did. */
	(void)fflush(stream);
	buf_reset(&report->line);
}

/*
 * A line for people: into the log, and to the stream unless that is NULL or JSON is asked for.
 * Standard error is shared: there the line says who speaks.
 */
static void say(struct report *report, enum log_rank rank, FILE *stream)
{
	AUTO_BUF line = report->line;

	report->line = (struct buf)BUF_INIT;
	log_event(rank, buf_cstr(&line));
	if (!stream || report->config->json)
		return;
	if (stream == stderr)
		buf_addstr(&report->line, "osync: ");
	buf_add(&report->line, line.data, line.len);
	print_line(report, stream);
}

void report_begin(struct report *report)
{
	const struct config *config = report->config;
	struct buf *line = &report->line;

	buf_addf(line, "osync %s begins with '%s': ", version_string, config->instance_id);
	text_add_escaped(line, config->initiator_dir);
	buf_addstr(line, config->target.remote ? ", and on the server " : ", and ");
	text_add_escaped(line, config->target.path);
	say(report, RANK_INFO, NULL);
}

/* Keep the line in one of the outcome's lists. */
static void note(struct report *report, struct outcome_notes *notes)
{
	outcome_note(notes, buf_cstr(&report->line));
}

/* Where lines go that want a look; NULL where it is judged later whether anybody is disturbed. */
static FILE *loud(const struct report *report)
{
	return report->config->from_cron && log_current() < LOG_INFO ? NULL : stderr;
}

/* Where calm lines go. */
static FILE *calm(const struct report *report)
{
	return report->config->quiet ? NULL : stdout;
}

/* `"key":"value"` with a comma in front. */
static void add_member(struct buf *line, const char *key, const char *value)
{
	buf_addf(line, ",\"%s\":", key);
	text_add_json(line, value);
}

/* "→ target" and "← initiator" point at the side that changes. */
static const char *arrow(enum side to)
{
	return to == SIDE_TARGET ? ">> target   " : "<< initiator";
}

static void add_change(struct buf *line, const struct op *op)
{
	buf_addf(line, "%s  %-8s  ", arrow((enum side)op->side), op_names[op->report]);
	if (op->report == REPORT_MOVE) {
		text_add_escaped(line, op_from(op));
		buf_addstr(line, " -> ");
	}
	text_add_escaped(line, op->path);
	buf_addf(line, "  (%s)", reason_text((enum reason)op->reason));
}

void report_change(struct report *report, const struct op *op)
{
	struct buf *line = &report->line;

	if (op->report == REPORT_SILENT)
		return;
	report->done[op->side][op->report]++;
	/* There may be millions. */
	if (log_is_on() || (calm(report) && !report->config->json)) {
		add_change(line, op);
		say(report, RANK_INFO, calm(report));
	}
	if (!report->config->json)
		return;
	buf_addf(line, "{\"event\":\"change\",\"op\":\"%s\",\"to\":\"%s\"", op_names[op->report],
		 side_name((enum side)op->side));
	add_member(line, "path", op->path);
	if (op->report == REPORT_MOVE)
		add_member(line, "from", op_from(op));
	add_member(line, "reason", reason_text((enum reason)op->reason));
	buf_addch(line, '}');
	print_line(report, stdout);
}

/* "as 'NAME'", or where else the losing version is. */
static void add_whereabouts(struct buf *line, const char *copy, bool keep_loser)
{
	if (!copy) {
		buf_addstr(line, keep_loser ? "beside it already" : "in the trash");
		return;
	}
	buf_addstr(line, "as '");
	text_add_escaped(line, copy);
	buf_addch(line, '\'');
}

static void count_conflict(struct report *report, const char *path)
{
	report->conflicts++;
	/* Where there is no memory for it the list is short, and the report is not. */
	if (report->conflict_paths >= 0)
		sys_write_all(report->conflict_paths, path, strlen(path) + 1);
}

void report_conflict(struct report *report, const char *path, enum side loser, const char *copy,
		     bool keep_loser, enum reason reason)
{
	struct buf *line = &report->line;

	if (!is_news(report, path, copy ? copy : "conflict"))
		return;
	count_conflict(report, path);
	buf_addf(line, "%s  conflict  ", arrow(loser));
	text_add_escaped(line, path);
	buf_addf(line, "  (%s; the %s's version is kept ", reason_text(reason), side_name(loser));
	add_whereabouts(line, copy, keep_loser);
	buf_addch(line, ')');
	/* Also with --quiet: it wants a person's look, and is said only once. */
	if (report->outcome)
		note(report, &report->outcome->conflicts);
	say(report, RANK_WARN, report->config->quiet ? loud(report) : stdout);
	if (!report->config->json)
		return;
	buf_addf(line, "{\"event\":\"change\",\"op\":\"conflict\",\"to\":\"%s\"", side_name(loser));
	add_member(line, "path", path);
	if (copy)
		add_member(line, "kept", copy);
	add_member(line, "reason", reason_text(reason));
	buf_addch(line, '}');
	print_line(report, stdout);
}

static void print_problem(struct report *report, const char *path, const char *message)
{
	struct buf *line = &report->line;

	buf_addch(line, '\'');
	text_add_escaped(line, path);
	buf_addf(line, "': %s", message);
	if (report->outcome)
		note(report, &report->outcome->problems);
	say(report, RANK_WARN, loud(report));
	if (!report->config->json)
		return;
	buf_addstr(line, "{\"event\":\"problem\"");
	add_member(line, "path", path);
	add_member(line, "message", message);
	buf_addch(line, '}');
	print_line(report, stdout);
}

void report_failed(struct report *report, const char *path, const char *message)
{
	report->failed++;
	if (is_news(report, path, message))
		print_problem(report, path, message);
}

void report_failed_once(struct report *report, const char *path, const char *message)
{
	report->looks++;
	report->failed_once++;
	report_failed(report, path, message);
}

static void skip(struct report *report, const char *path, const char *message)
{
	report->skipped++;
	print_problem(report, path, message);
}

void report_skipped(struct report *report, const char *path, const char *message)
{
	if (is_news(report, path, message))
		skip(report, path, message);
}

void report_unresolved(struct report *report, const char *path, const char *message)
{
	if (!is_news(report, path, message))
		return;
	count_conflict(report, path);
	skip(report, path, message);
}

static void warn(struct report *report, const char *message)
{
	struct buf *line = &report->line;

	buf_addstr(line, message);
	if (report->outcome)
		note(report, &report->outcome->problems);
	say(report, RANK_WARN, loud(report));
	if (!report->config->json)
		return;
	buf_addstr(line, "{\"event\":\"warning\"");
	add_member(line, "message", message);
	buf_addch(line, '}');
	print_line(report, stdout);
}

void report_warning(struct report *report, const char *message)
{
	if (is_news(report, "", message))
		warn(report, message);
}

void report_look(struct report *report, const char *message)
{
	if (!is_news(report, "", message))
		return;
	report->looks++;
	warn(report, message);
}

void report_overdue(struct report *report, const char *message)
{
	report->overdue = true;
	report_look(report, message);
}

int report_conflicts(const struct report *report)
{
	if (report->conflict_paths >= 0)
		lseek(report->conflict_paths, 0, SEEK_SET);
	return report->conflict_paths;
}

void report_hashed(struct report *report, uint64_t bytes)
{
	report->hashed_bytes += bytes;
}

int report_exit_code(const struct err *err)
{
	switch (err->kind) {
	case ERR_NONE:
		return EXIT_IN_SYNC;
	case ERR_GUARD:
		return EXIT_GUARD;
	case ERR_USAGE:
		return EXIT_BAD_USAGE;
	case ERR_UNREACHABLE:
		return EXIT_UNREACHABLE;
	case ERR_LOCKED:
		return EXIT_LOCKED;
	case ERR_DENIED:
		return EXIT_DENIED;
	case ERR_CONFIG:
		return EXIT_BAD_CONFIG;
	case ERR_SIGNAL:
		return 128 + err->sys;
	case ERR_SYSTEM:
	case ERR_CHANGED:
	case ERR_CORRUPT:
	case ERR_PROTOCOL:
		return EXIT_FAILED;
	}
	return EXIT_FAILED;
}

/* How much a person is needed: the place in the list, for what is not known that of EXIT_FAILED. */
static int weight(int code)
{
	static const int order[] = { EXIT_IN_SYNC,     EXIT_LOCKED,    EXIT_LOOK,
				     EXIT_UNREACHABLE, EXIT_FAILED,    EXIT_DENIED,
				     EXIT_BAD_CONFIG,  EXIT_BAD_USAGE, EXIT_GUARD };
	int unknown = 0;

	for (int i = 0; i < (int)(sizeof(order) / sizeof(order[0])); i++) {
		if (order[i] == code)
			return i;
		if (order[i] == EXIT_FAILED)
			unknown = i;
	}
	return unknown;
}

int report_worse(int one, int other)
{
	return weight(other) > weight(one) ? other : one;
}

static bool wants_look(const struct report *report)
{
	return report->conflicts || report->skipped || report->looks;
}

int report_code(const struct report *report, const struct err *err)
{
	if (err && err_is_set(err))
		return report_exit_code(err);
	if (report->failed)
		return EXIT_FAILED;
	return wants_look(report) ? EXIT_LOOK : EXIT_IN_SYNC;
}

static void add_counts(struct buf *line, const char *key, const uint64_t done[REPORT_SILENT])
{
	buf_addf(line, ",\"%s\":{", key);
	for (int i = 0; i < REPORT_SILENT; i++)
		buf_addf(line, "%s\"%s\":%" PRIu64, i ? "," : "", op_names[i], done[i]);
	buf_addch(line, '}');
}

static void print_json(struct report *report, const struct report_totals *totals, int code,
		       int64_t ms, const struct err *err)
{
	struct buf *line = &report->line;

	buf_addf(line, "{\"event\":\"summary\",\"exit\":%d", code);
	add_member(line, "run", report->run);
	buf_addf(line, ",\"dry_run\":%s", report->config->dry_run ? "true" : "false");
	add_counts(line, "to_target", report->done[SIDE_TARGET]);
	add_counts(line, "to_initiator", report->done[SIDE_INITIATOR]);
	buf_addf(line, ",\"conflicts\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"skipped\":%" PRIu64,
		 report->conflicts, report->failed, report->skipped);
	buf_addf(line, ",\"scanned\":{\"initiator\":%" PRIu64 ",\"target\":%" PRIu64 "}",
		 totals->scanned[SIDE_INITIATOR], totals->scanned[SIDE_TARGET]);
	buf_addf(line,
		 ",\"hashed_bytes\":%" PRIu64 ",\"sent_bytes\":%" PRIu64
		 ",\"received_bytes\":%" PRIu64 ",\"duration_ms\":%" PRId64,
		 report->hashed_bytes, totals->sent_bytes, totals->received_bytes, ms);
	if (err && err_is_set(err))
		add_member(line, "error", err->msg);
	buf_addch(line, '}');
	print_line(report, stdout);
}

static uint64_t total(const uint64_t done[REPORT_SILENT])
{
	uint64_t sum = 0;

	for (int i = 0; i < REPORT_SILENT; i++)
		sum += done[i];
	return sum;
}

struct report_tally report_tally(const struct report *report)
{
	return (struct report_tally){
		.changes = { total(report->done[SIDE_INITIATOR]),
			     total(report->done[SIDE_TARGET]) },
		.conflicts = report->conflicts,
		.failed = report->failed,
		.skipped = report->skipped,
		.overdue = report->overdue,
	};
}

static void add_side(struct buf *line, const uint64_t done[REPORT_SILENT])
{
	const char *gap = "";

	if (total(done) == 0)
		buf_addstr(line, "nothing to do");
	for (int i = 0; i < REPORT_SILENT; i++) {
		if (!done[i])
			continue;
		buf_addf(line, "%s%" PRIu64 " %s", gap, done[i], op_names[i]);
		gap = ", ";
	}
}

static void print_people(struct report *report, const struct report_totals *totals, int64_t ms)
{
	struct buf *line = &report->line;

	buf_addf(line, "%s: target: ", report->config->dry_run ? "would do" : "done");
	add_side(line, report->done[SIDE_TARGET]);
	buf_addstr(line, "; initiator: ");
	add_side(line, report->done[SIDE_INITIATOR]);
	buf_addf(line, "; %" PRIu64 " conflicts, %" PRIu64 " failed, %" PRIu64 " left alone",
		 report->conflicts, report->failed, report->skipped);
	if (report->outcome)
		report->outcome->summary = xstrdup(buf_cstr(line));
	say(report, RANK_INFO, calm(report));
	buf_addf(line,
		 "scanned %" PRIu64 " here, %" PRIu64 " there; read %" PRIu64
		 " bytes to compare; sent %" PRIu64 ", received %" PRIu64 " bytes; %" PRId64
		 ".%03d s",
		 totals->scanned[SIDE_INITIATOR], totals->scanned[SIDE_TARGET],
		 report->hashed_bytes, totals->sent_bytes, totals->received_bytes, ms / 1000,
		 (int)(ms % 1000));
	say(report, RANK_INFO, report->config->summary ? calm(report) : NULL);
}

/* Also beside JSON: cron mails what stands on standard error. */
static void print_error(struct report *report, const struct err *err)
{
	FILE *stream = loud(report);

	log_event(err->kind == ERR_LOCKED ? RANK_INFO : RANK_ERROR, err->msg);
	if (!stream)
		return;
	buf_addf(&report->line, "osync: %s", err->msg);
	print_line(report, stream);
}

static void fill_outcome(const struct report *report, const struct err *err, int code)
{
	struct outcome *outcome = report->outcome;

	outcome->code = code;
	outcome->failed = report->failed;
	outcome->look = wants_look(report);
	if (err)
		outcome->err = *err;
	snprintf(outcome->run, sizeof(outcome->run), "%s", report->run);
}

int report_end(struct report *report, const struct report_totals *totals, const struct err *err)
{
	int64_t ms = clock_monotonic_ms() - report->start_ms;
	int code = report_code(report, err);

	if (err && err_is_set(err))
		print_error(report, err);
	else
		print_people(report, totals, ms);
	if (report->config->json)
		print_json(report, totals, code, ms, err);
	buf_addf(&report->line, "ended with exit code %d", code);
	say(report, code == EXIT_IN_SYNC ? RANK_INFO : RANK_WARN, NULL);
	if (report->outcome)
		fill_outcome(report, err, code);
	return code;
}
