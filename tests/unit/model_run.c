/* SPDX-License-Identifier: BSD-2-Clause */
#include "model_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/conflict_name.h"
#include "model/filling.h"
#include "model/reuse.h"
#include "model/structure.h"

/* What one run knows. */
struct look {
	struct sim *sim;
	struct sim_tree listing[SIDES]; /* what the scans show */
	struct changes changes;
	struct moves moves;
	struct reuse *reuse;
	struct plan plan;
	bool had[SIDES][SIM_CONTENTS]; /* contents of each tree before */
	bool fresh[SIM_CONTENTS];      /* in a tree and never agreed on */
	bool may_lose;		       /* the policy lets one version of a conflict lose */
};

static void look_release(struct look *look)
{
	plan_release(&look->plan);
	reuse_free(look->reuse);
	moves_release(&look->moves);
	changes_release(&look->changes);
}

static struct sim_saved *find_saved(struct sim *sim, const char *path)
{
	for (size_t i = 0; i < sim->saved_count; i++)
		if (strcmp(sim->saved[i].path, path) == 0)
			return &sim->saved[i];
	return NULL;
}

static const struct entry *listed(const struct look *look, enum side side, const char *path)
{
	for (size_t i = 0; i < look->listing[side].count; i++)
		if (strcmp(look->listing[side].nodes[i].path, path) == 0)
			return &look->listing[side].nodes[i].entry;
	return NULL;
}

/* As tree/scan would show it: symlinks with digest, files without; nothing below what is unreadable. */
static void scan(struct look *look, enum side side)
{
	struct sim *sim = look->sim;
	const char *unreadable = sim->unreadable[side];
	struct sim_tree *listing = &look->listing[side];

	for (size_t i = 0; i < sim->tree[side].count; i++) {
		const struct sim_node *node = &sim->tree[side].nodes[i];
		struct sim_node *copy = &listing->nodes[listing->count];

		if (unreadable && path_is_below(node->path, unreadable))
			continue;
		*copy = *node;
		listing->count++;
		if (node->entry.type == ENTRY_FILE)
			copy->entry.nlink = sim_names(sim, side, node->entry.ino);
		if (node->entry.type == ENTRY_SYMLINK)
			copy->entry.flags |= ENTRY_HAS_DIGEST;
		if (node->entry.type == ENTRY_DIR && unreadable &&
		    strcmp(node->path, unreadable) == 0)
			copy->entry.flags |= ENTRY_OPAQUE;
	}
}

static bool differs(const struct base *base, const struct entry *now, enum side side)
{
	const struct entry *then = base ? &base->side[side] : NULL;

	if (!now)
		return then && then->type != ENTRY_ABSENT;
	/* What is left alone keeps the folder that it is in. */
	if (now->type == ENTRY_SPECIAL)
		return true;
	return !then || (then->flags & ENTRY_RACY) || !entry_same_stat(then, now);
}

static void add_path(struct look *look, const char *path)
{
	const struct sim_saved *saved = find_saved(look->sim, path);
	const struct base *base = saved ? &saved->base : NULL;
	struct change *change = NULL;

	if (!differs(base, listed(look, SIDE_INITIATOR, path), SIDE_INITIATOR) &&
	    !differs(base, listed(look, SIDE_TARGET, path), SIDE_TARGET))
		return;
	change = changes_add(&look->changes, path);
	change->base = base ? changes_copy_base(&look->changes, base) : NULL;
	for (int s = 0; s < SIDES; s++)
		if (listed(look, (enum side)s, path))
			change->now[s] = changes_copy_entry(&look->changes,
							    listed(look, (enum side)s, path));
}

static int str_cmp(const void *a, const void *b)
{
	return path_cmp(*(const char *const *)a, *(const char *const *)b);
}

static void collect(struct look *look)
{
	const char *paths[3 * SIM_NODES];
	size_t count = 0;

	for (size_t i = 0; i < look->sim->saved_count; i++)
		paths[count++] = look->sim->saved[i].path;
	for (int s = 0; s < SIDES; s++)
		for (size_t i = 0; i < look->listing[s].count; i++)
			paths[count++] = look->listing[s].nodes[i].path;
	qsort(paths, count, sizeof(*paths), str_cmp);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || strcmp(paths[i], paths[i - 1]) != 0)
			add_path(look, paths[i]);
}

