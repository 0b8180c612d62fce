/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/moved.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/change.h"

/* Each folder costs a pass over the changes; as FOLDER_MOVES_MAX in model/move.c. */
enum { MOVED_FOLDERS_MAX = 1000 };

/* What was agreed on was seen there, or is known not to be there. */
static bool was_seen(const struct base *base, enum side side)
{
	return base->side[side].type == base->type || base->side[side].type == ENTRY_ABSENT;
}

bool moved_is_gone(const struct change *change)
{
	const struct base *base = change->base;

	return base && (base->type == ENTRY_FILE || base->type == ENTRY_DIR) &&
	       was_seen(base, SIDE_INITIATOR) && was_seen(base, SIDE_TARGET) && !change->now[0] &&
	       !change->now[1] && !change->failed && !change->blocked;
}

/* Nothing is known of this path yet. */
static bool is_free(const struct change *change)
{
	return (!change->base || change->base->type == ENTRY_ABSENT) && !change->failed &&
	       !change->blocked;
}

static bool has_inode(const struct change *found, const struct base *base, enum side side)
{
	const struct entry *now = found->now[side];

	/* Kept apart, it is on the other side only. */
	if (base->side[side].type == ENTRY_ABSENT)
		return !now;
	return now && now->type == base->type && now->ino != 0 &&
	       now->ino == base->side[side].ino && !(now->flags & ENTRY_OPAQUE);
}

/* Whether one side at least still shows the inode it had; kept apart, the one that had any. */
static bool is_same(const struct change *found, const struct base *base)
{
	bool initiator = has_inode(found, base, SIDE_INITIATOR);
	bool target = has_inode(found, base, SIDE_TARGET);

	return reconcile_is_apart(base) ? initiator && target : initiator || target;
}

static void take_history(struct changes *changes, struct change *gone, struct change *found)
{
	found->base = gone->base;
	changes_rare(changes, found)->moved_from = change_old_path(gone);
	gone->base = NULL;
}

/* What was at and below the folder `gone` is at and below `to` now. */
static void follow_folder(struct changes *changes, const struct change *gone, const char *to)
{
	const char *from = gone->path;
	size_t first = (size_t)(gone - changes->items);
	AUTO_FREE const char **renamed = xcalloc(changes->count - first, sizeof(*renamed));
	size_t end = first;

	for (; end < changes->count; end++) {
		struct change *item = &changes->items[end];
		AUTO_FREE char *path = xasprintf("%s%s", to, item->path + strlen(from));
		struct change *found = NULL;

		if (end > first && !path_is_below(item->path, from))
			break;
		found = changes_find(changes, path);
		if (!found)
			renamed[end - first] = arena_strdup(&changes->arena, path);
		else if (item->base && is_free(found) && is_same(found, item->base))
			take_history(changes, item, found);
	}
	/* Only now, since changes_find needs the old order. */
	for (size_t i = first; i < end; i++) {
		struct change *item = &changes->items[i];

		if (!renamed[i - first])
			continue;
		changes_rare(changes, item)->moved_from = change_old_path(item);
		item->path = renamed[i - first];
	}
	changes_drop_empty(changes);
	changes_sort(changes);
}

/* The inode it had on the initiator, or where it was kept. */
static uint64_t known_inode(const struct base *base)
{
	return base->side[base->side[0].type == ENTRY_ABSENT ? 1 : 0].ino;
}

/* A path that was agreed on, by that inode. */
struct gone {
	uint64_t ino;
	size_t at;
};

static int gone_cmp(const void *a, const void *b)
{
	const struct gone *one = a;
	const struct gone *two = b;

	if (one->ino != two->ino)
		return one->ino < two->ino ? -1 : 1;
	return (one->at > two->at) - (one->at < two->at);
}

/* All that has gone from both sides; Malloc'ed. */
static struct gone *list_gone(const struct changes *changes, enum entry_type type, size_t *count)
{
	struct gone *list = xcalloc(changes->count, sizeof(*list));

	*count = 0;
	for (size_t i = 0; i < changes->count; i++) {
		const struct change *change = &changes->items[i];

		if (moved_is_gone(change) && change->base->type == type)
			list[(*count)++] = (struct gone){ known_inode(change->base), i };
	}
	qsort(list, *count, sizeof(*list), gone_cmp);
	return list;
}

/*
 * Whether nothing was written to it since on one side at least. A file that was made anew may have got
 * the inode of one that was deleted, and on both sides, where both are used alike; but not its time.
 */
static bool is_untouched(const struct change *found, const struct base *base)
{
	for (int s = 0; s < SIDES; s++) {
		const struct entry *now = found->now[s];
		const struct entry *then = &base->side[s];

		if (now && then->type == now->type && then->size == now->size &&
		    then->mtime_ns == now->mtime_ns)
			return true;
	}
	return false;
}

/* The gone path that is now called `found` on both sides, or NULL. */
static struct change *find_gone(struct changes *changes, const struct gone *list, size_t count,
				const struct change *found)
{
	const struct entry *shown = found->now[0] ? found->now[0] : found->now[1];
	size_t low = 0;
	size_t high = count;

	if (!is_free(found) || !shown)
		return NULL;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (list[mid].ino < shown->ino)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < count && list[low].ino == shown->ino; low++) {
		struct change *gone = &changes->items[list[low].at];

		if (moved_is_gone(gone) && has_inode(found, gone->base, SIDE_INITIATOR) &&
		    has_inode(found, gone->base, SIDE_TARGET) &&
		    (gone->base->type == ENTRY_DIR || is_untouched(found, gone->base)))
			return gone;
	}
	return NULL;
}

/* Follow the first folder at or after *at that both sides have moved; false where there is none. */
static bool follow_next_folder(struct changes *changes, size_t *at)
{
	size_t before = changes->count;
	size_t count = 0;
	AUTO_FREE struct gone *list = list_gone(changes, ENTRY_DIR, &count);

	for (; count > 0 && *at < changes->count; ++*at) {
		const struct change *found = &changes->items[*at];
		const struct change *gone = find_gone(changes, list, count, found);

		if (!gone)
			continue;
		follow_folder(changes, gone, found->path);
		/* Items before may have left the set. */
		before -= changes->count;
		*at = *at > before ? *at - before : 0;
		return true;
	}
	return false;
}

static void follow_files(struct changes *changes)
{
	size_t count = 0;
	AUTO_FREE struct gone *list = list_gone(changes, ENTRY_FILE, &count);

	for (size_t i = 0; count > 0 && i < changes->count; i++) {
		struct change *gone = find_gone(changes, list, count, &changes->items[i]);

		if (gone)
			take_history(changes, gone, &changes->items[i]);
	}
	if (count > 0)
		changes_drop_empty(changes);
}

void moved_follow(struct changes *changes)
{
	size_t at = 0;

	/* Shallow ones first (path order), so that a moved folder takes those inside with it. */
	for (int n = 0; n < MOVED_FOLDERS_MAX && follow_next_folder(changes, &at); n++)
		continue;
	follow_files(changes);
}
