/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/change.h"
#include "model/move.h"
#include "model/owners.h"

enum {
	META_ALL = META_MODE | META_UID | META_GID | META_MTIME | META_XATTR,
	/* setuid, setgid and sticky bits are each side's own. */
	MODE_SYNCED = 0777,
	/* Where permissions are not synced, new files and folders get the usual ones. */
	MODE_UMASK = 022,
};

struct builder {
	struct plan *plan;
	struct changes *changes;
	const struct policy *policy;
	struct op **made; /* by index of the change: its OP_MKDIR, until it was put in order */
	const char *below[SIDES]; /* newest folder made in PHASE_FOLDER */
};

void plan_release(struct plan *plan)
{
	free(plan->ops);
	free(plan->moves);
	arena_release(&plan->arena);
	*plan = (struct plan)PLAN_INIT;
}

static void plan_list(struct plan *plan, struct op *op)
{
	if (plan->count == plan->cap) {
		plan->cap = plan->cap ? plan->cap + plan->cap / 2 : 64;
		plan->ops = xrealloc(plan->ops, plan->cap * sizeof(*plan->ops));
	}
	plan->ops[plan->count++] = op;
}

static struct op *op_new(struct builder *b, enum op_kind kind, enum side side,
			 struct change *change)
{
	struct op *op = arena_alloc(&b->plan->arena, sizeof(*op));

	op->kind = (uint8_t)kind;
	op->side = (uint8_t)side;
	op->change = change;
	op->path = change->path;
	op->expect = change->now[side];
	op->reason = change->verdict.reason;
	op->after = change->move ? b->plan->moves[change->move - 1] : NULL;
	change->pending++;
	return op;
}

static bool is_folder(const struct entry *entry)
{
	return entry && entry->type == ENTRY_DIR;
}

/* The mode a path gets on `side` when `source` of the other side is put there. */
static uint16_t mode_for(const struct policy *policy, enum side side, const struct entry *source,
			 const struct entry *old, bool keep_old)
{
	unsigned own = old ? old->mode & ~(unsigned)MODE_SYNCED & 07777 : 0;
	unsigned mode = source->mode & MODE_SYNCED;
	bool same_type = old && old->type == source->type;

	if (keep_old && same_type)
		return old->mode;
	if ((policy->fields[side] & META_MODE) && !policy->executability_only)
		return (uint16_t)(same_type ? own | mode : mode);
	if (same_type)
		mode = old->mode;
	else
		mode = mode & ~(unsigned)MODE_UMASK;
	if (!same_type && policy->plain_modes)
		mode = 0777 & ~(unsigned)MODE_UMASK & (source->type == ENTRY_FILE ? ~0111U : ~0U);
	if ((policy->fields[side] & META_MODE) && source->type == ENTRY_FILE) {
		/* As rsync --executability: x follows r where the source is executable. */
		mode &= ~0111U;
		if (source->mode & 0111)
			mode |= (mode & 0444) >> 2;
	}
	return (uint16_t)mode;
}

static void meta_owner(struct op_meta *meta, const struct policy *policy, enum side from,
		       const struct entry *entry, unsigned mask)
{
	if (mask & META_UID) {
		meta->uid = entry->uid;
		meta->user = owners_name(policy->owners, from, OWNER_USER, entry->uid);
	}
	if (mask & META_GID) {
		meta->gid = entry->gid;
		meta->group = owners_name(policy->owners, from, OWNER_GROUP, entry->gid);
	}
}

/*
 * Metadata for new content on op->side: the source's values, but `kept` fields (in which the
 * receiving side's own change won) as they are there.
 */
