/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/reuse.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/path.h"
#include "model/change.h"
#include "model/move.h"
#include "model/plan.h"

enum {
	/* Smaller files cost less to send than to look for. */
	REUSE_MIN = 16 * 1024,
	/* Offers kept: a tree of a million equal-sized files must not fill the memory. */
	REUSE_OFFERS = 100000,
};

struct offer {
	struct digest digest;
	const char *path;
	struct entry *side[SIDES];
};

struct reuse {
	struct arena arena;
	uint64_t *wanted; /* sizes of new and edited files, sorted */
	size_t wanted_count;
	uint64_t *offered;    /* sizes among them that were offered, sorted when `ready` */
	struct offer *offers; /* sorted by digest when `ready` */
	size_t count;
	bool ready;
	const char **left; /* old names of what has moved on either side, sorted */
	size_t left_count;
};

static bool is_fresh(const struct change *change, enum side side)
{
	const struct entry *now = change->now[side];

	return now && now->type == ENTRY_FILE && now->size >= REUSE_MIN && !change->blocked &&
	       !change->failed && reconcile_changed(change->base, now, side);
}

static int size_cmp(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a;
	uint64_t two = *(const uint64_t *)b;

	return (one > two) - (one < two);
}

static int offer_cmp(const void *a, const void *b)
{
	const struct offer *one = a;
	const struct offer *two = b;
	int order = memcmp(one->digest.bytes, two->digest.bytes, DIGEST_LEN);

	return order ? order : path_cmp(one->path, two->path);
}

struct reuse *reuse_new(const struct changes *changes)
{
	struct reuse *reuse = xcalloc(1, sizeof(*reuse));

	reuse->wanted = xcalloc(changes->count * SIDES, sizeof(*reuse->wanted));
	for (size_t i = 0; i < changes->count; i++)
		for (int s = 0; s < SIDES; s++)
			if (is_fresh(&changes->items[i], (enum side)s))
				reuse->wanted[reuse->wanted_count++] =
					changes->items[i].now[s]->size;
	if (reuse->wanted_count > 1)
		qsort(reuse->wanted, reuse->wanted_count, sizeof(*reuse->wanted), size_cmp);
	return reuse;
}

void reuse_free(struct reuse *reuse)
{
	if (!reuse)
		return;
	free(reuse->wanted);
	free(reuse->offered);
	free(reuse->offers);
	free(reuse->left);
	arena_release(&reuse->arena);
	free(reuse);
}

bool reuse_is_wanted(const struct reuse *reuse)
{
	return reuse->wanted_count > 0;
}

static bool has_size(const uint64_t *sizes, size_t count, uint64_t size)
{
	return count > 0 && bsearch(&size, sizes, count, sizeof(size), size_cmp) != NULL;
}

void reuse_offer(struct reuse *reuse, const char *path, const struct base *base)
{
	struct offer *offer = NULL;

	if (base->type != ENTRY_FILE || reuse->count == REUSE_OFFERS ||
	    !has_size(reuse->wanted, reuse->wanted_count, base->side[SIDE_TARGET].size))
		return;
	for (int s = 0; s < SIDES; s++)
		if (base->side[s].type != ENTRY_FILE || (base->side[s].flags & ENTRY_RACY))
			return;
	/* Grown by doubling: powers of two are when the room is used up. */
	if ((reuse->count & (reuse->count - 1)) == 0)
		reuse->offers = xrealloc(reuse->offers, (reuse->count ? 2 * reuse->count : 1) *
								sizeof(*reuse->offers));
	offer = &reuse->offers[reuse->count++];
	offer->digest = base->digest;
	offer->path = arena_strdup(&reuse->arena, path);
	for (int s = 0; s < SIDES; s++) {
		offer->side[s] = arena_alloc(&reuse->arena, sizeof(struct entry));
		*offer->side[s] = base->side[s];
		offer->side[s]->digest = base->digest;
		offer->side[s]->flags |= ENTRY_HAS_DIGEST;
	}
	reuse->ready = false;
}

/* Sort what was offered, once, before it is first searched. */
static void make_ready(struct reuse *reuse)
{
	if (reuse->ready || reuse->count == 0)
		return;
	free(reuse->offered);
	reuse->offered = xcalloc(reuse->count, sizeof(*reuse->offered));
	for (size_t i = 0; i < reuse->count; i++)
		reuse->offered[i] = reuse->offers[i].side[SIDE_TARGET]->size;
	qsort(reuse->offered, reuse->count, sizeof(*reuse->offered), size_cmp);
	qsort(reuse->offers, reuse->count, sizeof(*reuse->offers), offer_cmp);
	reuse->ready = true;
}

