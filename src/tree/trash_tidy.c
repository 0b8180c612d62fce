/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/trash_tidy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/sys.h"
#include "store/atomic.h"
#include "store/lock.h"
#include "store/steady.h"
#include "tree/pack.h"
#include "tree/run_name.h"

#define KEEP_SUFFIX ".keep"

enum {
	KEEP_FILE_MAX = 64,
};

/* Less than a day, so that a run at the same hour of the next day is in time. */
static const int64_t PAUSE_NS = INT64_C(72000) * NS_PER_SEC;

struct work {
	struct tidy *tidy;
	struct steady steady;
	int trash;
	uint64_t dev;
};

/* Names ------------------------------------------------------------------------- */

int keep_write(int trash, const char *run, const struct keep *keep, struct err *err)
{
	AUTO_FREE char *name = xasprintf("%s" KEEP_SUFFIX, run);
	char text[KEEP_FILE_MAX];
	int len = snprintf(text, sizeof(text), "%u %u\n", keep->trash_days, keep->pack_days);

	if (keep->trash_days == 0 && keep->pack_days == 0)
		return 0;
	return atomic_write(trash, name, text, (size_t)len, err);
}

/* A number of days, or none where it is no such number. */
static uint32_t days_of(const char *text, char **end)
{
	unsigned long days = strtoul(text, end, 10);

	return *end == text || days > KEEP_DAYS_MAX ? 0 : (uint32_t)days;
}

static struct keep keep_of(const struct work *work, const char *run)
{
	AUTO_FREE char *name = xasprintf("%.*s" KEEP_SUFFIX, RUN_NAME_LEN, run);
	const struct keep *said = &work->tidy->keep;
	AUTO_BUF text = BUF_INIT;
	struct keep keep = { 0, 0 };
	char *end = NULL;

	if (atomic_read(work->trash, name, KEEP_FILE_MAX, &text, NULL) == 1) {
		keep.trash_days = days_of(buf_cstr(&text), &end);
		keep.pack_days = days_of(end, &end);
	}
	if (said->trash_days > 0)
		keep.trash_days = said->trash_days;
	if (said->pack_days > 0)
		keep.pack_days = said->pack_days;
	return keep;
}

/* Age ------------------------------------------------------------------------- */

static bool is_older(const struct work *work, struct timespec made, uint32_t days)
{
	int64_t age_ns = steady_age_ns(&work->steady, clock_from_timespec(made));

	return days > 0 && age_ns >= (int64_t)days * STEADY_DAY_NS;
}

static void tell(const struct work *work, enum tidy_deed deed, const char *name, const char *why)
{
	work->tidy->done[deed]++;
	if (work->tidy->tell)
		work->tidy->tell(work->tidy->arg, deed, name, why);
}

/* Remove what is old enough; a folder goes when it is empty. -1 with errno where that failed. */
static int remove_old(const struct work *work, int at, const char *name, uint32_t days)
{
	AUTO_DIR DIR *dir = NULL;
	const char *below = NULL;
	struct stat st;
	int failed = 0;

	if (sys_fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISDIR(st.st_mode))
		return is_older(work, st.st_ctim, days) ? sys_unlinkat(at, name, 0) : 0;
	if ((uint64_t)st.st_dev != work->dev)
		return 0;
	dir = sys_list(at, name);
	if (!dir)
		return -1;
	while ((below = sys_next_name(dir)))
		if (remove_old(work, dirfd(dir), below, days) < 0 && !failed)
			failed = errno;
	errno = failed;
	if (failed)
		return -1;
	/* Something that is not old yet lies in it. */
	return sys_unlinkat(at, name, AT_REMOVEDIR) == 0 || errno == ENOTEMPTY || errno == EEXIST
		       ? 0
		       : -1;
}

/* One run ------------------------------------------------------------------------ */