static void meta_for_content(struct op *op, const struct policy *policy, unsigned kept)
{
	enum side side = (enum side)op->side;
	const struct entry *source = op->source;
	const struct entry *old =
		op->expect && op->expect->type == source->type ? op->expect : NULL;
	unsigned theirs = policy->fields[side] & ~kept;

	op->meta.mask = META_MODE | META_MTIME;
	op->meta.mode = mode_for(policy, side, source, op->expect, (kept & META_MODE) != 0);
	op->meta.mtime_ns = old && (kept & META_MTIME) ? old->mtime_ns : source->mtime_ns;
	/* What replaces a file belongs to whom the file belonged, where it is not synced. */
	if (old) {
		op->meta.mask |= META_UID | META_GID;
		op->meta.uid = old->uid;
		op->meta.gid = old->gid;
	}
	op->meta.mask |= theirs & (META_UID | META_GID);
	meta_owner(&op->meta, policy, side_other(side), source, theirs);
	if ((theirs & META_XATTR) && (source->xattr || (old && old->xattr)))
		op->meta.mask |= META_XATTR;
}

/* Set `fields` on `side` with the values of the other side. */
static void add_meta(struct builder *b, struct change *change, enum side side, unsigned fields)
{
	const struct entry *source = change->now[side_other(side)];
	struct op *op = NULL;

	if (!fields)
		return;
	op = op_new(b, OP_META, side, change);
	op->report = REPORT_METADATA;
	/* After the content has been read: metadata are part of what the sender expects. */
	op->phase = source->type == ENTRY_DIR ? PHASE_FINISH : PHASE_LINK;
	op->source = change->now[side_other(side)];
	op->meta.mask = fields;
	op->meta.mode = mode_for(b->policy, side, source, op->expect, false);
	op->meta.mtime_ns = source->mtime_ns;
	meta_owner(&op->meta, b->policy, side_other(side), source, fields);
	plan_list(b->plan, op);
}

static enum op_report report_for(const struct entry *old)
{
	return old ? REPORT_UPDATE : REPORT_CREATE;
}

/* A folder, and its final metadata at the end, when everything is in it. */
static void add_folder(struct builder *b, struct change *change, enum side side, unsigned kept)
{
	struct op *op = op_new(b, OP_MKDIR, side, change);
	struct op *finish = NULL;

	op->source = change->now[side_other(side)];
	op->report = (uint8_t)report_for(op->expect);
	meta_for_content(op, b->policy, kept);
	op->phase = PHASE_MOVE;
	/* It takes the place of a version that must be kept aside first, or is below such a one. */
	if (change->verdict.kind == VERDICT_CONFLICT && op->expect)
		b->below[side] = change->path;
	if (b->below[side] && path_is_within(op->path, b->below[side]))
		op->phase = PHASE_FOLDER;

	finish = op_new(b, OP_META, side, change);
	finish->source = op->source;
	finish->report = REPORT_SILENT;
	finish->phase = PHASE_FINISH;
	finish->meta = op->meta;
	finish->meta.mask = META_MODE | META_MTIME;
	finish->after = op;
	/* What is there by then is the folder just made: any folder will do. */
	finish->expect = op->source;
	b->made[change - b->changes->items] = op;
	plan_list(b->plan, op);
	plan_list(b->plan, finish);
}

/* Put `from`'s content at change->path on the other side. */
static struct op *add_content(struct builder *b, struct change *change, enum side from,
			      unsigned kept)
{
	enum side side = side_other(from);
	bool symlink = change->now[from]->type == ENTRY_SYMLINK;
	struct op *op = op_new(b, symlink ? OP_SYMLINK : OP_PUT, side, change);

	op->from = symlink ? NULL : change->path;
	op->source = change->now[from];
	op->report = (uint8_t)report_for(op->expect);
	op->phase = is_folder(op->expect) ? PHASE_REPLACE : PHASE_CONTENT;
	meta_for_content(op, b->policy, kept);
	plan_list(b->plan, op);
	return op;
}

static void add_copy(struct builder *b, struct change *change)
{
	enum side from = (enum side)change->verdict.from;
	enum side to = side_other(from);

	if (!is_folder(change->now[from]))
		add_content(b, change, from, change->verdict.meta_to[from]);
	else if (!is_folder(change->now[to]))
		add_folder(b, change, to, change->verdict.meta_to[from]);
	else
		add_meta(b, change, to, change->verdict.meta_to[to]);
	add_meta(b, change, from, change->verdict.meta_to[from]);
}