bool reuse_wants_digest(struct reuse *reuse, const struct change *change, enum side side)
{
	if (!is_fresh(change, side) || (change->now[side]->flags & ENTRY_HAS_DIGEST))
		return false;
	make_ready(reuse);
	return has_size(reuse->offered, reuse->count, change->now[side]->size);
}

/* Whether a rename of the plan takes this path away from the side. */
static bool is_moved_away(const struct moves *moves, enum side side, const char *path)
{
	for (size_t i = 0; i < moves->count; i++) {
		const struct move *move = &moves->items[i];

		if (move->side == side && (strcmp(move->from, path) == 0 ||
					   (move->folder && path_is_below(path, move->from))))
			return true;
	}
	return false;
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* History was put under other names by model/move.c: under these there may be nothing by now. */
static void note_left(struct reuse *reuse, const struct changes *changes)
{
	free(reuse->left);
	reuse->left = xcalloc(changes->count, sizeof(*reuse->left));
	reuse->left_count = 0;
	for (size_t i = 0; i < changes->count; i++)
		if (change_moved_from(&changes->items[i]))
			reuse->left[reuse->left_count++] = change_moved_from(&changes->items[i]);
	if (reuse->left_count > 1)
		qsort(reuse->left, reuse->left_count, sizeof(*reuse->left), name_cmp);
}

static bool was_left(const struct reuse *reuse, const char *path)
{
	return reuse->left_count > 0 && bsearch(&path, reuse->left, reuse->left_count,
						sizeof(*reuse->left), name_cmp) != NULL;
}

/* Whether a folder takes the place of this file on the side: it is made before anything is copied. */
static bool makes_way(const struct change *change, enum side side)
{
	const struct entry *other = change->now[side_other(side)];

	return change->verdict.kind == VERDICT_COPY && change->verdict.from == side_other(side) &&
	       other && other->type == ENTRY_DIR;
}

/* The offered file as the side still has it, or NULL where it has changed there, or goes too early. */
static const struct entry *still_there(const struct reuse *reuse, const struct offer *offer,
				       const struct changes *changes, const struct moves *moves,
				       enum side side)
{
	const struct change *change = changes_find(changes, offer->path);
	const struct entry *now = change ? change->now[side] : offer->side[side];

	if (!now || is_moved_away(moves, side, offer->path) || was_left(reuse, offer->path) ||
	    (change && makes_way(change, side)))
		return NULL;
	return entry_same_content_key(now, offer->side[side]) ? now : NULL;
}

/* Offers of one digest stand together; the first one that still is there will do. */
static void reuse_one(const struct reuse *reuse, const struct changes *changes,
		      const struct moves *moves, struct plan *plan, struct op *op)
{
	size_t low = 0;
	size_t high = reuse->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (memcmp(reuse->offers[mid].digest.bytes, op->source->digest.bytes, DIGEST_LEN) <
		    0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < reuse->count && digest_same(&reuse->offers[low].digest, &op->source->digest);
	     low++) {
		const struct offer *offer = &reuse->offers[low];
		const struct entry *there =
			still_there(reuse, offer, changes, moves, (enum side)op->side);
		struct op_detail *detail = NULL;

		if (!there)
			continue;
		detail = plan_detail(plan, op);
		detail->put_from = detail->from;
		detail->put_source = op->source;
		detail->from = arena_strdup(&plan->arena, offer->path);
		op->kind = OP_COPY;
		op->phase = PHASE_KEEP;
		op->source = arena_alloc(&plan->arena, sizeof(*op->source));
		*op->source = *there;
		op->source->digest = offer->digest;
		op->source->flags |= ENTRY_HAS_DIGEST;
		return;
	}
}

/* Folders that are made only after kept copies would not be there yet for these. */
static bool makes_folders_late(const struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->ops[i]->phase == PHASE_FOLDER)
			return true;
	return false;
}

void reuse_in_plan(struct reuse *reuse, const struct changes *changes, const struct moves *moves,
		   struct plan *plan)
{
	make_ready(reuse);
	if (reuse->count == 0 || makes_folders_late(plan))
		return;
	note_left(reuse, changes);
	for (size_t i = 0; i < plan->count; i++) {
		struct op *op = plan->ops[i];

		if (op->kind == OP_PUT && op->phase == PHASE_CONTENT && !op_after(op) &&
		    (op->source->flags & ENTRY_HAS_DIGEST))
			reuse_one(reuse, changes, moves, plan, op);
	}
	plan_sort(plan);
}
