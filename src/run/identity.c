/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/text.h"
#include "config/config.h"
#include "run/report.h"
#include "run/session.h"
#include "store/atomic.h"
#include "store/list.h"
#include "store/mark.h"
#include "tree/root.h"

/* Digits of the digest in a profile's name: two of a user's folders will not collide. */
enum { PROFILE_DIGITS = 16 };

static void add_file(struct buf *out, const char *path)
{
	AUTO_CLOSE int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	char text[128];
	ssize_t len = fd >= 0 ? sys_read(fd, text, sizeof(text)) : 0;

	if (len > 0)
		buf_add(out, text, (size_t)len);
}

/* INSTANCE-DIGITS, the digits from `who`. */
static char *name_of(const struct config *config, const struct buf *who)
{
	struct digest digest = digest_of(who->data, who->len, 0);
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(&digest, hex);
	return xasprintf("%s-%.*s", config->instance_id, PROFILE_DIGITS, hex);
}

char *identity_profile(const struct config *config, const struct uuid *initiator)
{
	AUTO_BUF who = BUF_INIT;

	buf_add(&who, initiator->bytes, sizeof(initiator->bytes));
	buf_addstr(&who, config->instance_id);
	return name_of(config, &who);
}

char *identity_place(const struct config *config)
{
	AUTO_BUF who = BUF_INIT;
	AUTO_FREE char *real = realpath(config->initiator_dir, NULL);
	char host[HOST_NAME_MAX + 1] = "";

	add_file(&who, "/etc/machine-id");
	/* A host's name changes with its network: only where nothing else tells machines apart. */
	if (who.len == 0)
		gethostname(host, sizeof(host) - 1);
	buf_addf(&who, "\n%s\n%s\n%s", host, real ? real : config->initiator_dir,
		 config->instance_id);
	return name_of(config, &who);
}

/* 1 and the identity in the initiator's folder; 0 where there is none, or no folder yet. */
static int read_initiator(const struct config *config, struct uuid *identity, struct err *err)
{
	struct err why = ERR_INIT;
	struct root *root = root_open(config->initiator_dir, ROOT_MUST_EXIST, &why);
	int found = root ? root_identity(root, identity, err) : 0;

	/* What is wrong with the folder is for its agent to say. */
	root_close(root);
	return found;
}

int identity_of_initiator(struct session *session, struct err *err)
{
	int found = read_initiator(session->config, &session->initiator, err);

	if (found == 0)
		session->initiator = session->saved.head.identity[SIDE_INITIATOR];
	if (found == 0 && uuid_is_none(&session->initiator))
		session->initiator = uuid_new();
	return found < 0 ? -1 : 0;
}

int identity_is_still_ours(const struct session *session, struct err *err)
{
	const struct uuid *welcome = &session->sides[SIDE_INITIATOR].identity;
	struct uuid now = { { 0 } };
	int found = 0;

	/* A folder keeps what it has: only one that had none when its agent looked may have got one. */
	if (!uuid_is_none(welcome))
		return uuid_same(welcome, &session->initiator);
	found = read_initiator(session->config, &now, err);
	if (found < 0)
		return -1;
	return found == 0 || uuid_same(&now, &session->initiator);
}

char *identity_folder(const struct config *config, enum side side)
{
	struct buf text = BUF_INIT;

	text_add_escaped(&text,
			 side == SIDE_INITIATOR ? config->initiator_dir : config->target.path);
	return buf_steal_cstr(&text);
}

char *identity_holder(const struct config *config)
{
	char host[HOST_NAME_MAX + 1] = "";

	gethostname(host, sizeof(host) - 1);
	return xasprintf("%ld@%.64s %s", (long)getpid(), host, config->instance_id);
}

/* A new list has a new seed, so that nobody knows it beforehand. */
static void start_afresh(struct session *session)
{
	list_close(session->saved.list);
	session->saved.list = NULL;
	session->saved.head = (struct list_head){ .seed = random_u64() };
}

/* Once before the lock, silently, and once with it: then it is said and the list set aside. */
static int distrust_list(struct session *session, enum table_mode mode, const struct err *why,
			 struct err *err)
{
	AUTO_FREE char *message =
		xasprintf("%s; going on without history: nothing is deleted, what differs "
			  "is kept twice",
			  why->msg);

	start_afresh(session);
	session->list_damaged = true;
	if (session->locked)
		report_warning(session->report, message);
	return mode == TABLE_WRITE ? saved_set_aside(&session->saved, session->config, err) : 0;
}

int identity_open_list(struct session *session, enum table_mode mode, struct err *err)
{
	struct err why = ERR_INIT;

	saved_close(&session->saved);
	if (saved_open(&session->saved, session->config, mode, &why) < 0) {
		if (why.kind == ERR_CORRUPT)
			return distrust_list(session, mode, &why, err);
		*err = why;
		return -1;
	}
	if (!session->saved.list)
		start_afresh(session);
	return 0;
}