static void add_delete(struct builder *b, struct change *change)
{
	enum side side = side_other((enum side)change->verdict.from);
	struct op *op = op_new(b, OP_DELETE, side, change);

	op->report = REPORT_DELETE;
	op->phase = PHASE_REMOVE;
	plan_list(b->plan, op);
}

/* Keep the losing version under change->copy on both sides; returns the operation that secures it. */
static struct op *add_kept_copy(struct builder *b, struct change *change)
{
	enum side winner = (enum side)change->verdict.from;
	enum side loser = side_other(winner);
	struct change *copy = changes_find(b->changes, change->copy);
	bool symlink = change->now[loser]->type == ENTRY_SYMLINK;
	struct op *keep = op_new(b, symlink ? OP_SYMLINK : OP_COPY, loser, copy);
	struct op *send = NULL;

	keep->from = symlink ? NULL : change->path;
	/* A copy: the entry will show what takes its place. */
	keep->source = arena_alloc(&b->plan->arena, sizeof(*keep->source));
	*keep->source = *change->now[loser];
	keep->phase = PHASE_KEEP;
	keep->report = REPORT_CREATE;
	keep->reason = change->verdict.reason;
	keep->after = change->move ? b->plan->moves[change->move - 1] : NULL;
	keep->expect = NULL;
	keep->meta = (struct op_meta){ .mask = META_MODE | META_UID | META_GID | META_MTIME,
				       .mode = keep->source->mode,
				       .uid = keep->source->uid,
				       .gid = keep->source->gid,
				       .mtime_ns = keep->source->mtime_ns };
	plan_list(b->plan, keep);

	send = op_new(b, symlink ? OP_SYMLINK : OP_PUT, winner, copy);
	send->from = symlink ? NULL : change->copy;
	send->source = keep->source;
	send->phase = PHASE_CONTENT;
	send->report = REPORT_CREATE;
	send->reason = change->verdict.reason;
	send->expect = NULL;
	send->after = keep;
	meta_for_content(send, b->policy, 0);
	plan_list(b->plan, send);
	return keep;
}

static void add_conflict(struct builder *b, struct change *change)
{
	size_t first = b->plan->count;
	struct op *keep = change->copy ? add_kept_copy(b, change) : NULL;

	if (keep)
		first = b->plan->count;
	add_copy(b, change);
	/* Each that does not wait for another of these already; `keep` itself waits for the move. */
	for (size_t i = first; keep && i < b->plan->count; i++)
		if (b->plan->ops[i]->after == keep->after)
			b->plan->ops[i]->after = keep;
}

static void add_change(struct builder *b, struct change *change)
{
	switch ((enum verdict_kind)change->verdict.kind) {
	case VERDICT_KEEP:
	case VERDICT_RECORD:
	case VERDICT_LEAVE:
		break;
	case VERDICT_META:
		add_meta(b, change, SIDE_INITIATOR, change->verdict.meta_to[SIDE_INITIATOR]);
		add_meta(b, change, SIDE_TARGET, change->verdict.meta_to[SIDE_TARGET]);
		break;
	case VERDICT_COPY:
		add_copy(b, change);
		break;
	case VERDICT_DELETE:
		add_delete(b, change);
		break;
	case VERDICT_CONFLICT:
		add_conflict(b, change);
		break;
	}
}

static void add_moves(struct builder *b, const struct moves *moves)
{
	b->plan->moves = xcalloc(moves->count, sizeof(*b->plan->moves));
	for (size_t i = 0; i < moves->count; i++) {
		const struct move *move = &moves->items[i];
		struct change *change = changes_find(b->changes, move->to);
		struct op *op = arena_alloc(&b->plan->arena, sizeof(*op));

		/* A later move may have carried it on; then it belongs to no item of its own. */
		*op = (struct op){ .kind = OP_MOVE,
				   .side = (uint8_t)move->side,
				   .phase = PHASE_MOVE,
				   .report = REPORT_MOVE,
				   .reason = REASON_MOVED,
				   .path = move->to,
				   .from = move->from,
				   .expect = move->expect,
				   .change = change,
				   .after = move->after ? b->plan->moves[move->after - 1] : NULL };
		if (change)
			change->pending++;
		b->plan->moves[i] = op;
		plan_list(b->plan, op);
	}
}

