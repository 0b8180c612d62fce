/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trash by age: what is too old goes, what is less old is packed.
 *
 * trash/RUN is a plain tree.  Beside it RUN.keep says for how many days the initiator of that run had asked
 * to have it kept (TRASH_DAYS), and after how many it may be packed (TRASH_PACK_DAYS), to RUN.tar.zst
 * (tree/pack.h).  What has no such file is kept until somebody says otherwise: nothing is removed that
 * nobody asked to have removed.
 *
 * A file's age is the time since it was put into the trash (its ctime), so that what comes into an old
 * folder late is not removed with it; by the file system's clock, and never more than the time for which that
 * clock has been steady (store/steady.h).  Names that are not ours are left alone, no link is followed, no other
 * file system is entered.
 *
 * For the holder of the root's lock.
 */
#ifndef TREE_TRASH_TIDY_H
#define TREE_TRASH_TIDY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"

struct err;
struct lock;

/* Days; 0: never. */
struct keep {
	uint32_t trash_days;
	uint32_t pack_days;
};

enum { KEEP_DAYS_MAX = 36500 };

/* Note for the run that is going to put something into the trash. Nothing for { 0, 0 }. */
int keep_write(int trash, const char *run, const struct keep *keep, struct err *err);

enum tidy_deed { TIDY_EXPIRED, TIDY_PACKED, TIDY_FAILED };
enum { TIDY_DEEDS = TIDY_FAILED + 1 };

struct tidy {
	const struct lock *lock; /* looked at before each run of the trash */
	const char *current;	 /* a run that is under way, "": none */
	bool always;		 /* also where the last time was less than a day ago */
	bool dry;		 /* only tell */
	struct keep keep;	 /* what is not 0 in here counts for all runs, whatever they say */
	int64_t now_ns;		 /* the file system's clock */
	struct uuid boot;
	/* What was done to which name of the trash; why is NULL but for TIDY_FAILED. May be NULL. */
	void (*tell)(void *arg, enum tidy_deed deed, const char *name, const char *why);
	void *arg;
	uint64_t done[TIDY_DEEDS]; /* out: how many */
};

/* -1 where the trash cannot be read, or the lock was lost. What fails for one run is told. */
int trash_tidy(int workdir, struct tidy *tidy, struct err *err);

#endif
