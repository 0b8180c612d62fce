/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/ability.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "config/config.h"
#include "model/change.h"
#include "peer/protocol.h"
#include "run/report.h"
#include "run/session.h"

/* Times that are a little coarser hurt nobody: a microsecond. */
static const int64_t FINE_NS = 1000;

static bool can(const struct session *session, enum side side, unsigned cap)
{
	return (session->sides[side].caps & cap) != 0;
}

static bool both_can(const struct session *session, unsigned cap)
{
	return can(session, SIDE_INITIATOR, cap) && can(session, SIDE_TARGET, cap);
}

static bool wants_modes(const struct config *config)
{
	return config->preserve_permissions || config->preserve_executability;
}

/* Metadata that are synced and that this side can set. Without modes there are no owners either. */
static unsigned fields_of(const struct session *session, enum side side)
{
	const struct config *config = session->config;
	bool modes = both_can(session, PEER_CAP_MODES);
	bool owners =
		modes && session->sides[side].can_chown && can(session, side, PEER_CAP_OWNERS);
	bool attrs = (!config->preserve_acl || both_can(session, PEER_CAP_ACLS)) &&
		     (!config->preserve_xattr || both_can(session, PEER_CAP_XATTRS));
	unsigned fields = META_MTIME;

	if (wants_modes(config) && modes)
		fields |= META_MODE;
	if (config->preserve_owner && owners)
		fields |= META_UID;
	if (config->preserve_group && owners)
		fields |= META_GID;
	if ((config->preserve_acl || config->preserve_xattr) && attrs)
		fields |= META_XATTR;
	return fields;
}

void ability_limit(const struct session *session, struct policy *policy)
{
	policy->granularity_ns = 1;
	policy->plain_modes = !both_can(session, PEER_CAP_MODES);
	for (int s = 0; s < SIDES; s++) {
		const struct session_side *side = &session->sides[s];

		policy->fields[s] = fields_of(session, (enum side)s);
		policy->no_symlinks[s] = !(side->caps & PEER_CAP_SYMLINKS);
		policy->no_hardlinks[s] = !(side->caps & PEER_CAP_HARDLINKS);
		if (side->step_ns > policy->granularity_ns)
			policy->granularity_ns = side->step_ns;
	}
}

/* Symlinks that stay on one side because `side` has none; *first is one of them. */
static size_t symlinks_left(const struct changes *changes, enum side side, const char **first)
{
	size_t count = 0;

	for (size_t i = 0; i < changes->count; i++) {
		const struct change *change = &changes->items[i];

		if (change->verdict.reason != REASON_NO_SYMLINKS ||
		    change->verdict.from != side_other(side))
			continue;
		*first = count++ ? *first : change->path;
	}
	return count;
}

static void add_item(struct buf *list, const char *item)
{
	buf_addf(list, "%s%s", list->len ? ", " : "", item);
}

/* "permissions, owners, times finer than 2 s ..." */
static void add_lacking(const struct session *session, const struct changes *changes,
			enum side side, struct buf *list)
{
	const struct config *config = session->config;
	const char *first = NULL;
	size_t links = symlinks_left(changes, side, &first);

	if (wants_modes(config) && !can(session, side, PEER_CAP_MODES))
		add_item(list, "permissions");
	if ((config->preserve_owner || config->preserve_group) &&
	    !can(session, side, PEER_CAP_MODES))
		add_item(list, "owners");
	if (config->preserve_hardlinks && !can(session, side, PEER_CAP_HARDLINKS))
		add_item(list, "hard links");
	if (config->preserve_xattr && !can(session, side, PEER_CAP_XATTRS))
		add_item(list, "extended attributes");
	if (config->preserve_acl && !can(session, side, PEER_CAP_ACLS))
		add_item(list, "ACLs");
	if (session->sides[side].step_ns > FINE_NS)
		buf_addf(list, "%stimes finer than %.3g s", list->len ? ", " : "",
			 (double)session->sides[side].step_ns / (double)NS_PER_SEC);
	if (links == 0)
		return;
	buf_addf(list, "%ssymlinks (%zu left where they are, first '", list->len ? ", " : "",
		 links);
	text_add_escaped(list, first);
	buf_addstr(list, "')");
}

void ability_report(const struct session *session, const struct changes *changes)
{
	for (int s = 0; s < SIDES; s++) {
		AUTO_BUF message = BUF_INIT;
		AUTO_BUF list = BUF_INIT;

		add_lacking(session, changes, (enum side)s, &list);
		if (list.len == 0)
			continue;
		buf_addf(&message, "the %s's file system cannot keep %s: these are not synced",
			 side_name((enum side)s), buf_cstr(&list));
		report_warning(session->report, buf_cstr(&message));
	}
}