/*
 * Hard links: of several names of one file on the sending side the first is put, the others
 * are linked to it.
 */
struct linked {
	uint64_t ino;
	struct op *op;
};

static int linked_cmp(const void *a, const void *b)
{
	const struct linked *one = a;
	const struct linked *two = b;

	if (one->ino != two->ino)
		return one->ino < two->ino ? -1 : 1;
	return path_cmp(one->op->path, two->op->path);
}

/*
 * A file to be put on `side` that has several names on the other. Not a conflict copy: that is
 * a file of its own on both sides.
 */
static bool is_linkable(const struct op *op, enum side side)
{
	return op->kind == OP_PUT && op->side == side && op->phase == PHASE_CONTENT &&
	       op->source->nlink > 1 && op->source == op->change->now[side_other(side)];
}

/* Whether the second name can be a link to the first: the same file, put under the same condition. */
static bool can_link(const struct op *first, const struct op *op)
{
	return entry_same_content_key(first->source, op->source) && first->after == op->after;
}

static void link_side(struct plan *plan, enum side side)
{
	AUTO_FREE struct linked *puts = xcalloc(plan->count, sizeof(*puts));
	size_t count = 0;

	for (size_t i = 0; i < plan->count; i++) {
		struct op *op = plan->ops[i];

		if (is_linkable(op, side))
			puts[count++] = (struct linked){ op->source->ino, op };
	}
	if (count == 0)
		return;
	qsort(puts, count, sizeof(*puts), linked_cmp);
	for (size_t i = 1, first = 0; i < count; i++) {
		if (puts[i].ino != puts[first].ino) {
			first = i;
			continue;
		}
		if (!can_link(puts[first].op, puts[i].op))
			continue;
		puts[i].op->kind = OP_LINK;
		puts[i].op->phase = PHASE_LINK;
		puts[i].op->from = puts[first].op->path;
		puts[i].op->after = puts[first].op;
	}
}

/* A name of a file with several that both sides have and nothing is done to: something to link to. */
static bool is_link_source(const struct change *change, enum side from)
{
	const struct entry *here = change->now[from];
	const struct entry *there = change->now[side_other(from)];

	return change->verdict.kind <= VERDICT_RECORD && here && here->nlink > 1 && there &&
	       there->type == ENTRY_FILE && reconcile_same_content(here, there);
}

struct present {
	uint64_t ino;
	struct change *change;
};

static int present_cmp(const void *a, const void *b)
{
	uint64_t one = ((const struct present *)a)->ino;
	uint64_t two = ((const struct present *)b)->ino;

	return (one > two) - (one < two);
}

/* A new name of a file that the other side has already: link instead of sending. */
static void link_to_present(struct plan *plan, struct changes *changes, enum side side)
{
	enum side from = side_other(side);
	AUTO_FREE struct present *list = xcalloc(changes->count, sizeof(*list));
	size_t count = 0;

	for (size_t i = 0; i < changes->count; i++)
		if (is_link_source(&changes->items[i], from))
			list[count++] = (struct present){ changes->items[i].now[from]->ino,
							  &changes->items[i] };
	qsort(list, count, sizeof(*list), present_cmp);
	for (size_t i = 0; count > 0 && i < plan->count; i++) {
		struct op *op = plan->ops[i];
		struct present key = { 0, NULL };
		struct present *found = NULL;

		if (!is_linkable(op, side))
			continue;
		key.ino = op->source->ino;
		found = bsearch(&key, list, count, sizeof(*list), present_cmp);
		if (!found || !reconcile_same_content(found->change->now[from], op->source))
			continue;
		op->kind = OP_LINK;
		op->phase = PHASE_LINK;
		op->from = found->change->path;
		op->source = found->change->now[side];
	}
}

/* Position within the phase; renames and folders keep the order in which they were listed. */
struct ordered {
	struct op *op;
	size_t listed;
};

