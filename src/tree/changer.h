/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every change to a tree, and the promise that none of them drops a version.
 *
 * Each operation names what it expects to find (struct entry, ENTRY_ABSENT for
 * nothing).  It looks first (the full stat key; a racy one also by digest), acts with a
 * primitive that cannot overwrite (RENAME_NOREPLACE, RENAME_EXCHANGE), and looks at what
 * came out: is that not the expected version, it is put back (exchange back) or, where the
 * name was taken meanwhile, kept in the trash, and the operation fails with ERR_CHANGED.
 * What it displaces goes to trash/RUN/PATH of this root before or atomically with the
 * change; no trash, no change.
 *
 * A replacement goes through the trash: the new content is first renamed from stage/ to the
 * trash name, then the trash name and the path are exchanged.  So there is no instant at which
 * a displaced version lies where a dead run's leftovers are swept: killed before the exchange,
 * the trash holds a version that was never placed; killed after it, the old one.
 *
 * Folders are never displaced with anything in them: a folder makes way by rmdir, which the
 * kernel refuses where it is not empty (ignored files, a nested .osync_workdir, what somebody
 * put there a moment ago), and is made again in the trash.
 *
 * Where the file system lacks the primitives (root_caps):
 *	no NOREPLACE	link to the new name and unlink the old one; without hard links a look
 *			and a rename
 *	no EXCHANGE	link the old version into the trash, look, look at the path again, rename;
 *			without hard links, and where a folder is involved, the old version is
 *			renamed into the trash, looked at, and the new one created
 * In both, a version written between the last look and the rename may be lost, and a run that is
 * killed between two renames leaves the path absent.
 *
 * ERR_CHANGED: the path is not what was expected; nothing was lost, try again next run.
 * ERR_LOCKED: the lock of the root was taken over (store/lock.h); nothing was done, and nothing will be.
 * ERR_SYSTEM: the call failed (no space, no permission ...); the path is as it was, or the
 * message says where its content is.
 *
 * New content is staged in .osync_workdir/stage first:
 *
 *	staged = staged_file(changer, mode, err);
 *	staged_write(staged, ...)*;  staged_hole(staged, len)*;
 *	staged_finish(staged, &meta, err);	sets size, owner, mode, attributes, mtime; fsync with FSYNC=file
 *	changer_sync_staged(changer, err);	FSYNC=batch: all finished so far are durable
 *	changer_place(changer, staged, path, &expect, &result, err);
 *	changer_sync(changer, err);		folders touched since are durable; results can be recorded
 *
 * Parent folders keep their mtime: the first touch remembers it, changer_restore_times
 * puts it back (unless changer_meta set it later).  What is remembered is also noted in
 * .osync_workdir/touched, before the folder is changed: of a run that is killed,
 * changer_recover puts the mtimes back at the start of the next one (what somebody else has
 * made of the mtime of such a folder between the two is lost).  For each path the last record
 * counts: one that changer_meta writes supersedes that of the first touch.  A note that cannot be
 * written or read costs no more than the mtimes.  The mode of a parent that is opened for the moment
 * is noted likewise, in .osync_workdir/unlocked, and put back unless somebody has changed it since.
 *
 * A parent without write permission that
 * belongs to us is opened for the moment of the change and closed again.
 *
 * THREADS.  One thread may stage files (staged_file to staged_finish, staged_free) while another one does all
 * the rest, with others that were finished before: what is staged is handed over by changer_sync_staged.
 *
 * changer_sync forgets the root's cached descriptors, so a folder that somebody moved during
 * the run is worked in at its new place for one batch at most.
 */
#ifndef TREE_CHANGER_H
#define TREE_CHANGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/random.h"
#include "model/entry.h"
#include "tree/trash_tidy.h"

struct err;
struct lock;
struct root;
struct changer;
struct staged;

enum changer_sync_mode { CHANGER_SYNC_BATCH, CHANGER_SYNC_FILE, CHANGER_SYNC_OFF };