/* A file that its stat key proves unchanged keeps the agreed digest. */
static void inherit_digest(const struct change *change, enum side side)
{
	struct entry *now = change->now[side];
	const struct base *base = change->base;

	if (!now || now->type != ENTRY_FILE || !base || base->type != ENTRY_FILE ||
	    base->side[side].type != ENTRY_FILE || (base->side[side].flags & ENTRY_RACY) ||
	    !entry_same_content_key(&base->side[side], now))
		return;
	now->digest = base->digest;
	now->flags |= ENTRY_HAS_DIGEST;
}

/* All that was agreed on may hold what is new elsewhere. */
static void offer(struct look *look)
{
	const struct sim *sim = look->sim;

	look->reuse = reuse_new(&look->changes);
	for (size_t i = 0; reuse_is_wanted(look->reuse) && i < sim->saved_count; i++)
		reuse_offer(look->reuse, sim->saved[i].path, &sim->saved[i].base);
}

/* Read where the model asks; elsewhere it must do without. */
static void give_digests(struct look *look)
{
	struct move_index *index = moves_index_new(&look->changes);

	offer(look);
	for (size_t i = 0; i < look->changes.count; i++) {
		struct change *change = &look->changes.items[i];

		for (int s = 0; s < SIDES; s++)
			inherit_digest(change, (enum side)s);
		for (int s = 0; s < SIDES; s++) {
			const struct entry *const now[SIDES] = { change->now[0], change->now[1] };

			if (reconcile_wants_digest(change->base, now, (enum side)s) ||
			    moves_wants_digest(index, change, (enum side)s) ||
			    reuse_wants_digest(look->reuse, change, (enum side)s))
				change->now[s]->flags |= ENTRY_HAS_DIGEST;
		}
	}
	moves_index_free(index);
}

/* The name for a losing version; *there: both sides have that very copy already. */
static char *copy_name(struct look *look, const char *path, const struct entry *loser, bool *there)
{
	struct sim *sim = look->sim;

	for (size_t digits = 6; digits <= DIGEST_HEX_LEN; digits++) {
		AUTO_BUF name = BUF_INIT;
		unsigned content = sim_content_of(loser);

		conflict_name(&name, path, loser->mtime_ns, &loser->digest, digits);
		*there = sim_content(sim, SIDE_INITIATOR, buf_cstr(&name)) == content &&
			 sim_content(sim, SIDE_TARGET, buf_cstr(&name)) == content;
		if (*there || (!changes_find(&look->changes, buf_cstr(&name)) &&
			       !sim_find(sim, SIDE_INITIATOR, buf_cstr(&name)) &&
			       !sim_find(sim, SIDE_TARGET, buf_cstr(&name))))
			return buf_steal_cstr(&name);
	}
	abort();
}

static void add_copies(struct look *look)
{
	size_t count = look->changes.count;
	struct changes copies = CHANGES_INIT;

	for (size_t i = 0; i < count; i++) {
		struct change *change = &look->changes.items[i];
		const struct entry *loser =
			change->now[side_other((enum side)change->verdict.from)];
		bool there = false;

		if (change->verdict.kind != VERDICT_CONFLICT || !change->verdict.keep_loser)
			continue;
		AUTO_FREE char *name = copy_name(look, change->path, loser, &there);
		if (!there)
			changes_rare(&look->changes, change)->copy =
				changes_add(&copies, name)->path;
	}
	for (size_t i = 0; i < copies.count; i++)
		changes_add(&look->changes, copies.items[i].path);
	changes_sort(&look->changes);
	/* The names live in the set's own arena. */
	for (size_t i = 0; i < look->changes.count; i++) {
		struct change *change = &look->changes.items[i];

		if (change_copy(change))
			change->rare->copy =
				changes_find(&look->changes, change_copy(change))->path;
	}
	changes_release(&copies);
}

static bool check_sorted(struct look *look)
{
	for (size_t i = 1; i < look->changes.count; i++)
		if (path_cmp(look->changes.items[i - 1].path, look->changes.items[i].path) >= 0)
			return sim_problem(look->sim, "changes out of order at %s",
					   look->changes.items[i].path);
	return true;
}

static bool decide(struct look *look)
{
	struct sim *sim = look->sim;

	collect(look);
	structure_block_unknown(&look->changes);
	give_digests(look);
	moves_follow(&look->changes, &look->moves, DIRECTION_BOTH);
	if (!check_sorted(look))
		return false;
	structure_block_unknown(&look->changes);
	structure_settle(&look->changes, &sim->policy);
	add_copies(look);
	plan_build(&look->plan, &look->changes, &look->moves, &sim->policy, sim->hardlinks);
	reuse_in_plan(look->reuse, &look->changes, &look->moves, &look->plan);
	filling_in_plan(&look->plan);
	sim->ops = look->plan.count;
	return true;
}

/* The saved list ------------------------------------------------------------ */

