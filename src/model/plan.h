/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plan: every operation on either side, each with what it expects to find, in an
 * order in which each finds it.
 *
 * Pure: built from settled changes (structure_settle) and the moves that were followed;
 * a dry run prints it and stops.  Operations of one phase may be done in any order but for
 * PHASE_MOVE and PHASE_FOLDER, which are done in list order, and new folders, which come before
 * what is below them; a phase begins when the one before is durable on both sides.
 */
#ifndef MODEL_PLAN_H
#define MODEL_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/entry.h"
#include "model/reconcile.h"

struct change;
struct changes;
struct moves;

enum op_kind {
	OP_MKDIR, /* a folder; over a file of ours it replaces, the file goes to the trash */
	OP_PUT,	  /* a file whose bytes are read at `from` on the other side */
	OP_SYMLINK,
	OP_LINK,   /* a hard link to `from` on the same side */
	OP_COPY,   /* a copy of `from` on the same side */
	OP_MOVE,   /* rename `from` to `path` */
	OP_DELETE, /* into the trash; a folder when it is empty */
	OP_META,
};

enum op_phase {
	PHASE_MOVE,    /* renames, and the folders they and everything else need */
	PHASE_KEEP,    /* copies of losing versions, before they are replaced */
	PHASE_FOLDER,  /* folders that take the place of such a version, and what is below them */
	PHASE_CONTENT, /* files and symlinks, and new folders that are filled (model/filling.h) */
	PHASE_LINK,    /* hard links to them, metadata of files */
	PHASE_REMOVE,  /* deletions, deepest first */
	PHASE_REPLACE, /* files where a folder was */
	PHASE_FINISH,  /* metadata of folders, deepest first */
};
enum { PHASES = PHASE_FINISH + 1 };

/* What an operation is called in the report. */
enum op_report {
	REPORT_CREATE,
	REPORT_UPDATE,
	REPORT_DELETE,
	REPORT_MOVE,
	REPORT_METADATA,
	REPORT_SILENT, /* part of another operation */
};

enum op_state { OP_WAITING, OP_SENT, OP_DONE, OP_FAILED };

/* Metadata to set, resolved to values; names are for the receiving machine to look up. */
struct op_meta {
	unsigned mask; /* enum meta_field */
	uint16_t mode;
	uint32_t uid;
	uint32_t gid;
	int64_t mtime_ns;
	const char *user; /* NULL: the number is this side's own */
	const char *group;
};

/* What cannot be told from the operation itself and what it brings. */
struct op_detail {
	const char *from;	    /* see enum op_kind; else NULL */
	const struct entry *expect; /* at `path` (OP_MOVE: at `from`) before; NULL: nothing */
	struct op *after; /* without which this is void; in PHASE_MOVE maybe of the other side */
	struct op_meta meta;
	const char *put_from;	  /* a copy instead of a put: what that had as `from`, else NULL */
	struct entry *put_source; /* and as `source` */
};

/*
 * A plain operation has no detail: where nothing is it puts what the other side has under this name,
 * with the metadata that this has there.  Of a first sync nearly all are plain: kept small.
 */
struct op {
	uint8_t kind;	   /* enum op_kind */
	uint8_t side;	   /* enum side: where it is done */
	uint8_t phase;	   /* enum op_phase */
	uint8_t report;	   /* enum op_report */
	uint8_t reason;	   /* enum reason */
	uint8_t state;	   /* enum op_state */
	uint16_t transfer; /* for run/transfer.c: 1 + index of what goes through, 0: nothing */
	const char *path;
	struct change *change; /* whose saved-list record waits for it */
	struct entry *source;  /* what is copied, linked or put: type, size, digest, link target */
	struct op_detail *detail; /* NULL: plain; read by op_from() and its kin and plan_meta() */
};

static inline const char *op_from(const struct op *op)
{
	if (op->detail)
		return op->detail->from;
	return op->kind == OP_PUT ? op->path : NULL;
}

static inline const struct entry *op_expect(const struct op *op)
{
	return op->detail ? op->detail->expect : NULL;
}

static inline struct op *op_after(const struct op *op)
{
	return op->detail ? op->detail->after : NULL;
}

/* Whether it is a new folder that is put in place with what comes into it. */
static inline bool op_is_filled(const struct op *op)
{
	return op->kind == OP_MKDIR && op->phase == PHASE_CONTENT;
}

struct plan {
	struct arena arena;
	struct op **ops; /* sorted by phase, then in the order to be done */
	size_t count;
	size_t cap;
	struct op **moves;    /* the operation of moves->items[i] */
	struct policy policy; /* it was made by; what that points to is borrowed */
};

#define PLAN_INIT                   \
	{                           \
		.arena = ARENA_INIT \
	}

void plan_release(struct plan *plan);

/*
 * Build the plan.  Every change whose verdict keeps the loser has `copy` set, or NULL where that
 * copy exists already.  Counts each change's operations in change->pending.
 */
void plan_build(struct plan *plan, struct changes *changes, const struct moves *moves,
		const struct policy *policy, bool hardlinks);

/* What to set at its path on its side. */
struct op_meta plan_meta(const struct plan *plan, const struct op *op);
/* Its detail, to be changed: a plain one gets one that says what it was. */
struct op_detail *plan_detail(struct plan *plan, struct op *op);

/* Put the operations in order again after the phase of some was changed. */
void plan_sort(struct plan *plan);
/*
 * A copy of what the receiver has, which it could not make, is the put again that it was: false where it
 * was none. The caller then calls plan_sort, as soon as nothing under way is known by its number.
 */
bool plan_put_instead(struct op *op);

/*
 * Whether the renames that brought this change's path where it is have all been done: only then
 * may it be recorded, with operations of its own or without.  Two sides carry out their renames
 * at once, so this cannot be told from the failure of one operation alone.
 */
bool plan_has_arrived(const struct plan *plan, const struct change *change);
/*
 * Whether it will have arrived when an operation on `side` has found there what it expects at the
 * path: the renames on that side then need not have been reported.
 */
bool plan_arrives_on(const struct plan *plan, const struct change *change, enum side side);
/*
 * Where the first of its renames have brought it, one after them having failed.  Malloc'ed; NULL where it was the
 * first one, or others were done all the same.
 */
char *plan_carried_to(const struct plan *plan, const struct change *change);

#endif
