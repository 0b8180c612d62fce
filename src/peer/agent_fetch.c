/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are taken from the other root, which is on this machine: FETCH. */
#include "base/buf.h"
#include "base/codec.h"
#include "base/sys.h"
#include "peer/agent_internal.h"
#include "peer/agent_ops_internal.h"
#include "peer/frame.h"
#include "peer/protocol.h"
#include "tree/attrs.h"
#include "tree/copy.h"
#include "tree/reader.h"
#include "tree/root.h"

/* Bytes copied between two looks at the input. */
enum { FETCH_STEP = 4 * 1024 * 1024 };

void agent_fetch_prepare(struct agent *agent)
{
	if (agent->options->other_dir && agent->root && !agent->dry)
		agent->other = root_open(agent->options->other_dir, ROOT_MUST_EXIST, NULL);
}

/*
 * What its file system can do, and its clock: its own agent has found that out by PREPARE, and written down what
 * stays true. A clock that is not this machine's is known of our own root only.
 */
static void know_other(struct agent *agent)
{
	if (agent->knows_other)
		return;
	agent->knows_other = true;
	root_recall(agent->other);
	agent->same_clock = root_dev(agent->other) == root_dev(agent->root);
	if (agent->same_clock)
		root_share_clock(agent->other, agent->root);
}

void agent_fetch_forget(struct agent *agent)
{
	if (agent->other)
		root_forget(agent->other, "");
}

int agent_on_fetch(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct job job = { .kind = JOB_FETCH, .seed = agent->seed };
	const char *path = NULL;
	struct dec dec;

	dec_init(&dec, frame->data, frame->len);
	path = agent_dec_read(agent, &dec, &job);
	job.clock = dec_u8(&dec) == 1;
	if (!dec_done(&dec) || !agent->other || agent->job_count >= PEER_REQUESTS_MAX)
		return msg_malformed(frame, err);
	job.put = puts_fetch(agent->ops, job.id);
	if (!job.put)
		return msg_malformed(frame, err);
	job.path = xstrdup(path);
	agent_job_add(agent, &job);
	return 0;
}

/* Both files: 0, or -1, with *status where it is because of the one that is to be read. */
static int open_both(struct agent *agent, struct job *job, struct err *status)
{
	struct staged *staged = NULL;

	know_other(agent);
	job->reader = reader_open(agent->other, job->path, &job->expect, job->seed, status);
	if (!job->reader)
		return -1;
	staged = puts_stage(agent->ops, job->put);
	if (!staged)
		return -1;
	copy_init(&job->copy, staged, job->reader);
	return 0;
}

static enum copy_end copy_on(struct agent *agent, struct job *job, struct err *status)
{
	static unsigned char room[COPY_ROOM];
	struct err why = ERR_INIT;
	enum copy_end end = COPY_MORE;

	if (!job->reader && open_both(agent, job, status) < 0)
		return err_is_set(status) ? COPY_UNREADABLE : COPY_UNWRITABLE;
	end = copy_step(&job->copy, room, FETCH_STEP, &why);
	if (end == COPY_UNREADABLE)
		*status = why;
	else if (end == COPY_UNWRITABLE)
		job->put->status = why;
	return end;
}

/* Through the same descriptor as the bytes, and they belong together. */
static int read_attrs(const struct agent *agent, const struct job *job, struct buf *attrs,
		      struct err *err)
{
	if (!job->attrs)
		return 0;
	if (attrs_read(reader_fd(job->reader), agent->scan_flags, attrs, err) < 0)
		return -1;
	return reader_unchanged(job->reader, err);
}

/*
 * What was read. Where nobody here knows the clock of that file system, stamps that were too young to prove anything
 * when it was listed are so still.
 */
static void describe(const struct agent *agent, const struct job *job, struct entry *entry)
{
	reader_entry(job->reader, entry);
	entry->digest = staged_digest(job->put->staged);
	entry->flags |= ENTRY_HAS_DIGEST;
	if (!agent->same_clock && !job->clock)
		entry->flags |= job->expect.flags & ENTRY_RACY;
}

static void take_it(struct agent *agent, struct job *job, struct msg_result *result)
{
	struct pending *put = job->put;
	AUTO_BUF attrs = BUF_INIT;
	struct meta meta;

	if (read_attrs(agent, job, &attrs, &result->status) < 0)
		return;
	describe(agent, job, &result->entry);
	meta = op_meta_of(&put->meta, attrs.data, attrs.len);
	staged_finish(put->staged, &meta, &put->status);
}

bool agent_step_fetch(struct agent *agent, struct job *job)
{
	struct msg_result result = { .id = job->id, .status = ERR_INIT };
	struct pending *put = job->put;
	enum copy_end end = copy_on(agent, job, &result.status);

	if (end == COPY_MORE)
		return true;
	copy_release(&job->copy);
	if (end == COPY_DONE)
		take_it(agent, job, &result);
	if (err_is_set(&result.status))
		err_set(&put->status, ERR_CHANGED, "the other side could not send it");
	puts_end(agent->ops, put);
	msg_put_result(&agent->out, PEER_FETCHED, &result);
	return false;
}
