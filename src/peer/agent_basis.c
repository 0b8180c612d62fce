/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The receiver of a difference: the sums of what it has (BASIS).  The sender waits for them, so that where
 * there is much without a hole it is read and summed on two processors, piece by piece in turn: a disk
 * reads it in order.
 */
#include <stdlib.h>
#include <string.h>

#include "base/blocks.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/codec.h"
#include "base/worker.h"
#include "base/worthwhile.h"
#include "peer/agent_internal.h"
#include "peer/frame.h"
#include "peer/protocol.h"
#include "tree/reader.h"

enum {
	PIECE_BYTES = 64 * 1024,      /* read at once */
	STEP_BYTES = 4 * 1024 * 1024, /* read here alone between two looks at the input, */
	SUMS_BYTES = 32 * 1024,	      /* or enough for one SUMS frame; one piece may be above */
	/* Worth a second processor: read between two looks then. */
	BOTH_BYTES = WORTHWHILE(8 * 1024 * 1024, 2 * BLOCK_MAX),
};

_Static_assert((int)BOTH_BYTES % (2 * (int)BLOCK_MAX) == 0 && (int)BOTH_BYTES % PIECE_BYTES == 0,
	       "each has as many whole blocks to sum");

/* Every other piece of BOTH_BYTES, for one processor. */
struct share {
	struct reader *reader; /* both have this one, */
	uint64_t offset;       /* this place in the file, */
	size_t block;
	uint32_t *sums; /* and this one for what they find */
	size_t first;	/* bytes up to the first piece */
	int status;
	struct err err;
};

int agent_on_basis(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct job job = { .kind = JOB_SUMS };
	struct dec dec;

	dec_init(&dec, frame->data, frame->len);
	job.id = dec_uint(&dec);
	job.run.block = dec_uint(&dec);
	job.partial = dec_u8(&dec) == 1;
	if (!dec_done(&dec) || !block_is_size(job.run.block) ||
	    agent->job_count >= PEER_REQUESTS_MAX ||
	    agent_basis_begin(agent, job.id, job.partial, &job.path, &job.expect) < 0)
		return msg_malformed(frame, err);
	/* Of smaller ones there are more than the initiator will take, and in a hole it costs little to ask. */
	if (job.run.block < block_size(job.expect.size)) {
		free(job.path);
		return msg_malformed(frame, err);
	}
	agent_job_add(agent, &job);
	return 0;
}

/* Whole blocks at data, up to `len` bytes of them. Returns how many bytes they were. */
static size_t add_blocks(struct block_run *run, const unsigned char *data, size_t len,
			 struct buf *out)
{
	uint32_t sums[64];
	size_t count = len / (size_t)run->block;

	if (count > sizeof(sums) / sizeof(sums[0]))
		count = sizeof(sums) / sizeof(sums[0]);
	block_sums(data, (size_t)run->block, count, sums);
	for (size_t i = 0; i < count && run->done < BLOCKS_MAX; i++, run->done++)
		enc_le32(out, sums[i]);
	return count * (size_t)run->block;
}

/* A part of a block at data, or of zeros (NULL). Returns how many bytes it was. */
static size_t add_part(struct block_run *run, const unsigned char *data, uint64_t len,
		       struct buf *out)
{
	size_t room = (size_t)(run->block - run->filled);
	size_t step = len < room ? (size_t)len : room;

	run->sum = data ? block_add(run->sum, data, step) : block_add_zeros(run->sum, step);
	run->filled += step;
	if (run->filled < run->block)
		return step;
	if (run->done < BLOCKS_MAX) {
		enc_le32(out, run->sum);
		run->done++;
	}
	run->sum = 0;
	run->filled = 0;
	return step;
}

/* Bytes of the file, or zeros (NULL). */
static void add_to_sums(struct block_run *run, const unsigned char *data, uint64_t len,
			struct buf *out)
{
	while (len > 0) {
		bool whole = data && run->filled == 0 && len >= run->block;
		size_t step = whole ? add_blocks(run, data, (size_t)len, out)
				    : add_part(run, data, len, out);

		data = data ? data + step : NULL;
		len -= step;
	}
}

static void put_sums(struct agent *agent, const struct job *job, const struct buf *sums)
{
	size_t start = 0;

	if (sums->len == 0)
		return;
	start = frame_begin(&agent->out, PEER_SUMS);
	enc_uint(&agent->out, job->id);
	enc_raw(&agent->out, sums->data, sums->len);
	agent_spend(agent, frame_end(&agent->out, start));
}