static void forget(struct sim *sim, const char *path)
{
	struct sim_saved *saved = find_saved(sim, path);

	if (saved)
		*saved = sim->saved[--sim->saved_count];
}

static struct sim_saved *save_slot(struct sim *sim, const char *path)
{
	struct sim_saved *saved = find_saved(sim, path);

	if (!saved) {
		if (sim->saved_count == SIM_NODES)
			abort();
		saved = &sim->saved[sim->saved_count++];
		memset(saved, 0, sizeof(*saved));
		memcpy(saved->path, path, strlen(path));
	}
	return saved;
}

/* What both trees show now becomes the agreement. */
static bool record(struct sim *sim, const struct change *change)
{
	const struct sim_node *node[SIDES] = { sim_find(sim, SIDE_INITIATOR, change->path),
					       sim_find(sim, SIDE_TARGET, change->path) };
	struct sim_saved *saved = NULL;

	if (!node[0] && !node[1]) {
		forget(sim, change->path);
		return true;
	}
	if (!node[0] || !node[1] || node[0]->entry.type != node[1]->entry.type ||
	    sim_content_of(&node[0]->entry) != sim_content_of(&node[1]->entry))
		return sim_problem(sim, "%s would be saved as agreed, but the sides differ",
				   change->path);
	saved = save_slot(sim, change->path);
	saved->base = (struct base){ .type = node[0]->entry.type,
				     .digest = node[0]->entry.digest,
				     .side = { node[0]->entry, node[1]->entry } };
	if (saved->base.type == ENTRY_DIR || saved->base.type == ENTRY_SPECIAL)
		return true;
	for (int s = 0; s < SIDES; s++) {
		saved->base.side[s].flags = ENTRY_HAS_DIGEST;
		if (sim_random(sim, 10) == 0)
			saved->base.side[s].flags |= ENTRY_RACY;
	}
	return true;
}

/* Whether everything is done that must be before this path's record. */
static bool is_done(const struct look *look, const struct change *change)
{
	return !change->failed && plan_has_arrived(&look->plan, change);
}

/*
 * What was agreed on stays so, under its new name where it was carried along; a special file was
 * reported: remember that beside it.
 */
static void leave(struct look *look, const struct change *change)
{
	if (change_moved_from(change) && change->base && is_done(look, change))
		save_slot(look->sim, change->path)->base = *change->base;
	for (int s = 0; s < SIDES; s++)
		if (change->now[s] && change->now[s]->type == ENTRY_SPECIAL)
			save_slot(look->sim, change->path)->base.side[s] = *change->now[s];
}

static bool save(struct look *look)
{
	struct sim *sim = look->sim;

	for (size_t i = 0; i < look->changes.count; i++) {
		const struct change *change = &look->changes.items[i];

		if (change_moved_from(change) && is_done(look, change))
			forget(sim, change_moved_from(change));
	}
	for (size_t i = 0; i < look->changes.count; i++) {
		struct change *change = &look->changes.items[i];

		if (change->pending)
			return sim_problem(sim, "%s is still pending", change->path);
		sim->failed += change->failed;
		if (change->verdict.kind == VERDICT_LEAVE) {
			sim->left++;
			leave(look, change);
		} else if (is_done(look, change) && !record(sim, change)) {
			return false;
		}
	}
	return true;
}

/* Checks -------------------------------------------------------------------- */

static void note_contents(struct look *look)
{
	struct sim *sim = look->sim;

	memset(sim->in_trash, 0, sizeof(sim->in_trash));
	for (int s = 0; s < SIDES; s++)
		for (size_t i = 0; i < sim->tree[s].count; i++) {
			const struct entry *entry = &sim->tree[s].nodes[i].entry;

			look->had[s][sim_content_of(entry) % SIM_CONTENTS] = true;
			look->fresh[sim_content_of(entry) % SIM_CONTENTS] = true;
		}
	for (size_t i = 0; i < sim->saved_count; i++)
		look->fresh[sim_content_of((const struct entry *)&(struct entry){
				    .digest = sim->saved[i].base.digest }) %
			    SIM_CONTENTS] = false;
	look->fresh[0] = look->had[0][0] = look->had[1][0] = false;
	look->may_lose = sim->policy.rule == RULE_NEWER || sim->policy.rule == RULE_INITIATOR ||
			 sim->policy.rule == RULE_TARGET;
}

static bool is_in_tree(const struct sim *sim, enum side side, unsigned content)
{
	for (size_t i = 0; i < sim->tree[side].count; i++)
		if (sim_content_of(&sim->tree[side].nodes[i].entry) % SIM_CONTENTS == content)
			return true;
	return false;
}

