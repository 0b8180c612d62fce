/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/differ.h"
#include "base/path.h"
#include "base/sys.h"
#include "model/filter.h"
#include "peer/agent_internal.h"
#include "peer/frame.h"
#include "peer/protocol.h"
#include "store/list.h"
#include "tree/attrs.h"
#include "tree/reader.h"
#include "tree/root.h"
#include "tree/scan.h"

/* Bytes hashed between two looks at the input. */
enum { HASH_STEP = 4 * 1024 * 1024 };
/* Of small files, so many steps are made between two looks, unless so much output has gathered. */
enum { SMALL_FILE = 64 * 1024, SMALL_STEPS = 64, SMALL_OUT = 32 * 1024 };

static void job_release(struct job *job)
{
	copy_release(&job->copy);
	reader_free(job->reader);
	differ_free(job->differ);
	listing_free(job->listing);
	list_close(job->list);
	free(job->path);
	free(job);
}

void agent_jobs_free(struct agent *agent)
{
	while (agent->jobs) {
		struct job *job = agent->jobs;

		agent->jobs = job->next;
		job_release(job);
	}
	filter_free(agent->filter);
	agent->filter = NULL;
}

static void job_done(struct agent *agent)
{
	struct job *job = agent->jobs;

	agent->jobs = job->next;
	if (!agent->jobs)
		agent->jobs_end = &agent->jobs;
	agent->job_count--;
	job_release(job);
}

/* A request may be queued unless there are too many already. */
static int check_count(const struct agent *agent, const struct frame *frame, struct err *err)
{
	return agent->job_count < PEER_REQUESTS_MAX ? 0 : msg_malformed(frame, err);
}

/* One listing at a time: each brings its rules along. */
static bool is_scanning(const struct agent *agent)
{
	for (const struct job *job = agent->jobs; job; job = job->next)
		if (job->kind == JOB_SCAN)
			return true;
	return false;
}

/* Where it cannot be read all is listed, and the checksum tells so. */
static struct list *open_list(const struct agent *agent)
{
	struct list_head head;
	bool exists = false;

	return agent->list_fd < 0 ? NULL
				  : list_open(agent->list_fd, agent->options->list_name, TABLE_READ,
					      &head, &exists, NULL);
}

static unsigned most_left_out(const struct agent *agent)
{
	return agent->options->list_dir ? PEER_SCAN_LESS_LIST : PEER_SCAN_LESS_CACHE;
}

int agent_on_scan(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct job job = { .kind = JOB_SCAN };
	struct filter *filter = NULL;
	struct dec dec;

	dec_init(&dec, frame->data, frame->len);
	job.less = dec_u8(&dec);
	agent->seed = dec_le64(&dec);
	filter = filter_decode(&dec);
	if (!filter || !dec_done(&dec) || job.less > most_left_out(agent) || is_scanning(agent) ||
	    check_count(agent, frame, err) < 0) {
		filter_free(filter);
		return msg_malformed(frame, err);
	}
	if (job.less == PEER_SCAN_LESS_LIST)
		job.list = open_list(agent);
	filter_free(agent->filter);
	agent->filter = filter;
	agent_job_add(agent, &job);
	/* A listing takes long, and the initiator waits for what was asked before: a lock. */
	return agent_flush(agent, err);
}

int agent_on_hash(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct job job = { .kind = JOB_HASH };
	struct dec dec;
	const char *path = NULL;

	dec_init(&dec, frame->data, frame->len);
	job.id = dec_uint(&dec);
	path = msg_dec_path(&dec, &agent->arena);
	job.seed = dec_le64(&dec);
	if (dec_u8(&dec) == 1)
		entry_decode(&dec, &agent->arena, &job.expect);
	if (!dec_done(&dec) || check_count(agent, frame, err) < 0)
		return msg_malformed(frame, err);
	job.expect.link = NULL;
	job.path = xstrdup(path);
	agent_job_add(agent, &job);
	return 0;
}

