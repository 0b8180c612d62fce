/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files as differences, on both ends: the sums of what the receiver has (BASIS), and the sender that looks
 * for what it has in what there is now (READ_CHANGES).  What comes of it is put together in agent_ops.c.
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
	SUMS_BYTES = 32 * 1024,	      /* of one SUMS frame, but for those of one piece more */
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

static bool is_block(uint64_t block)
{
	return block >= BLOCK_MIN && block <= BLOCK_MAX && (block & (block - 1)) == 0;
}

/* The receiver: BASIS ------------------------------------------------------------ */

int agent_on_basis(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct job job = { .kind = JOB_SUMS };
	struct dec dec;

	dec_init(&dec, frame->data, frame->len);
	job.id = dec_uint(&dec);
	job.block = dec_uint(&dec);
	job.partial = dec_u8(&dec) == 1;
	if (!dec_done(&dec) || !is_block(job.block) || agent->job_count >= PEER_REQUESTS_MAX ||
	    agent_basis_begin(agent, job.id, job.partial, &job.path, &job.expect) < 0)
		return msg_malformed(frame, err);
	/* Of smaller ones there are more than the initiator will take, and in a hole it costs little to ask. */
	if (job.block < block_size(job.expect.size)) {
		free(job.path);
		return msg_malformed(frame, err);
	}
	agent_job_add(agent, &job);
	return 0;
}

/* Whole blocks at data, up to `len` bytes of them. Returns how many bytes they were. */
static size_t add_blocks(struct job *job, const unsigned char *data, size_t len, struct buf *out)
{
	uint32_t sums[64];
	size_t count = len / (size_t)job->block;

	if (count > sizeof(sums) / sizeof(sums[0]))
		count = sizeof(sums) / sizeof(sums[0]);
	block_sums(data, (size_t)job->block, count, sums);
	for (size_t i = 0; i < count && job->summed < BLOCKS_MAX; i++, job->summed++)
		enc_le32(out, sums[i]);
	return count * (size_t)job->block;
}

/* A part of a block at data, or of zeros (NULL). Returns how many bytes it was. */
static size_t add_part(struct job *job, const unsigned char *data, uint64_t len, struct buf *out)
{
	size_t room = (size_t)(job->block - job->filled);
	size_t step = len < room ? (size_t)len : room;

	job->sum = data ? block_add(job->sum, data, step) : block_add_zeros(job->sum, step);
	job->filled += step;
	if (job->filled < job->block)
		return step;
	if (job->summed < BLOCKS_MAX) {
		enc_le32(out, job->sum);
		job->summed++;
	}
	job->sum = 0;
	job->filled = 0;
	return step;
}

/* Bytes of the file, or zeros (NULL). */
static void add_to_sums(struct job *job, const unsigned char *data, uint64_t len, struct buf *out)
{
	while (len > 0) {
		bool whole = data && job->filled == 0 && len >= job->block;
		size_t step = whole ? add_blocks(job, data, (size_t)len, out)
				    : add_part(job, data, len, out);

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

bool agent_step_sums(struct agent *agent, struct job *job)
{
	static unsigned char piece[256 * 1024];
	struct err status = ERR_INIT;
	enum reader_piece kind = READER_DATA;
	AUTO_BUF sums = BUF_INIT;
	uint64_t size = 0;
	uint64_t len = 0;

	if (!job->reader)
		job->reader = open_basis(agent, job, &status);
	if (job->reader)
		size = reader_size(job->reader);
	else
		kind = READER_ERROR;
	for (uint64_t done = 0; kind > READER_END && done < STEP_BYTES && sums.len < SUMS_BYTES;
	     done += len) {
		kind = reader_next(job->reader, piece, sizeof(piece), &len, &status);
		if (kind > READER_END)
			add_to_sums(job, kind == READER_DATA ? piece : NULL, len, &sums);
	}
	put_sums(agent, job, &sums);
	if (kind > READER_END)
		return true;
	if (kind == READER_END)
		agent_basis_ready(agent, job->id, steal_ptr(&job->reader));
	put_sums_end(agent, job, size, &status);
	return false;
}

/* The sender: SUMS, READ_CHANGES ------------------------------------------------- */

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

	if (!is_block(block) || count != block_count(old_size, (size_t)block))
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
