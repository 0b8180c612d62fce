/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

struct problem {
	enum problem_kind kind;
	enum source source;
	unsigned line;
	size_t seq; /* order of discovery: the last word in sorting */
	char *text; /* "where: what", not yet escaped */
};

void problems_release(struct problems *problems)
{
	for (size_t i = 0; i < problems->count; i++)
		free(problems->items[i].text);
	free(problems->items);
	*problems = (struct problems)PROBLEMS_INIT;
}

static char *problem_text(enum problem_kind kind, const struct origin *origin, const char *what)
{
	AUTO_BUF text = BUF_INIT;

	if (origin && origin->where) {
		buf_addstr(&text, origin->where);
		if (origin->line > 0)
			buf_addf(&text, ":%u", origin->line);
		buf_addstr(&text, ": ");
	}
	if (kind == PROBLEM_WARNING)
		buf_addstr(&text, "warning: ");
	buf_addstr(&text, what);
	return buf_steal_cstr(&text);
}

static struct problem *problems_extend(struct problems *problems)
{
	if (problems->count == problems->cap) {
		problems->cap = problems->cap ? 2 * problems->cap : 16;
		problems->items =
			xrealloc(problems->items, problems->cap * sizeof(*problems->items));
	}
	return &problems->items[problems->count++];
}

int problems_add(struct problems *problems, enum problem_kind kind, const struct origin *origin,
		 const char *fmt, ...)
{
	struct problem *problem = NULL;
	char *what = NULL;
	va_list ap;

	/* Warnings may fill only half of it, so that the first errors are always kept. */
	if (problems->count >= (kind == PROBLEM_ERROR ? PROBLEMS_MAX : PROBLEMS_MAX / 2)) {
		problems->dropped++;
		return -1;
	}
	va_start(ap, fmt);
	if (vasprintf(&what, fmt, ap) < 0)
		err_die("out of memory");
	va_end(ap);
	problem = problems_extend(problems);
	problem->kind = kind;
	problem->source = origin ? origin->source : SOURCE_DEFAULT;
	problem->line = origin ? origin->line : 0;
	problem->seq = problems->count;
	problem->text = problem_text(kind, origin, what);
	free(what);
	return -1;
}

bool problems_stop(const struct problems *problems)
{
	for (size_t i = 0; i < problems->count; i++)
		if (problems->items[i].kind == PROBLEM_ERROR)
			return true;
	return false;
}

/* Later in the report for a greater rank: options, then what has a line, then the rest. */
static int rank(const struct problem *problem)
{
	int place = problem->source == SOURCE_OPTION ? 0 : problem->line > 0 ? 1 : 2;

	return problem->kind == PROBLEM_ERROR ? place : 3 + place;
}

static int compare(const void *first, const void *second)
{
	const struct problem *a = first;
	const struct problem *b = second;

	if (rank(a) != rank(b))
		return rank(a) < rank(b) ? -1 : 1;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->seq < b->seq ? -1 : 1;
}

static void problems_sort(struct problems *problems)
{
	if (problems->count > 1)
		qsort(problems->items, problems->count, sizeof(*problems->items), compare);
}

void problems_report(struct problems *problems, struct buf *out)
{
	problems_sort(problems);
	for (size_t i = 0; i < problems->count; i++) {
		text_add_escaped(out, problems->items[i].text);
		buf_addch(out, '\n');
	}
	if (problems->dropped > 0)
		buf_addf(out, "and %zu more problems\n", problems->dropped);
}

int problems_judge(struct problems *problems, struct err *err)
{
	AUTO_BUF first = BUF_INIT;
	enum err_kind kind = ERR_CONFIG;
	size_t errors = 0;

	problems_sort(problems);
	for (size_t i = 0; i < problems->count; i++)
		if (problems->items[i].kind == PROBLEM_ERROR)
			errors++;
	if (errors == 0)
		return 0;
	if (problems->items[0].source == SOURCE_OPTION)
		kind = ERR_USAGE;
	text_add_escaped(&first, problems->items[0].text);
	if (errors == 1)
		return err_set(err, kind, "%s", buf_cstr(&first));
	return err_set(err, kind, "%.400s (and %zu more problem%s)", buf_cstr(&first), errors - 1,
		       errors == 2 ? "" : "s");
}