const char *agent_dec_read(struct agent *agent, struct dec *dec, struct job *job)
{
	const char *path = NULL;

	job->id = dec_uint(dec);
	path = msg_dec_path(dec, &agent->arena);
	entry_decode(dec, &agent->arena, &job->expect);
	job->attrs = dec_u8(dec) == 1;
	job->expect.link = NULL;
	return path;
}

int agent_on_read(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct job job = { .kind = JOB_READ, .seed = agent->seed };
	const char *path = NULL;
	struct dec dec;

	dec_init(&dec, frame->data, frame->len);
	path = agent_dec_read(agent, &dec, &job);
	if (!dec_done(&dec) || check_count(agent, frame, err) < 0)
		return msg_malformed(frame, err);
	agent_sums_drop(agent, job.id);
	job.path = xstrdup(path);
	agent_job_add(agent, &job);
	return 0;
}

/* Attributes of a path, through a descriptor that follows no link. */
static int read_attrs(struct agent *agent, const char *path, struct buf *out, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	const char *name = NULL;
	int dirfd = -1;

	if (root_parent(agent->root, path, &dirfd, &name, err) < 0)
		return -1;
	fd = sys_openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd < 0 && errno == ELOOP)
		return 0;
	if (fd < 0)
		return err_sys(err, errno, "cannot open it to read its attributes");
	return attrs_read(fd, agent->scan_flags, out, err);
}

int agent_on_attrs(struct agent *agent, const struct frame *frame, struct err *err)
{
	AUTO_BUF attrs = BUF_INIT;
	struct msg_result result = { .status = ERR_INIT };
	struct dec dec;
	const char *path = NULL;

	dec_init(&dec, frame->data, frame->len);
	result.id = dec_uint(&dec);
	path = msg_dec_path(&dec, &agent->arena);
	if (!dec_done(&dec))
		return msg_malformed(frame, err);
	read_attrs(agent, path, &attrs, &result.status);
	result.attrs = attrs.data;
	result.attrs_len = attrs.len;
	msg_put_result(&agent->out, PEER_ATTRS_IS, &result);
	return 0;
}

static int step_scan(struct agent *agent, struct job *job, struct err *err)
{
	if (agent->lock_refused || !agent->root) {
		if (agent->lock_refused)
			listing_put_refused(agent);
		else
			listing_put_empty(agent);
		job_done(agent);
		return 0;
	}
	if (!job->listing)
		job->listing = listing_open(agent, job, err);
	if (!job->listing)
		return -1;
	if (listing_step(job->listing) == 0)
		job_done(agent);
	return 0;
}

static void finish_job(struct agent *agent, uint8_t type, const struct msg_result *result)
{
	msg_put_result(&agent->out, type, result);
	job_done(agent);
}

/* What is there is not a file: its entry is the answer. */
static bool answer_without_reading(struct agent *agent, struct job *job)
{
	struct msg_result result = { .id = job->id, .status = ERR_INIT };
	AUTO_FREE char *link = NULL;
	int got = agent->root ? scan_path(agent->root, job->path, agent->scan_flags, job->seed,
					  &result.entry, &link, &result.status)
			      : 0;

	if (got > 0 && result.entry.type == ENTRY_FILE)
		return false;
	if (got == 0)
		result.entry = (struct entry){ .type = ENTRY_ABSENT };
	if (result.entry.type == ENTRY_DIR && agent->filter &&
	    scan_holds_unsynced(agent->root, agent->filter, job->path))
		result.entry.flags |= ENTRY_HOLDS;
	result.entry.link = link;
	finish_job(agent, PEER_HASHED, &result);
	return true;
}