static bool check_nothing_lost(struct look *look)
{
	struct sim *sim = look->sim;

	for (unsigned c = 0; c < SIM_CONTENTS; c++) {
		bool lives = is_in_tree(sim, SIDE_INITIATOR, c) || is_in_tree(sim, SIDE_TARGET, c);

		if ((look->had[0][c] || look->had[1][c]) && !lives && !sim->in_trash[c])
			return sim_problem(sim, "content %u is lost", c);
		if (look->fresh[c] && !lives && !look->may_lose)
			return sim_problem(sim, "content %u was never agreed on and is gone", c);
	}
	return true;
}

static bool is_left_alone(const struct look *look, const char *path)
{
	for (size_t i = 0; i < look->changes.count; i++) {
		const struct change *change = &look->changes.items[i];

		if (change->verdict.kind == VERDICT_LEAVE &&
		    (strcmp(path, change->path) == 0 || path_is_below(path, change->path)))
			return true;
	}
	return false;
}

/* What one side has the other has too, the same. */
static bool check_converged(struct look *look, enum side side)
{
	struct sim *sim = look->sim;

	for (size_t i = 0; i < sim->tree[side].count; i++) {
		const struct sim_node *mine = &sim->tree[side].nodes[i];
		const struct sim_node *other = sim_find(sim, side_other(side), mine->path);

		if (is_left_alone(look, mine->path))
			continue;
		if (!other)
			return sim_problem(sim, "%s is on the %s only", mine->path,
					   side_name(side));
		if (mine->entry.type != other->entry.type ||
		    sim_content_of(&mine->entry) != sim_content_of(&other->entry))
			return sim_problem(sim, "%s differs", mine->path);
		if (!find_saved(sim, mine->path))
			return sim_problem(sim, "%s is not in the saved list", mine->path);
		/* What is, or was, one file here and several there cannot have the times of all. */
		if (sim->had_links)
			continue;
		if (mine->entry.mode != other->entry.mode)
			return sim_problem(sim, "mode of %s differs", mine->path);
		if (mine->entry.type == ENTRY_FILE && mine->entry.mtime_ns != other->entry.mtime_ns)
			return sim_problem(sim, "mtime of %s differs", mine->path);
	}
	return true;
}

static bool has_inode(const struct sim *sim, enum side side, uint64_t ino)
{
	return sim_names(sim, side, ino) > 0;
}

/* Nothing was done below what could not be listed, but that it was carried along with a folder. */
static bool check_untouched(struct look *look, const struct sim_tree before[SIDES])
{
	struct sim *sim = look->sim;

	for (int u = 0; u < SIDES; u++)
		for (int s = 0; sim->unreadable[u] && s < SIDES; s++)
			for (size_t i = 0; i < before[s].count; i++) {
				const struct sim_node *node = &before[s].nodes[i];

				if (path_is_below(node->path, sim->unreadable[u]) &&
				    !has_inode(sim, (enum side)s, node->entry.ino))
					return sim_problem(sim, "%s was unknown and is gone",
							   node->path);
			}
	return true;
}

static bool check(struct look *look, const struct sim_tree before[SIDES])
{
	if (!check_nothing_lost(look))
		return false;
	if (look->sim->unreadable[0] || look->sim->unreadable[1])
		return check_untouched(look, before);
	if (look->sim->fail_percent)
		return true;
	return check_converged(look, SIDE_INITIATOR) && check_converged(look, SIDE_TARGET);
}

bool sim_run(struct sim *sim)
{
	struct look look = {
		.sim = sim, .changes = CHANGES_INIT, .moves = MOVES_INIT, .plan = PLAN_INIT
	};
	struct sim_tree before[SIDES] = { sim->tree[0], sim->tree[1] };
	bool ok = false;

	sim->sent = sim->moved = sim->left = sim->failed = 0;
	note_contents(&look);
	scan(&look, SIDE_INITIATOR);
	scan(&look, SIDE_TARGET);
	ok = decide(&look) && sim_apply(sim, &look.plan) && save(&look) && check(&look, before);
	if (!ok || getenv("SIM_TRACE"))
		sim_print_plan(&look.plan, &look.changes);
	look_release(&look);
	return ok;
}

bool sim_rest(struct sim *sim)
{
	sim->fail_percent = 0;
	sim->unreadable[0] = sim->unreadable[1] = NULL;
	for (int n = 0; n < 4; n++) {
		if (!sim_run(sim))
			return false;
		if (sim->ops == 0)
			return true;
	}
	return sim_problem(sim, "does not come to rest");
}
