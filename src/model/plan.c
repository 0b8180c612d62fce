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

_Static_assert(sizeof(struct op) <= 40, "there is one for every new file");

struct builder {
	struct plan *plan;
	struct changes *changes;
	const struct policy *policy;
	struct op **
		made; /* by index of the change: its OP_MKDIR, until it was put in order; NULL without moves */
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
 * Metadata for new content on `side`: the source's values, but `kept` fields (in which the
 * receiving side's own change won) as they are there.
 */
static struct op_meta content_meta(const struct policy *policy, enum side side,
				   const struct entry *source, const struct entry *expect,
				   unsigned kept)
{
	const struct entry *old = expect && expect->type == source->type ? expect : NULL;
	unsigned theirs = policy->fields[side] & ~kept;
	struct op_meta meta = { .mask = META_MODE | META_MTIME };

	meta.mode = mode_for(policy, side, source, expect, (kept & META_MODE) != 0);
	meta.mtime_ns = old && (kept & META_MTIME) ? old->mtime_ns : source->mtime_ns;
	/* What replaces a file belongs to whom the file belonged, where it is not synced. */
	if (old) {
		meta.mask |= META_UID | META_GID;
		meta.uid = old->uid;
		meta.gid = old->gid;
	}
	meta.mask |= theirs & (META_UID | META_GID);
	meta_owner(&meta, policy, side_other(side), source, theirs);
	if ((theirs & META_XATTR) && (source->xattr || (old && old->xattr)))
		meta.mask |= META_XATTR;
	return meta;
}

struct op_meta plan_meta(const struct plan *plan, const struct op *op)
{
	const struct op_meta none = { .mask = 0 };

	if (op->detail)
		return op->detail->meta;
	return op->source ? content_meta(&plan->policy, (enum side)op->side, op->source, NULL, 0)
			  : none;
}

struct op_detail *plan_detail(struct plan *plan, struct op *op)
{
	struct op_detail *detail = op->detail;

	if (detail)
		return detail;
	detail = arena_alloc(&plan->arena, sizeof(*detail));
	*detail = (struct op_detail){ .from = op_from(op), .meta = plan_meta(plan, op) };
	op->detail = detail;
	return detail;
}

/* The operation that brings the change's path where it is, or NULL. */
static struct op *move_of(const struct builder *b, const struct change *change)
{
	return change_move(change) ? b->plan->moves[change_move(change) - 1] : NULL;
}

static struct op *op_new(struct builder *b, enum op_kind kind, enum side side,
			 struct change *change)
{
	struct op *op = arena_alloc(&b->plan->arena, sizeof(*op));

