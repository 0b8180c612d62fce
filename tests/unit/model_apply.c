/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model_run.h"

static const char *const kinds[] = { "mkdir", "put",  "symlink", "link",
				     "copy",  "move", "delete",	 "meta" };

/* Whether the node is what the operation expects to find there. */
static bool is_expected(const struct sim_node *node, const struct entry *expect)
{
	if (!node || !expect)
		return !node && !expect;
	if (node->entry.type != expect->type)
		return false;
	if (expect->type == ENTRY_DIR)
		return true;
	return node->entry.size == expect->size &&
	       sim_content_of(&node->entry) == sim_content_of(expect);
}

static bool is_empty(const struct sim *sim, enum side side, const char *path)
{
	for (size_t i = 0; i < sim->tree[side].count; i++)
		if (path_is_below(sim->tree[side].nodes[i].path, path))
			return false;
	return true;
}

/* An operation that cannot be done: a problem, unless failures are expected. */
static bool refuse(struct sim *sim, const struct op *op, const char *why)
{
	if (sim->fail_percent == 0)
		sim_problem(sim, "%s %s on the %s: %s", kinds[op->kind], op->path,
			    side_name((enum side)op->side), why);
	return false;
}

/* Into the trash with what is there. */
static void displace(struct sim *sim, enum side side, struct sim_node *node)
{
	if (node->entry.type == ENTRY_FILE || node->entry.type == ENTRY_SYMLINK)
		sim->in_trash[sim_content_of(&node->entry) % SIM_CONTENTS] = true;
	sim_drop(sim, side, node);
}

static void set_meta(struct sim *sim, const struct op *op)
{
	enum side side = (enum side)op->side;
	struct sim_node *node = sim_find(sim, side, op->path);
	const struct op_meta meta = plan_meta(sim->plan, op);

	if ((meta.mask & META_MODE) && node->entry.type != ENTRY_SYMLINK)
		node->entry.mode = meta.mode;
	if (meta.mask & META_MTIME)
		node->entry.mtime_ns = meta.mtime_ns;
	node->entry.ctime_ns = sim_tick(sim);
	sim_share(sim, side, &node->entry);
}

/* The bytes that a put, copy or link takes are still there, and are the ones that were planned. */
static bool source_holds(struct sim *sim, const struct op *op)
{
	enum side side = op->kind == OP_PUT ? side_other((enum side)op->side) : (enum side)op->side;
	const struct sim_node *from = NULL;

	if (op->kind == OP_MKDIR || op->kind == OP_SYMLINK)
		return true;
	from = op_from(op) ? sim_find(sim, side, op_from(op)) : NULL;
	return from && is_expected(from, op->source);
}

/* Something new in place of what is expected. `staged`: of a copy, its bytes were read in time. */
static bool place(struct sim *sim, struct op *op, bool staged)
{
	enum side side = (enum side)op->side;
	struct sim_node *node = sim_find(sim, side, op->path);
	enum entry_type type = op->kind == OP_MKDIR	? ENTRY_DIR
			       : op->kind == OP_SYMLINK ? ENTRY_SYMLINK
							: ENTRY_FILE;

	if (!is_expected(node, op_expect(op)))
		return refuse(sim, op, "not what it expects");
	if (!sim_parent_exists(sim, side, op->path))
		return refuse(sim, op, "no folder for it");
	if (op->kind == OP_COPY ? !staged : !source_holds(sim, op))
		return refuse(sim, op, "its source is not what was planned");
	if (op->source->type != type)
		return sim_problem(sim, "%s %s of another type", kinds[op->kind], op->path);
	if (node && node->entry.type == ENTRY_DIR &&
	    (type == ENTRY_DIR || !is_empty(sim, side, op->path)))
		return refuse(sim, op, "over a folder");
	if (node)
		displace(sim, side, node);
	node = sim_create(sim, side, op->path, type, sim_content_of(op->source));
	if (op->kind == OP_LINK) {
		node->entry = sim_find(sim, side, op_from(op))->entry;
		node->entry.ctime_ns = sim_tick(sim);
		sim_share(sim, side, &node->entry);
		return true;
	}
	set_meta(sim, op);
	return true;
}

