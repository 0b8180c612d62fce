/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Follow renames and moves, so that a moved file or folder is moved on the other
 * side too instead of being deleted and sent again.
 *
 * A move on one side is a path that was agreed on and is gone there, together with a
 * new path there that is the same thing: for folders the same inode; for files the same
 * content digest (the same inode preferred).  The other side must still have the old
 * path and nothing at the new one; and where it has edited the old file, inode and mtime must
 * say too that the new one is that file, and not one that is alike.
 *
 * Following means: the saved history and the other side's view of the old path (and of all
 * below it) are put under the new path, and the move becomes an operation of the plan that
 * goes first.  Everything else (edits inside, changes of the other side inside, files put in or
 * taken out) then comes out of reconcile() as if the path had always been called that.  A
 * wrong guess costs nothing but a rename where the other side has left the file alone.
 *
 * What both sides have moved already is followed first (model/moved.h).
 */
#ifndef MODEL_MOVE_H
#define MODEL_MOVE_H

#include <stdbool.h>
#include <stddef.h>

#include "model/entry.h"
#include "model/reconcile.h"

struct change;
struct changes;

struct move {
	enum side side; /* where the rename is to be done */
	const char *from;
	const char *to;
	const struct entry *expect; /* at `from` on that side */
	bool folder;
	size_t after; /* 1 + index of a move (of either side) without which this one is void, or 0 */
};

struct moves {
	struct move *items; /* in the order in which they must be done */
	size_t count;
	size_t cap;
};

#define MOVES_INIT         \
	{                  \
		NULL, 0, 0 \
	}

void moves_release(struct moves *moves);

/*
 * Whether a file that is new on `side` must be read to know if it was moved: one that was
 * agreed on has gone from that side and had the same size, or has gone from both and had its
 * inode.  Call moves_index once before.
 */
struct move_index;
struct move_index *moves_index_new(const struct changes *changes);
void moves_index_free(struct move_index *index);
bool moves_wants_digest(const struct move_index *index, const struct change *change,
			enum side side);

/*
 * Find the moves of both sides (one way: of the side that gives) and rewrite the changes as
 * described; they stay sorted.
 */
void moves_follow(struct changes *changes, struct moves *moves, enum direction direction);

/*
 * The changes say what is where once the moves are done; before that, what they show at `path` on
 * `side` is at the path returned (allocated). Where nothing moves there it is `path`. O(moves).
 */
char *moves_path_now(const struct moves *moves, enum side side, const char *path);

#endif
