/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/move.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/change.h"
#include "model/gone.h"
#include "model/moved.h"
#include "model/structure.h"

/*
 * Each followed folder costs a pass over the changes, so a run that reorganises more folders
 * than this moves the files of the rest one by one (still without sending them).
 */
enum { FOLDER_MOVES_MAX = 1000 };

void moves_release(struct moves *moves)
{
	free(moves->items);
	*moves = (struct moves)MOVES_INIT;
}

/* Gone from this side, as far as is known. */
static bool is_gone(const struct change *change, enum side side, enum entry_type type)
{
	return change_is_gone(change, side, type) && !change->failed && !change->blocked;
}

/* Nothing of it was agreed on and the other side has nothing there: history can be put here. */
static bool is_free(const struct change *change, enum side side)
{
	return (!change->base || change->base->type == ENTRY_ABSENT) &&
	       !change->now[side_other(side)];
}

/* Never agreed on, and on this side only. */
static bool is_new(const struct change *change, enum side side, enum entry_type type)
{
	return is_free(change, side) && change->now[side] && change->now[side]->type == type &&
	       !change->failed && !change->blocked && !(change->now[side]->flags & ENTRY_OPAQUE);
}

/* Gone here and still there on the other side, so that a rename there can follow. */
static bool is_movable(const struct change *change, enum side side, enum entry_type type)
{
	const struct entry *other = change->now[side_other(side)];

	return is_gone(change, side, type) && other && other->type == type &&
	       !(other->flags & ENTRY_OPAQUE);
}

/*
 * Whether a rename on the other side can put something at the path of `found`: what is above it
 * there is a folder, or nothing (then the folder is made first), but no file, link or special,
 * which may have to be kept aside first, or is left alone.
 */
static bool can_arrive(const struct changes *changes, const struct change *found, enum side side)
{
	const struct change *above = changes_find_parent(changes, found->path);

	while (above && !above->now[side_other(side)])
		above = changes_find_parent(changes, above->path);
	return !above || above->now[side_other(side)]->type == ENTRY_DIR;
}

/* What may have been moved, sorted, for moves_wants_digest. Of a set that does not change meanwhile. */
struct move_index {
	uint64_t *sizes[SIDES]; /* of the files that have gone from one side */
	size_t count[SIDES];
	struct gone gone[SIDES]; /* all files that are not on one side any more */
};

static int size_cmp(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a;
	uint64_t two = *(const uint64_t *)b;

	return (one > two) - (one < two);
}

struct move_index *moves_index_new(const struct changes *changes)
{
	struct move_index *index = xcalloc(1, sizeof(*index));

	for (int s = 0; s < SIDES; s++) {
		index->sizes[s] = xcalloc(changes->count, sizeof(uint64_t));
		for (size_t i = 0; i < changes->count; i++) {
			const struct change *change = &changes->items[i];

			if (is_movable(change, (enum side)s, ENTRY_FILE))
				index->sizes[s][index->count[s]++] = change->base->side[s].size;
		}
		qsort(index->sizes[s], index->count[s], sizeof(uint64_t), size_cmp);
		index->gone[s] = gone_find(changes, (enum side)s, ENTRY_FILE);
	}
	return index;
}

void moves_index_free(struct move_index *index)
{
	if (!index)
		return;
	for (int s = 0; s < SIDES; s++) {
		free(index->sizes[s]);
		gone_release(&index->gone[s]);
	}
	free(index);
}

/*
 * It has no history of its own, and may get that of a file that has gone: of one whose inode it has, where both
 * sides have moved it (model/moved.h), or of one that had its stat key, with a folder that is followed. That key
 * must not be all that is known of it then: it may be another file's where they are numbered anew (tree/inodes.h).
 */
static bool may_be_gone_file(const struct move_index *index, const struct change *change,
			     enum side side)
{
	const struct gone *gone = &index->gone[side];
	const struct entry *now = change->now[side];

	if ((change->base && change->base->type != ENTRY_ABSENT) || !now || now->type != ENTRY_FILE)
		return false;
	for (size_t at = gone_first(gone, now->ino); gone_has(gone, at, now->ino); at++)
		if (moved_is_gone(gone->items[at]) ||
		    entry_same_content_key(gone_then(gone, at), now))
			return true;
	return false;
}

bool moves_wants_digest(const struct move_index *index, const struct change *change, enum side side)
{
	if (change->now[side] && (change->now[side]->flags & ENTRY_HAS_DIGEST))
		return false;
	if (may_be_gone_file(index, change, side))
		return true;
	if (!is_new(change, side, ENTRY_FILE))
		return false;
	return index->count[side] > 0 &&
	       bsearch(&change->now[side]->size, index->sizes[side], index->count[side],
		       sizeof(uint64_t), size_cmp) != NULL;
}

