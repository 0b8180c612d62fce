/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/reconcile.h"

#include <stddef.h>

#include "model/owners.h"

/* What both sides agreed this path is, or ENTRY_ABSENT. */
static enum entry_type agreed_type(const struct base *base)
{
	return base ? (enum entry_type)base->type : ENTRY_ABSENT;
}

/* The side's entry at the last agreement where it showed the agreed thing, or NULL. */
static const struct entry *agreed_entry(const struct base *base, enum side side)
{
	if (agreed_type(base) == ENTRY_ABSENT || base->side[side].type != base->type)
		return NULL;
	return &base->side[side];
}

bool reconcile_gives(enum direction direction, enum side side)
{
	return direction == DIRECTION_BOTH ||
	       direction ==
		       (side == SIDE_INITIATOR ? DIRECTION_FROM_INITIATOR : DIRECTION_FROM_TARGET);
}

bool reconcile_is_apart(const struct base *base)
{
	return agreed_type(base) != ENTRY_ABSENT &&
	       (base->side[0].type == ENTRY_ABSENT || base->side[1].type == ENTRY_ABSENT);
}

/* Whether stat alone proves that this side's content is still the agreed one. */
static bool proven_unchanged(const struct base *base, const struct entry *now, enum side side)
{
	const struct entry *then = agreed_entry(base, side);

	return then && now && entry_proves_same(then, now) && entry_same_content_key(then, now);
}

bool reconcile_changed(const struct base *base, const struct entry *now, enum side side)
{
	if (!now)
		return agreed_entry(base, side) != NULL;
	if (now->type != agreed_type(base))
		return true;
	/* Kept apart: made anew. */
	if (base && base->side[side].type == ENTRY_ABSENT)
		return true;
	if (now->type != ENTRY_FILE && now->type != ENTRY_SYMLINK)
		return false;
	if ((now->flags & ENTRY_HAS_DIGEST) && !digest_is_none(&base->digest))
		return !digest_same(&now->digest, &base->digest);
	return !proven_unchanged(base, now, side);
}

bool reconcile_same_content(const struct entry *a, const struct entry *b)
{
	if (a->type != b->type)
		return false;
	if (a->type == ENTRY_DIR)
		return true;
	if (a->type == ENTRY_SPECIAL || a->size != b->size)
		return false;
	return (a->flags & b->flags & ENTRY_HAS_DIGEST) && digest_same(&a->digest, &b->digest);
}

/* The size its content had at the last agreement equals today's. */
static bool size_as_agreed(const struct base *base, const struct entry *now, enum side side)
{
	const struct entry *then = agreed_entry(base, side);

	return agreed_type(base) == ENTRY_FILE && (!then || then->size == now->size);
}

bool reconcile_wants_digest(const struct base *base, const struct entry *const now[SIDES],
			    enum side side)
{
	const struct entry *mine = now[side];
	const struct entry *other = now[side_other(side)];

	if (!mine || mine->type != ENTRY_FILE || (mine->flags & ENTRY_HAS_DIGEST))
		return false;
	if (proven_unchanged(base, mine, side))
		return false;
	if (size_as_agreed(base, mine, side))
		return true;
	return other && other->type == ENTRY_FILE && other->size == mine->size;
}

static bool same_executability(const struct entry *a, const struct entry *b)
{
	return !(a->mode & 0111) == !(b->mode & 0111);
}

unsigned reconcile_meta_changed(const struct entry *before, const struct entry *now, unsigned mask)
{
	unsigned changed = 0;

	if (before->type != now->type)
		return mask;
	/* Links have no permissions of their own on Linux. */
	if (before->mode != now->mode && now->type != ENTRY_SYMLINK)
		changed |= META_MODE;
	if (before->uid != now->uid)
		changed |= META_UID;
	if (before->gid != now->gid)
		changed |= META_GID;
	if (before->mtime_ns != now->mtime_ns)
		changed |= META_MTIME;
	if (before->xattr != now->xattr)
		changed |= META_XATTR;
	return changed & mask;
}