static bool move(struct sim *sim, const struct op *op)
{
	enum side side = (enum side)op->side;

	if (!op_expect(op) || !is_expected(sim_find(sim, side, op_from(op)), op_expect(op)))
		return refuse(sim, op, "not what it expects");
	if (sim_find(sim, side, op->path))
		return refuse(sim, op, "something is there");
	if (!sim_parent_exists(sim, side, op->path))
		return refuse(sim, op, "no folder for it");
	if (path_is_below(op->path, op_from(op)))
		return refuse(sim, op, "into itself");
	sim_carry(sim, side, op_from(op), op->path);
	return true;
}

static bool delete (struct sim *sim, const struct op *op)
{
	enum side side = (enum side)op->side;
	struct sim_node *node = sim_find(sim, side, op->path);

	if (!op_expect(op) || !is_expected(node, op_expect(op)))
		return refuse(sim, op, "not what it expects");
	if (!is_empty(sim, side, op->path))
		return refuse(sim, op, "not empty");
	displace(sim, side, node);
	return true;
}

static bool set(struct sim *sim, const struct op *op)
{
	if (!op_expect(op) ||
	    !is_expected(sim_find(sim, (enum side)op->side, op->path), op_expect(op)))
		return refuse(sim, op, "not what it expects");
	set_meta(sim, op);
	return true;
}

static bool perform(struct sim *sim, struct op *op, bool staged)
{
	switch ((enum op_kind)op->kind) {
	case OP_MKDIR:
	case OP_PUT:
	case OP_SYMLINK:
	case OP_LINK:
	case OP_COPY:
		return place(sim, op, staged);
	case OP_MOVE:
		return move(sim, op);
	case OP_DELETE:
		return delete (sim, op);
	case OP_META:
		return set(sim, op);
	}
	return sim_problem(sim, "an operation of kind %u", op->kind);
}

static void run_op(struct sim *sim, struct op *op, bool staged)
{
	bool done = false;

	if (op->state != OP_WAITING)
		sim_problem(sim, "%s is in the plan twice", op->path);
	if (op_after(op) && op_after(op)->state == OP_WAITING &&
	    (op_after(op)->side == op->side || op_after(op)->phase < op->phase))
		sim_problem(sim, "%s %s comes before what it waits for", kinds[op->kind], op->path);
	if ((op_after(op) && op_after(op)->state == OP_FAILED) ||
	    (sim->fail_percent && sim_random(sim, 100) < sim->fail_percent))
		done = false;
	else
		done = perform(sim, op, staged);
	op->state = done ? OP_DONE : OP_FAILED;
	sim->sent += done && op->kind == OP_PUT;
	sim->moved += done && op->kind == OP_MOVE;
	if (!op->change)
		return;
	if (op->change->pending == 0)
		sim_problem(sim, "%s: more operations than pending", op->change->path);
	op->change->pending--;
	if (!done)
		op->change->failed = true;
}

/* Phases whose operations are done in the order of the plan. */
static bool is_ordered(enum op_phase phase)
{
	return phase == PHASE_MOVE || phase == PHASE_FOLDER || phase == PHASE_REMOVE ||
	       phase == PHASE_FINISH;
}

/* The sides do not wait for each other within a phase: now and then all of one comes first. */
static void part_sides(struct sim *sim, struct op **ops, size_t count)
{
	AUTO_FREE struct op **parted = xcalloc(count, sizeof(struct op *));
	enum side first = sim_random(sim, 2) ? SIDE_INITIATOR : SIDE_TARGET;
	size_t filled = 0;

	for (size_t i = 0; i < count; i++)
		if (ops[i]->side == first)
			parted[filled++] = ops[i];
	for (size_t i = 0; i < count; i++)
		if (ops[i]->side != first)
			parted[filled++] = ops[i];
	memcpy(ops, parted, count * sizeof(struct op *));
}

