/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a run has done to this side and not yet seen recorded in the saved list, for the run after
 * one that was killed in between.
 *
 * Without it such an effect looks like a user's: what was pushed and then deleted by its owner
 * would come back, and what was pushed and then edited would be a conflict with itself.
 *
 * The file .osync_workdir/done-PROFILE (0600) is a sequence of records, numbers as in base/codec.h:
 *
 *	checksum   8   of the rest but the length; little endian
 *	length         of the rest (uint)
 *	rest           the first record: 16 bytes id of this boot, le64 generation of the saved list;
 *	               the others: as done_log_next() reads them
 *
 * The records of an operation are one write, made right after it. Nothing is synced: it
 * guards against kill. After a power cut, which may have taken the effect and left the record, the id
 * of the boot is another, and nothing in it is believed. Reading ends at the first record that is
 * not whole. A log that cannot be written or read costs what is said above, never a version.
 */
#ifndef STORE_DONE_LOG_H
#define STORE_DONE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/random.h"
#include "model/entry.h"

struct arena;
struct dec;

enum { DONE_LOG_MAX = 1024 * 1024 /* bytes: it travels in one frame; what is more is not noted */ };

struct done_log {
	int dirfd; /* borrowed */
	char *name;
	struct uuid boot;
	uint64_t generation;
	int fd;		 /* -1: nothing was noted yet */
	struct buf tail; /* the records that nobody has recorded */
	size_t written;	 /* bytes of them that stand in the file */
	size_t reported; /* bytes of them that the initiator knows of */
	bool useless;	 /* it could not be written */
};

enum done_kind {
	DONE_AGREED = 1, /* with it both sides agree on `path` */
	DONE_MADE = 2,	 /* as above, of a folder whose final metadata is still to come */
	DONE_MOVED = 3,	 /* `from` is called `path` now, as on the other side */
};

struct done_record {
	enum done_kind kind;
	const char *path;
	const char *from;  /* DONE_MOVED */
	struct entry here; /* otherwise: what this side shows, and what the other did */
	struct entry there;
};

/*
 * The id of this boot of the machine; zero where the kernel does not say. Before confinement: it
 * is read from /proc.
 */
struct uuid done_log_boot(void);

/*
 * Removes what is there: the caller has taken it over. With the id of no boot nothing is noted.
 * `dirfd` is borrowed.
 */
void done_log_init(struct done_log *log, int dirfd, const char *profile, const struct uuid *boot,
		   uint64_t generation);
/* Leaves the file. */
void done_log_release(struct done_log *log);
/* Each record of what one operation has done is put, and all are written at once. */
void done_log_put(struct done_log *log, const struct done_record *record);
void done_log_write(struct done_log *log);
/* The initiator is told of everything so far. */
void done_log_reported(struct done_log *log);
/* What was reported until the last done_log_reported() stands in the saved list: it is dropped. */
void done_log_recorded(struct done_log *log);

/* Append the records of a log of this boot to `out`, and set *generation: 1; 0 where there are none. */
int done_log_read(int dirfd, const char *profile, const struct uuid *boot, uint64_t *generation,
		  struct buf *out);
/* The next record of what was read: 1; 0 at the end, or at what makes no sense (dec->bad). */
int done_log_next(struct dec *dec, struct arena *arena, struct done_record *record);

#endif