/* Whether two times are the same as far as the coarser file system can tell. */
static bool same_time(int64_t a, int64_t b, int64_t granularity)
{
	uint64_t apart = a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;

	return granularity > 1 ? apart < (uint64_t)granularity : apart == 0;
}

/* Fields in which the two sides show different values. */
static unsigned meta_differs(const struct entry *const now[SIDES], const struct policy *policy)
{
	const struct entry *i = now[SIDE_INITIATOR];
	const struct entry *t = now[SIDE_TARGET];
	unsigned differs = 0;

	if (i->type == ENTRY_SYMLINK)
		differs = 0;
	else if (policy->executability_only)
		differs = i->type == ENTRY_FILE && !same_executability(i, t) ? META_MODE : 0;
	else if ((i->mode & 0777) != (t->mode & 0777))
		differs = META_MODE;
	if (!owners_same_user(policy->owners, i->uid, t->uid))
		differs |= META_UID;
	if (!owners_same_group(policy->owners, i->gid, t->gid))
		differs |= META_GID;
	if (!same_time(i->mtime_ns, t->mtime_ns, policy->granularity_ns))
		differs |= META_MTIME;
	if (i->xattr != t->xattr)
		differs |= META_XATTR;
	return differs;
}

/* One way: the side that gives. */
static enum side giver(const struct policy *policy)
{
	return policy->direction == DIRECTION_FROM_TARGET ? SIDE_TARGET : SIDE_INITIATOR;
}

/*
 * Without history for a field both sides changed: the winner of the content, else the
 * prevailing side; but of two mtimes of equal content the older one, which is when the
 * content was really made (a copy, or a folder of a run that was killed, is younger).
 */
static enum side meta_winner(enum meta_field field, const struct entry *const now[SIDES],
			     int content_from, const struct policy *policy)
{
	if (content_from >= 0)
		return (enum side)content_from;
	if (field == META_MTIME && now[SIDE_INITIATOR]->mtime_ns != now[SIDE_TARGET]->mtime_ns)
		return now[SIDE_INITIATOR]->mtime_ns < now[SIDE_TARGET]->mtime_ns ? SIDE_INITIATOR
										  : SIDE_TARGET;
	return policy->prevalence;
}

/*
 * Merge metadata field by field: fills verdict->meta_to.  content_from is the side whose
 * content wins, or -1.  Both entries are present and of one type.
 */
static void merge_meta(struct verdict *verdict, const struct base *base,
		       const struct entry *const now[SIDES], int content_from,
		       const struct policy *policy)
{
	unsigned differs = meta_differs(now, policy);
	unsigned changed[SIDES];

	for (int s = 0; s < SIDES; s++) {
		const struct entry *then = agreed_entry(base, (enum side)s);

		changed[s] = then ? reconcile_meta_changed(then, now[s], differs) : differs;
	}
	for (unsigned field = META_MODE; field <= META_XATTR; field <<= 1) {
		enum side from = SIDE_INITIATOR;

		if (!(differs & field) || !((changed[0] | changed[1]) & field))
			continue;
		if (policy->direction != DIRECTION_BOTH)
			from = giver(policy);
		else if (changed[0] & changed[1] & field)
			from = meta_winner((enum meta_field)field, now, content_from, policy);
		else
			from = changed[SIDE_INITIATOR] & field ? SIDE_INITIATOR : SIDE_TARGET;
		if (policy->fields[side_other(from)] & field)
			verdict->meta_to[side_other(from)] |= (uint8_t)field;
	}
}

/* Whether the saved list must be brought up to date although nothing is to be done. */
static bool record_is_stale(const struct base *base, const struct entry *const now[SIDES])
{
	for (int s = 0; s < SIDES; s++) {
		const struct entry *then = agreed_entry(base, (enum side)s);

		if (!then && !now[s])
			continue;
		if (!then || !entry_same_stat(then, now[s]) || (then->flags & ENTRY_RACY))
			return true;
	}
	return false;
}

