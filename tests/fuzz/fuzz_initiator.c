/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The initiator, told things by two agents that mean no good.
 *
 * The input is a program, as for fuzz_agent: what it makes the agents say is in their sockets before the
 * initiator looks; what they are asked is never read.  Then both sides are collected, settled, judged and
 * planned as in a run.
 *
 * What is promised: it ends with an error or with a plan, all of whose paths are paths.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/path.h"
#include "config/config.h"
#include "model/change.h"
#include "model/filter.h"
#include "model/guard.h"
#include "model/move.h"
#include "model/owners.h"
#include "model/plan.h"
#include "model/reuse.h"
#include "model/structure.h"
#include "peer/channel.h"
#include "peer/frame.h"
#include "peer/listing.h"
#include "peer/msg.h"
#include "peer/packer.h"
#include "peer/protocol.h"
#include "run/collect.h"
#include "run/limits.h"
#include "run/report.h"
#include "run/session.h"
#include "run/settle.h"
#include "store/list.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char box[256];
static int box_fd = -1;

/* In path order, so that a program finds it easy to list them in order. */
static const char *const paths[] = { "a", "a/b", "a/b/c", "a/d", "a/d/e", "b",
				     "c", "c/f", "d",	  "e",	 "f",	  "g" };
enum { PATHS = sizeof(paths) / sizeof(paths[0]) };

/* An entry of one of each kind, told from others of it by `which`. */
static struct entry entry_of(unsigned type, unsigned which)
{
	struct entry entry = { .type = (uint8_t)(type % (ENTRY_SPECIAL + 1)),
			       .mode = 0644,
			       .nlink = 1,
			       .ino = which % 8,
			       .size = which % 4,
			       .mtime_ns = (int64_t)(which / 4),
			       .ctime_ns = (int64_t)(which / 8) };

	if (entry.type == ENTRY_FILE || entry.type == ENTRY_SYMLINK) {
		entry.flags = ENTRY_HAS_DIGEST;
		entry.digest.bytes[0] = (unsigned char)(which % 4);
	}
	return entry;
}

/* The history: even paths are folders or what the program may say of them. */
static void make_list(void)
{
	struct list_head head;
	bool exists = false;
	struct list *list = list_open(box_fd, "l", TABLE_WRITE, &head, &exists, NULL);

	if (!list)
		abort();
	for (unsigned i = 0; i < 8; i++) {
		unsigned type = i == 0 || i == 1 || i == 3 || i == 6 ? ENTRY_DIR : ENTRY_FILE;
		struct base base = { .type = (uint8_t)type };

		for (int s = 0; s < SIDES; s++)
			base.side[s] = entry_of(type, i);
		base.digest = base.side[0].digest;
		list_put(list, paths[i], &base);
	}
	head = (struct list_head){ .generation = 5, .seed = 9 };
	list_set_head(list, &head);
	if (list_flush(list, NULL) < 0)
		abort();
	list_close(list);
}