static int by_path(const void *a, const void *b)
{
	return path_cmp((*(struct op *const *)a)->path, (*(struct op *const *)b)->path);
}

static void shuffle(struct sim *sim, struct op **ops, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t other = sim_random(sim, (unsigned)i);
		struct op *op = ops[i - 1];

		ops[i - 1] = ops[other];
		ops[other] = op;
	}
}

/* New folders come before what is below them. */
static void shuffle_but_folders(struct sim *sim, struct op **ops, size_t count)
{
	AUTO_FREE struct op **sorted = xcalloc(count, sizeof(struct op *));
	size_t filled = 0;

	shuffle(sim, ops, count);
	for (size_t i = 0; i < count; i++)
		if (op_is_filled(ops[i]))
			sorted[filled++] = ops[i];
	qsort(sorted, filled, sizeof(struct op *), by_path);
	for (size_t i = 0; i < count; i++)
		if (!op_is_filled(ops[i]))
			sorted[filled++] = ops[i];
	memcpy(ops, sorted, count * sizeof(struct op *));
}

/* All copies of a phase are read before the first is placed: two files may swap their contents. */
static void run_phase(struct sim *sim, struct op **ops, size_t count)
{
	AUTO_FREE bool *staged = xcalloc(count, sizeof(bool));

	for (size_t i = 0; i < count; i++)
		staged[i] = ops[i]->kind == OP_COPY && source_holds(sim, ops[i]);
	for (size_t i = 0; i < count; i++)
		run_op(sim, ops[i], staged[i]);
}

bool sim_apply(struct sim *sim, struct plan *plan)
{
	AUTO_FREE struct op **ops = xcalloc(plan->count + 1, sizeof(struct op *));

	sim->plan = plan;
	if (plan->count)
		memcpy(ops, plan->ops, plan->count * sizeof(struct op *));
	for (size_t i = 0; i < plan->count;) {
		size_t end = i;

		while (end < plan->count && ops[end]->phase == ops[i]->phase)
			end++;
		if (!is_ordered((enum op_phase)ops[i]->phase))
			shuffle_but_folders(sim, ops + i, end - i);
		else if (sim_random(sim, 2))
			part_sides(sim, ops + i, end - i);
		run_phase(sim, ops + i, end - i);
		i = end;
		if (end < plan->count && ops[end]->phase < ops[end - 1]->phase)
			return sim_problem(sim, "phases out of order at %s", ops[end]->path);
	}
	return sim->problem[0] == '\0';
}

void sim_print_plan(const struct plan *plan, const struct changes *changes)
{
	static const char *const verdicts[] = { "keep",	  "record",   "meta", "copy",
						"delete", "conflict", "leave" };

	for (size_t i = 0; i < changes->count; i++) {
		const struct change *c = &changes->items[i];

		printf("  %-9s %c %-20s %s%s %s%s%s %s\n", verdicts[c->verdict.kind],
		       c->verdict.from ? 'T' : 'I', c->path, change_moved_from(c) ? "from " : "",
		       change_moved_from(c) ? change_moved_from(c) : "", c->base ? "B" : "-",
		       c->now[0] ? "I" : "-", c->now[1] ? "T" : "-",
		       reason_text((enum reason)c->verdict.reason));
	}
	for (size_t i = 0; i < plan->count; i++) {
		const struct op *op = plan->ops[i];

		printf("  phase %u on %c: %-7s %s %s%s (%s)\n", op->phase, op->side ? 'T' : 'I',
		       kinds[op->kind], op->path, op_from(op) ? "from " : "",
		       op_from(op) ? op_from(op) : "", op->state == OP_DONE ? "done" : "not done");
	}
}
