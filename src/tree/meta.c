/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/sys.h"
#include "tree/attrs.h"
#include "tree/changer_internal.h"
#include "tree/reader.h"
#include "tree/root.h"
#include "tree/witness.h"

static const uid_t KEEP = (uid_t)-1; /* chown(2): leave this one alone */

struct owner {
	uid_t uid;
	gid_t gid;
};

static struct owner wanted_owner(const struct meta *meta, const struct stat *st)
{
	struct owner owner = { KEEP, KEEP };

	if (meta->mask & META_UID && meta->uid != st->st_uid)
		owner.uid = meta->uid;
	if (meta->mask & META_GID && meta->gid != st->st_gid)
		owner.gid = meta->gid;
	return owner;
}

/* What this process may not do (EPERM) or this system cannot express (EINVAL) is left. */
static int chown_result(int result)
{
	return result < 0 && errno != EPERM && errno != EINVAL ? -1 : 0;
}

/* Where permissions are not kept, the usual answer is EPERM. */
static int change_mode(struct changer *changer, int fd, mode_t mode)
{
	return sys_fchmod(fd, mode) < 0 && root_caps(changer->root)->modes ? -1 : 0;
}

/* By name where there is no descriptor (a symlink) or none that allows it (O_PATH). */
static int chown_either(int fd, int dirfd, const char *name, struct owner owner)
{
	if (fd >= 0 && sys_fchown(fd, owner.uid, owner.gid) == 0)
		return 0;
	if (fd >= 0 && errno != EBADF)
		return -1;
	return sys_lchownat(dirfd, name, owner.uid, owner.gid);
}

static int change_owner(int fd, int dirfd, const char *name, struct owner owner)
{
	const struct owner group = { KEEP, owner.gid };

	if (owner.uid == KEEP && owner.gid == KEEP)
		return 0;
	if (chown_either(fd, dirfd, name, owner) == 0)
		return 0;
	/* Not the owner, but perhaps the group. */
	if (errno == EPERM && owner.uid != KEEP && owner.gid != KEEP)
		return chown_result(chown_either(fd, dirfd, name, group));
	return chown_result(-1);
}

/* With the atime that it has, if known: an mtime alone is told to a witness as if it was a write. */
static int change_times(int fd, int dirfd, const char *name, const struct stat *st,
			int64_t mtime_ns)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, clock_to_timespec(mtime_ns) };

	if (st)
		times[0] = st->st_atim;
	if (fd >= 0 && sys_futimens(fd, times) == 0)
		return 0;
	if (fd >= 0 && errno != EBADF)
		return -1;
	return sys_lutimensat(dirfd, name, times);
}

/* chown clears setuid and setgid, so mode comes after it; everything changes ctime, nothing mtime. */
int meta_apply(struct changer *changer, int fd, int dirfd, const char *name,
	       const struct meta *meta, struct err *err)
{
	struct stat st = { 0 };
	struct owner owner = { KEEP, KEEP };
	bool owned = false;

	if (sys_fstat(fd, &st) < 0)
		return err_sys(err, errno, "cannot look at it");
	owner = wanted_owner(meta, &st);
	owned = owner.uid != KEEP || owner.gid != KEEP;
	if (change_owner(fd, dirfd, name, owner) < 0)
		return err_sys(err, errno, "cannot set the owner");
	if (meta->mask & META_MODE && (owned || (st.st_mode & 07777) != meta->mode) &&
	    change_mode(changer, fd, meta->mode) < 0)
		return err_sys(err, errno, "cannot set permissions");
	if (meta->mask & META_XATTR &&
	    attrs_write(fd, changer->look.flags, meta->xattrs, meta->xattrs_len, err) < 0)
		return -1;
	if (meta->mask & META_MTIME && change_times(fd, dirfd, name, &st, meta->mtime_ns) < 0)
		return err_sys(err, errno, "cannot set the time");
	return 0;
}

