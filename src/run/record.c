/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/record.h"

#include "model/change.h"
#include "run/session.h"

bool record_is_due(const struct change *change)
{
	if (change->pending > 0 || change->failed)
		return false;
	if (change->verdict.kind == VERDICT_RECORD)
		return true;
	/* Nothing changed but the name under which the list knows it. What is kept for a reason may differ. */
	return change->verdict.kind == VERDICT_KEEP && change->verdict.reason == REASON_NONE &&
	       change_moved_from(change);
}

/* The old name of something moved, unless the name belongs to something else by now. */
static void forget_old_name(struct session *session, const struct changes *changes,
			    const struct change *change)
{
	const char *old = change_moved_from(change);

	if (old && !changes_find(changes, old))
		session_record(session, old, NULL);
}

void record_side(struct base *base, enum side side, const struct entry *now)
{
	base->side[side] = now ? *now : (struct entry){ .type = ENTRY_ABSENT };
	base->side[side].link = NULL;
	/* The whole content of a link or folder is looked at on every run; no doubt can remain. */
	if (base->side[side].type != ENTRY_FILE)
		base->side[side].flags &= (uint8_t)~ENTRY_RACY;
}

/* Either side's entry, one that knows its content if there is one. */
static const struct entry *telling_entry(const struct change *change)
{
	for (int s = 0; s < SIDES; s++)
		if (change->now[s] && (change->now[s]->flags & ENTRY_HAS_DIGEST))
			return change->now[s];
	return change->now[0] ? change->now[0] : change->now[1];
}

void record_agreed(struct session *session, const struct changes *changes,
		   const struct change *change)
{
	const struct entry *any = telling_entry(change);
	struct base base = { .type = ENTRY_ABSENT };

	/* Content nobody has read cannot be agreed on; the next run will read it. */
	if (any && any->type == ENTRY_FILE && !(any->flags & ENTRY_HAS_DIGEST))
		return;
	forget_old_name(session, changes, change);
	if (!any) {
		session_record(session, change->path, NULL);
		return;
	}
	base.type = any->type;
	base.digest = any->digest;
	for (int s = 0; s < SIDES; s++)
		record_side(&base, (enum side)s, change->now[s]);
	session_record(session, change->path, &base);
}

void record_expect_metadata(struct entry *there, const struct entry *here)
{
	there->mode = here->mode;
	there->uid = here->uid;
	there->gid = here->gid;
	there->xattr = here->xattr;
	there->mtime_ns = here->mtime_ns;
}

void record_made(struct session *session, struct change *change, enum side side)
{
	const struct entry *there = change->now[side_other(side)];
	struct base base = { .type = ENTRY_DIR };

	if (!there || there->type != ENTRY_DIR || !change->now[side])
		return;
	for (int s = 0; s < SIDES; s++)
		record_side(&base, (enum side)s, change->now[s]);
	record_expect_metadata(&base.side[side_other(side)], change->now[side]);
	session_record(session, change->path, &base);
	change->made = true;
}

void record_carried(struct session *session, const struct changes *changes,
		    const struct change *change)
{
	if (!change->base)
		return;
	forget_old_name(session, changes, change);
	if (!change->made)
		session_record(session, change->path, change->base);
}

void record_stranded_at(struct session *session, const struct changes *changes,
			const struct change *change, const char *path)
{
	const struct change *there = path ? changes_find(changes, path) : NULL;

	if (!change->base)
		return;
	if (!path)
		forget_old_name(session, changes, change);
	else if (!there || !there->base) /* What has a history under that name keeps it. */
		session_record(session, path, change->base);
}

void record_seen(struct session *session, const struct change *change)
{
	struct base base = { .type = ENTRY_ABSENT };

	if (change->base)
		base = *change->base;
	for (int s = 0; s < SIDES; s++)
		if (change->now[s] && (change->now[s]->type == ENTRY_SPECIAL ||
				       (change->now[s]->flags & ENTRY_OPAQUE)))
			record_side(&base, (enum side)s, change->now[s]);
	session_record(session, change->path, &base);
}
