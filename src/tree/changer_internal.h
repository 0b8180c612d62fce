/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files behind tree/changer.h share: the changer itself, and one change
 * to one path on its way from the first look to the last.
 *
 *	changer.c	open, sync, settle
 *	times.c		mtimes of folders: remember, put back
 *	parent.c	the open parent of a path, made writable for the moment
 *	expect.c	is it what was expected
 *	trash.c		names in the trash, and what goes there
 *	stage.c		new content
 *	copy.c		new content that is on this machine already
 *	place.c		put it in place by exchange
 *	fallback.c	the same on file systems that cannot exchange
 *	remove.c	delete and move
 *	meta.c		owner, mode, attributes, times
 */
#ifndef TREE_CHANGER_INTERNAL_H
#define TREE_CHANGER_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/worthwhile.h"
#include "model/entry.h"
#include "tree/chain.h"
#include "tree/changer.h"
#include "tree/look.h"
#include "tree/touched.h"
#include "tree/touched_note.h"
#include "tree/witness.h"

/* Doubly linked. */
struct staged_list {
	struct staged *first;
	unsigned count;
};

struct changer {
	struct root *root;
	struct lock *lock;
	struct keep keep;
	struct look look;
	char *run;
	struct uuid boot;
	enum changer_sync_mode sync;
	mode_t umask;
	int stage;	      /* descriptor of .osync_workdir/stage */
	unsigned long serial; /* of the last staged name */
	/*
	 * What is finished and not durable yet: `pending` as it is staged; `syncing`, of whoever syncs, which
	 * may be another thread (changer_sync_staged). The mutex is for both lists and stage_dirty.
	 */
	pthread_mutex_t mutex;
	struct staged_list pending;
	struct staged_list syncing;
	bool stage_dirty; /* names were added to the stage since it was synced */
	struct touched touched;
	struct touched_note note;  /* of the mtimes in it, for the next run if this one is killed */
	struct touched_note modes; /* of folders made writable for the moment, likewise */
	unsigned unlocked;	   /* how many of them have their mode still to be put back */
	struct witness witness;
	int trash;		  /* trash/RUN, -1: nothing was put there yet */
	struct chain trash_chain; /* folders below it, made where missing */
	struct touched trash_touched;
	bool trash_grown; /* it has folders whose own names are not durable yet */
	int *metas;	  /* descriptors whose metadata was set and is not durable yet */
	unsigned meta_count;
	bool sync_all; /* something was changed that only syncfs can make durable */
};

enum {
	/* Descriptors kept open for one common sync. */
	CHANGER_PENDING_MAX = WORTHWHILE(256, 4),
	/*
	 * From so many files or folders on one syncfs replaces an fsync for each: a first sync of
	 * thousands of small files waits for the disk a few times instead of once per file. Below
	 * that nobody else's data are waited for.
	 */
	CHANGER_SYNC_ALL = WORTHWHILE(64, 4),
};

enum staged_state {
	STAGED_OPEN,	 /* being written */
	STAGED_FINISHED, /* complete, not durable */
	STAGED_READY,	 /* durable as far as was asked for */
	STAGED_BROKEN,	 /* it could not be made durable */
	STAGED_GONE,	 /* placed, or in somebody else's hands: not in the stage any more */
};

enum {
	STAGED_NAME_SIZE = 256,			 /* of a file in a folder it is any name */
	STAGED_PATH_SIZE = 2 * STAGED_NAME_SIZE, /* below the stage */
	/* What their names begin with: that of a folder tells whether it can have been in place. */
	STAGED_WHOLE = 's',
	STAGED_FILLING = 'f',
};

