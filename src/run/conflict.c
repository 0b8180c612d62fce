/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/conflict.h"

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "model/change.h"
#include "model/conflict_name.h"
#include "model/move.h"
#include "run/report.h"
#include "run/session.h"
#include "run/settle.h"

/* Digest digits to try: the usual name, then longer ones where it is taken by something else. */
static const size_t digit_choices[] = { 6, 12, DIGEST_HEX_LEN };

enum name_state { NAME_FREE, NAME_HOLDS_IT, NAME_TAKEN };

/* What is read, and where it is to be read. */
struct naming {
	struct session *session;
	struct changes *changes;
	const struct moves *moves;
};

/* What will be at `path` on this side lies elsewhere as long as its folder has not been moved. */
static int read_now(const struct naming *naming, enum side side, const char *path, uint64_t seed,
		    struct entry *out, struct err *err)
{
	AUTO_FREE char *now = moves_path_now(naming->moves, side, path);

	return settle_read(naming->session, side, now, seed, out, err);
}

/* Read the version once more with this seed; it must still be the one that was looked at. */
static int read_version(const struct naming *naming, const struct change *change, enum side loser,
			uint64_t seed, struct digest *out, struct err *err)
{
	struct entry again;

	if (read_now(naming, loser, change->path, seed, &again, err) < 0)
		return -1;
	if (again.type != ENTRY_FILE || !entry_same_content_key(&again, change->now[loser]))
		return err_set(err, ERR_CHANGED, "it changed during the run");
	*out = again.digest;
	return 0;
}

/*
 * The digest by which every machine names this version. The entry gets its own digest too, by which
 * the copy is checked.
 */
static int version_digest(const struct naming *naming, const struct change *change, enum side loser,
			  struct digest *out, struct err *err)
{
	struct entry *entry = change->now[loser];

	if (entry->type == ENTRY_SYMLINK) {
		*out = digest_of(entry->link, strlen(entry->link), 0);
		return 0;
	}
	if (!(entry->flags & ENTRY_HAS_DIGEST)) {
		if (read_version(naming, change, loser, naming->session->saved.head.seed,
				 &entry->digest, err) < 0)
			return -1;
		entry->flags |= ENTRY_HAS_DIGEST;
	}
	return read_version(naming, change, loser, 0, out, err);
}

/* What this path holds on both sides, compared with the version to be kept. */
static int name_state(const struct naming *naming, const char *path, const struct entry *version,
		      enum name_state *state, struct err *err)
{
	*state = NAME_FREE;
	for (int s = 0; s < SIDES; s++) {
		struct entry there;

		if (read_now(naming, (enum side)s, path, naming->session->saved.head.seed, &there,
			     err) < 0)
			return -1;
		if (there.type == ENTRY_ABSENT)
			continue;
		if (!reconcile_same_content(&there, version)) {
			*state = NAME_TAKEN;
			return 0;
		}
		*state = NAME_HOLDS_IT;
	}
	return 0;
}

/* A path of this run's changes, by itself or as the copy of another conflict. */
static bool is_spoken_for(const struct changes *changes, const char *path)
{
	const struct change *found = changes_find(changes, path);

	return found && found->verdict.kind > VERDICT_META && found->verdict.kind != VERDICT_COPY;
}

static int choose_name(const struct naming *naming, struct change *change, struct err *err)
{
	enum side loser = side_other((enum side)change->verdict.from);
	struct digest digest;

	if (version_digest(naming, change, loser, &digest, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(digit_choices) / sizeof(digit_choices[0]); i++) {
		AUTO_BUF path = BUF_INIT;
		enum name_state state = NAME_FREE;

		conflict_name(&path, change->path, change->now[loser]->mtime_ns, &digest,
			      digit_choices[i]);
		if (is_spoken_for(naming->changes, buf_cstr(&path)))
			continue;
		if (name_state(naming, buf_cstr(&path), change->now[loser], &state, err) < 0)
			return -1;
		if (state == NAME_TAKEN)
			continue;
		if (state == NAME_FREE)
			changes_rare(naming->changes, change)->copy =
				arena_strdup(&naming->changes->arena, buf_cstr(&path));
		return 0;
	}
	return err_set(err, ERR_SYSTEM, "every name for a copy beside it is taken");
}

int conflict_name_copies(struct session *session, struct changes *changes,
			 const struct moves *moves, struct err *err)
{
	const struct naming naming = { session, changes, moves };
	size_t count = changes->count;

	for (size_t i = 0; i < count; i++) {
		struct change *change = &changes->items[i];
		struct err why = ERR_INIT;

		if (change->verdict.kind != VERDICT_CONFLICT || !change->verdict.keep_loser)
			continue;
		if (choose_name(&naming, change, &why) == 0)
			continue;
		*err = why;
		if (settle_lost(err))
			return -1;
		change->verdict =
			(struct verdict){ .kind = VERDICT_LEAVE, .reason = REASON_UNKNOWN };
		report_failed(session->report, change->path, why.msg);
	}
	for (size_t i = 0; i < count; i++)
		if (change_copy(&changes->items[i]))
			changes_add(changes, change_copy(&changes->items[i]));
	changes_sort(changes);
	return 0;
}