struct changer_options {
	const char *run; /* name of this run's trash folder, a valid single component */
	enum changer_sync_mode sync;
	unsigned scan_flags; /* tree/scan.h: which attributes are synced */
	uint64_t seed;	     /* keys digests */
	struct keep keep;    /* for how long what goes to the trash is wanted */
	struct lock *lock;   /* of the root, borrowed: looked at before each operation */
	struct uuid boot;    /* of this machine (done_log_boot); none: not known */
};

struct meta {
	unsigned mask; /* enum meta_field (model/entry.h): which of these are to be set */
	uint16_t mode;
	uint32_t uid;
	uint32_t gid;
	int64_t mtime_ns;
	const void *xattrs; /* tree/attrs.h form, borrowed */
	size_t xattrs_len;
};

/*
 * The work folder must exist. Empties stage/ of what dead runs left (the caller holds the lock): a folder
 * that is not empty goes to the trash.
 */
struct changer *changer_open(struct root *root, const struct changer_options *options,
			     struct err *err);
/* Times not put back yet, because the run broke off, are put back as far as can be. */
void changer_close(struct changer *changer);
/*
 * Put back the mtimes of folders that a killed run has touched, and the modes of those that it has
 * made writable, and remove its notes. For the holder of the lock, before anything is looked at. Only folders below the root that still have their inode
 * are touched, and no link is followed; whatever fails is left, silently. O(n log n).
 */
void changer_recover(struct root *root);

/*
 * An empty file. mode: what it is probably going to get, which saves setting it (staged_finish); nobody else
 * can reach it before it is placed.
 */
struct staged *staged_file(struct changer *changer, mode_t mode, struct err *err);
/* The same for a large file that is to be placed there: what has come of it can be left (tree/partial.h). */
struct staged *staged_large(struct changer *changer, const char *path, mode_t mode,
			    struct err *err);
/* As staged_free(), but what has come of a large file is kept for the next run. */
void staged_leave(struct staged *staged);
int staged_write(struct staged *staged, const void *data, size_t len, struct err *err);
int staged_hole(struct staged *staged, uint64_t len, struct err *err);
/* Bytes written so far. */
uint64_t staged_size(const struct staged *staged);
/* ERR_SYSTEM where the file system cannot hold a file of this size at all. Changes nothing. */
int staged_may_grow(struct staged *staged, uint64_t size, struct err *err);
/* A symlink with this target. */
struct staged *staged_symlink(struct changer *changer, const char *target, struct err *err);
/* An empty folder (0700 until its metadata is set). */
struct staged *staged_folder(struct changer *changer, struct err *err);
/*
 * A new folder that is filled before it is put in place; no descriptor is held of it. Then
 *
 *	file = staged_file_in(folder, name, mode, err);		with staged_write() and all else as for any file
 *	staged_filled(folder, &meta, err);			nothing comes into it any more
 *	changer_sync_staged(changer, err);			so that no power cut gives it its old name back
 *	changer_place(changer, folder, path, &expect, &result, err);
 *	changer_placed_in(file, &result, err);			of each file that was in it
 *
 * Its metadata come last, so that no file in it inherits more than in the stage. What is in one that has not come to
 * staged_filled() is removed when its run was killed. A folder that is freed goes with the last of its files.
 */
struct staged *staged_filling(struct changer *changer, struct err *err);
/* `name` must be free in it (EEXIST otherwise), and stays the file's. */
struct staged *staged_file_in(struct staged *folder, const char *name, mode_t mode,
			      struct err *err);
int staged_filled(struct staged *folder, const struct meta *meta, struct err *err);
/*
 * Whether what has this name in the stage is a folder that never was in place: it goes with what is in it. One that
 * was about to be placed by a run of this boot would not be here.
 */
bool staged_was_never_placed(const char *name, const struct uuid *boot);
/* Whether it was staged in a folder. */
bool staged_is_in_folder(const struct staged *staged);
int changer_placed_in(struct staged *staged, struct entry *result, struct err *err);
/* A hard link to an existing file of this root, which must be `expect`. */
struct staged *staged_link(struct changer *changer, const char *path, const struct entry *expect,
			   struct err *err);
/* A copy (tree/copy.h) of an existing file of this root, whose content must have expect->digest. */
struct staged *staged_copy(struct changer *changer, const char *path, const struct entry *expect,
			   struct err *err);