static struct verdict verdict_of(enum verdict_kind kind, enum side from, enum reason reason)
{
	return (struct verdict){ .kind = (uint8_t)kind,
				 .from = (uint8_t)from,
				 .reason = (uint8_t)reason };
}

/* Both present with equal content. */
static struct verdict agree(const struct base *base, const struct entry *const now[SIDES],
			    const struct policy *policy)
{
	struct verdict verdict = verdict_of(VERDICT_KEEP, SIDE_INITIATOR, REASON_NONE);

	merge_meta(&verdict, base, now, -1, policy);
	if (verdict.meta_to[0] | verdict.meta_to[1])
		verdict = (struct verdict){ .kind = VERDICT_META,
					    .reason = REASON_META,
					    .meta_to = { verdict.meta_to[0], verdict.meta_to[1] } };
	else if (record_is_stale(base, now))
		verdict.kind = VERDICT_RECORD;
	return verdict;
}

static struct verdict copy(const struct base *base, const struct entry *const now[SIDES],
			   enum side from, enum reason reason, const struct policy *policy)
{
	struct verdict verdict = verdict_of(VERDICT_COPY, from, reason);
	const struct entry *old = now[side_other(from)];

	if (old && old->type == now[from]->type)
		merge_meta(&verdict, base, now, (int)from, policy);
	else if (old)
		verdict.reason = REASON_TYPE;
	return verdict;
}

/* 1 where the target's version is newer than the initiator's, by clocks put right; -1, 0. */
static int target_newer(const struct entry *const now[SIDES], const struct policy *policy)
{
	int64_t mine = now[SIDE_INITIATOR]->mtime_ns;
	int64_t theirs = 0;

	if (__builtin_sub_overflow(now[SIDE_TARGET]->mtime_ns, policy->skew_ns, &theirs))
		theirs = now[SIDE_TARGET]->mtime_ns;
	if (same_time(mine, theirs, policy->granularity_ns))
		return 0;
	return mine > theirs ? -1 : 1;
}

static bool is_newer(const struct entry *const now[SIDES], enum side side,
		     const struct policy *policy)
{
	return target_newer(now, policy) == (side == SIDE_TARGET ? 1 : -1);
}

enum side reconcile_newer(const struct entry *const now[SIDES], const struct policy *policy)
{
	int newer = target_newer(now, policy);

	if (newer == 0)
		return policy->prevalence;
	return newer > 0 ? SIDE_TARGET : SIDE_INITIATOR;
}

/* Both present, both changed, different content. */
static struct verdict conflict(const struct base *base, const struct entry *const now[SIDES],
			       const struct policy *policy)
{
	enum reason reason =
		agreed_type(base) == ENTRY_ABSENT ? REASON_BOTH_NEW : REASON_BOTH_CHANGED;
	struct verdict verdict = verdict_of(VERDICT_CONFLICT, reconcile_newer(now, policy), reason);
	bool folder[SIDES] = { now[0]->type == ENTRY_DIR, now[1]->type == ENTRY_DIR };

	if (policy->rule == RULE_SKIP)
		return verdict_of(VERDICT_LEAVE, SIDE_INITIATOR, REASON_SKIP);
	verdict.keep_loser = policy->rule == RULE_KEEP_BOTH;
	if (policy->rule == RULE_INITIATOR)
		verdict.from = SIDE_INITIATOR;
	else if (policy->rule == RULE_TARGET)
		verdict.from = SIDE_TARGET;
	/* A folder's contents cannot lose to a file: it keeps the name and the file is kept beside it. */
	if (folder[0] != folder[1]) {
		verdict.from = folder[SIDE_INITIATOR] ? SIDE_INITIATOR : SIDE_TARGET;
		verdict.keep_loser = true;
	}
	return verdict;
}

/* Why what this side shows is not synced, or REASON_NONE where it is. */
static enum reason why_not_synced(const struct base *base, const struct entry *now, enum side side)
{
	const struct entry *then = base ? &base->side[side] : NULL;
	bool known = false;

