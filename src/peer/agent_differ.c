/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sender of a difference: it looks for what the receiver has (agent_basis.c) in what there is now
 * (READ_CHANGES).  What comes of it is put together in agent_puts.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/blocks.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/differ.h"
#include "peer/agent_internal.h"
#include "peer/frame.h"
#include "peer/protocol.h"
#include "tree/reader.h"

enum {
	STEP_BYTES = 4 * 1024 * 1024, /* read between two looks at the input */
};

_Static_assert((int)DIFFER_DATA_MAX <= (int)PEER_DATA_MAX &&
		       (int)DIFFER_COPY_MAX <= (int)PEER_COPY_MAX,
	       "what a differ hands out fits into a frame");

/* Sums that came for one file. */
struct sums {
	struct sums *next;
	uint64_t id;
	struct buf bytes;
};

static void sums_free(struct sums *sums)
{
	buf_release(&sums->bytes);
	free(sums);
}

void agent_sums_free(struct agent *agent)
{
	while (agent->sums) {
		struct sums *sums = agent->sums;

		agent->sums = sums->next;
		sums_free(sums);
	}
}

static struct sums **find_sums(struct agent *agent, uint64_t id, unsigned *count)
{
	struct sums **at = &agent->sums;

	for (*count = 0; *at && (*at)->id != id; at = &(*at)->next)
		++*count;
	return at;
}

int agent_on_sums(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct sums **sums = NULL;
	unsigned before = 0;
	struct dec dec;
	uint64_t id = 0;

	dec_init(&dec, frame->data, frame->len);
	id = dec_uint(&dec);
	sums = find_sums(agent, id, &before);
	if (dec.bad || dec_left(&dec) % BLOCK_SUM_LEN != 0 ||
	    (!*sums && before >= PEER_DIFFERENCES_MAX))
		return msg_malformed(frame, err);
	if (!*sums) {
		*sums = xcalloc(1, sizeof(**sums));
		(*sums)->id = id;
	}
	if ((*sums)->bytes.len + dec_left(&dec) > (size_t)BLOCKS_MAX * BLOCK_SUM_LEN)
		return msg_malformed(frame, err);
	buf_add(&(*sums)->bytes, dec.pos, dec_left(&dec));
	return 0;
}

void agent_sums_drop(struct agent *agent, uint64_t id)
{
	unsigned before = 0;
	struct sums **at = find_sums(agent, id, &before);
	struct sums *sums = *at;

	if (!sums)
		return;
	*at = sums->next;
	sums_free(sums);
}

/* NULL where they are not what they are said to be. */
static struct differ *differ_of(const struct buf *bytes, uint64_t block, uint64_t old_size,
				uint64_t new_size)
{
	uint64_t count = bytes->len / BLOCK_SUM_LEN;
	uint32_t *sums = NULL;
	struct dec dec;

	if (!block_is_size(block) || count != block_count(old_size, (size_t)block))
		return NULL;
	sums = xcalloc(count + 1, sizeof(*sums));
	dec_init(&dec, bytes->data, bytes->len);
	for (uint64_t i = 0; i < count; i++)
		sums[i] = dec_le32(&dec);
	return differ_new(sums, count, (size_t)block, new_size);
}

int agent_on_read_changes(struct agent *agent, const struct frame *frame, struct err *err)
{
	static const struct buf none = BUF_INIT;
	struct job job = { .kind = JOB_READ, .seed = agent->seed };
	struct sums *sums = NULL;
	const char *path = NULL;
	unsigned before = 0;
	struct dec dec;
	uint64_t block = 0;
	uint64_t size = 0;

	dec_init(&dec, frame->data, frame->len);
	path = agent_dec_read(agent, &dec, &job);
	block = dec_uint(&dec);
	size = dec_uint(&dec);
	sums = *find_sums(agent, job.id, &before);
	if (!dec_done(&dec) || agent->job_count >= PEER_REQUESTS_MAX)
		return msg_malformed(frame, err);
	job.differ = differ_of(sums ? &sums->bytes : &none, block, size, job.expect.size);
	if (!job.differ)
		return msg_malformed(frame, err);
	agent_sums_drop(agent, job.id);
	job.path = xstrdup(path);
	agent_job_add(agent, &job);
	return 0;
}

/* Bytes of the file for the differ: how many, 0 where it is their end or a hole comes first; -1. */
static int64_t feed(struct job *job, struct err *status)
{
	size_t room = 0;
	unsigned char *at = differ_room(job->differ, &room);
	uint64_t len = 0;
	enum reader_piece kind = reader_next(job->reader, at, room, &len, status);

	if (kind == READER_ERROR)
		return -1;
	if (kind == READER_DATA) {
		differ_added(job->differ, (size_t)len);
		return (int64_t)len;
	}
	job->hole = len;
	differ_end(job->differ);
	return 0;
}

static void put_piece(struct agent *agent, const struct job *job, const struct differ_piece *piece)
{
	bool copy = piece->kind == DIFFER_COPY;
	size_t start = frame_begin(&agent->out, copy ? PEER_COPY : PEER_DATA);

	enc_uint(&agent->out, job->id);
	if (copy) {
		enc_uint(&agent->out, piece->offset);
		enc_uint(&agent->out, piece->len);
	} else {
		enc_raw(&agent->out, piece->data, piece->len);
	}
	agent_spend(agent, frame_end(&agent->out, start));
}

/* All that was read has been dealt with: 1 where a hole comes then, 0 at the end of the file. */
static bool put_hole(struct agent *agent, struct job *job)
{
	size_t start = 0;

	if (job->hole == 0)
		return false;
	start = frame_begin(&agent->out, PEER_HOLE);
	enc_uint(&agent->out, job->id);
	enc_uint(&agent->out, job->hole);
	frame_end(&agent->out, start);
	differ_skip(job->differ, job->hole);
	job->hole = 0;
	return true;
}

bool agent_read_changes(struct agent *agent, struct job *job, struct err *status)
{
	for (int64_t done = 0; done < STEP_BYTES;) {
		struct differ_piece piece = differ_next(job->differ);
		int64_t fed = 0;

		if (piece.kind == DIFFER_END)
			return put_hole(agent, job);
		if (piece.kind != DIFFER_MORE) {
			put_piece(agent, job, &piece);
			return true;
		}
		fed = feed(job, status);
		if (fed < 0)
			return false;
		done += fed;
	}
	return true;
}
