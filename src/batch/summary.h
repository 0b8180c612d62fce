/* SPDX-License-Identifier: BSD-2-Clause */
/* What a batch comes to: for people, and as JSON.  Pure. */
#ifndef BATCH_SUMMARY_H
#define BATCH_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* A profile, and how it has ended. */
struct summary_row {
	const char *name;
	int code;  /* exit code of the last try, or what tries before it add to it */
	bool done; /* false: it has not come to its turn, or to its end */
	unsigned tries;
	int64_t busy_ms;     /* that all its tries took */
	const char *message; /* why the last try failed, escaped; "": it has not */
};

/* Append what an exit code means, in a few words ("in sync"). */
void summary_add_words(struct buf *out, int code, bool dry_run);
/* Append "0.3 s", "12 min 5 s". */
void summary_add_time(struct buf *out, int64_t ms);

/* Append a line for each, and one for all. */
void summary_add_text(struct buf *out, const struct summary_row *rows, size_t count, bool dry_run);
/* Append an object for each ("event":"profile"), and one for all ("event":"batch"), a line each. */
void summary_add_json(struct buf *out, const struct summary_row *rows, size_t count, int code,
		      int64_t duration_ms);

#endif