	op->kind = (uint8_t)kind;
	op->side = (uint8_t)side;
	op->change = change;
	op->path = change->path;
	op->reason = change->verdict.reason;
	if (change->now[side])
		plan_detail(b->plan, op)->expect = change->now[side];
	if (change_move(change))
		plan_detail(b->plan, op)->after = move_of(b, change);
	change->pending++;
	return op;
}

/* A plain operation keeps none of its own. */
static void set_content_meta(struct builder *b, struct op *op, unsigned kept)
{
	if (op->detail || kept)
		plan_detail(b->plan, op)->meta = content_meta(b->policy, (enum side)op->side,
							      op->source, op_expect(op), kept);
}

/* Set `fields` on `side` with the values of the other side. */
static void add_meta(struct builder *b, struct change *change, enum side side, unsigned fields)
{
	const struct entry *source = change->now[side_other(side)];
	struct op_meta *meta = NULL;
	struct op *op = NULL;

	if (!fields)
		return;
	op = op_new(b, OP_META, side, change);
	op->report = REPORT_METADATA;
	/* After the content has been read: metadata are part of what the sender expects. */
	op->phase = source->type == ENTRY_DIR ? PHASE_FINISH : PHASE_LINK;
	op->source = change->now[side_other(side)];
	meta = &plan_detail(b->plan, op)->meta;
	*meta = (struct op_meta){ .mask = fields, .mtime_ns = source->mtime_ns };
	meta->mode = mode_for(b->policy, side, source, op_expect(op), false);
	meta_owner(meta, b->policy, side_other(side), source, fields);
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
	struct op_detail *after = NULL;
	struct op *finish = NULL;

	op->source = change->now[side_other(side)];
	op->report = (uint8_t)report_for(op_expect(op));
	set_content_meta(b, op, kept);
	op->phase = PHASE_MOVE;
	/* It takes the place of a version that must be kept aside first, or is below such a one. */
	if (change->verdict.kind == VERDICT_CONFLICT && op_expect(op))
		b->below[side] = change->path;
	if (b->below[side] && path_is_within(op->path, b->below[side]))
		op->phase = PHASE_FOLDER;

	finish = op_new(b, OP_META, side, change);
	finish->source = op->source;
	finish->report = REPORT_SILENT;
	finish->phase = PHASE_FINISH;
	after = plan_detail(b->plan, finish);
	after->meta = plan_meta(b->plan, op);
	after->meta.mask = META_MODE | META_MTIME;
	after->after = op;
	/* What is there by then is the folder just made: any folder will do. */
	after->expect = op->source;
	if (b->made)
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

	op->source = change->now[from];
	op->report = (uint8_t)report_for(op_expect(op));
	op->phase = is_folder(op_expect(op)) ? PHASE_REPLACE : PHASE_CONTENT;
	set_content_meta(b, op, kept);
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
	struct change *copy = changes_find(b->changes, change_copy(change));
	bool symlink = change->now[loser]->type == ENTRY_SYMLINK;
	struct op *keep = op_new(b, symlink ? OP_SYMLINK : OP_COPY, loser, copy);
	struct op *send = NULL;

	/* A copy: the entry will show what takes its place. */
	keep->source = arena_alloc(&b->plan->arena, sizeof(*keep->source));
	*keep->source = *change->now[loser];
	keep->phase = PHASE_KEEP;
	keep->report = REPORT_CREATE;
	keep->reason = change->verdict.reason;
	*plan_detail(b->plan, keep) = (struct op_detail){
		.from = symlink ? NULL : change->path,
		.after = move_of(b, change),
		.meta = { .mask = META_MODE | META_UID | META_GID | META_MTIME,
			  .mode = keep->source->mode,
			  .uid = keep->source->uid,
			  .gid = keep->source->gid,
			  .mtime_ns = keep->source->mtime_ns },
	};
	plan_list(b->plan, keep);

	send = op_new(b, symlink ? OP_SYMLINK : OP_PUT, winner, copy);
	send->source = keep->source;
	send->phase = PHASE_CONTENT;
	send->report = REPORT_CREATE;
	send->reason = change->verdict.reason;
	*plan_detail(b->plan, send) = (struct op_detail){
		.from = symlink ? NULL : change_copy(change),
		.after = keep,
		.meta = content_meta(b->policy, winner, send->source, NULL, 0),
	};
	plan_list(b->plan, send);
	return keep;
}

static void add_conflict(struct builder *b, struct change *change)
{
	size_t first = b->plan->count;
	struct op *keep = change_copy(change) ? add_kept_copy(b, change) : NULL;

	if (keep)
		first = b->plan->count;
	add_copy(b, change);
	/* Each that does not wait for another of these already; `keep` itself waits for the move. */
	for (size_t i = first; keep && i < b->plan->count; i++)
		if (op_after(b->plan->ops[i]) == op_after(keep))
			plan_detail(b->plan, b->plan->ops[i])->after = keep;
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
		struct op *after = move->after ? b->plan->moves[move->after - 1] : NULL;

		/* A later move may have carried it on; then it belongs to no item of its own. */
		*op = (struct op){ .kind = OP_MOVE,
				   .side = (uint8_t)move->side,
				   .phase = PHASE_MOVE,
				   .report = REPORT_MOVE,
				   .reason = REASON_MOVED,
				   .path = move->to,
				   .change = change };
		*plan_detail(b->plan, op) = (struct op_detail){ .from = move->from,
								.expect = move->expect,
								.after = after };
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
	return entry_same_content_key(first->source, op->source) && op_after(first) == op_after(op);
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
		struct op_detail *detail = NULL;

		if (puts[i].ino != puts[first].ino) {
			first = i;
			continue;
		}
		if (!can_link(puts[first].op, puts[i].op))
			continue;
		detail = plan_detail(plan, puts[i].op);
		puts[i].op->kind = OP_LINK;
		puts[i].op->phase = PHASE_LINK;
		detail->from = puts[first].op->path;
		detail->after = puts[first].op;
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
		plan_detail(plan, op)->from = found->change->path;
		op->kind = OP_LINK;
		op->phase = PHASE_LINK;
		op->source = found->change->now[side];
	}
}

