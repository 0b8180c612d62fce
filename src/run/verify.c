/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/log.h"
#include "base/path.h"
#include "config/config.h"
#include "model/change.h"
#include "model/guard.h"
#include "peer/channel.h"
#include "peer/msg.h"
#include "run/report.h"
#include "run/session.h"
#include "store/atomic.h"

enum {
	DAY_S = 24 * 60 * 60,
	SHARE_MIN = 64 * 1024 * 1024, /* bytes worth beginning for: less than a second's reading */
	SHARE_PARTS = 20,
	FILE_COST = 4096, /* bytes that opening a file is worth */
	REQUESTS = 256,	  /* open per side */
};

enum finding { NOT_SEEN, AS_AGREED, ROTTEN };

struct schedule {
	int64_t time_s;
	char *after; /* path read last; "" at the start of a round */
};

/* The files to read now: items of a set of changes, each with its base. */
struct slice {
	struct changes files;
	uint8_t *found[SIDES]; /* enum finding, by file */
	size_t sent[SIDES];
	size_t answered[SIDES];
};

static char *schedule_name(const struct session *session)
{
	return xasprintf("%s.verify", session->config->instance_id);
}

/* Whether there is one. One that cannot be read is as good as none. */
static bool schedule_load(const struct session *session, struct schedule *schedule)
{
	AUTO_FREE char *name = schedule_name(session);
	AUTO_BUF text = BUF_INIT;
	struct err why = ERR_INIT;
	char *end = NULL;

	if (atomic_read(session->saved.fd, name, PATH_BYTES_MAX + 32, &text, &why) <= 0)
		return false;
	schedule->time_s = strtoll(buf_cstr(&text), &end, 10);
	if (end == buf_cstr(&text) || *end != '\n')
		return false;
	schedule->after = xstrdup(end + 1);
	return true;
}

static void schedule_save(const struct session *session, int64_t time_s, const char *after)
{
	AUTO_FREE char *name = schedule_name(session);
	AUTO_FREE char *text = xasprintf("%" PRId64 "\n%s", time_s, after);
	struct err why = ERR_INIT;

	/* The same files will be read again, that is all. */
	if (atomic_write(session->saved.fd, name, text, strlen(text), &why) < 0)
		log_warn("cannot write down what was verified: %s", why.msg);
}

/* Bytes to read on each side now, 0 for none. */
static uint64_t share_due(const struct config *config, const struct census *census,
			  int64_t passed_s)
{
	int64_t round_s = (int64_t)config->verify_days * DAY_S;
	uint64_t all = census->bytes + census->files * FILE_COST;
	uint64_t most = all / SHARE_PARTS > SHARE_MIN ? all / SHARE_PARTS : SHARE_MIN;
	uint64_t due = 0;

	if (passed_s > round_s)
		passed_s = round_s;
	due = (uint64_t)((double)all * (double)passed_s / (double)round_s);
	if (passed_s < DAY_S && due < SHARE_MIN)
		return 0;
	if (due == 0)
		due = 1;
	return due < most ? due : most;
}

static bool is_verifiable(const struct base *base)
{
	for (int s = 0; s < SIDES; s++)
		if (base->side[s].type != ENTRY_FILE || (base->side[s].flags & ENTRY_RACY))
			return false;
	return base->type == ENTRY_FILE;
}

/* Files worth `due` bytes that come after the last ones; *ended where there are no more. */
static int slice_take(const struct session *session, const char *after, uint64_t due,
		      struct slice *slice, bool *ended, struct err *err)
{
	struct list_cursor *cursor = list_cursor_new(session->saved.list);
	const char *path = NULL;
	uint64_t taken = 0;
	struct base base;
	int got = 0;

	while (taken < due && (got = list_next(cursor, &path, &base, err)) > 0) {
		if ((*after && path_cmp(path, after) <= 0) || !is_verifiable(&base))
			continue;
		changes_add(&slice->files, path)->base = changes_copy_base(&slice->files, &base);
		taken += base.side[SIDE_TARGET].size + FILE_COST;
	}
	*ended = got == 0;
	list_cursor_free(cursor);
	for (int s = 0; s < SIDES; s++)
		slice->found[s] = xcalloc(slice->files.count + 1, 1);
	return got < 0 ? -1 : 0;
}

static void slice_release(struct slice *slice)
{
	for (int s = 0; s < SIDES; s++)
		free(slice->found[s]);
	changes_release(&slice->files);
}

/* Read it only while its stat key is as agreed. */
static void ask(struct session *session, enum side side, const struct change *file, size_t id)
{
	struct entry expect = file->base->side[side];

	expect.flags &= (uint8_t)~ENTRY_HAS_DIGEST;
	msg_put_hash(channel_out(session->sides[side].channel), id, file->path,
		     session->saved.head.seed, &expect);
}

