/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/structure.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/path.h"
#include "model/change.h"
#include "model/reconcile.h"

static bool is_opaque(const struct change *change)
{
	for (int s = 0; s < SIDES; s++)
		if (change->now[s] && (change->now[s]->flags & ENTRY_OPAQUE))
			return true;
	return false;
}

void structure_block_unknown(struct changes *changes)
{
	const char *opaque = NULL;

	for (size_t i = 0; i < changes->count; i++) {
		struct change *change = &changes->items[i];

		if (opaque && path_is_below(change->path, opaque))
			change->blocked = true;
		else if (is_opaque(change) || change->failed)
			opaque = change->path;
	}
}

/* Which sides change->path exists on when the plan has been carried out, as a mask. */
static unsigned exists_after(const struct change *change)
{
	unsigned now = (change->now[0] ? 1U : 0U) | (change->now[1] ? 2U : 0U);

	switch ((enum verdict_kind)change->verdict.kind) {
	case VERDICT_COPY:
	case VERDICT_CONFLICT:
		return 3;
	case VERDICT_DELETE:
		return 0;
	case VERDICT_KEEP:
	case VERDICT_RECORD:
	case VERDICT_META:
	case VERDICT_LEAVE:
		return now;
	}
	return now;
}

static bool is_folder(const struct entry *entry)
{
	return entry && entry->type == ENTRY_DIR;
}

bool structure_folder_goes(const struct change *change)
{
	const struct verdict *verdict = &change->verdict;

	if (verdict->kind == VERDICT_DELETE)
		return true;
	if (verdict->kind != VERDICT_COPY && verdict->kind != VERDICT_CONFLICT)
		return false;
	return !is_folder(change->now[verdict->from]);
}

/* One way: the side that gives is not changed, and what stays on the other keeps its folder. */
static void keep_folder_there(struct change *change)
{
	bool in_the_way = change->verdict.kind != VERDICT_DELETE;

	change->verdict = (struct verdict){
		.kind = in_the_way ? VERDICT_LEAVE : VERDICT_KEEP,
		.reason = in_the_way ? REASON_IN_THE_WAY : REASON_KEPT_FOLDER,
	};
}

/* Something below `change` lives, or nobody may remove it, so it must be a folder on both sides. */
static void keep_folder(struct change *change, const struct policy *policy)
{
	enum side has = is_folder(change->now[SIDE_INITIATOR]) ? SIDE_INITIATOR : SIDE_TARGET;
	bool file_there = change->now[side_other(has)] != NULL;

	if (!is_folder(change->now[has]))
		return;
	if (!reconcile_gives(policy->direction, has))
		keep_folder_there(change);
	else if (file_there && policy->rule == RULE_SKIP)
		change->verdict = (struct verdict){ .kind = VERDICT_LEAVE, .reason = REASON_SKIP };
	else
		change->verdict = (struct verdict){
			.kind = file_there ? VERDICT_CONFLICT : VERDICT_COPY,
			.from = (uint8_t)has,
			.reason = change->holds ? REASON_HOLDS
				  : file_there	? REASON_BOTH_CHANGED
						: REASON_KEPT_FOLDER,
			.keep_loser = file_there,
		};
}

/* Nothing is known to live at this path, nor that nothing does. */
static bool is_unknown(const struct change *change)
{
	return change->blocked || change->failed || change->verdict.reason == REASON_UNKNOWN;
}

/* It is there, and has a verdict of its own. */
static bool is_known(const struct change *change)
{
	return !is_unknown(change) && change->verdict.reason != REASON_BLOCKED;
}

/*
 * On one side only, and left alone there for what nobody knows below it. Something else that is known to live
 * below it needs it on both sides all the same: it may already be on its way there, by a rename.
 */
static bool is_left_for_child(const struct change *folder)
{
	return folder->verdict.kind == VERDICT_LEAVE && folder->verdict.reason == REASON_UNKNOWN &&
	       !folder->blocked && !folder->failed && !is_opaque(folder) &&
	       !(folder->now[0] && folder->now[1]);
}

/* Whether the folder stays as it is, on one side only, and something comes into it on the other. */
static bool is_needed(const struct change *folder, const struct change *child)
{
	switch ((enum verdict_kind)folder->verdict.kind) {
	case VERDICT_KEEP:
	case VERDICT_RECORD:
		return exists_after(child) & ~exists_after(folder);
	case VERDICT_META:
	case VERDICT_COPY:
	case VERDICT_DELETE:
	case VERDICT_CONFLICT:
	case VERDICT_LEAVE:
		return false;
	}
	return false;
}

/* Children come after their folder, so from the back every child has its final verdict first. */
static void keep_folders_of_survivors(struct changes *changes, const struct policy *policy)
{
	for (size_t i = changes->count; i-- > 0;) {
		struct change *change = &changes->items[i];
		struct change *parent = NULL;

		if (change->holds && structure_folder_goes(change))
			keep_folder(change, policy);
		if (exists_after(change) == 0)
			continue;
		parent = changes_find_parent(changes, change->path);
		if (!parent)
			continue;
		if (is_left_for_child(parent) && is_known(change))
			keep_folder(parent, policy);
		else if (!structure_folder_goes(parent) && !is_needed(parent, change))
			continue;
		else if (is_unknown(change))
			parent->verdict =
				(struct verdict){ .kind = VERDICT_LEAVE, .reason = REASON_UNKNOWN };
		else
			keep_folder(parent, policy);
	}
}

/* Below what is left alone nothing is done. */
static void block_below_left_alone(struct changes *changes)
{
	const char *left = NULL;

	for (size_t i = 0; i < changes->count; i++) {
		struct change *change = &changes->items[i];

		if (left && path_is_below(change->path, left))
			change->verdict =
				(struct verdict){ .kind = VERDICT_LEAVE, .reason = REASON_BLOCKED };
		else if (change->verdict.kind == VERDICT_LEAVE)
			left = change->path;
	}
}

void structure_settle(struct changes *changes, const struct policy *policy)
{
	for (size_t i = 0; i < changes->count; i++) {
		struct change *change = &changes->items[i];
		const struct entry *const now[SIDES] = { change->now[0], change->now[1] };

		if (change->blocked)
			change->verdict =
				(struct verdict){ .kind = VERDICT_LEAVE, .reason = REASON_BLOCKED };
		else if (change->failed)
			change->verdict =
				(struct verdict){ .kind = VERDICT_LEAVE, .reason = REASON_UNKNOWN };
		else
			change->verdict = reconcile(change->base, now, policy);
	}
	keep_folders_of_survivors(changes, policy);
	block_below_left_alone(changes);
	/* A child that is left alone keeps its folder too, and that may block again: settled after one more pass. */
	keep_folders_of_survivors(changes, policy);
}

void structure_only_record(struct changes *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		if (changes->items[i].verdict.kind != VERDICT_RECORD)
			changes->items[i].verdict = (struct verdict){ .kind = VERDICT_KEEP };
}