	if (!now || !(now->type == ENTRY_SPECIAL || (now->flags & ENTRY_OPAQUE)))
		return REASON_NONE;
	known = then && then->type == now->type &&
		(then->flags & ENTRY_OPAQUE) == (now->flags & ENTRY_OPAQUE);
	if (now->flags & ENTRY_MOUNT)
		return known ? REASON_SPECIAL_KNOWN : REASON_MOUNT;
	if (now->flags & ENTRY_OPAQUE)
		return REASON_UNKNOWN;
	return known && then->ino == now->ino ? REASON_SPECIAL_KNOWN : REASON_SPECIAL;
}

/* How much a reason to leave something alone matters to people. */
static int weight(enum reason reason)
{
	if (reason == REASON_UNKNOWN)
		return 3;
	if (reason == REASON_NONE || reason == REASON_SPECIAL_KNOWN)
		return reason == REASON_NONE ? 0 : 1;
	return 2;
}

/* A side that shows something that is not synced: leave the path alone, on both sides. */
static bool not_synced(const struct base *base, const struct entry *const now[SIDES],
		       const struct policy *policy, struct verdict *out)
{
	enum reason why[SIDES] = { why_not_synced(base, now[0], SIDE_INITIATOR),
				   why_not_synced(base, now[1], SIDE_TARGET) };
	enum side side = policy->prevalence;

	if (weight(why[side_other(side)]) > weight(why[side]))
		side = side_other(side);
	*out = verdict_of(VERDICT_LEAVE, side, why[side]);
	if (why[side] != REASON_NONE)
		return true;
	for (int s = 0; s < SIDES; s++) {
		if (!now[s] || now[s]->type != ENTRY_SYMLINK || !policy->no_symlinks[!s])
			continue;
		*out = verdict_of(VERDICT_LEAVE, (enum side)s, REASON_NO_SYMLINKS);
		return true;
	}
	return false;
}

/* Still there on the one side, and unchanged. */
static struct verdict keep_apart(const struct base *base, const struct entry *const now[SIDES])
{
	return verdict_of(record_is_stale(base, now) ? VERDICT_RECORD : VERDICT_KEEP,
			  SIDE_INITIATOR, REASON_APART);
}

/* Exactly one side shows something. */
static struct verdict one_sided(const struct base *base, const struct entry *const now[SIDES],
				const struct policy *policy)
{
	enum side has = now[SIDE_INITIATOR] ? SIDE_INITIATOR : SIDE_TARGET;
	bool edited = reconcile_changed(base, now[has], has);
	bool deleted = reconcile_changed(base, NULL, side_other(has));

	if (reconcile_is_apart(base) && !edited)
		return keep_apart(base, now);
	if (deleted && !edited && policy->skip_deletion[has])
		return verdict_of(VERDICT_RECORD, side_other(has), REASON_APART);
	if (deleted && !edited)
		return verdict_of(VERDICT_DELETE, side_other(has), REASON_DELETED);
	if (deleted || reconcile_is_apart(base))
		return copy(base, now, has, REASON_EDIT_LIVES, policy);
	return copy(base, now, has, edited ? REASON_NEW : REASON_RESTORE, policy);
}

/* The side that takes shows something that the other does not. */
static struct verdict not_there(const struct base *base, const struct entry *const now[SIDES],
				const struct policy *policy)
{
	enum side from = giver(policy);
	enum side to = side_other(from);

	if (reconcile_is_apart(base) && !reconcile_changed(base, now[to], to))
		return keep_apart(base, now);
	if (!policy->skip_deletion[to])
		return verdict_of(VERDICT_DELETE, from, base ? REASON_DELETED : REASON_NOT_THERE);
	if (reconcile_changed(base, NULL, from) && !reconcile_changed(base, now[to], to))
		return verdict_of(VERDICT_RECORD, from, REASON_APART);
	return verdict_of(VERDICT_KEEP, from, REASON_APART);
}

