/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/failure.h"

#include <errno.h>

#include "base/err.h"
#include "base/path.h"
#include "model/change.h"
#include "model/plan.h"
#include "run/report.h"
#include "run/session.h"

/* What has failed below a folder is why it could not go. */
struct below {
	bool failed; /* really */
	bool left;   /* a folder that holds files which are not synced */
};

static struct below look_below(const struct changes *changes, const struct change *folder)
{
	const struct change *end = changes->items + changes->count;
	struct below below = { false, false };

	for (const struct change *change = folder + 1;
	     change < end && path_is_below(change->path, folder->path); change++) {
		below.failed |= change->failed && !change->left;
		below.left |= change->left;
	}
	return below;
}

/* One that failed has left things where they were, and others may have carried that elsewhere. */
static bool any_move_failed(const struct plan *plan, int side)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->ops[i]->kind == OP_MOVE && plan->ops[i]->side == side &&
		    plan->ops[i]->state == OP_FAILED)
			return true;
	return false;
}

bool failure_leaves_folder(struct session *session, const struct changes *changes,
			   const struct plan *plan, const struct op *op, const struct err *why)
{
	struct below below;

	if (op->kind != OP_DELETE || !op->change || !op_expect(op) ||
	    op_expect(op)->type != ENTRY_DIR || why->sys != ENOTEMPTY)
		return false;
	below = look_below(changes, op->change);
	if (below.failed || any_move_failed(plan, op->side))
		return false;
	op->change->left = true;
	session_record(session, op->path, NULL);
	if (!below.left)
		report_skipped(session->report, op->path,
			       "deleted on one side, but the folder holds files that are not "
			       "synced: it is kept");
	return true;
}