/*
 * Complete it. Owner and group that this process may not set are left, silently. Without META_MODE
 * files get 0666 and folders 0777 minus the umask. Not for hard links.
 */
int staged_finish(struct staged *staged, const struct meta *meta, struct err *err);
/* Digest of what was written so far (files). */
struct digest staged_digest(const struct staged *staged);
/* Remove it if it was not placed, free it. NULL does nothing. */
void staged_free(struct staged *staged);
/*
 * Make all that were finished durable, those too that another thread finishes in this moment. All are
 * tried; those that failed are refused by changer_place as well, so a caller may go on with the rest of the
 * batch.
 */
int changer_sync_staged(struct changer *changer, struct err *err);

/*
 * Put it at `path`, where `expect` must be. A folder that is to be replaced must be empty.
 * *result: what is there now (with digest for files and symlinks).
 */
int changer_place(struct changer *changer, struct staged *staged, const char *path,
		  const struct entry *expect, struct entry *result, struct err *err);
/*
 * Move `path` into the trash; a folder must be empty (ERR_CHANGED "not empty" otherwise). Special
 * files, mount points and folders that could not be listed are refused. Deleting what is expected
 * to be absent, and is, succeeds.
 */
int changer_delete(struct changer *changer, const char *path, const struct entry *expect,
		   struct err *err);
/*
 * Make the folder of the trash that what is at `path` would go to.  Never needed, and what fails here
 * fails again where it matters; but the folders of many paths are made durable together by the first
 * change that puts something into the trash, where else each waits for the disk.
 */
void changer_make_room(struct changer *changer, const char *path);
/*
 * Rename within the root; `to` must not exist. Folders with all they hold: of these only type and
 * inode are compared.
 */
int changer_move(struct changer *changer, const char *from, const char *to,
		 const struct entry *expect, struct entry *result, struct err *err);
/*
 * Set metadata of a file, folder or symlink (links: owner and mtime only). Of a folder's key, the
 * mtime is not compared (what is placed in it changes it). *result has expect's digest.
 * An edit in the microseconds between the last look and the setting of the mtime has its own mtime
 * overwritten: it is heard of (tree/witness.h; where that cannot be, the file is read), and is
 * ERR_CHANGED. The ctime then still shows it to the next run.
 */
int changer_meta(struct changer *changer, const char *path, const struct entry *expect,
		 const struct meta *meta, struct entry *result, struct err *err);

/* Put the mtimes of touched folders back; with all of them right, the note is removed. */
int changer_restore_times(struct changer *changer, struct err *err);
/*
 * What is in the tree already is durable (FSYNC=batch, file), whoever has put it there: a user's
 * program a moment ago, or a run that was killed before its own sync.  To be called between looking
 * at a tree and recording what was seen: else a power cut could leave a record of a version that is
 * not there, and the next run would take that for a deletion, or an empty file for an edit.  One
 * syncfs, which also waits for what others have written to the same file system.
 */
int changer_sync_found(struct changer *changer, struct err *err);
/* All changes placed so far are durable (FSYNC=batch, file); with FSYNC=off nothing is done. */
int changer_sync(struct changer *changer, struct err *err);
/* The inode of the folder of this path, into which something was just placed; 0 where it is not known. */
uint64_t changer_folder(struct changer *changer, const char *path);
/*
 * Whether that folder is still the one at the path. Who takes a folder away takes along what comes into it in
 * that moment, and has not seen it. What was known of the root before must be forgotten (root_forget).
 * O(1) amortised for neighbouring paths.
 */
bool changer_folder_stays(const struct changer *changer, const char *path, uint64_t ino);

/* In how many ms the last results can be settled without waiting; 0 where that would take too long. */
int64_t changer_settle_ms(const struct changer *changer);
/*
 * Look at a placed result again after the file system's clock has moved on: clears ENTRY_RACY where
 * the stat key is still the same. Waits at most one granularity, and not at all where that is over 100 ms.
 */
void changer_settle(struct changer *changer, const char *path, struct entry *result);

#endif
