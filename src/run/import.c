/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/import.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "model/change.h"
#include "model/guard.h"
#include "run/report.h"
#include "run/session.h"

/* The lines of one of osync's lists. */
struct names {
	struct arena arena;
	const char **items; /* sorted by strcmp */
	size_t count;
	size_t cap;
	int64_t written_ns; /* this machine's clock */
};

static void lists_release(struct names (*lists)[SIDES])
{
	for (int s = 0; s < SIDES; s++) {
		free((*lists)[s].items);
		arena_release(&(*lists)[s].arena);
	}
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void names_add(struct names *names, const char *name)
{
	if (names->count == names->cap) {
		names->cap = names->cap ? 2 * names->cap : 1024;
		names->items = xrealloc(names->items, names->cap * sizeof(*names->items));
	}
	names->items[names->count++] = arena_strdup(&names->arena, name);
}

static bool names_has(const struct names *names, const char *name)
{
	return names->count > 0 &&
	       bsearch(&name, names->items, names->count, sizeof(*names->items), name_cmp) != NULL;
}

static FILE *open_named(const struct session *session, const char *side)
{
	const struct config *config = session->config;
	const char *folder = config->state_dir[SIDE_INITIATOR];
	AUTO_FREE char *path =
		folder ? xasprintf("%s/%s-tree-after-%s", folder, side, config->instance_id)
		       : xasprintf("%s/.osync_workdir/state/%s-tree-after-%s",
				   config->initiator_dir, side, config->instance_id);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	if (file)
		steal_fd(&fd);
	return file;
}

/* osync 1.0 had other names for the sides. Lists of both kinds are of different times: no pair. */
static FILE *open_list(const struct session *session, enum side side)
{
	static const char *const old_names[SIDES] = { "master", "slave" };
	FILE *other = open_named(session, side_name(side_other(side)));
	FILE *file = open_named(session, side_name(side));

	if (!file && !other)
		file = open_named(session, old_names[side]);
	if (other)
		(void)fclose(other);
	return file;
}

/* False where there is no such list. */
static bool names_read(const struct session *session, enum side side, struct names *names)
{
	FILE *file = open_list(session, side);
	AUTO_FREE char *line = NULL;
	struct stat st;
	size_t size = 0;
	bool whole = false;

	if (!file)
		return false;
	if (fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode)) {
		names->written_ns = clock_from_timespec(st.st_mtim);
		while (getline(&line, &size, file) > 0) {
			line[strcspn(line, "\n")] = '\0';
			names_add(names, line);
		}
		whole = !ferror(file);
	}
	(void)fclose(file);
	if (names->count > 0)
		qsort(names->items, names->count, sizeof(*names->items), name_cmp);
	return whole;
}

/* Neither edited nor touched since, by the clock of its own side. */
static bool is_older(const struct session *session, enum side side, const struct entry *entry,
		     int64_t time_ns)
{
	if (side == SIDE_TARGET)
		time_ns += session->skew_ns;
	return entry->mtime_ns < time_ns && entry->ctime_ns < time_ns;
}

/* What is there was agreed on, by all that the lists tell. */
static struct base base_of(const struct entry *entry)
{
	struct base base = { .type = entry->type, .side = { *entry, *entry } };

	if (entry->flags & ENTRY_HAS_DIGEST)
		base.digest = entry->digest;
	for (int s = 0; s < SIDES; s++) {
		base.side[s].link = NULL;
		base.side[s].flags = 0;
	}
	return base;
}

/* Whether it was deleted on one side and is as it was on the other, which then has `*entry`. */
static bool was_deleted(const struct session *session, const struct change *change, int64_t time_ns,
			const struct entry **entry)
{
	enum side has = change->now[SIDE_INITIATOR] ? SIDE_INITIATOR : SIDE_TARGET;

	*entry = change->now[has];
	return !change->now[side_other(has)] && !((*entry)->flags & ENTRY_OPAQUE) &&
	       (*entry)->type != ENTRY_SPECIAL &&
	       ((*entry)->type == ENTRY_DIR || is_older(session, has, *entry, time_ns));
}

static size_t give_history(const struct session *session, struct changes *changes,
			   struct census *census, const struct names lists[SIDES])
{
	int64_t time_ns = lists[0].written_ns < lists[1].written_ns ? lists[0].written_ns
								    : lists[1].written_ns;
	size_t deleted = 0;

	for (size_t i = 0; i < changes->count; i++) {
		struct change *change = &changes->items[i];
		const struct entry *entry = NULL;
		struct base base;

		if (change->base || (!change->now[0] && !change->now[1]) ||
		    !names_has(&lists[0], change->path) || !names_has(&lists[1], change->path))
			continue;
		base = base_of(change->now[0] ? change->now[0] : change->now[1]);
		census_add(census, change->path, &base);
		if (!was_deleted(session, change, time_ns, &entry))
			continue;
		change->base = changes_copy_base(changes, &base);
		deleted++;
	}
	return deleted;
}

/*
 * Whether a run of ours may have seen this before. Once one has come to its end, our own list is what
 * counts, even where it, or either side, forgets that.
 */
static bool has_history(const struct session *session)
{
	const struct saved *saved = &session->saved;
	const struct session_side *sides = session->sides;

	if (session->no_history || saved->head.complete != 0 ||
	    sides[SIDE_TARGET].known_generation != 0)
		return true;
	return !saved->list && (sides[SIDE_INITIATOR].mark != 0 || sides[SIDE_TARGET].mark != 0);
}

/*
 * osync left a state folder on both sides. A target without one is not what it has synced: a disk that is
 * not mounted or new, another folder. What is missing there was not deleted. Kept in the list, since
 * from now on there is one.
 */
static bool is_of_another_target(struct session *session)
{
	struct list_head *head = &session->saved.head;

	if (!session->saved.list && !session->sides[SIDE_TARGET].has_state)
		head->no_import = true;
	if (head->no_import)
		report_warning(
			session->report,
			"osync 1.3's lists of the last sync are not taken over: the target has no state "
			"of osync, so they are not about this one; both sides are merged, nothing is "
			"deleted");
	return head->no_import;
}

void import_osync_lists(struct session *session, struct changes *changes, struct census *census)
{
	AUTO(lists_release)
	struct names lists[SIDES] = { { ARENA_INIT, NULL, 0, 0, 0 },
				      { ARENA_INIT, NULL, 0, 0, 0 } };

	if (has_history(session))
		return;
	if (!names_read(session, SIDE_INITIATOR, &lists[SIDE_INITIATOR]) ||
	    !names_read(session, SIDE_TARGET, &lists[SIDE_TARGET]) || is_of_another_target(session))
		return;
	log_info("osync's lists were taken over: %zu paths were deleted since its last sync",
		 give_history(session, changes, census, lists));
}
