/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/space.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/sys.h"
#include "config/config.h"
#include "model/plan.h"
#include "peer/channel.h"
#include "peer/msg.h"
#include "peer/protocol.h"
#include "run/report.h"
#include "run/session.h"
#include "tree/root.h"
#include "tree/space.h"

enum {
	RECORD_BYTES = 256, /* of state for one operation: a path and an entry, most often less */
	HOLES_BYTES = 64 * 1024, /* smaller files are not asked after */
	QUESTIONS = 512,	 /* open at a time */
	DISKS = 4,
};

static const double mib = 1024.0 * 1024.0;

struct disk {
	const char *name;
	struct space space;
	bool holds[SIDES]; /* the roots that are on it */
	bool has_state;
	uint64_t need;
};

struct check {
	struct session *session;
	const struct plan *plan;
	uint64_t minimum;
	uint64_t *stored; /* by operation, what it takes where it comes from; NULL: nobody asked */
	struct disk disks[DISKS];
	size_t count;
};

static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* What an operation will take on a disk with blocks of this size. */
static uint64_t need_of(const struct check *check, size_t i, uint64_t block)
{
	const struct op *op = check->plan->ops[i];
	uint64_t size = 0;

	if (op->kind == OP_MKDIR)
		return block;
	if (op->kind != OP_PUT && op->kind != OP_COPY)
		return 0;
	size = op->source->size;
	if (check->stored && check->stored[i] < size)
		size = check->stored[i];
	return size % block == 0 ? size : add(size, block - size % block);
}

static void sum_up(const struct check *check, struct disk *disk)
{
	disk->need = 0;
	for (size_t i = 0; i < check->plan->count; i++) {
		if (disk->holds[check->plan->ops[i]->side])
			disk->need = add(disk->need, need_of(check, i, disk->space.block));
		if (disk->has_state)
			disk->need = add(disk->need, RECORD_BYTES);
	}
}

static bool is_short(const struct check *check, const struct disk *disk)
{
	return disk->need > 0 && disk->space.free < add(disk->need, check->minimum);
}

/* The disks ------------------------------------------------------------------------- */

static struct disk *add_disk(struct check *check, const char *name, const struct space *space)
{
	struct disk *disk = &check->disks[check->count++];

	*disk = (struct disk){ .name = name, .space = *space };
	return disk;
}

static bool is_one_disk(const struct config *config)
{
	struct stat here;
	struct stat there;

	return !config->target.remote && stat(config->initiator_dir, &here) == 0 &&
	       stat(config->target.path, &there) == 0 && here.st_dev == there.st_dev;
}

static void add_roots(struct check *check)
{
	static const char *const names[SIDES] = { "the initiator's disk", "the target's disk" };
	const struct session_side *sides = check->session->sides;

	if (is_one_disk(check->session->config)) {
		/* Leftovers of dead runs count as free on either side: of the sums, the larger. */
		enum side most = sides[SIDE_TARGET].space.free > sides[SIDE_INITIATOR].space.free
					 ? SIDE_TARGET
					 : SIDE_INITIATOR;
		struct disk *disk = add_disk(check, "the disk of both folders", &sides[most].space);

		disk->holds[SIDE_INITIATOR] = disk->holds[SIDE_TARGET] = true;
		return;
	}
	for (int s = 0; s < SIDES; s++)
		add_disk(check, names[s], &sides[s].space)->holds[s] = true;
}

/* The folder, or what is there of the way to it. */
static int open_nearest(const char *dir)
{
	AUTO_FREE char *path = xstrdup(dir);
	int fd = -1;

	while ((fd = sys_openat(AT_FDCWD, *path ? path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC,
				0)) < 0 &&
	       errno == ENOENT && strrchr(path, '/'))
		*strrchr(path, '/') = '\0';
	return fd;
}

/* Ours is known here; the target's agent has told of its own. */
static void add_states(struct check *check)
{
	const struct session *session = check->session;
	const char *custom = session->config->state_dir[SIDE_INITIATOR];
	AUTO_CLOSE int fd = custom ? open_nearest(custom) : -1;
	struct stat state;
	struct stat root;

	if (fd >= 0 && sys_fstat(fd, &state) == 0 &&
	    stat(session->config->initiator_dir, &root) == 0 && state.st_dev != root.st_dev) {
		struct space space = space_of(fd);

		add_disk(check, "the disk of INITIATOR_CUSTOM_STATE_DIR", &space)->has_state = true;
	}
	add_disk(check, "the disk of TARGET_CUSTOM_STATE_DIR",
		 &session->sides[SIDE_TARGET].state_space)
		->has_state = true;
}