/* One way. At least one side shows something, and nothing that is not synced. */
static struct verdict give(const struct base *base, const struct entry *const now[SIDES],
			   const struct policy *policy)
{
	enum side from = giver(policy);
	enum side to = side_other(from);

	if (!now[from])
		return not_there(base, now, policy);
	if (!now[to])
		return copy(base, now, from, base ? REASON_RESTORE : REASON_NEW, policy);
	if (reconcile_same_content(now[0], now[1]) ||
	    (!reconcile_changed(base, now[0], 0) && !reconcile_changed(base, now[1], 1)))
		return agree(base, now, policy);
	if (now[from]->type == ENTRY_FILE && now[to]->type == ENTRY_FILE &&
	    is_newer(now, to, policy))
		return verdict_of(VERDICT_KEEP, from, REASON_NEWER_THERE);
	return copy(base, now, from, REASON_EDITED, policy);
}

struct verdict reconcile(const struct base *base, const struct entry *const now[SIDES],
			 const struct policy *policy)
{
	struct verdict left;
	bool changed[SIDES];

	if (not_synced(base, now, policy, &left))
		return left;
	if (!now[SIDE_INITIATOR] && !now[SIDE_TARGET])
		return verdict_of(base ? VERDICT_RECORD : VERDICT_KEEP, SIDE_INITIATOR,
				  REASON_NONE);
	if (policy->direction != DIRECTION_BOTH)
		return give(base, now, policy);
	if (!now[SIDE_INITIATOR] || !now[SIDE_TARGET])
		return one_sided(base, now, policy);

	for (int s = 0; s < SIDES; s++)
		changed[s] = reconcile_changed(base, now[s], (enum side)s);
	if (!changed[0] && !changed[1])
		return agree(base, now, policy);
	if (reconcile_same_content(now[0], now[1]))
		return agree(base, now, policy);
	if (changed[0] != changed[1])
		return copy(base, now, changed[SIDE_INITIATOR] ? SIDE_INITIATOR : SIDE_TARGET,
			    REASON_EDITED, policy);
	return conflict(base, now, policy);
}

const char *reason_text(enum reason reason)
{
	switch (reason) {
	case REASON_NONE:
		return "";
	case REASON_NEW:
		return "new";
	case REASON_EDITED:
		return "edited";
	case REASON_TYPE:
		return "became another type";
	case REASON_DELETED:
		return "deleted on the other side";
	case REASON_EDIT_LIVES:
		return "edited on one side, deleted on the other: the edit lives";
	case REASON_BOTH_CHANGED:
		return "changed on both sides";
	case REASON_BOTH_NEW:
		return "differs, and there is no history";
	case REASON_META:
		return "metadata changed";
	case REASON_RESTORE:
		return "missing on one side";
	case REASON_KEPT_FOLDER:
		return "deleted on one side, but something below it lives";
	case REASON_HOLDS:
		return "the folder holds files that are not synced, so it stays";
	case REASON_MOVED:
		return "moved";
	case REASON_SPECIAL:
		return "a special file (fifo, socket or device) is not synced; it is left alone";
	case REASON_SPECIAL_KNOWN:
		return "is not synced";
	case REASON_UNKNOWN:
		return "could not be read, so nothing is done about it";
	case REASON_MOUNT:
		return "another file system is mounted here; it is left alone";
	case REASON_NO_SYMLINKS:
		return "the other side's file system cannot hold symlinks; it is left alone";
	case REASON_BLOCKED:
		return "its folder is left alone";
	case REASON_SKIP:
		return "changed on both sides; left alone (CONFLICT_POLICY=skip)";
	case REASON_APART:
		return "deleted on the other side; kept (SKIP_DELETION)";
	case REASON_NOT_THERE:
		return "not on the other side";
	case REASON_NEWER_THERE:
		return "newer than on the side that gives; kept (SYNC_TYPE)";
	case REASON_IN_THE_WAY:
		return "something below it stays, so it cannot be replaced (SYNC_TYPE)";
	}
	return "";
}
