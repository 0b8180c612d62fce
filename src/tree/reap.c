/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/reap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/sys.h"
#include "store/lock.h"
#include "store/queue.h"
#include "store/turn.h"
#include "tree/changer.h"
#include "tree/leftover.h"
#include "tree/partial.h"
#include "tree/root.h"
#include "tree/run_name.h"

#define LOCK_NAME "lock"

static void tell(struct reap *reap, enum reap_deed deed, const char *what, const char *why)
{
	reap->done[deed]++;
	if (reap->tell)
		reap->tell(reap->arg, deed, what, why);
}

static void free_lock(struct lock **lock)
{
	lock_free(*lock);
}

/* The lock, without waiting: one who waits comes first. */
static struct lock *take(int workdir, struct reap *reap, struct err *err)
{
	char holder[64];
	const struct turn_request request = { .dirfd = workdir,
					      .name = LOCK_NAME,
					      .mode = reap->dry ? LOCK_PEEK : LOCK_HOLD,
					      .who = "reap",
					      .holder = holder,
					      .ttl_ms = reap->ttl_ms,
					      .boot = reap->boot };
	struct turn *turn = NULL;
	struct lock *lock = NULL;

	snprintf(holder, sizeof(holder), "%ld osync reap", (long)getpid());
	turn = turn_new(&request);
	lock = turn_try(turn, TURN_NOW, clock_monotonic_ms(), err);
	if (lock && *turn_seized_from(turn))
		tell(reap, REAP_LOCK, turn_seized_from(turn), "silent");
	turn_free(turn);
	return lock;
}

/* What a killed run has written into its lock, while nobody holds it. */
static bool is_left_behind(int workdir, struct buf *who)
{
	struct stat st;

	if (sys_fstatat(workdir, LOCK_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size == 0 ||
	    !lock_is_free(workdir, LOCK_NAME))
		return false;
	lock_describe(workdir, LOCK_NAME, who);
	return true;
}

static void tell_leftover(void *arg, const char *name, int error)
{
	tell(arg, error ? REAP_FAILED : REAP_TEMPORARY, name,
	     error ? strerrordesc_np(error) : NULL);
}

/* Where state lies elsewhere, the runs see to it. */
static void reap_leftovers(struct root *root, struct reap *reap, int64_t now_ns)
{
	enum leftover_mode mode = reap->dry ? LEFTOVER_TELL : LEFTOVER_REMOVE;

	leftover_sweep(root_workdir(root), ".", now_ns, mode, tell_leftover, reap);
	leftover_sweep(root_workdir(root), "state", now_ns, mode, tell_leftover, reap);
	leftover_sweep(root_workdir(root), PARTIAL_FOLDER, now_ns, mode, tell_leftover, reap);
}

static void count_staged(int workdir, struct reap *reap)
{
	AUTO_DIR DIR *dir = sys_list(workdir, "stage");
	const char *name = NULL;

	while (dir && (name = sys_next_name(dir)))
		tell(reap, REAP_STAGED, name, NULL);
}

/* Opening a changer empties the stage, as every run does. */
static int reap_stage(struct root *root, struct lock *lock, struct reap *reap, struct err *err)
{
	char run[RUN_NAME_LEN + 1];
	uint64_t before = reap->done[REAP_STAGED];
	struct changer *changer = NULL;

	count_staged(root_workdir(root), reap);
	if (reap->dry || reap->done[REAP_STAGED] == before)
		return 0;
	run_name_make(run);

	const struct changer_options options = { .run = run,
						 .keep = reap->keep,
						 .lock = lock,
						 .sync = CHANGER_SYNC_BATCH,
						 .boot = reap->boot };

	changer = changer_open(root, &options, err);
	changer_close(changer);
	return changer ? 0 : -1;
}

static void tell_tidied(void *arg, enum tidy_deed deed, const char *name, const char *why)
{
	static const enum reap_deed deeds[TIDY_DEEDS] = {
		[TIDY_EXPIRED] = REAP_EXPIRED,
		[TIDY_PACKED] = REAP_PACKED,
		[TIDY_FAILED] = REAP_FAILED,
	};

	tell(arg, deeds[deed], name, why);
}

static int reap_trash(struct root *root, struct lock *lock, struct reap *reap, int64_t now_ns,
		      struct err *err)
{
	struct tidy tidy = { .lock = lock,
			     .current = "",
			     .always = true,
			     .dry = reap->dry,
			     .keep = reap->keep,
			     .now_ns = now_ns,
			     .boot = reap->boot,
			     .tell = tell_tidied,
			     .arg = reap };

	return trash_tidy(root_workdir(root), &tidy, err);
}

/* The file system's clock, which the lock's file has just been given. */
static int64_t clock_of(struct lock *lock)
{
	int64_t ns = lock_ctime_ns(lock);

	return ns ? ns : clock_realtime_ns();
}

int reap_root(struct root *root, struct reap *reap, struct err *err)
{
	int workdir = root_workdir(root);
	AUTO(free_lock) struct lock *lock = NULL;
	AUTO_BUF dead = BUF_INIT;
	int64_t now_ns = 0;
	unsigned places = 0;
	bool left = false;

	if (workdir < 0)
		return err_sys(err, errno, "cannot open '" ROOT_WORKDIR "'");
	left = is_left_behind(workdir, &dead);
	lock = take(workdir, reap, err);
	if (!lock)
		return -1;
	now_ns = clock_of(lock);
	if (left)
		tell(reap, REAP_LOCK, buf_cstr(&dead), "dead");
	places =
		queue_sweep(workdir, now_ns, QUEUE_KEEP_NS, reap->dry ? QUEUE_COUNT : QUEUE_REMOVE);
	for (; places > 0; places--)
		tell(reap, REAP_PLACE, "a place in the queue", NULL);
	/* Folders as a killed run found them, before the stage and the trash are looked at. */
	if (!reap->dry)
		changer_recover(root);
	if (reap_stage(root, lock, reap, err) < 0)
		return -1;
	reap_leftovers(root, reap, now_ns);
	return reap_trash(root, lock, reap, now_ns, err);
}