static void put_sums_end(struct agent *agent, const struct job *job, uint64_t size,
			 const struct err *status)
{
	size_t start = frame_begin(&agent->out, PEER_SUMS_END);

	enc_uint(&agent->out, job->id);
	enc_uint(&agent->out, size);
	msg_enc_status(&agent->out, status);
	frame_end(&agent->out, start);
}

static struct reader *open_basis(struct agent *agent, const struct job *job, struct err *err)
{
	struct reader *reader =
		job->partial ? agent_open_partial(agent, job->path, job->expect.size, err)
			     : reader_open(agent->root, job->path, &job->expect, job->seed, err);

	if (reader)
		reader_undigested(reader);
	return reader;
}

/* Whole blocks of them. */
static size_t piece_bytes(size_t block)
{
	return block < PIECE_BYTES ? PIECE_BYTES : block;
}

static void sum_share(void *arg)
{
	struct share *share = arg;
	const size_t block = share->block;
	const size_t piece = piece_bytes(block);
	AUTO_FREE unsigned char *room = xmalloc(piece);

	for (size_t at = share->first; at < BOTH_BYTES && share->status == 0; at += 2 * piece) {
		share->status =
			reader_read_at(share->reader, room, piece, share->offset + at, &share->err);
		if (share->status == 0)
			block_sums(room, block, piece / block, share->sums + at / block);
	}
}

/* The sums of BOTH_BYTES from there on, in order. */
static int sum_both(struct job *job, uint64_t offset, uint32_t *sums, struct err *err)
{
	struct share here = { .reader = job->reader,
			      .offset = offset,
			      .block = (size_t)job->run.block,
			      .sums = sums };
	struct share there = here;
	struct worker *worker = worker_new();

	there.first = piece_bytes(there.block);
	worker_begin(worker, sum_share, &there);
	sum_share(&here);
	worker_free(worker);
	if (here.status == 0 && there.status == 0)
		return 0;
	*err = here.status < 0 ? here.err : there.err;
	return -1;
}

/* BOTH_BYTES further, in one step. READER_END: nothing was done, there is a hole or too little is left. */
static enum reader_piece sum_much(struct job *job, struct buf *out, struct err *err)
{
	const uint64_t count = BOTH_BYTES / job->run.block;
	AUTO_FREE uint32_t *sums = NULL;
	uint64_t offset = 0;

	if (job->run.filled > 0 || job->run.done + count > BLOCKS_MAX ||
	    !reader_leave(job->reader, BOTH_BYTES, &offset))
		return READER_END;
	sums = xcalloc(count, sizeof(*sums));
	if (sum_both(job, offset, sums, err) < 0)
		return READER_ERROR;
	for (uint64_t i = 0; i < count; i++)
		enc_le32(out, sums[i]);
	job->run.done += count;
	return READER_DATA;
}

/* To the end of a block that a hole has begun: what follows may be much again. */
static size_t piece_ahead(const struct block_run *run)
{
	uint64_t left = run->block - run->filled;

	return run->filled > 0 && left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
}

/* As far as the next hole, or about a step. */
static enum reader_piece sum_pieces(struct job *job, struct buf *sums, struct err *err)
{
	static unsigned char piece[PIECE_BYTES];
	enum reader_piece kind = READER_DATA;
	uint64_t len = 0;

	for (uint64_t done = 0; kind > READER_END && done < STEP_BYTES && sums->len < SUMS_BYTES;
	     done += len) {
		kind = reader_next(job->reader, piece, piece_ahead(&job->run), &len, err);
		if (kind > READER_END)
			add_to_sums(&job->run, kind == READER_DATA ? piece : NULL, len, sums);
	}
	return kind;
}

bool agent_step_sums(struct agent *agent, struct job *job)
{
	struct err status = ERR_INIT;
	enum reader_piece kind = READER_ERROR;
	AUTO_BUF sums = BUF_INIT;
	uint64_t size = 0;

	if (!job->reader)
		job->reader = open_basis(agent, job, &status);
	if (job->reader) {
		size = reader_size(job->reader);
		kind = sum_much(job, &sums, &status);
		if (kind == READER_END)
			kind = sum_pieces(job, &sums, &status);
	}
	put_sums(agent, job, &sums);
	if (kind > READER_END)
		return true;
	if (kind == READER_END)
		agent_basis_ready(agent, job->id, steal_ptr(&job->reader));
	put_sums_end(agent, job, size, &status);
	return false;
}