struct staged {
	struct changer *changer;
	struct staged_list *list; /* in which it is, or NULL */
	struct staged *next;	  /* there */
	struct staged *prev;
	enum staged_state state;
	bool linked; /* a hard link to a file of the root */
	char name[STAGED_NAME_SIZE];
	struct staged
		*folder; /* in which it is staged, under its own name; NULL: the stage itself */
	unsigned inside; /* of a folder: how many are staged in it */
	bool doomed;	 /* it is to be removed with the last of them */
	bool spoiled;	 /* one that was staged in it could not be made durable */
	int fd;		 /* of files and folders until durable */
	uint64_t size;
	bool hole_last; /* the size is not yet that of the file */
	struct digest_stream *digest;
	uint16_t folder_mode; /* to be set once a folder is in place */
	struct entry entry;   /* what was staged, as it looked when it was finished */
	struct digest value;  /* of its content */
};

/* In front of each operation: ERR_LOCKED where the lock was taken over. */
int changer_fence(const struct changer *changer, struct err *err);

/* Have a descriptor of a folder; staged_filling() keeps none. */
int staged_open_folder(struct staged *staged, struct err *err);
/* Where it lies below the stage. */
const char *staged_path(const struct staged *staged, char room[static STAGED_PATH_SIZE]);
/* fsync it if it must be and was not yet. */
int staged_settle(struct staged *staged, struct err *err);

/* The open parent folder of a path. */
struct parent {
	struct changer *changer;
	int fd;
	bool borrowed; /* the fd, from the root */
	const char *name;
	const char *path; /* of the child; borrowed */
	struct stat st;	  /* of the folder, before the change */
	bool unlocked;	  /* its mode was changed for the moment */
	bool remembered;  /* its mtime, by this opening */
	bool changed;	  /* something in it was changed: its mtime is put back, it is synced */
};

#define PARENT_INIT      \
	{                \
		.fd = -1 \
	}
#define AUTO_PARENT AUTO(parent_close) struct parent

enum parent_use {
	PARENT_SEARCH,
	PARENT_WRITE, /* its mtime is remembered, and noted for the next run, before anything changes */
	PARENT_PLACE, /* the same, where no other path of the root is looked up until it is closed */
};

int parent_open(struct changer *changer, const char *path, enum parent_use use,
		struct parent *parent, struct err *err);
/*
 * Put its mode back. Where it was changed it is to be synced; where it was not, what this opening has
 * remembered is forgotten. Keeps errno.
 */
void parent_close(struct parent *parent);

/* A folder gets or keeps this mtime, whatever was remembered before. */
void times_set(struct changer *changer, const char *path, size_t len, uint64_t ino,
	       int64_t mtime_ns);
/* The same with what it has now, where nothing is remembered of it yet: then true. */
bool times_remember(struct changer *changer, const char *path, size_t len, const struct stat *st);
/* The folder's mtime is to stay as it is; or another folder stands there from now on. */
void times_forget(struct changer *changer, const char *path, size_t len);
/* `from` is about to be renamed: the note will hold under the new path as well. O(folders). */
void times_moving(struct changer *changer, const char *from, const char *to);

/*
 * A folder that is moved to another parent gets a new "..", for which it must be writable: one of
 * ours is made so for the moment.
 */
struct own_folder {
	const struct parent *parent; /* borrowed */
	const char *to;		     /* where it may be by the end, or NULL; borrowed */
	int fd;
	mode_t mode;
	bool unlocked;
};

#define OWN_FOLDER_INIT  \
	{                \
		.fd = -1 \
	}
#define AUTO_OWN_FOLDER AUTO(own_folder_close) struct own_folder

/*
 * Does nothing where `found`, which is at the parent's name, is no folder or needs no help. `to`: the
 * path to which it is about to be renamed, or NULL. Both are kept until it is closed.
 */
void own_folder_open(const struct parent *parent, const struct entry *found, const char *to,
		     struct own_folder *own);
/* Put its mode back, wherever it is by now. Keeps errno. */
void own_folder_close(struct own_folder *own);
/* Put back the modes that a killed run could not, where nobody has changed them since. */
void modes_recover(struct root *root, int workdir);