int meta_apply_time(int fd, const struct meta *meta, struct err *err)
{
	if (meta->mask & META_MTIME && change_times(fd, -1, "", NULL, meta->mtime_ns) < 0)
		return err_sys(err, errno, "cannot set the time");
	return 0;
}

int meta_apply_link(int dirfd, const char *name, const struct meta *meta, struct err *err)
{
	struct stat st = { 0 };

	if (sys_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "cannot look at it");
	if (change_owner(-1, dirfd, name, wanted_owner(meta, &st)) < 0)
		return err_sys(err, errno, "cannot set the owner");
	if (meta->mask & META_MTIME && change_times(-1, dirfd, name, NULL, meta->mtime_ns) < 0)
		return err_sys(err, errno, "cannot set the time");
	return 0;
}

/* A file that may not be read can still be given a mode: O_PATH is enough for that. */
static int open_for_meta(int dirfd, const char *name)
{
	int fd = sys_openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
			    0);

	return fd < 0 && errno == EACCES
		       ? sys_openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0)
		       : fd;
}

/* What is open must be what was looked at, and not written to since. */
static int still_same(const struct change *change, int fd, const struct entry *seen,
		      struct err *err)
{
	struct stat st = { 0 };

	if (sys_fstat(fd, &st) < 0)
		return change_failed(change, errno, err);
	if (st.st_ino != seen->ino ||
	    (seen->type == ENTRY_FILE && ((uint64_t)st.st_size != seen->size ||
					  clock_from_timespec(st.st_mtim) != seen->mtime_ns ||
					  clock_from_timespec(st.st_ctim) != seen->ctime_ns)))
		return change_differs(change, "has changed in this moment", err);
	return 0;
}

/* The content of a file whose time was set: 0 where it is what expect says, or nobody can tell. */
static int check_content(const struct change *change, enum witnessed seen, struct err *err)
{
	const struct entry *expect = change->expect;
	const struct parent *parent = &change->parent;
	struct entry read = { 0 };

	if (seen == WITNESS_QUIET)
		return 0;
	if (seen == WITNESS_NONE &&
	    (!(expect->flags & ENTRY_HAS_DIGEST) ||
	     reader_digest_at(&change->changer->look, parent->fd, parent->name, change->path, &read,
			      NULL) < 0 ||
	     digest_same(&read.digest, &expect->digest)))
		return 0;
	return change_differs(change, "has changed in this moment", err);
}

/* An edit before the last look is seen there, one after the time was set has a time of its own. */
static int apply_watched(const struct change *change, int fd, const struct entry *seen,
			 const struct meta *meta, struct err *why)
{
	const struct parent *parent = &change->parent;
	struct witness *witness = &change->changer->witness;
	bool hides = seen->type == ENTRY_FILE && meta->mask & META_MTIME;
	int watch = hides ? witness_begin(witness, fd) : -1;
	int status = still_same(change, fd, seen, why);
	enum witnessed written = WITNESS_QUIET;

	if (status == 0) {
		sys_point("before-times");
		status = meta_apply(change->changer, fd, parent->fd, parent->name, meta, why);
	}
	if (hides)
		written = witness_end(witness, watch);
	return status < 0 ? -1 : check_content(change, written, why);
}

int meta_sync(struct changer *changer, struct err *err)
{
	int failed = 0;

	while (changer->meta_count > 0) {
		AUTO_CLOSE int fd = changer->metas[--changer->meta_count];

		if (changer->sync != CHANGER_SYNC_OFF && sys_fsync(fd) < 0)
			failed = errno;
	}
	return failed ? err_sys(err, failed, "cannot make metadata durable") : 0;
}

/*
 * Syncing the folder would not do: it was not changed. One commit covers all that were changed
 * before it, so they are collected. What cannot be opened cannot be synced alone.
 */
