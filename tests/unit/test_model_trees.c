/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model over every small tree, without chance: whatever two names were when both sides
 * agreed, whatever each side has made of them since, and whatever was moved before that. Every
 * such triple is run in the simulator of model_sim.h, which checks that nothing is lost, that
 * both sides are the same afterwards and that a further run does nothing; and it is run once
 * more with the sides exchanged, which must come out the same with the sides exchanged. Only
 * where both sides have moved something may names differ then (whose rename is followed first
 * is settled by which side it is), and only what is kept must be the same.
 *
 * There are some four million triples for each way to settle conflicts. Every so many are
 * tried; MODEL_TREES=1 tries all of them, MODEL_TREES=N every N-th.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "model_sim.h"

/*
 * What "a" (and "b") may be: two contents, a link, and a folder with nothing, one of the
 * contents or a folder in it.
 */
enum shape { NOTHING, ONE, TWO, LINK, EMPTY_DIR, DIR_ONE, DIR_TWO, DIR_DIR, SHAPES };

struct shapes {
	enum shape a;
	enum shape b;
};

/* What is moved before anything else changes: both names, one into the other, what is inside. */
enum motion { STAY, SWAP, INTO, OUT, MOTIONS };

enum {
	TREES = SHAPES * SHAPES,
	TRIPLES = TREES * TREES * TREES * MOTIONS * MOTIONS,
	/* A prime, so that all digits of a triple's number change from one to the next. */
	EVERY = 211,
};

static bool is_dir(enum shape shape)
{
	return shape >= EMPTY_DIR;
}

static bool is_file(enum shape shape)
{
	return shape == ONE || shape == TWO;
}

static void fill(struct sim *sim, enum side side, const char *name, enum shape shape)
{
	char below[8] = "";
	char deep[8] = "";

	snprintf(below, sizeof(below), "%s/x", name);
	snprintf(deep, sizeof(deep), "%s/x/y", name);
	if (shape == DIR_ONE || shape == DIR_TWO)
		sim_put(sim, side, below, ENTRY_FILE, shape == DIR_ONE ? 1 : 2);
	if (shape == DIR_DIR && sim_put(sim, side, below, ENTRY_DIR, 0))
		sim_put(sim, side, deep, ENTRY_FILE, 1);
}

static void build(struct sim *sim, enum side side, const char *name, enum shape shape)
{
	if (is_file(shape))
		sim_put(sim, side, name, ENTRY_FILE, shape);
	if (shape == LINK)
		sim_put(sim, side, name, ENTRY_SYMLINK, 3);
	if (is_dir(shape))
		sim_put(sim, side, name, ENTRY_DIR, 0);
	fill(sim, side, name, shape);
}

/* In place where that is possible. */
static void become(struct sim *sim, enum side side, const char *name, enum shape old,
		   enum shape new)
{
	char below[8] = "";

	snprintf(below, sizeof(below), "%s/x", name);
	if (old == new)
		return;
	if (is_dir(old) && is_dir(new)) {
		if (old == DIR_DIR || new == DIR_DIR || new == EMPTY_DIR)
			sim_remove(sim, side, below);
		fill(sim, side, name, new);
		return;
	}
	if (!(is_file(old) && is_file(new)))
		sim_remove(sim, side, name);
	build(sim, side, name, new);
}

/* The shapes that are left under the old names. */
static struct shapes move(struct sim *sim, enum side side, struct shapes old, enum motion motion)
{
	switch (motion) {
	case SWAP:
		sim_rename(sim, side, "a", "t");
		sim_rename(sim, side, "b", "a");
		sim_rename(sim, side, "t", "b");
		return (struct shapes){ old.b, old.a };
	case INTO:
		if (sim_rename(sim, side, "a", "b/m"))
			old.a = NOTHING;
		return old;
	case OUT:
		if (sim_rename(sim, side, "a/x", "c"))
			old.a = EMPTY_DIR;
		return old;
	case STAY:
	case MOTIONS:
		break;
	}
	return old;
}

static struct shapes shapes_of(unsigned n)
{
	return (struct shapes){ (enum shape)(n / SHAPES), (enum shape)(n % SHAPES) };
}

static void edit(struct sim *sim, enum side side, unsigned tree, unsigned now, enum motion motion)
{
	struct shapes old = move(sim, side, shapes_of(tree), motion);
	struct shapes new = shapes_of(now);

	become(sim, side, "a", old.a, new.a);
	become(sim, side, "b", old.b, new.b);
}

/* The state after the first run: both sides have this tree, and it is saved. */
static struct sim *synced(unsigned tree)
{
	struct sim *sim = sim_new(tree + 1);
	struct shapes shapes = shapes_of(tree);

	build(sim, SIDE_INITIATOR, "a", shapes.a);
	build(sim, SIDE_INITIATOR, "b", shapes.b);
	if (!sim_rest(sim))
		fail_msg("first run of tree %u: %s", tree, sim->problem);
	return sim;
}

/* A number for each triple: which tree, what became of it on each side, and by what motion. */
struct triple {
	unsigned tree;
	unsigned now[SIDES];
	enum motion motion[SIDES];
};

static struct triple triple_of(unsigned n)
{
	struct triple triple = { .tree = n / (TRIPLES / TREES) };

