/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/links.h"

#include "base/err.h"
#include "model/change.h"
#include "model/plan.h"
#include "run/record.h"
#include "run/session.h"
#include "run/settle.h"

int links_look_again(struct session *session, const struct plan *plan, size_t begin, size_t end,
		     struct err *err)
{
	for (size_t i = begin; i < end; i++) {
		struct op *op = plan->ops[i];
		struct entry *expect = op->change ? op->change->now[op->side] : NULL;
		struct entry there;

		if (op->kind != OP_LINK || !expect || !(expect->flags & ENTRY_HAS_DIGEST))
			continue;
		if (settle_read(session, (enum side)op->side, op->path, session->saved.head.seed,
				&there, err) < 0) {
			if (settle_lost(err))
				return -1;
			continue;
		}
		if (reconcile_same_content(&there, expect))
			*expect = there;
	}
	return 0;
}

int links_record(struct session *session, const struct changes *changes, const struct plan *plan,
		 struct err *err)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct op *op = plan->ops[i];
		const char *names[] = { op->path, op_from(op) };

		for (size_t n = 0; op->kind == OP_LINK && op->state == OP_DONE && n < 2; n++) {
			struct change *change = changes_find(changes, names[n]);
			struct entry there;

			if (!change || change->failed || change->pending > 0 ||
			    !change->now[op->side])
				continue;
			if (settle_read(session, (enum side)op->side, names[n],
					session->saved.head.seed, &there, err) < 0) {
				if (settle_lost(err))
					return -1;
				continue;
			}
			if (!reconcile_same_content(&there, change->now[op->side]))
				continue;
			*change->now[op->side] = there;
			record_agreed(session, changes, change);
		}
	}
	return 0;
}