/* What may be matched: a gone path or a new one, by a key of its content or inode. */
struct candidate {
	struct change *change;
	struct digest key;
	uint64_t ino;
};

struct candidates {
	struct candidate *items;
	size_t count;
};

static int candidate_cmp(const void *a, const void *b)
{
	const struct candidate *one = a;
	const struct candidate *two = b;
	int order = memcmp(one->key.bytes, two->key.bytes, DIGEST_LEN);

	if (order != 0)
		return order;
	if (one->ino != two->ino)
		return one->ino < two->ino ? -1 : 1;
	return path_cmp(one->change->path, two->change->path);
}

static void move_add(struct moves *moves, struct move move)
{
	if (moves->count == moves->cap) {
		moves->cap = moves->cap ? 2 * moves->cap : 16;
		moves->items = xrealloc(moves->items, moves->cap * sizeof(*moves->items));
	}
	moves->items[moves->count++] = move;
}

/* Put history and the other side's view of `gone` under the path of `found`; `gone` becomes empty. */
static void rebase(struct changes *changes, struct change *gone, struct change *found,
		   enum side side, size_t move)
{
	enum side other = side_other(side);
	struct change_rare *rare = changes_rare(changes, found);

	rare->moved_from = change_old_path(gone);
	rare->move = move;
	found->base = gone->base;
	found->now[other] = gone->now[other];
	gone->base = NULL;
	gone->now[other] = NULL;
}

/*
 * Files.  Gone ones are sorted by digest; each new one takes a gone one with its digest, first
 * choice the same inode.  A gone file is taken once.
 */
static struct candidates gone_files(struct changes *changes, enum side side)
{
	struct candidates gone = { xcalloc(changes->count, sizeof(struct candidate)), 0 };

	for (size_t i = 0; i < changes->count; i++) {
		struct change *change = &changes->items[i];

		if (is_movable(change, side, ENTRY_FILE))
			gone.items[gone.count++] =
				(struct candidate){ .change = change,
						    .key = change->base->digest,
						    .ino = change->base->side[side].ino };
	}
	qsort(gone.items, gone.count, sizeof(*gone.items), candidate_cmp);
	return gone;
}