	for (int s = 0; s < SIDES; s++) {
		triple.motion[s] = (enum motion)(n % MOTIONS);
		n /= MOTIONS;
		triple.now[s] = n % TREES;
		n /= TREES;
	}
	return triple;
}

/* The same state with the sides exchanged. */
static void mirror(struct sim *sim, const struct sim *from)
{
	*sim = *from;
	for (int s = 0; s < SIDES; s++) {
		sim->tree[s] = from->tree[!s];
		for (size_t i = 0; i < from->saved_count; i++)
			sim->saved[i].base.side[s] = from->saved[i].base.side[!s];
	}
	sim->policy.prevalence = side_other(from->policy.prevalence);
	if (from->policy.rule == RULE_INITIATOR)
		sim->policy.rule = RULE_TARGET;
	else if (from->policy.rule == RULE_TARGET)
		sim->policy.rule = RULE_INITIATOR;
}

/* Whether one side of the one holds what the other side of the other holds. */
static bool mirrors(const struct sim *one, const struct sim *other)
{
	for (int s = 0; s < SIDES; s++) {
		const struct sim_tree *mine = &one->tree[s];
		const struct sim_tree *theirs = &other->tree[!s];

		if (mine->count != theirs->count)
			return false;
		for (size_t i = 0; i < mine->count; i++) {
			const struct sim_node *node = &mine->nodes[i];
			const struct sim_node *twin = &theirs->nodes[i];

			if (strcmp(node->path, twin->path) != 0 ||
			    node->entry.type != twin->entry.type ||
			    !digest_same(&node->entry.digest, &twin->entry.digest))
				return false;
		}
	}
	return true;
}

static bool holds(const struct sim *sim, const struct digest *digest)
{
	for (int s = 0; s < SIDES; s++)
		for (size_t i = 0; i < sim->tree[s].count; i++)
			if (digest_same(&sim->tree[s].nodes[i].entry.digest, digest))
				return true;
	return false;
}

/* Whether all contents of the one are in the other, on whatever side, under whatever name. */
static bool keeps_all_of(const struct sim *one, const struct sim *other)
{
	for (int s = 0; s < SIDES; s++)
		for (size_t i = 0; i < other->tree[s].count; i++)
			if (!holds(one, &other->tree[s].nodes[i].entry.digest))
				return false;
	return true;
}

static bool came_out_alike(const struct sim *one, const struct sim *other, const struct triple *t)
{
	if (t->motion[0] == STAY || t->motion[1] == STAY)
		return mirrors(one, other);
	return keeps_all_of(one, other) && keeps_all_of(other, one);
}

static void fail_triple(const struct sim *sim, unsigned n, const char *problem)
{
	struct triple t = triple_of(n);

	sim_print(sim);
	fail_msg("triple %u (tree %u, initiator %u by %u, target %u by %u), rule %u: %s", n, t.tree,
		 t.now[0], (unsigned)t.motion[0], t.now[1], (unsigned)t.motion[1],
		 (unsigned)sim->policy.rule, problem);
}

static void try_triple(const struct sim *start, unsigned n, enum conflict_rule rule)
{
	static struct sim sim;
	static struct sim twin;
	const struct triple t = triple_of(n);

	sim = *start;
	sim.policy.rule = rule;
	for (int s = 0; s < SIDES; s++)
		edit(&sim, (enum side)s, t.tree, t.now[s], t.motion[s]);
	mirror(&twin, &sim);
	if (!sim_run(&sim) || !sim_rest(&sim))
		fail_triple(&sim, n, sim.problem);
	if (!sim_run(&twin) || !sim_rest(&twin))
		fail_triple(&twin, n, twin.problem);
	if (!came_out_alike(&sim, &twin, &t)) {
		sim_print(&sim);
		fail_triple(&twin, n, "with the sides exchanged it comes out otherwise");
	}
}

/* Every so many triples, beginning with the first. The number of them. */
static unsigned try_every(unsigned step, enum conflict_rule rule)
{
	struct sim *start = NULL;
	unsigned tree = TREES;
	unsigned tried = 0;

	for (unsigned n = 0; n < TRIPLES; n += step, tried++) {
		if (triple_of(n).tree != tree) {
			tree = triple_of(n).tree;
			sim_free(start);
			start = synced(tree);
		}
		try_triple(start, n, rule);
	}
	sim_free(start);
	return tried;
}

static unsigned step_of(unsigned usual)
{
	const char *step = getenv("MODEL_TREES");
	unsigned asked = step ? (unsigned)strtoul(step, NULL, 10) : usual;

	return asked > 0 ? asked : usual;
}

static void test_every_triple_of_small_trees(void **state)
{
	unsigned tried = try_every(step_of(EVERY), RULE_KEEP_BOTH);

	print_message("%u of %u triples of small trees\n", tried, (unsigned)TRIPLES);
}

/* Where one version loses it must be in the trash; where conflicts are left, both stay. */
static void test_every_other_rule_for_conflicts(void **state)
{
	static const enum conflict_rule rules[] = { RULE_NEWER, RULE_INITIATOR, RULE_TARGET,
						    RULE_SKIP };
	unsigned tried = 0;

	for (size_t r = 0; r < sizeof(rules) / sizeof(rules[0]); r++)
		tried += try_every(4 * step_of(EVERY) + 1, rules[r]);
	print_message("%u triples of small trees by other rules\n", tried);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_triple_of_small_trees),
		cmocka_unit_test(test_every_other_rule_for_conflicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