static void expire(const struct work *work, const char *name, uint32_t days)
{
	struct stat st;

	if (!work->tidy->dry && remove_old(work, work->trash, name, days) < 0) {
		tell(work, TIDY_FAILED, name, strerrordesc_np(errno));
		return;
	}
	if (work->tidy->dry || sys_fstatat(work->trash, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		tell(work, TIDY_EXPIRED, name, NULL);
}

static void pack(const struct work *work, const char *run)
{
	struct err why = ERR_INIT;

	if (work->tidy->dry || pack_run(work->trash, run, &why) == 0)
		tell(work, TIDY_PACKED, run, NULL);
	else
		tell(work, TIDY_FAILED, run, why.msg);
}

static void tidy_folder(const struct work *work, const char *run, const struct stat *st)
{
	struct keep keep = keep_of(work, run);

	if (strcmp(run, work->tidy->current) == 0 || (uint64_t)st->st_dev != work->dev)
		return;
	if (is_older(work, st->st_ctim, keep.trash_days))
		expire(work, run, keep.trash_days);
	else if (is_older(work, st->st_ctim, keep.pack_days))
		pack(work, run);
}

/* The mtime of an archive is the ctime that its folder had. */
static void tidy_archive(const struct work *work, const char *name, const struct stat *st)
{
	struct keep keep = keep_of(work, name);

	if (!is_older(work, st->st_mtim, keep.trash_days))
		return;
	if (!work->tidy->dry && sys_unlinkat(work->trash, name, 0) < 0)
		tell(work, TIDY_FAILED, name, strerrordesc_np(errno));
	else
		tell(work, TIDY_EXPIRED, name, NULL);
}

/* A note goes with the last that it is about. */
static void tidy_keep(const struct work *work, const char *name)
{
	AUTO_FREE char *run = xstrndup(name, RUN_NAME_LEN);
	AUTO_FREE char *archive = xasprintf("%s" PACK_SUFFIX, run);
	struct stat st;

	if (work->tidy->dry || strcmp(run, work->tidy->current) == 0 ||
	    sys_fstatat(work->trash, run, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	    sys_fstatat(work->trash, archive, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return;
	sys_unlinkat(work->trash, name, 0);
}

/* What a run that was killed had begun: an archive, or a note. */
static bool is_abandoned(const struct work *work, const char *name)
{
	return strcmp(name + RUN_NAME_LEN, PACK_PARTIAL_SUFFIX) == 0 ||
	       (atomic_is_temporary(name) && strncmp(name, work->tidy->current, RUN_NAME_LEN) != 0);
}

static void tidy_one(const struct work *work, const char *name)
{
	const char *suffix = name + RUN_NAME_LEN;
	struct stat st;

	if (!run_name_begins(name) || sys_fstatat(work->trash, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (S_ISDIR(st.st_mode) && !*suffix)
		tidy_folder(work, name, &st);
	else if (S_ISREG(st.st_mode) && strcmp(suffix, PACK_SUFFIX) == 0)
		tidy_archive(work, name, &st);
	else if (S_ISREG(st.st_mode) && strcmp(suffix, KEEP_SUFFIX) == 0)
		tidy_keep(work, name);
	else if (S_ISREG(st.st_mode) && is_abandoned(work, name) && !work->tidy->dry)
		sys_unlinkat(work->trash, name, 0);
}

/* All ---------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
	char **items;
	size_t count;
};

static void names_release(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
}

/* Folders before what stands beside them: a note is looked at when its run is done with. */
static int list(int trash, struct names *names, struct err *err)
{
	AUTO_DIR DIR *dir = sys_list(trash, ".");
	const char *name = NULL;

	if (!dir)
		return err_sys(err, errno, "cannot list the trash");
	while ((name = sys_next_name(dir))) {
		names->items = xrealloc(names->items, (names->count + 1) * sizeof(*names->items));
		names->items[names->count++] = xstrdup(name);
	}
	if (errno)
		return err_sys(err, errno, "cannot list the trash");
	if (names->count > 0)
		qsort(names->items, names->count, sizeof(*names->items), by_name);
	return 0;
}

static int tidy_all(const struct work *work, struct err *err)
{
	AUTO(names_release) struct names names = { NULL, 0 };

	if (list(work->trash, &names, err) < 0)
		return -1;
	/* Notes behind all folders and archives. */
	for (int notes = 0; notes < 2; notes++) {
		for (size_t i = 0; i < names.count; i++) {
			bool is_note = run_name_begins(names.items[i]) &&
				       strcmp(names.items[i] + RUN_NAME_LEN, KEEP_SUFFIX) == 0;

			if (is_note != (notes == 1))
				continue;
			if (work->tidy->lock && lock_check(work->tidy->lock, err) < 0)
				return -1;
			tidy_one(work, names.items[i]);
		}
	}
	return 0;
}

/* Tests let days pass. */
static int64_t now_ns(const struct tidy *tidy)
{
#ifdef OSYNC_FAULTS
	const char *later = getenv("OSYNC_DAYS_LATER");

	if (later)
		return tidy->now_ns + strtoll(later, NULL, 10) * STEADY_DAY_NS;
#endif
	return tidy->now_ns;
}

static int64_t started_ms(void)
{
#ifdef OSYNC_FAULTS
	const char *later = getenv("OSYNC_DAYS_LATER");

	if (later)
		return steady_started_ms() + strtoll(later, NULL, 10) * STEADY_DAY_NS / NS_PER_MS;
#endif
	return steady_started_ms();
}

int trash_tidy(int workdir, struct tidy *tidy, struct err *err)
{
	AUTO_CLOSE int trash =
		sys_openat(workdir, "trash", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	struct work work = { .tidy = tidy, .trash = trash };
	struct steady before;
	int64_t pause_ns = 0;
	struct stat st;

	if (trash < 0)
		return errno == ENOENT ? 0 : err_sys(err, errno, "cannot open the trash");
	if (sys_fstat(trash, &st) < 0)
		return err_sys(err, errno, "cannot look at the trash");
	work.dev = (uint64_t)st.st_dev;
	steady_load(workdir, &before);
	pause_ns = now_ns(tidy) - before.seen_ns;
	if (!tidy->always && before.known && pause_ns >= 0 && pause_ns < PAUSE_NS)
		return 0;
	/* Nobody has looked at the clock before: then it showed this when something was last put here. */
	if (!before.known)
		before = (struct steady){ .known = true,
					  .seen_ns = clock_from_timespec(st.st_mtim) };
	work.steady = steady_step(&before, now_ns(tidy), started_ms(), &tidy->boot);
	if (!tidy->dry)
		steady_save(workdir, &work.steady);
	return tidy_all(&work, err);
}
