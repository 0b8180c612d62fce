/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/move.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/change.h"

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

/* Agreed on, seen on this side then, and gone from it now. */
static bool is_gone(const struct change *change, enum side side, enum entry_type type)
{
	return change->base && change->base->type == type && change->base->side[side].type == type &&
	       !change->now[side] && !change->failed && !change->blocked;
}

/* Never agreed on, and on this side only. */
static bool is_new(const struct change *change, enum side side, enum entry_type type)
{
	return (!change->base || change->base->type == ENTRY_ABSENT) && change->now[side] &&
	       change->now[side]->type == type && !change->now[side_other(side)] && !change->failed && !change->blocked &&
	       !(change->now[side]->flags & ENTRY_OPAQUE);
}

/* Gone here and still there on the other side, so that a rename there can follow. */
static bool is_movable(const struct change *change, enum side side, enum entry_type type)
{
	const struct entry *other = change->now[side_other(side)];

	return is_gone(change, side, type) && other && other->type == type && !(other->flags & ENTRY_OPAQUE);
}

/* Sizes of the files that have gone from each side, sorted, for moves_wants_digest. */
struct move_index {
	uint64_t *sizes[SIDES];
	size_t count[SIDES];
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
	}
	return index;
}

void moves_index_free(struct move_index *index)
{
	if (!index)
		return;
	free(index->sizes[0]);
	free(index->sizes[1]);
	free(index);
}

bool moves_wants_digest(const struct move_index *index, const struct change *change, enum side side)
{
	if (!is_new(change, side, ENTRY_FILE) || (change->now[side]->flags & ENTRY_HAS_DIGEST))
		return false;
	return index->count[side] > 0 && bsearch(&change->now[side]->size, index->sizes[side], index->count[side],
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
static void rebase(struct change *gone, struct change *found, enum side side, size_t move)
{
	enum side other = side_other(side);

	found->base = gone->base;
	found->moved_from = gone->moved_from ? gone->moved_from : gone->path;
	found->now[other] = gone->now[other];
	found->move = move;
	gone->base = NULL;
	gone->now[other] = NULL;
}

/* Empty items (rebased away) leave the set. */
static void drop_empty(struct changes *changes)
{
	size_t kept = 0;

	for (size_t i = 0; i < changes->count; i++)
		if (changes->items[i].base || changes->items[i].now[0] || changes->items[i].now[1])
			changes->items[kept++] = changes->items[i];
	changes->count = kept;
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
			gone.items[gone.count++] = (struct candidate){
				.change = change, .key = change->base->digest, .ino = change->base->side[side].ino
			};
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

/* A free gone file with this content: the one with the inode, else (any_inode) the first. */
static struct change *take_gone(struct candidates *gone, const struct entry *found, bool any_inode)
{
	size_t at = lower_bound(gone, &found->digest);

	for (; at < gone->count && digest_same(&gone->items[at].key, &found->digest); at++) {
		struct candidate *candidate = &gone->items[at];
		struct change *change = candidate->change;

		if (change && (any_inode || candidate->ino == found->ino)) {
			candidate->change = NULL;
			return change;
		}
	}
	return NULL;
}

static void follow_files(struct changes *changes, struct moves *moves, enum side side, bool any_inode)
{
	struct candidates gone = gone_files(changes, side);

	for (size_t i = 0; gone.count > 0 && i < changes->count; i++) {
		struct change *found = &changes->items[i];
		struct change *from = NULL;

		if (!is_new(found, side, ENTRY_FILE) || !(found->now[side]->flags & ENTRY_HAS_DIGEST))
			continue;
		from = take_gone(&gone, found->now[side], any_inode);
		if (!from)
			continue;
		move_add(moves, (struct move){ .side = side_other(side),
					       .from = from->path,
					       .to = found->path,
					       .expect = from->now[side_other(side)] });
		rebase(from, found, side, moves->count);
	}
	free(gone.items);
	drop_empty(changes);
}

/* Rewrite everything at and below `from` (gone from `side`) to stand at and below `to`. */
static void rebase_folder(struct changes *changes, enum side side, const char *from, const char *to,
			  size_t move)
{
	struct change *top = changes_find(changes, from);
	size_t first = (size_t)(top - changes->items);
	size_t end = first + 1;

	while (end < changes->count && path_is_below(changes->items[end].path, from))
		end++;
	AUTO_FREE const char **renamed = xcalloc(end - first, sizeof(*renamed));

	for (size_t i = first; i < end; i++) {
		struct change *gone = &changes->items[i];
		AUTO_FREE char *path = xasprintf("%s%s", to, gone->path + strlen(from));
		struct change *found = changes_find(changes, path);

		if (!found)
			renamed[i - first] = arena_strdup(&changes->arena, path);
		else if (!found->base && !found->now[side_other(side)])
			rebase(gone, found, side, move);
	}
	/* Only now, since changes_find needs the old order. */
	for (size_t i = first; i < end; i++) {
		struct change *change = &changes->items[i];

		if (!renamed[i - first])
			continue;
		if (!change->moved_from)
			change->moved_from = change->path;
		change->path = renamed[i - first];
		change->move = move;
	}
	drop_empty(changes);
	changes_sort(changes);
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

/* Follow the first folder at or after *at that was moved on `side`; false where there is none. */
static bool follow_next_folder(struct changes *changes, struct moves *moves, enum side side, size_t *at)
{
	AUTO_FREE uint64_t *inodes = NULL;
	size_t count = gone_folder_inodes(changes, side, &inodes);

	for (; count > 0 && *at < changes->count; ++*at) {
		struct change *found = &changes->items[*at];
		struct change *gone = NULL;

		if (!is_new(found, side, ENTRY_DIR) ||
		    !bsearch(&found->now[side]->ino, inodes, count, sizeof(*inodes), size_cmp))
			continue;
		gone = gone_folder(changes, side, found->now[side]->ino);
		/* A folder cannot have been moved into itself; the inode was used again. */
		if (!gone || path_is_below(found->path, gone->path))
			continue;
		move_add(moves, (struct move){ .side = side_other(side),
					       .from = gone->path,
					       .to = found->path,
					       .expect = gone->now[side_other(side)],
					       .folder = true });
		rebase_folder(changes, side, gone->path, found->path, moves->count);
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

void moves_follow(struct changes *changes, struct moves *moves)
{
	for (int s = 0; s < SIDES; s++)
		follow_folders(changes, moves, (enum side)s);
	for (int s = 0; s < SIDES; s++) {
		follow_files(changes, moves, (enum side)s, false);
		follow_files(changes, moves, (enum side)s, true);
	}
}