static int ordered_cmp(const void *a, const void *b)
{
	const struct ordered *one = a;
	const struct ordered *two = b;

	if (one->op->phase != two->op->phase)
		return one->op->phase < two->op->phase ? -1 : 1;
	/* Deepest first: the reverse of path order. */
	if (one->op->phase == PHASE_REMOVE || one->op->phase == PHASE_FINISH) {
		int order = path_cmp(two->op->path, one->op->path);

		if (order != 0)
			return order;
	}
	return one->listed < two->listed ? -1 : 1;
}

void plan_sort(struct plan *plan)
{
	AUTO_FREE struct ordered *order = xcalloc(plan->count, sizeof(*order));

	if (plan->count == 0)
		return;
	for (size_t i = 0; i < plan->count; i++)
		order[i] = (struct ordered){ plan->ops[i], i };
	qsort(order, plan->count, sizeof(*order), ordered_cmp);
	for (size_t i = 0; i < plan->count; i++)
		plan->ops[i] = order[i].op;
}

bool plan_put_instead(struct op *op)
{
	if (op->kind != OP_COPY || !op->put_from)
		return false;
	op->kind = OP_PUT;
	op->phase = PHASE_CONTENT;
	op->state = OP_WAITING;
	op->from = op->put_from;
	op->source = op->put_source;
	op->put_from = NULL;
	op->answered = false;
	return true;
}

/* List the folders above a rename's new path that are still to be made, topmost first. */
static void list_folders_above(struct builder *b, const struct op *move, struct op **order,
			       size_t *count)
{
	for (const char *slash = strchr(move->path, '/'); slash; slash = strchr(slash + 1, '/')) {
		AUTO_FREE char *above = xstrndup(move->path, (size_t)(slash - move->path));
		struct change *change = changes_find(b->changes, above);
		struct op **made = change ? &b->made[change - b->changes->items] : NULL;

		if (!made || !*made || (*made)->side != move->side || (*made)->phase != PHASE_MOVE)
			continue;
		order[(*count)++] = *made;
		*made = NULL;
	}
}

/*
 * Renames were listed first and folders after them in path order; pull the folders that a rename
 * needs in front of it. A folder that lies in a renamed one comes later anyway.
 */
static void folders_before_moves(struct builder *b, size_t moves)
{
	struct plan *plan = b->plan;
	AUTO_FREE struct op **order = xcalloc(plan->count, sizeof(struct op *));
	size_t count = 0;

	if (plan->count == 0)
		return;
	for (size_t m = 0; m < moves; m++) {
		list_folders_above(b, plan->ops[m], order, &count);
		order[count++] = plan->ops[m];
	}
	for (size_t i = moves; i < plan->count; i++) {
		struct op *op = plan->ops[i];
		bool pulled = op->kind == OP_MKDIR && !b->made[op->change - b->changes->items];

		if (!pulled)
			order[count++] = op;
	}
	memcpy(plan->ops, order, count * sizeof(struct op *));
}

void plan_build(struct plan *plan, struct changes *changes, const struct moves *moves,
		const struct policy *policy, bool hardlinks)
{
	struct builder b = { .plan = plan, .changes = changes, .policy = policy };

	b.made = xcalloc(changes->count, sizeof(*b.made));

	add_moves(&b, moves);
	for (size_t i = 0; i < changes->count; i++)
		add_change(&b, &changes->items[i]);
	for (int s = 0; hardlinks && s < SIDES; s++) {
		if (policy->no_hardlinks[s])
			continue;
		link_to_present(plan, changes, (enum side)s);
		link_side(plan, (enum side)s);
	}
	folders_before_moves(&b, moves->count);
	free(b.made);
	plan_sort(plan);
}

/* Whether all renames that brought it are done, but for those of side `but` (-1: of none). */
static bool renames_are_done(const struct plan *plan, const struct change *change, int but)
{
	const struct op *op = change->move ? plan->moves[change->move - 1] : NULL;

	for (; op; op = op->after)
		if (op->state != OP_DONE && (op->side != but || op->state != OP_SENT))
			return false;
	return true;
}

bool plan_has_arrived(const struct plan *plan, const struct change *change)
{
	return renames_are_done(plan, change, -1);
}

bool plan_arrives_on(const struct plan *plan, const struct change *change, enum side side)
{
	return renames_are_done(plan, change, (int)side);
}
