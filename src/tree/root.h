/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One side's root folder, opened once; everything else is reached beneath it by
 * descriptor and name, never following a link on the way.
 *
 * Below the root, osync's own folder .osync_workdir (0700, never synced) holds
 *	identity	the root's random UUID, one line of text
 *	lock		see store/lock.h
 *	lock.silent	for how long its holder has given no sign of life: see store/silence.h
 *	queue/		who waits for it: see store/queue.h
 *	state/		saved lists and caches (or wherever *_CUSTOM_STATE_DIR says)
 *	stage/		files being received; swept at the start of every run
 *	filesystem	what the file system can do: see tree/caps.h
 *	touched		of a run that is under way, or was killed: see tree/touched_note.h
 *	trash/RUN/	what runs replaced or deleted, the tree preserved; packed, RUN.tar.zst
 *	trash/RUN.keep	for how long that is wanted: see tree/trash_tidy.h
 *	trash-clock	since when the clock has been steady: see store/steady.h
 */
#ifndef TREE_ROOT_H
#define TREE_ROOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/random.h"

struct err;
struct root;

#define ROOT_WORKDIR ".osync_workdir"

enum root_mode { ROOT_MUST_EXIST, ROOT_CREATE /* mkdir -p, 0777 minus umask */ };

/*
 * Open the folder `dir`. ERR_SYSTEM where it is missing (sys = ENOENT), not a folder, or
 * not accessible, with a message that names it and what to do. Changes nothing else.
 */
struct root *root_open(const char *dir, enum root_mode mode, struct err *err);
void root_close(struct root *root);

/* Borrowed descriptor of the root folder. */
int root_fd(const struct root *root);
/* Device number of the root's file system. */
uint64_t root_dev(const struct root *root);

/*
 * The open parent folder of `path` and the last component's name.  Each component is opened
 * with O_NOFOLLOW|O_DIRECTORY; a link or non-folder on the way is ERR_CHANGED (sys ENOTDIR
 * or ELOOP), a missing one ERR_CHANGED (sys ENOENT), a path that is not valid or that leads
 * into a work folder ERR_PROTOCOL.  A folder that may be searched but not read is an O_PATH
 * descriptor.  *dirfd is borrowed and valid until the
 * next root_ call on this root; *name points into path.  Amortised O(1) for neighbouring paths.
 * Works for paths longer than PATH_MAX.
 */
int root_parent(struct root *root, const char *path, int *dirfd, const char **name,
		struct err *err);
/* The same for the folder `path` itself ("" is the root): its borrowed descriptor. */
int root_folder(struct root *root, const char *path, int *dirfd, struct err *err);
/*
 * Forget the cached descriptors of `path` and below ("" for all): call after renaming or
 * removing a folder, and now and then anyway: somebody else may have moved a folder that is
 * cached, and it would be worked in at its new place until it is forgotten.
 */
void root_forget(struct root *root, const char *path);

/* The work folder: -1 (no err set, errno ENOENT) where it is not there; borrowed descriptor. */
int root_workdir(struct root *root);
/* Create it (0700) where missing. */
int root_workdir_create(struct root *root, struct err *err);

/* 1 and the identity, 0 where there is none, -1 on error. */
int root_identity(struct root *root, struct uuid *out, struct err *err);
/* Give the root an identity (durable). The work folder must exist. */
int root_identity_write(struct root *root, const struct uuid *identity, struct err *err);

/* What the file system can do, probed (never guessed from its name where a probe can tell). */
struct root_caps {
	bool exchange;	/* RENAME_EXCHANGE */
	bool noreplace; /* RENAME_NOREPLACE */
	bool hardlinks;
	bool symlinks;
	bool xattrs;		 /* user.* can be set */
	bool acls;		 /* POSIX ACLs can be set */
	bool modes;		 /* permission bits are kept */
	bool chown;		 /* this process may give files away */
	bool folds;		 /* other spellings (case, Unicode form) find the same file */
	bool respells;		 /* names are listed in another Unicode form than they were given */
	int64_t step_ns;	 /* in which mtimes are kept: 1 for nanoseconds */
	int64_t granularity_ns;	 /* of time stamps: two changes this close may look alike */
	int64_t clock_offset_ns; /* file system's clock minus clock_file_ns(); 0 for local ones */
};

/*
 * Probe inside the work folder's stage/ (needs the work folder; writes and removes temporaries
 * there). Cached. A capability whose probe fails for any reason counts as missing: the fallback
 * is always safe.
 */
int root_probe(struct root *root, struct err *err);
/*
 * Take what an earlier probe found on this file system, so that a run that changes nothing writes
 * nothing. False where there was none, or on another file system: probe then.
 */
bool root_recall(struct root *root);
/* For tests: take these for granted instead of probing. */
void root_set_caps(struct root *root, const struct root_caps *caps);
/* What was probed; before root_probe, cautious defaults for a local Linux file system. */
const struct root_caps *root_caps(const struct root *root);
/*
 * A file was just written here at before_ns (clock_file_ns) or later and got this ctime: the file
 * system's clock, wherever that is. It is believed from now on, along the monotonic clock, so that
 * neither another machine's clock nor a jump of ours makes a young file look settled.
 */
void root_clock_seen(struct root *root, int64_t before_ns, int64_t ctime_ns);
/* The same clock as that of `from`, which is on the same file system. */
void root_share_clock(struct root *root, const struct root *from);
/* The file system's own idea of now; rather a little too early than too late. */
int64_t root_now_ns(const struct root *root);
/*
 * Whether an entry with these stamps, looked at when the file system's clock showed now_ns, may
 * be changed once more without its stamps showing it (racy, in git's words): a change gives ctime,
 * and where that is missing mtime, the time of the change, in steps of granularity_ns.  An mtime
 * in the future is somebody's choice and proves nothing either way.
 */
bool root_stamps_young(const struct root *root, const struct stat *st, int64_t now_ns);

#endif