static int meta_keep(struct changer *changer, int *fd, struct err *err)
{
	if (*fd < 0 || fcntl(*fd, F_GETFL) & O_PATH) {
		changer->sync_all = true;
		return 0;
	}
	if (!changer->metas)
		changer->metas = xcalloc(CHANGER_PENDING_MAX, sizeof(*changer->metas));
	changer->metas[changer->meta_count++] = steal_fd(fd);
	if (changer->meta_count < CHANGER_PENDING_MAX && changer->sync != CHANGER_SYNC_FILE)
		return 0;
	return meta_sync(changer, err);
}

static int set_meta(const struct change *change, const struct entry *seen, const struct meta *meta,
		    struct err *err)
{
	const struct parent *parent = &change->parent;
	AUTO_CLOSE int fd = -1;
	struct err why = ERR_INIT;

	if (seen->type == ENTRY_SYMLINK) {
		if (meta_apply_link(parent->fd, parent->name, meta, &why) == 0)
			return meta_keep(change->changer, &fd, err);
		return change_failed(change, why.sys, err);
	}
	fd = open_for_meta(parent->fd, parent->name);
	if (fd < 0)
		return change_failed(change, errno, err);
	if (apply_watched(change, fd, seen, meta, &why) == 0)
		return meta_keep(change->changer, &fd, err);
	if (why.kind == ERR_SYSTEM)
		return change_failed(change, why.sys, err);
	if (err)
		*err = why;
	return -1;
}

/* mtime: as it was, or what was asked for as far as the file system keeps it. */
static bool mtime_fits(const struct change *change, const struct meta *meta, int64_t mtime_ns)
{
	int64_t off_ns = 0;

	if (!(meta->mask & META_MTIME))
		return mtime_ns == change->expect->mtime_ns;
	return !__builtin_sub_overflow(meta->mtime_ns, mtime_ns, &off_ns) && off_ns >= 0 &&
	       off_ns < root_caps(change->changer->root)->granularity_ns;
}

static int look_again(const struct change *change, const struct meta *meta, struct entry *result,
		      struct err *err)
{
	const struct parent *parent = &change->parent;
	const struct entry *expect = change->expect;
	struct err why = ERR_INIT;

	if (look_at(&change->changer->look, parent->fd, parent->name, result, NULL, &why) < 0)
		return change_failed(change, why.sys, err);
	if (result->type != expect->type)
		return change_differs(change, "has changed in this moment", err);
	if (result->type == ENTRY_DIR)
		return 0;
	if (result->ino != expect->ino || result->size != expect->size ||
	    !mtime_fits(change, meta, result->mtime_ns))
		return change_differs(change, "has changed in this moment", err);
	expect_hand_on(expect, result);
	return 0;
}

int changer_meta(struct changer *changer, const char *path, const struct entry *expect,
		 const struct meta *meta, struct entry *result, struct err *err)
{
	AUTO(change_release)
	struct change change = { .changer = changer,
				 .verb = "set the metadata of",
				 .path = path,
				 .expect = expect,
				 .parent = PARENT_INIT };
	struct entry seen = { 0 };

	if (changer_fence(changer, err) < 0 ||
	    parent_open(changer, path, PARENT_SEARCH, &change.parent, err) < 0 ||
	    expect_before(&change, &seen, err) < 0)
		return -1;
	if (expect->type == ENTRY_ABSENT || expect->type == ENTRY_SPECIAL)
		return change_differs(&change, "has no metadata that is synced", err);
	if (expect->type == ENTRY_DIR && (seen.mode != expect->mode || seen.uid != expect->uid ||
					  seen.gid != expect->gid || seen.xattr != expect->xattr))
		return change_differs(&change, "has changed since it was listed", err);
	sys_point("before-place");
	if (set_meta(&change, &seen, meta, err) < 0)
		return -1;
	sys_point("between-exchange-and-look");
	if (look_again(&change, meta, result, err) < 0)
		return -1;
	if (result->type == ENTRY_DIR && meta->mask & META_MTIME)
		times_set(changer, path, strlen(path), result->ino, result->mtime_ns);
	return 0;
}