static int step_hash(struct agent *agent, struct job *job)
{
	struct msg_result result = { .id = job->id, .status = ERR_INIT };
	static unsigned char piece[256 * 1024];
	const struct entry *expect = job->expect.type == ENTRY_ABSENT ? NULL : &job->expect;
	enum reader_piece kind = READER_DATA;
	uint64_t len = 0;

	if (!job->reader && !expect && answer_without_reading(agent, job))
		return 0;
	if (!job->reader)
		job->reader =
			reader_open(agent->root, job->path, expect, job->seed, &result.status);
	if (!job->reader)
		kind = READER_ERROR;
	for (uint64_t done = 0; kind > READER_END && done < HASH_STEP; done += len)
		kind = reader_next(job->reader, piece, sizeof(piece), &len, &result.status);
	if (kind > READER_END)
		return 0;
	if (kind == READER_END)
		reader_entry(job->reader, &result.entry);
	finish_job(agent, PEER_HASHED, &result);
	return 0;
}

/* One DATA or HOLE frame of the file being read; false at its end or on error (status). */
static bool read_piece(struct agent *agent, struct job *job, struct err *status)
{
	static unsigned char piece[PEER_DATA_MAX];
	uint64_t len = 0;
	enum reader_piece kind = reader_next(job->reader, piece, sizeof(piece), &len, status);
	size_t start = 0;

	if (kind != READER_DATA && kind != READER_HOLE)
		return false;
	start = frame_begin(&agent->out, kind == READER_DATA ? PEER_DATA : PEER_HOLE);
	enc_uint(&agent->out, job->id);
	if (kind == READER_HOLE)
		enc_uint(&agent->out, len);
	else
		enc_raw(&agent->out, piece, (size_t)len);
	start = frame_end(&agent->out, start);
	if (kind == READER_DATA)
		agent_spend(agent, start);
	return true;
}

static int step_read(struct agent *agent, struct job *job)
{
	struct msg_result result = { .id = job->id, .status = ERR_INIT };
	AUTO_BUF attrs = BUF_INIT;

	if (!job->reader)
		job->reader = reader_open(agent->root, job->path, &job->expect, job->seed,
					  &result.status);
	if (job->reader && (job->differ ? agent_read_changes(agent, job, &result.status)
					: read_piece(agent, job, &result.status)))
		return 0;
	if (!err_is_set(&result.status)) {
		reader_entry(job->reader, &result.entry);
		if (job->attrs)
			read_attrs(agent, job->path, &attrs, &result.status);
	}
	result.attrs = attrs.data;
	result.attrs_len = attrs.len;
	finish_job(agent, PEER_READ_END, &result);
	return 0;
}

bool agent_job_ready(const struct agent *agent)
{
	/* What stands behind LOCK is for when that is answered, which opens the cache anew. */
	if (!agent->jobs || agent->lock_waits)
		return false;
	return agent->jobs->kind == JOB_HASH || agent->jobs->kind == JOB_FETCH || agent->credit > 0;
}

static int step_job(struct agent *agent, struct err *err)
{
	struct job *job = agent->jobs;
	int status = 0;

	/* What is fetched is only staged, and comes from another tree. */
	if (job->kind != JOB_FETCH)
		agent_ops_rest(agent);
	switch (job->kind) {
	case JOB_SCAN:
		status = step_scan(agent, job, err);
		break;
	case JOB_HASH:
		status = step_hash(agent, job);
		break;
	case JOB_READ:
		status = step_read(agent, job);
		break;
	case JOB_SUMS:
		if (!agent_step_sums(agent, job))
			job_done(agent);
		break;
	case JOB_FETCH:
		if (!agent_step_fetch(agent, job))
			job_done(agent);
		break;
	}
	arena_release(&agent->arena);
	return status;
}

static bool is_small(const struct job *job)
{
	return job->kind != JOB_SCAN && job->expect.type == ENTRY_FILE &&
	       job->expect.size <= SMALL_FILE;
}

/* Looking at the input after each small file would cost as much as the file. */
int agent_job_step(struct agent *agent, struct err *err)
{
	size_t out_max = agent->out.len + SMALL_OUT;

	for (int i = 0; i < SMALL_STEPS && agent_job_ready(agent); i++) {
		bool small = is_small(agent->jobs);

		if (step_job(agent, err) < 0)
			return -1;
		if (!small || agent->out.len >= out_max)
			break;
	}
	return 0;
}