/* Holes ----------------------------------------------------------------------------- */

/* Where the bytes of an operation come from. */
static enum side origin_of(const struct op *op)
{
	return op->kind == OP_PUT ? side_other((enum side)op->side) : (enum side)op->side;
}

static bool may_have_holes(const struct op *op, enum side side)
{
	return (op->kind == OP_PUT || op->kind == OP_COPY) && op->source->size >= HOLES_BYTES &&
	       origin_of(op) == side;
}

static int take_answer(struct check *check, enum side side, size_t *answered, struct err *err)
{
	const struct plan *plan = check->plan;
	uint64_t id = 0;
	uint64_t size = 0;
	struct frame frame;

	while (*answered < plan->count && !may_have_holes(plan->ops[*answered], side))
		++*answered;
	if (session_wait(check->session, side, &frame, err) < 0 ||
	    session_expect(&frame, PEER_STORED_IS, err) < 0 ||
	    msg_get_stored_is(&frame, &id, &size, err) < 0)
		return -1;
	if (id != *answered)
		return msg_malformed(&frame, err);
	check->stored[(*answered)++] = size;
	return 0;
}

/* Ask one side for what its files really take. */
static int ask_side(struct check *check, enum side side, struct err *err)
{
	struct buf *out = channel_out(check->session->sides[side].channel);
	size_t answered = 0;
	size_t open = 0;

	for (size_t i = 0; i < check->plan->count; i++) {
		const struct op *op = check->plan->ops[i];

		if (!may_have_holes(op, side))
			continue;
		msg_put_stored(out, i, op_from(op) ? op_from(op) : op->path);
		if (++open < QUESTIONS)
			continue;
		if (take_answer(check, side, &answered, err) < 0)
			return -1;
		open--;
	}
	for (; open > 0; open--)
		if (take_answer(check, side, &answered, err) < 0)
			return -1;
	return 0;
}

static int look_for_holes(struct check *check, struct err *err)
{
	if (check->stored)
		return 0;
	check->stored = xcalloc(check->plan->count, sizeof(*check->stored));
	for (size_t i = 0; i < check->plan->count; i++)
		check->stored[i] = UINT64_MAX;
	for (int s = 0; s < SIDES; s++)
		if (ask_side(check, (enum side)s, err) < 0)
			return -1;
	return 0;
}

/* Judging --------------------------------------------------------------------------- */

static int stop(const struct check *check, const struct disk *disk, struct err *err)
{
	double need = (double)disk->need / mib;
	double minimum = (double)check->minimum / mib;
	double there = (double)disk->space.free / mib;

	/* Always in one unit: the same trouble is the same text but for its numbers (alert/alert.h). */
	return err_set(
		err, ERR_GUARD,
		"%s is too full: this run needs %.1f MiB there, MINIMUM_SPACE keeps %.1f MiB, and "
		"%.1f MiB are free; nothing was changed; free %.1f MiB (" ROOT_WORKDIR
		"/trash has the old versions), or set MINIMUM_SPACE=0 to try all the same",
		disk->name, need, minimum, there, need + minimum - there);
}

static void warn(const struct check *check, const struct disk *disk)
{
	AUTO_FREE char *text =
		xasprintf("little room is left on %s: less than MINIMUM_SPACE=%" PRIu64, disk->name,
			  check->minimum / 1024);

	report_look(check->session->report, text);
}

static int judge(struct check *check, struct disk *disk, struct err *err)
{
	if (disk->space.total == 0)
		return 0;
	sum_up(check, disk);
	if (is_short(check, disk)) {
		if (look_for_holes(check, err) < 0)
			return -1;
		sum_up(check, disk);
	}
	if (is_short(check, disk))
		return stop(check, disk, err);
	if (disk->space.free < check->minimum)
		warn(check, disk);
	return 0;
}

int space_check(struct session *session, const struct plan *plan, struct err *err)
{
	struct check check = { .session = session,
			       .plan = plan,
			       .minimum = (uint64_t)session->config->minimum_space_kib * 1024 };
	int status = 0;

	if (check.minimum == 0)
		return 0;
	add_roots(&check);
	add_states(&check);
	for (size_t i = 0; i < check.count && status == 0; i++)
		status = judge(&check, &check.disks[i], err);
	free(check.stored);
	return status;
}
