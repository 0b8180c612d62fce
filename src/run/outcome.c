/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/outcome.h"

#include <stdlib.h>
#include <string.h>

void outcome_release(struct outcome *outcome)
{
	buf_release(&outcome->conflicts.lines);
	buf_release(&outcome->problems.lines);
	free(outcome->summary);
	outcome->summary = NULL;
}

void outcome_note(struct outcome_notes *notes, const char *line)
{
	size_t len = strlen(line);

	notes->count++;
	if (notes->lines.len + len + 1 > OUTCOME_NOTES_MAX)
		return;
	buf_add(&notes->lines, line, len);
	buf_addch(&notes->lines, '\n');
}