/* The first candidate whose key is not below `digest`. */
static size_t lower_bound(const struct candidates *list, const struct digest *digest)
{
	size_t low = 0;
	size_t high = list->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (memcmp(list->items[mid].key.bytes, digest->bytes, DIGEST_LEN) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/*
 * Content alone does not tell a file that was moved from another that is alike (of the empty ones all
 * are), nor does an inode, which may have been free again: the time must have come with them. Where it
 * has not, what the other side has done to the old file meanwhile must not be done to the new one.
 */
static bool may_follow(const struct change *gone, const struct entry *found, enum side side)
{
	const struct entry *then = &gone->base->side[side];
	enum side other = side_other(side);

	return (then->ino == found->ino && then->mtime_ns == found->mtime_ns) ||
	       !reconcile_changed(gone->base, gone->now[other], other);
}

/* A free gone file with this content: the one with the inode, else (any_inode) the first. */
static struct change *take_gone(struct candidates *gone, const struct entry *found, enum side side,
				bool any_inode)
{
	size_t at = lower_bound(gone, &found->digest);

	for (; at < gone->count && digest_same(&gone->items[at].key, &found->digest); at++) {
		struct candidate *candidate = &gone->items[at];
		struct change *change = candidate->change;

		if (change && (any_inode || candidate->ino == found->ino) &&
		    may_follow(change, found, side)) {
			candidate->change = NULL;
			return change;
		}
	}
	return NULL;
}

static void follow_files(struct changes *changes, struct moves *moves, enum side side,
			 bool any_inode)
{
	struct candidates gone = gone_files(changes, side);

	for (size_t i = 0; gone.count > 0 && i < changes->count; i++) {
		struct change *found = &changes->items[i];
		struct change *from = NULL;

		if (!is_new(found, side, ENTRY_FILE) ||
		    !(found->now[side]->flags & ENTRY_HAS_DIGEST) ||
		    !can_arrive(changes, found, side))
			continue;
		from = take_gone(&gone, found->now[side], side, any_inode);
		if (!from)
			continue;
		move_add(moves, (struct move){ .side = side_other(side),
					       .from = from->path,
					       .to = found->path,
					       .expect = from->now[side_other(side)],
					       .after = change_move(found) });
		rebase(changes, from, found, side, moves->count);
	}
	free(gone.items);
	changes_drop_empty(changes);
}

/* Items at and below `top`: [first, end). The set is sorted. */
struct range {
	size_t first;
	size_t end;
};

static struct range range_of(const struct changes *changes, const struct change *top)
{
	size_t first = (size_t)(top - changes->items);
	size_t end = first + 1;

	while (end < changes->count && path_is_below(changes->items[end].path, top->path))
		end++;
	return (struct range){ first, end };
}

/* The path of an item at or below `from` when `from` is called `to`. Malloc'ed. */
static char *renamed_path(const char *path, const char *from, const char *to)
{
	return xasprintf("%s%s", to, path + strlen(from));
}

/* The item that has the place under `to` which `gone`, at or below `from`, would get, or NULL. */
static struct change *find_renamed(const struct changes *changes, const struct change *gone,
				   const char *from, const char *to)
{
	AUTO_FREE char *path = renamed_path(gone->path, from, to);

	return changes_find(changes, path);
}

/* Rewrite everything at and below `from` (gone from `side`) to stand at and below `to`. */
static void rebase_folder(struct changes *changes, enum side side, const char *from, const char *to,
			  size_t move)
{
	struct range range = range_of(changes, changes_find(changes, from));
	AUTO_FREE const char **renamed = xcalloc(range.end - range.first, sizeof(*renamed));

	for (size_t i = range.first; i < range.end; i++) {
		struct change *gone = &changes->items[i];
		AUTO_FREE char *path = renamed_path(gone->path, from, to);
		struct change *found = changes_find(changes, path);

		if (found)
			rebase(changes, gone, found, side, move);
		else
			renamed[i - range.first] = arena_strdup(&changes->arena, path);
	}
	/* Only now, since changes_find needs the old order. */
	for (size_t i = range.first; i < range.end; i++) {
		struct change *change = &changes->items[i];
		struct change_rare *rare = NULL;

		if (!renamed[i - range.first])
			continue;
		rare = changes_rare(changes, change);
		rare->moved_from = change_old_path(change);
		change->path = renamed[i - range.first];
		rare->move = move;
	}
	changes_drop_empty(changes);
	changes_sort(changes);
	/* What came to lie below a folder that could not be listed is unknown now. */
	structure_block_unknown(changes);
}

/* Whether what was agreed on under `gone` is under `found` now, the thing itself and not one like it. */
static bool is_still_inside(const struct changes *changes, const struct change *child,
			    const struct change *gone, const struct change *found, enum side side)
{
	const struct change *here = find_renamed(changes, child, gone->path, found->path);
	const struct entry *then = &child->base->side[side];
	const struct entry *now = here ? here->now[side] : NULL;

	if (!now || now->type != then->type || now->ino != then->ino)
		return false;
	/* Inodes are used again in the order in which they became free: that alone says little. */
	return now->type == ENTRY_DIR || now->mtime_ns == then->mtime_ns ||
	       ((now->flags & ENTRY_HAS_DIGEST) && digest_same(&now->digest, &child->base->digest));
}

/*
 * A new folder that has the inode of a gone one may also be another one that got a free inode.
 * It is the same where something of what was inside is still inside, or nothing was. Folders
 * count only where there was nothing else. O(what was inside).
 */
static bool holds_the_same(const struct changes *changes, const struct change *gone,
			   const struct change *found, enum side side)
{
	struct range range = range_of(changes, gone);
	bool had_folder = false;
	bool has_folder = false;
	bool had_other = false;

	for (size_t i = range.first + 1; i < range.end; i++) {
		const struct change *child = &changes->items[i];
		bool is_here = false;

		if (!child->base || child->base->side[side].type == ENTRY_ABSENT)
			continue;
		is_here = is_still_inside(changes, child, gone, found, side);
		if (child->base->side[side].type == ENTRY_DIR) {
			had_folder = true;
			has_folder = has_folder || is_here;
		} else if (is_here) {
			return true;
		} else {
			had_other = true;
		}
	}
	return !had_other && (has_folder || !had_folder);
}

static bool any_moved(const struct changes *changes, struct range range)
{
	for (size_t i = range.first; i < range.end; i++)
		if (change_move(&changes->items[i]))
			return true;
	return false;
}

/*
 * Moves of the other side may have put things into `gone`. Their history then depends on two
 * moves, and an item can wait for one: *after is set to it, and this move waits for that. False
 * where there are more, where a place under the new name is taken, or where something was moved
 * into `found` before, as if it was not this folder: then it is not followed.
 */
static bool can_carry(const struct changes *changes, const struct change *gone,
		      const struct change *found, enum side side, size_t *after)
{
	struct range range = range_of(changes, gone);

	*after = 0;
	if (any_moved(changes, range_of(changes, found)))
		return false;
	for (size_t i = range.first; i < range.end; i++) {
		const struct change *item = &changes->items[i];
		const struct change *taken = find_renamed(changes, item, gone->path, found->path);

		if (taken && !is_free(taken, side))
			return false;
		if (change_move(item) && *after && change_move(item) != *after)
			return false;
		if (change_move(item))
			*after = change_move(item);
	}
	return true;
}

static void rename_below(struct changes *changes, const char **path, const char *from,
			 const char *to)
{
	if (!path_is_within(*path, from))
		return;
	AUTO_FREE char *renamed = renamed_path(*path, from, to);

	*path = arena_strdup(&changes->arena, renamed);
}

/* Renames to be done on `side` go by the names that side has: there, `from` is called `to`. */
static void rename_in_moves(struct changes *changes, struct moves *moves, enum side side,
			    const char *from, const char *to)
{
	for (size_t i = 0; i < moves->count; i++) {
		struct move *move = &moves->items[i];

		if (move->side != side)
			continue;
		rename_below(changes, &move->from, from, to);
		rename_below(changes, &move->to, from, to);
	}
}

/* Inodes that folders gone from this side had there, sorted. */
static size_t gone_folder_inodes(const struct changes *changes, enum side side, uint64_t **out)
{
	uint64_t *inodes = xcalloc(changes->count, sizeof(*inodes));
	size_t count = 0;

	for (size_t i = 0; i < changes->count; i++)
		if (is_movable(&changes->items[i], side, ENTRY_DIR))
			inodes[count++] = changes->items[i].base->side[side].ino;
	qsort(inodes, count, sizeof(*inodes), size_cmp);
	*out = inodes;
	return count;
}

/* The gone folder that had this inode. O(changes). */
static struct change *gone_folder(struct changes *changes, enum side side, uint64_t ino)
{
	for (size_t i = 0; i < changes->count; i++) {
		struct change *change = &changes->items[i];

		if (is_movable(change, side, ENTRY_DIR) && change->base->side[side].ino == ino)
			return change;
	}
	return NULL;
}

/* Follow the move of a folder on `side` from `gone` to `found`. */
static void follow_folder(struct changes *changes, struct moves *moves, enum side side,
			  const struct change *gone, const struct change *found, size_t after)
{
	const char *from = gone->path;
	const char *to = found->path;

	rename_in_moves(changes, moves, side, from, to);
	move_add(moves, (struct move){ .side = side_other(side),
				       .from = from,
				       .to = to,
				       .expect = gone->now[side_other(side)],
				       .folder = true,
				       .after = after });
	rebase_folder(changes, side, from, to, moves->count);
}

/* Follow the first folder at or after *at that was moved on `side`; false where there is none. */
static bool follow_next_folder(struct changes *changes, struct moves *moves, enum side side,
			       size_t *at)
{
	AUTO_FREE uint64_t *inodes = NULL;
	size_t count = gone_folder_inodes(changes, side, &inodes);

	for (; count > 0 && *at < changes->count; ++*at) {
		const struct change *found = &changes->items[*at];
		const struct change *gone = NULL;
		size_t after = 0;

		if (!is_new(found, side, ENTRY_DIR) ||
		    !bsearch(&found->now[side]->ino, inodes, count, sizeof(*inodes), size_cmp))
			continue;
		gone = gone_folder(changes, side, found->now[side]->ino);
		/* A folder cannot have been moved into itself; the inode was used again. */
		if (!gone || path_is_below(found->path, gone->path) ||
		    !holds_the_same(changes, gone, found, side) ||
		    !can_arrive(changes, found, side) ||
		    !can_carry(changes, gone, found, side, &after))
			continue;
		follow_folder(changes, moves, side, gone, found, after);
		return true;
	}
	return false;
}

/* Shallow ones first (path order), so that a moved folder carries those inside with it. */
static void follow_folders(struct changes *changes, struct moves *moves, enum side side)
{
	size_t at = 0;

	for (int n = 0; n < FOLDER_MOVES_MAX; n++) {
		size_t before = changes->count;

		if (!follow_next_folder(changes, moves, side, &at))
			return;
		/* Items before `at` may have left the set. */
		at = at > before - changes->count ? at - (before - changes->count) : 0;
	}
}

/* Undone in the opposite order. */
char *moves_path_now(const struct moves *moves, enum side side, const char *path)
{
	char *now = xstrdup(path);

	for (size_t i = moves->count; i > 0; i--) {
		const struct move *move = &moves->items[i - 1];
		char *before = NULL;

		if (move->side != side || !path_is_within(now, move->to))
			continue;
		before = renamed_path(now, move->to, move->from);
		free(now);
		now = before;
	}
	return now;
}

void moves_follow(struct changes *changes, struct moves *moves, enum direction direction)
{
	moved_follow(changes);
	for (int s = 0; s < SIDES; s++)
		if (reconcile_gives(direction, (enum side)s))
			follow_folders(changes, moves, (enum side)s);
	for (int s = 0; s < SIDES; s++) {
		if (!reconcile_gives(direction, (enum side)s))
			continue;
		follow_files(changes, moves, (enum side)s, false);
		follow_files(changes, moves, (enum side)s, true);
	}
}