static void box_remove(void)
{
	unlinkat(box_fd, "l.base", 0);
	unlinkat(box_fd, "l.journal", 0);
	rmdir(box);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	(void)argc;
	(void)argv;
	snprintf(box, sizeof(box), "%s/osync-fuzz-XXXXXX", base);
	if (!mkdtemp(box))
		abort();
	box_fd = open(box, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	atexit(box_remove);
	make_list();
	/* What a report says is said as JSON, to nobody. */
	if (!freopen("/dev/null", "w", stdout))
		abort();
	return 0;
}

/* The program ----------------------------------------------------------------------- */

struct program {
	const uint8_t *at;
	const uint8_t *end;
	uint64_t answered[SIDES];
	struct buf said[SIDES];
};

static uint8_t take(struct program *program)
{
	return program->at < program->end ? *program->at++ : 0;
}

static struct entry take_entry(struct program *program)
{
	uint8_t choice = take(program);
	struct entry entry = entry_of(choice, choice / 8);

	if (choice >= 128) {
		uint8_t more = take(program);

		entry.flags ^= more & (ENTRY_RACY | ENTRY_OPAQUE | ENTRY_MOUNT);
		entry.mode = (uint16_t)(more * 16);
		entry.nlink = more % 4;
		entry.size = (uint64_t)more << (more % 64);
		entry.mtime_ns = (int64_t)((uint64_t)more << 56);
		if (more & 1)
			entry.flags &= (uint8_t)~ENTRY_HAS_DIGEST;
	}
	if (entry.type == ENTRY_SYMLINK && choice % 3)
		entry.link = "target";
	return entry;
}

static void add_list(struct program *program, struct buf *out)
{
	struct listing_writer writer = LISTING_WRITER_INIT(PEER_LIST);
	unsigned at = take(program);

	for (unsigned left = take(program) % 13; left > 0; left--) {
		struct listing_item item = { .path = paths[at % PATHS] };
		uint8_t choice = take(program);

		item.kind = (enum peer_item)(PEER_ITEM_ENTRY + choice % 4);
		if (item.kind == PEER_ITEM_ENTRY || item.kind == PEER_ITEM_PROBLEM)
			item.entry = take_entry(program);
		item.problem = "it cannot be read";
		listing_add(&writer, &item);
		/* Mostly on to the next one. */
		at += 1 + (choice >= 128 ? choice % (unsigned)PATHS : 0);
	}
	listing_take(&writer, out);
	listing_writer_release(&writer);
}

static void add_listed(struct program *program, struct buf *out)
{
	const struct msg_listed listed = {
		.status = { .kind = take(program) % 8 == 7 ? ERR_SYSTEM : ERR_NONE },
		.seen = take(program),
		.root = { .total = take(program),
			  .free = UINT64_MAX >> take(program) % 64,
			  .block = 1 },
		.state = { .block = 1 },
	};

	msg_put_listed(out, &listed);
}

static void add_hashed(struct program *program, struct buf *out, uint64_t *next)
{
	uint8_t choice = take(program);
	struct msg_result result = { .id = choice % 16 == 15 ? choice : (*next)++,
				     .status = { .kind = choice >= 128 ? ERR_CHANGED : ERR_NONE } };

	result.entry = take_entry(program);
	msg_put_result(out, PEER_HASHED, &result);
}

static void add_name(struct program *program, struct buf *out)
{
	size_t start = frame_begin(out, PEER_NAME);

	enc_u8(out, take(program) % 3);
	enc_uint(out, take(program));
	enc_str(out, "somebody");
	frame_end(out, start);
}

static void add_raw(struct program *program, struct buf *out)
{
	size_t start = frame_begin(out, take(program));
	size_t len = take(program);

	if (len > (size_t)(program->end - program->at))
		len = (size_t)(program->end - program->at);
	enc_raw(out, program->at, len);
	program->at += len;
	frame_end(out, start);
}

static void add_frame(struct program *program)
{
	uint8_t choice = take(program);
	int side = choice & 1;
	struct buf *out = &program->said[side];

	switch (choice / 2 % 8) {
	case 0:
	case 1:
		add_list(program, out);
		return;
	case 2:
		add_listed(program, out);
		return;
	case 3:
	case 4:
	case 5:
		add_hashed(program, out, &program->answered[side]);
		return;
	case 6:
		add_name(program, out);
		return;
	default:
		add_raw(program, out);
	}
}

/* Both agents' words, ended by one that ends every session. */
static void run_program(struct program *program)
{
	const struct err end = { .kind = ERR_SYSTEM, .msg = "that is all" };

	for (int s = 0; s < SIDES; s++)
		buf_add(&program->said[s], PEER_GREETING, PEER_GREETING_LEN);
	while (program->at < program->end && program->said[0].len + program->said[1].len < 65536)
		add_frame(program);
	for (int s = 0; s < SIDES; s++)
		msg_put_status(&program->said[s], PEER_ERROR, &end);
}

/* The same words, packed where they are enough for that. */
static void pack(struct buf *said)
{
	struct packer *packer = packer_new(PACKER_ON);
	AUTO_BUF plain = *said;

	*said = (struct buf)BUF_INIT;
	buf_add(said, plain.data, PEER_GREETING_LEN);
	buf_consume(&plain, PEER_GREETING_LEN);
	while (plain.len > 0) {
		AUTO_BUF wire = BUF_INIT;

		packer_take(packer, &plain, &wire);
		buf_add(said, wire.data, wire.len);
	}
	packer_free(packer);
}

/* The run ---------------------------------------------------------------------------- */

struct work {
	struct changes changes;
	struct census census;
	struct moves moves;
	struct reuse *reuse;
	struct plan plan;
};

static void check_plan(const struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct op *op = plan->ops[i];

		assert(path_valid(op->path, strlen(op->path)));
		assert(!op_from(op) || path_valid(op_from(op), strlen(op_from(op))));
		assert(op->kind <= OP_META && op->side < SIDES && op->phase < PHASES);
	}
}