enum { SLOT_NAME_SIZE = 256 };

/* A name in the trash for a path. */
struct slot {
	int dirfd; /* borrowed from the trash's chain: valid until the next slot */
	const char *wanted;
	char name[SLOT_NAME_SIZE];
};

/* One change to one path. */
struct change {
	struct changer *changer;
	const char *verb; /* for messages: "replace" */
	const char *path;
	const struct entry *expect;
	struct parent parent;
	struct slot slot;
};

/* ERR_CHANGED: "'PATH' HOW". */
int change_differs(const struct change *change, const char *how, struct err *err);
/* "cannot VERB 'PATH': ...": ERR_CHANGED where errnum says that something came or went, else ERR_SYSTEM. */
int change_failed(const struct change *change, int errnum, struct err *err);

/* Whether what is at the path is what was expected, full key and, where racy, content. 0, or -1. */
int expect_before(struct change *change, struct entry *found, struct err *err);
/*
 * Whether what was taken from the path to dirfd/name is: 1, 0 with a reason, -1 on an error. ctime
 * is not compared, since renaming has changed it. Content is where expect is racy.
 */
int expect_came_out(const struct change *change, int dirfd, const char *name, struct err *err);
/* Of a symlink or file found just now: give it what is known of its content. */
void expect_hand_on(const struct entry *expect, struct entry *found);

/* Rename to a name that must be free (EEXIST otherwise), as well as the file system can. */
int rename_new(struct changer *changer, int olddir, const char *oldname, int newdir,
	       const char *newname);

/*
 * Find the parent of `path` in the trash, making what is missing. Sets slot->dirfd. What was made is
 * durable: a version must not lie in a folder that a power cut can take away.
 */
int trash_slot(struct change *change, struct err *err);
/* changer.c: make the folders of the trash durable, where any were made (not with FSYNC=off). */
int trash_sync(struct changer *changer, struct err *err);
/* Move dirfd/name to a free name in the slot: 0, or -1 with errno. */
int trash_take(struct change *change, int dirfd, const char *name);
/* The same with a second link instead of a rename. */
int trash_link(struct change *change, int dirfd, const char *name);
/* Move a folder that a dead run left in the stage to the top of the trash: 0, or -1. */
int trash_leftover(struct changer *changer, const char *name);
/* Make the folder PATH in the trash, as `like` is. */
int trash_folder(struct change *change, const struct entry *like, struct err *err);
/*
 * Whether the folder that was taken from the path into the slot is empty: then it is removed and
 * made again in the trash, where that can be done (an empty folder is no reason to fail): 1. 0 with
 * a reason where it is not, -1 on an error; it is still in the slot then.
 */
int trash_took_folder(struct change *change, const struct entry *found, struct err *err);

void change_release(struct change *change);
/* Whether what lies in the slot now is the expected version (an empty folder, where that is one). */
int change_verify_slot(struct change *change, const struct entry *before, struct err *err);
/*
 * Take what is at the path into the slot, look at it and put it back where it is not what was
 * expected.  On success the path is free.
 */
int change_displace(struct change *change, const struct entry *before, struct err *err);

/* place.c on file systems that cannot exchange. */
int fallback_replace(struct change *change, struct staged *staged, const struct entry *before,
		     struct err *err);

/* Set what meta says on an open file or folder (fd may be O_PATH; then by name where needed). */
int meta_apply(struct changer *changer, int fd, int dirfd, const char *name,
	       const struct meta *meta, struct err *err);
/* Sync the descriptors whose metadata was set. */
int meta_sync(struct changer *changer, struct err *err);
/* Only the mtime, where meta asks for it, of a file that nobody watches (tree/witness.h). */
int meta_apply_time(int fd, const struct meta *meta, struct err *err);
int meta_apply_link(int dirfd, const char *name, const struct meta *meta, struct err *err);

#endif