/* Deepest first: the reverse of path order. */
static int deepest_cmp(const void *a, const void *b)
{
	const struct op *one = *(struct op *const *)a;
	const struct op *two = *(struct op *const *)b;
	int order = path_cmp(two->path, one->path);

	return order != 0 ? order : one->side - two->side;
}

/* By phase; within one, deletions and what ends folders are done deepest first, all else as it was listed. */
void plan_sort(struct plan *plan)
{
	struct op **sorted = xcalloc(plan->count, sizeof(*sorted));
	size_t ends[PHASES] = { 0 };
	size_t begin = 0;

	for (size_t i = 0; i < plan->count; i++)
		ends[plan->ops[i]->phase]++;
	for (int phase = 0; phase < PHASES; phase++) {
		size_t count = ends[phase];

		ends[phase] = begin;
		begin += count;
	}
	for (size_t i = 0; i < plan->count; i++)
		sorted[ends[plan->ops[i]->phase]++] = plan->ops[i];
	for (int phase = 0; phase < PHASES; phase++)
		if (phase == PHASE_REMOVE || phase == PHASE_FINISH)
			qsort(sorted + ends[phase - 1], ends[phase] - ends[phase - 1],
			      sizeof(*sorted), deepest_cmp);
	free(plan->ops);
	plan->ops = sorted;
	plan->cap = plan->count;
}

bool plan_put_instead(struct op *op)
{
	struct op_detail *detail = op->detail;

	if (op->kind != OP_COPY || !detail->put_from)
		return false;
	op->kind = OP_PUT;
	op->phase = PHASE_CONTENT;
	op->state = OP_WAITING;
	op->source = detail->put_source;
	detail->from = detail->put_from;
	detail->put_from = NULL;
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

	plan->policy = *policy;
	b.made = moves->count ? xcalloc(changes->count, sizeof(struct op *)) : NULL;
	add_moves(&b, moves);
	for (size_t i = 0; i < changes->count; i++)
		add_change(&b, &changes->items[i]);
	for (int s = 0; hardlinks && s < SIDES; s++) {
		if (policy->no_hardlinks[s])
			continue;
		link_to_present(plan, changes, (enum side)s);
		link_side(plan, (enum side)s);
	}
	if (moves->count)
		folders_before_moves(&b, moves->count);
	free(b.made);
	plan_sort(plan);
}

/* The rename that brings the change's path where it is, the last of several; or NULL. */
static const struct op *last_rename(const struct plan *plan, const struct change *change)
{
	return change_move(change) ? plan->moves[change_move(change) - 1] : NULL;
}

/* Whether this one and all before it are done, but for those of side `but` (-1: of none). */
static bool renames_are_done(const struct op *op, int but)
{
	for (; op; op = op_after(op))
		if (op->state != OP_DONE && (op->side != but || op->state != OP_SENT))
			return false;
	return true;
}

bool plan_has_arrived(const struct plan *plan, const struct change *change)
{
	return renames_are_done(last_rename(plan, change), -1);
}

bool plan_arrives_on(const struct plan *plan, const struct change *change, enum side side)
{
	return renames_are_done(last_rename(plan, change), (int)side);
}

char *plan_carried_to(const struct plan *plan, const struct change *change)
{
	const struct op *op = last_rename(plan, change);
	char *path = xstrdup(change->path);

	/* Each names both as they are at its time: undone last first, they lead back. */
	for (; op && op->state != OP_DONE && path_is_within(path, op->path); op = op_after(op)) {
		char *before = xasprintf("%s%s", op_from(op), path + strlen(op->path));

		free(path);
		path = before;
	}
	if (op && renames_are_done(op, -1))
		return path;
	free(path);
	return NULL;
}