static int decide(struct session *session, struct work *work, struct err *err)
{
	const struct guard_limits limits = { .max_delete_percent = 50,
					     .max_delete_count = 5,
					     .max_change_percent = 50,
					     .max_change_count = 5 };
	const struct policy policy = { .rule = RULE_NEWER,
				       .fields = { META_MODE | META_MTIME, META_MODE | META_MTIME },
				       .owners = session->owners };

	if (collect(session, &work->changes, &work->census, err) < 0)
		return -1;
	structure_block_unknown(&work->changes);
	work->reuse = reuse_new(&work->changes);
	if (settle(session, &work->changes, work->reuse, err) < 0)
		return -1;
	moves_follow(&work->changes, &work->moves, policy.direction);
	structure_block_unknown(&work->changes);
	structure_settle(&work->changes, &policy);
	if (guard_check(&work->changes, &work->census, &limits, err) < 0)
		return -1;
	plan_build(&work->plan, &work->changes, &work->moves, &policy, true);
	reuse_in_plan(work->reuse, &work->changes, &work->moves, &work->plan);
	return 0;
}

static void run(struct session *session)
{
	struct work work = { CHANGES_INIT, CENSUS_INIT, MOVES_INIT, NULL, PLAN_INIT };
	struct err err = ERR_INIT;

	if (decide(session, &work, &err) < 0)
		assert(err.kind != ERR_NONE && err.msg[0]);
	else
		check_plan(&work.plan);
	plan_release(&work.plan);
	reuse_free(work.reuse);
	moves_release(&work.moves);
	census_release(&work.census);
	changes_release(&work.changes);
}

static void open_list(struct session *session, uint8_t choice)
{
	bool exists = false;

	if (choice & 1)
		session->saved.list =
			list_open(box_fd, "l", TABLE_READ, &session->saved.head, &exists, NULL);
	/* With it, the target may list only what changed. */
	session->sides[SIDE_TARGET].known = choice & 2;
	session->sides[SIDE_TARGET].known_generation = 5;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program program = { .at = data, .end = data + size };
	uint8_t choice = take(&program);
	struct config config = { .json = true, .checksum = choice & 4, .preserve_hardlinks = true };
	struct session session = { .config = &config, .run = "run", .saved = SAVED_INIT };
	struct limits limits;
	int fds[SIDES][2];

	config.filter = filter_new();
	session.report = report_new(&config, "run");
	session.owners = owners_new();
	limits_start(&limits, &config, session.report, "run");
	session.limits = &limits;
	/* The clock has moved on since it began. */
	session.started_ms = clock_monotonic_ms() - 1000;
	open_list(&session, choice);
	run_program(&program);
	for (int s = 0; s < SIDES && choice & 8; s++)
		pack(&program.said[s]);
	for (int s = 0; s < SIDES; s++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds[s]) < 0)
			abort();
		if (write(fds[s][0], program.said[s].data, program.said[s].len) !=
		    (ssize_t)program.said[s].len)
			abort();
		session.sides[s].channel = channel_new(fds[s][1], side_name((enum side)s));
		channel_unpack(session.sides[s].channel);
	}
	run(&session);
	for (int s = 0; s < SIDES; s++) {
		channel_free(session.sides[s].channel);
		close(fds[s][0]);
		close(fds[s][1]);
		buf_release(&program.said[s]);
	}
	list_close(session.saved.list);
	owners_free(session.owners);
	limits_end(&limits);
	report_free(session.report);
	filter_free(config.filter);
	return 0;
}