static enum finding judge(const struct session *session, const struct change *file, enum side side,
			  const struct msg_result *result)
{
	/* Edited, gone, unreadable: for a run to find out. */
	if (err_is_set(&result->status) || !(result->entry.flags & ENTRY_HAS_DIGEST) ||
	    !entry_same_content_key(&file->base->side[side], &result->entry))
		return NOT_SEEN;
	report_hashed(session->report, result->entry.size);
	return digest_same(&result->entry.digest, &file->base->digest) ? AS_AGREED : ROTTEN;
}

/* One answer of this side, if there is one: 1, 0, or -1. */
static int take_answer(struct session *session, struct slice *slice, enum side side,
		       struct err *err)
{
	struct arena arena = ARENA_INIT;
	struct msg_result result;
	struct frame frame;
	size_t at = slice->answered[side];
	int got = channel_next(session->sides[side].channel, &frame, err);

	if (got <= 0)
		return got;
	if (session_expect(&frame, PEER_HASHED, err) < 0 ||
	    msg_get_result(&frame, &arena, &result, err) < 0 ||
	    (result.id != at && msg_malformed(&frame, err) < 0))
		got = -1;
	else
		slice->found[side][slice->answered[side]++] =
			(uint8_t)judge(session, &slice->files.items[at], side, &result);
	arena_release(&arena);
	return got;
}

/* Both sides read at the same time. */
static int slice_read(struct session *session, struct slice *slice, struct err *err)
{
	size_t count = slice->files.count;

	while (slice->answered[0] < count || slice->answered[1] < count) {
		for (int s = 0; s < SIDES; s++) {
			int got = 1;

			while (got > 0 && slice->answered[s] < count)
				got = take_answer(session, slice, (enum side)s, err);
			if (got < 0)
				return -1;
			for (; slice->sent[s] < count &&
			       slice->sent[s] - slice->answered[s] < REQUESTS;
			     slice->sent[s]++)
				ask(session, (enum side)s, &slice->files.items[slice->sent[s]],
				    slice->sent[s]);
		}
		if ((slice->answered[0] < count || slice->answered[1] < count) &&
		    session_pump(session, -1, err) < 0)
			return -1;
	}
	return 0;
}

/* What to do about it depends on the other side's copy. */
static const char *advice(enum finding other)
{
	switch (other) {
	case AS_AGREED:
		return "is as it was agreed: to restore, copy it over this one";
	case ROTTEN:
		return "has changed too: to restore, take it from a backup";
	case NOT_SEEN:
		break;
	}
	return "could not be checked: look at both before you restore one from the other";
}

static void slice_report(struct session *session, const struct slice *slice)
{
	for (size_t i = 0; i < slice->files.count; i++)
		for (int s = 0; s < SIDES; s++) {
			enum side other = side_other((enum side)s);
			AUTO_FREE char *message = NULL;

			if (slice->found[s][i] != ROTTEN)
				continue;
			message = xasprintf(
				"on the %s: its contents have changed, but not its times: the disk "
				"may be failing; nothing was copied; the %s's copy %s; to keep "
				"this one as an edit, touch it",
				side_name((enum side)s), side_name(other),
				advice((enum finding)slice->found[other][i]));
			report_failed_once(session->report, slice->files.items[i].path, message);
		}
}

static int verify_slice(struct session *session, const char *after, uint64_t due, int64_t now_s,
			struct err *err)
{
	struct slice slice = { .files = CHANGES_INIT };
	bool ended = false;
	int status = slice_take(session, after, due, &slice, &ended, err);

	if (status == 0)
		status = slice_read(session, &slice, err);
	if (status == 0) {
		size_t count = slice.files.count;

		log_info("verified %zu files on both sides", count);
		slice_report(session, &slice);
		schedule_save(session, now_s, ended ? "" : slice.files.items[count - 1].path);
	}
	slice_release(&slice);
	return status;
}

int verify(struct session *session, const struct census *census, struct err *err)
{
	const struct config *config = session->config;
	struct schedule schedule = { 0, NULL };
	int64_t now_s = clock_realtime_ns() / NS_PER_SEC;
	uint64_t due = 0;
	int status = 0;

	if (config->verify_days == 0 || !session->saved.list)
		return 0;
	if (!schedule_load(session, &schedule)) {
		/* A run that had nothing to do writes nothing; there will be another. */
		if (session->prepared)
			schedule_save(session, now_s, "");
		return 0;
	}
	/* A clock that was put back starts the count anew. */
	if (now_s < schedule.time_s)
		schedule_save(session, now_s, schedule.after);
	else if ((due = share_due(config, census, now_s - schedule.time_s)) > 0)
		status = verify_slice(session, schedule.after, due, now_s, err);
	free(schedule.after);
	return status;
}
