/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decide what one path needs, given what both sides last agreed on.
 *
 *   initiator = base, target = base    KEEP
 *   initiator ≠ base, target = base    COPY or DELETE, from the initiator
 *   initiator = base, target ≠ base    COPY or DELETE, from the target
 *   initiator = target                 RECORD  (same change on both sides)
 *   one deleted, the other edited      COPY    (the edit lives)
 *   otherwise                          CONFLICT (resolved by policy, never by dropping content)
 *
 * Where one side's deletions are skipped (policy), what it deleted is *kept apart*: recorded
 * as absent there, it stays on the other side, in this run and later ones, until somebody
 * edits it, deletes it there too, or makes the path anew.
 *
 * One way (policy), the side that gives is what counts: the other becomes like it, but for
 * files that are newer there, which stay.
 *
 * Content (type, bytes, link target) decides the kind; metadata is merged field by
 * field beside it, by the same rule.  A side is compared only with what the same side
 * showed at the last agreement, so clocks, owner ids and the precision of time stamps
 * may differ between the machines.
 *
 * Pure and total: no I/O, no clock, no allocation, cannot fail.  Swapping the two
 * sides (and the prevalence) swaps the outcome and changes nothing else.
 *
 * After Pierce and Vouillon, "What's in Unison?" (Univ. of Pennsylvania,
 * MS-CIS-03-36, 2004), with deletion against edit resolved for the edit.
 */
#ifndef MODEL_RECONCILE_H
#define MODEL_RECONCILE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/entry.h"

struct owners;

enum conflict_rule {
	RULE_KEEP_BOTH, /* the newer keeps the name, the other is kept beside it */
	RULE_NEWER,
	RULE_INITIATOR,
	RULE_TARGET,
	RULE_SKIP,
};

enum direction {
	DIRECTION_BOTH,
	DIRECTION_FROM_INITIATOR, /* the target becomes as the initiator is */
	DIRECTION_FROM_TARGET,
};

struct policy {
	enum conflict_rule rule;
	enum side prevalence; /* who wins where nothing else tells */
	enum direction direction;
	bool skip_deletion[SIDES]; /* what the other side has deleted stays on that side */
	unsigned fields[SIDES];	   /* META_*: what is synced and can be set on that side */
	bool executability_only;   /* META_MODE means: is it executable at all */
	int64_t skew_ns;	   /* target's clock minus initiator's */
	int64_t granularity_ns;	   /* coarser of the steps in which both sides keep mtimes */
	bool plain_modes;	   /* one side keeps no modes, so what it shows means nothing */
	bool no_symlinks[SIDES];   /* that side's file system has none: they stay on the other */
	bool no_hardlinks[SIDES];  /* nor those: each name is a file of its own there */
	const struct owners
		*owners; /* says whether ids of both sides name the same owner; NULL: by number */
};

enum verdict_kind {
	VERDICT_KEEP, /* nothing to do, nothing to record */
	VERDICT_RECORD, /* both agree; only the saved list changes (forgotten where both are absent) */
	VERDICT_META, /* content agrees, metadata flows */
	VERDICT_COPY, /* content of `from` goes to the other side: create, update or change of type */
	VERDICT_DELETE,	  /* `from` deleted it: delete on the other side */
	VERDICT_CONFLICT, /* both changed it: `from` keeps the name */
	VERDICT_LEAVE,	  /* something is in the way or unknown: touch nothing */
};

enum reason {
	REASON_NONE,
	REASON_NEW,
	REASON_EDITED,
	REASON_TYPE, /* became another type */
	REASON_DELETED,
	REASON_EDIT_LIVES, /* edited here, deleted there */
	REASON_BOTH_CHANGED,
	REASON_BOTH_NEW, /* differs, and there is no history */
	REASON_META,
	REASON_RESTORE,	    /* what stood in its place is gone */
	REASON_KEPT_FOLDER, /* deleted there, but something below lives here */
	REASON_HOLDS,
	REASON_MOVED,
	REASON_SPECIAL,	      /* a special file, newly seen */
	REASON_SPECIAL_KNOWN, /* a special file that was reported before */
	REASON_UNKNOWN,	      /* could not be read, so nothing about it may be decided */
	REASON_MOUNT,	      /* a mount point, newly seen */
	REASON_NO_SYMLINKS,   /* a symlink, and the other side cannot have any */
	REASON_BLOCKED,	      /* a parent folder is left alone */
	REASON_SKIP,	      /* a conflict left alone by policy */
	REASON_APART,	      /* deleted there, and that deletion is skipped */
	REASON_NOT_THERE,     /* one way: the side that gives has nothing here */
	REASON_NEWER_THERE,   /* one way: newer on the side that takes */
	REASON_IN_THE_WAY,    /* one way: something below it stays on the side that takes */
};

struct verdict {
	uint8_t kind;		/* enum verdict_kind */
	uint8_t from;		/* enum side, for COPY, DELETE and CONFLICT */
	uint8_t reason;		/* enum reason */
	uint8_t keep_loser;	/* CONFLICT: the other version gets a name of its own */
	uint8_t meta_to[SIDES]; /* META_* to set on that side with the other side's values */
};

/*
 * base   what both sides last agreed on, or NULL
 * now    what each side shows, NULL for absent; files whose stat key changed carry a
 *        digest wherever reconcile_wants_digest() asked for one
 */
struct verdict reconcile(const struct base *base, const struct entry *const now[SIDES],
			 const struct policy *policy);

/*
 * Whether the content of now[side] must be read before reconcile() can tell: a file
 * whose stat key changed (or was racy when recorded) and that may still equal the base
 * or the other side, judged by size.
 */
bool reconcile_wants_digest(const struct base *base, const struct entry *const now[SIDES],
			    enum side side);

/* Whether what this side has changes the other. */
bool reconcile_gives(enum direction direction, enum side side);

/* Whether it was agreed on, and its deletion on one side was skipped since. */
bool reconcile_is_apart(const struct base *base);

/* Whether this side's content differs from the last agreement (also: new, deleted, another type). */
bool reconcile_changed(const struct base *base, const struct entry *now, enum side side);

/* Whether both show the same content: type and digest. */
bool reconcile_same_content(const struct entry *a, const struct entry *b);

/* Fields of `mask` in which the same side's metadata differ between two looks. */
unsigned reconcile_meta_changed(const struct entry *before, const struct entry *now, unsigned mask);

/* The side whose version is newer, by its own clock corrected for the skew; prevalence on a tie. */
enum side reconcile_newer(const struct entry *const now[SIDES], const struct policy *policy);

/* The reason in a few words, for people. */
const char *reason_text(enum reason reason);

#endif