int identity_create_list(struct session *session, struct err *err)
{
	if (session->saved.list)
		return 0;
	/* There may be one that is not to be believed: it is kept for a person to look at. */
	if (session->no_history && saved_set_aside(&session->saved, session->config, err) < 0)
		return -1;
	if (saved_create(&session->saved, session->config, err) < 0)
		return -1;
	for (int s = 0; s < SIDES; s++)
		session->saved.head.identity[s] = session->sides[s].identity;
	list_set_head(session->saved.list, &session->saved.head);
	return list_flush(session->saved.list, err);
}

/* Why the roots are not the ones that were synced, or NULL. */
static const char *mismatch(const struct session *session, enum side *side)
{
	const struct session_side *target = &session->sides[SIDE_TARGET];

	for (int s = 0; s < SIDES && session->saved.list; s++) {
		*side = (enum side)s;
		/* One that can only be read may never have been given any. */
		if (session->sides[s].read_only &&
		    uuid_same(&session->sides[s].identity, &session->saved.head.identity[s]))
			continue;
		if (uuid_is_none(&session->sides[s].identity))
			return "has lost its identity: it was emptied, replaced or is not mounted";
		if (!uuid_same(&session->sides[s].identity, &session->saved.head.identity[s]))
			return "is not the folder that was synced before: another disk or folder is in its place";
	}
	*side = SIDE_INITIATOR;
	if (target->known &&
	    !uuid_same(&target->known_initiator, &session->sides[SIDE_INITIATOR].identity))
		return "is not the folder that the target was synced with: it was emptied, replaced or is not "
		       "mounted";
	return NULL;
}

/* Whether a root with this mark may be the one that the list tells of. */
static bool is_mark_of(const struct list_head *head, uint64_t mark)
{
	if (mark == 0)
		return false;
	/* At the end of a run, both marks say so before the list does. */
	if (mark == mark_of_end(head->generation) || mark == head->next)
		return true;
	return mark == head->generation && head->complete != head->generation;
}

/* Whether the list or a root was put back to an older state than the others. */
static bool rolled_back(const struct session *session)
{
	const struct list_head *head = &session->saved.head;

	/* A side that can only be read gives: whatever it is now counts. */
	for (int s = 0; s < SIDES && session->saved.list; s++)
		if (!session->sides[s].read_only && !is_mark_of(head, session->sides[s].mark))
			return true;
	return false;
}

/*
 * The list is read before the target answers. Where another run of this profile ended in between,
 * the list has changed since: then nothing was put back, we only were too early.
 */
static int judge_rollback(struct session *session, bool *rolled, struct err *err)
{
	const struct list_head before = session->saved.head;
	const struct list_head *now = &session->saved.head;

	*rolled = rolled_back(session);
	if (!*rolled)
		return 0;
	if (identity_open_list(session, TABLE_READ, err) < 0)
		return -1;
	*rolled = rolled_back(session) && now->generation == before.generation &&
		  now->next == before.next;
	return 0;
}

/* The target remembers this profile, but here there is not even a damaged list. */
static bool list_is_gone(const struct session *session)
{
	return session->sides[SIDE_TARGET].known && !session->saved.list && !session->list_damaged;
}

int identity_check(struct session *session, struct err *err)
{
	enum side side = SIDE_INITIATOR;
	bool rolled = false;
	const char *why = mismatch(session, &side);
	AUTO_FREE char *dir = identity_folder(session->config, side);

	if (why && !session->config->adopt)
		return err_set(
			err, ERR_GUARD,
			"the %s '%s' %s; nothing was changed; if it is the right one, run once with --adopt "
			"(both sides are then merged, nothing is deleted)%s",
			side_name(side), dir, why,
			side == SIDE_TARGET
				? "; a second target takes a job of its own, with another INSTANCE_ID"
				: "");
	if (!why && judge_rollback(session, &rolled, err) < 0)
		return -1;
	/* Looked at again: another run may have made it before the target answered. */
	if (!why && list_is_gone(session) && identity_open_list(session, TABLE_READ, err) < 0)
		return -1;
	if (!why && list_is_gone(session))
		report_warning(session->report,
			       "the saved file list is gone; going on without history: nothing is "
			       "deleted, what differs is kept twice");
	if (rolled) {
		why = "an older copy of the saved file list was put back";
		report_warning(
			session->report,
			"the saved file list and the two folders remember different states, as if one of them "
			"was restored from a backup; going on without history: nothing is deleted, what "
			"differs is kept twice");
	}
	if (why) {
		log_info("no history: %s", why);
		session->no_history = true;
		start_afresh(session);
	}
	return 0;
}
