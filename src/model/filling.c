/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/filling.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/plan.h"

static bool is_needed_early(const struct op *op)
{
	return op->kind == OP_MOVE || op->phase == PHASE_KEEP || op->phase == PHASE_FOLDER;
}

static bool is_new_folder(const struct op *op)
{
	return op->kind == OP_MKDIR && op->phase == PHASE_MOVE && !op_expect(op);
}

static bool is_other_folder(const struct op *op)
{
	return op->phase == PHASE_MOVE && !is_new_folder(op);
}

static bool is_content(const struct op *op)
{
	return op->phase == PHASE_CONTENT;
}

/* Append the operations of this kind, in their order. Returns how many. */
static size_t select_ops(const struct plan *plan, bool (*wanted)(const struct op *),
			 struct op **out)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->count; i++)
		if (wanted(plan->ops[i]))
			out[count++] = plan->ops[i];
	return count;
}

/* Two lists in path order, as one. */
static void merge(struct op **out, struct op *const *folders, size_t folder_count,
		  struct op *const *contents, size_t content_count)
{
	while (folder_count > 0 && content_count > 0) {
		bool folder = path_cmp((*folders)->path, (*contents)->path) <= 0;

		*out++ = folder ? *folders++ : *contents++;
		*(folder ? &folder_count : &content_count) -= 1;
	}
	memcpy(out, folders, folder_count * sizeof(struct op *));
	memcpy(out + folder_count, contents, content_count * sizeof(struct op *));
}

void filling_in_plan(struct plan *plan)
{
	AUTO_FREE struct op **ops = xcalloc(plan->count + 1, sizeof(struct op *));
	size_t others = 0;
	size_t folders = 0;
	size_t contents = 0;

	for (size_t i = 0; i < plan->count; i++)
		if (is_needed_early(plan->ops[i]))
			return;
	others = select_ops(plan, is_other_folder, ops);
	folders = select_ops(plan, is_new_folder, ops + others);
	contents = select_ops(plan, is_content, ops + others + folders);
	if (contents == 0)
		return;
	for (size_t i = others; i < others + folders; i++)
		ops[i]->phase = PHASE_CONTENT;
	/* Nothing but these stands before the next phase. */
	memcpy(plan->ops, ops, others * sizeof(struct op *));
	merge(plan->ops + others, ops + others, folders, ops + others + folders, contents);
}
