/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model as a whole, over the simulator of model_sim.h: long random histories. Every small
 * tree: test_model_trees.c.
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

/* Random histories -------------------------------------------------------------- */

static const char *const pool[] = { "a",     "b",	"c",	   "d",	    "a/a",
				    "a/b",   "b/a",	"b/b",	   "c/a",   "c/b",
				    "d/a",   "a/a/a",	"a/b/a",   "b/a/b", "b/b/b",
				    "c/a/a", "a/a/a/a", "b/a/b/a", "c/a/b" };

static const char *any_path(struct sim *sim)
{
	return pool[sim_random(sim, sizeof(pool) / sizeof(*pool))];
}

/* A path that exists, mostly; valid until the fourth call from now. */
static const char *some_path(struct sim *sim, enum side side)
{
	const struct sim_tree *tree = &sim->tree[side];
	static char paths[4][SIM_PATH];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	if (tree->count == 0 || sim_random(sim, 8) == 0)
		return any_path(sim);
	memcpy(path, tree->nodes[sim_random(sim, (unsigned)tree->count)].path, SIM_PATH);
	return path;
}

/* Into a folder that exists, mostly. */
static const char *new_path(struct sim *sim, enum side side)
{
	static char path[SIM_PATH + 8];
	const char *folder = some_path(sim, side);
	const struct sim_node *node = sim_find(sim, side, folder);

	if (!node || node->entry.type != ENTRY_DIR || strlen(folder) > 24 ||
	    sim_random(sim, 3) == 0)
		return any_path(sim);
	snprintf(path, sizeof(path), "%s/%c", folder, 'a' + (char)sim_random(sim, 3));
	return path;
}

static void swap(struct sim *sim, enum side side)
{
	const char *one = any_path(sim);
	const char *two = any_path(sim);

	if (sim_find(sim, side, one) && sim_find(sim, side, two) &&
	    sim_rename(sim, side, one, "swap")) {
		sim_rename(sim, side, two, one);
		if (!sim_rename(sim, side, "swap", two))
			sim_rename(sim, side, "swap", any_path(sim));
	}
}

static void replace(struct sim *sim, enum side side, enum entry_type type)
{
	const char *path = some_path(sim, side);

	sim_remove(sim, side, path);
	sim_put(sim, side, path, type, sim_fresh_content(sim));
}

/* One thing a user may do. */
static void step(struct sim *sim, enum side side)
{
	static const enum entry_type types[] = { ENTRY_FILE, ENTRY_DIR, ENTRY_SYMLINK,
						 ENTRY_SPECIAL };
	unsigned kind = sim_random(sim, 24);

	if (kind < 4)
		sim_put(sim, side, new_path(sim, side), ENTRY_FILE, sim_fresh_content(sim));
	else if (kind < 7)
		sim_put(sim, side, new_path(sim, side), ENTRY_DIR, 0);
	else if (kind < 8)
		sim_put(sim, side, new_path(sim, side), ENTRY_SYMLINK, sim_fresh_content(sim));
	else if (kind < 10)
		sim_put(sim, side, some_path(sim, side), ENTRY_FILE, sim_fresh_content(sim));
	else if (kind < 11) /* not unique: the same edit here and there */
		sim_put(sim, side, some_path(sim, side), ENTRY_FILE, 1 + sim_random(sim, 3));
	else if (kind < 13)
		sim_remove(sim, side, some_path(sim, side));
	else if (kind < 18)
		sim_rename(sim, side, some_path(sim, side), new_path(sim, side));
	else if (kind < 19)
		swap(sim, side);
	else if (kind < 20)
		replace(sim, side, types[sim_random(sim, 4)]);
	else if (kind < 21)
		sim_chmod(sim, side, some_path(sim, side), sim_random(sim, 2) ? 0600 : 0755);
	else if (kind < 22)
		sim_touch(sim, side, some_path(sim, side));
	else if (sim->hardlinks)
		sim_link(sim, side, some_path(sim, side), new_path(sim, side));
}

/* Every sixth run cannot list some folder; every third has operations that fail. */
static void choose_conditions(struct sim *sim)
{
	static char unreadable[SIDES][SIM_PATH];

	sim->fail_percent = sim_random(sim, 3) ? 0 : 20;
	for (int s = 0; s < SIDES; s++) {
		const char *path = some_path(sim, (enum side)s);
		const struct sim_node *node = sim_find(sim, (enum side)s, path);

		sim->unreadable[s] = NULL;
		if (sim_random(sim, 6) || !node || node->entry.type != ENTRY_DIR)
			continue;
		snprintf(unreadable[s], SIM_PATH, "%s", path);
		sim->unreadable[s] = unreadable[s];
	}
}

static uint64_t runs;

static bool live(struct sim *sim)
{
	unsigned edits = sim_random(sim, 6);

	for (unsigned n = 0; n < edits; n++)
		step(sim, sim_random(sim, 2) ? SIDE_INITIATOR : SIDE_TARGET);
	choose_conditions(sim);
	runs++;
	return sim_run(sim) && (sim_random(sim, 2) || sim_rest(sim));
}

static void live_through(uint64_t seed)
{
	struct sim *sim = sim_new(seed);

	sim->policy.rule =
		sim_random(sim, 2) ? RULE_KEEP_BOTH : (enum conflict_rule)sim_random(sim, 5);
	sim->policy.prevalence = sim_random(sim, 2) ? SIDE_INITIATOR : SIDE_TARGET;
	sim->hardlinks = sim_random(sim, 3) == 0;
	for (int n = 0; n < 12; n++)
		if (sim->next_content < SIM_CONTENTS - 20 && !live(sim)) {
			sim_print(sim);
			fail_msg("seed %llu, round %d: %s", (unsigned long long)seed, n,
				 sim->problem);
		}
	if (!sim_rest(sim))
		fail_msg("seed %llu, at the end: %s", (unsigned long long)seed, sim->problem);
	sim_free(sim);
}

static const uint64_t once_failed[] = { 83815 };

/* MODEL_SEED=n repeats one history, MODEL_HISTORIES=n lives through more of them. */
static void test_random_histories(void **state)
{
	const char *seed = getenv("MODEL_SEED");
	const char *count = getenv("MODEL_HISTORIES");
	uint64_t last = count ? strtoull(count, NULL, 10) : 8000;

	if (seed) {
		live_through(strtoull(seed, NULL, 10));
		return;
	}
	for (uint64_t n = 1; n <= last; n++)
		live_through(n);
	for (size_t i = 0; i < sizeof(once_failed) / sizeof(once_failed[0]); i++)
		live_through(once_failed[i]);
	print_message("%llu histories, %llu runs\n", (unsigned long long)last,
		      (unsigned long long)runs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
