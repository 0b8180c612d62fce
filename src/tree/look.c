/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/look.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/sys.h"
#include "tree/attrs.h"
#include "tree/root.h"
#include "tree/scan.h"

enum { LINK_ROOM = 4096 /* bytes for a link target at first; most are below 100 */ };

static enum entry_type type_of(mode_t mode)
{
	if (S_ISREG(mode))
		return ENTRY_FILE;
	if (S_ISDIR(mode))
		return ENTRY_DIR;
	return S_ISLNK(mode) ? ENTRY_SYMLINK : ENTRY_SPECIAL;
}

void scan_entry_from_stat(struct entry *entry, const struct stat *st)
{
	bool sized = S_ISREG(st->st_mode) || S_ISLNK(st->st_mode);

	*entry = (struct entry){
		.type = (uint8_t)type_of(st->st_mode),
		.mode = (uint16_t)(st->st_mode & 07777),
		.uid = st->st_uid,
		.gid = st->st_gid,
		.ino = st->st_ino,
		.size = sized ? (uint64_t)st->st_size : 0,
		.mtime_ns = clock_from_timespec(st->st_mtim),
		.ctime_ns = clock_from_timespec(st->st_ctim),
	};
}

static void mark_mount(struct entry *entry)
{
	entry->flags |= ENTRY_OPAQUE | ENTRY_MOUNT;
}

static void fill(const struct look *look, const struct stat *st, int64_t now_ns,
		 struct entry *entry)
{
	scan_entry_from_stat(entry, st);
	if (root_stamps_young(look->root, st, now_ns))
		entry->flags |= ENTRY_RACY;
	if (look->flags & SCAN_NLINK && entry->type == ENTRY_FILE)
		entry->nlink = (uint32_t)st->st_nlink;
	if (entry->type == ENTRY_DIR && (uint64_t)st->st_dev != root_dev(look->root))
		mark_mount(entry);
}

/*
 * Whether something is mounted on this folder, also from the file system it lies on (a bind mount).
 * Kernels before 5.8 do not tell; then the device number is all there is.
 */
static bool is_mount_point(int dirfd, const char *name, int flags)
{
	struct statx stx = { 0 };

	return statx(dirfd, name, flags | AT_NO_AUTOMOUNT, 0, &stx) == 0 &&
	       (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* st_size is a hint only: some file systems say 0. */
static int read_link(const struct look *look, int dirfd, const char *name, struct entry *entry,
		     struct buf *link, struct err *err)
{
	size_t room = LINK_ROOM;
	ssize_t len = 0;

	for (;; room *= 2) {
		buf_reset(link);
		buf_extend(link, room);
		len = sys_readlinkat(dirfd, name, (char *)link->data, room);
		if (len < 0)
			return err_sys(err, errno, "cannot read the symlink");
		if ((size_t)len < room)
			break;
	}
	link->len = (size_t)len;
	entry->size = (uint64_t)len;
	entry->digest = digest_of(link->data, link->len, look->seed);
	entry->flags |= ENTRY_HAS_DIGEST;
	entry->link = buf_cstr(link);
	return 0;
}

static int add_attributes(const struct look *look, int fd, struct entry *entry, struct err *err)
{
	AUTO_BUF value = BUF_INIT;

	if (attrs_read(fd, look->flags, &value, err) < 0)
		return -1;
	entry->xattr = attrs_checksum(&value);
	return 0;
}

static int read_attributes(const struct look *look, int dirfd, const char *name,
			   struct entry *entry, struct err *err)
{
	AUTO_CLOSE int fd = sys_openat(
		dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);

	/* A folder that cannot be opened cannot be listed either, and is reported as such. */
	if (fd < 0 && entry->type == ENTRY_DIR && errno != ENOENT) {
		entry->flags |= ENTRY_OPAQUE;
		return 0;
	}
	if (fd < 0)
		return err_sys(err, errno, "cannot read its attributes");
	return add_attributes(look, fd, entry, err);
}

static bool wants_attributes(const struct look *look, const struct entry *entry)
{
	return look->flags & (SCAN_XATTR | SCAN_ACL) &&
	       (entry->type == ENTRY_FILE ||
		(entry->type == ENTRY_DIR && !(entry->flags & ENTRY_MOUNT)));
}

static int look_closer(const struct look *look, int dirfd, const char *name, struct entry *entry,
		       struct buf *link, struct err *err)
{
	AUTO_BUF own = BUF_INIT;

	if (wants_attributes(look, entry))
		return read_attributes(look, dirfd, name, entry, err);
	if (entry->type != ENTRY_SYMLINK)
		return 0;
	if (read_link(look, dirfd, name, entry, link ? link : &own, err) < 0)
		return -1;
	entry->link = link ? entry->link : NULL;
	return 0;
}

static int look_at_stat(const struct look *look, int dirfd, const char *name, struct entry *entry,
			struct err *err)
{
	int64_t now_ns = root_now_ns(look->root);
	struct stat st = { 0 };

	*entry = (struct entry){ .type = ENTRY_ABSENT };
	if (sys_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return errno == ENOENT ? 0 : err_sys(err, errno, "cannot be looked at");
	fill(look, &st, now_ns, entry);
	return 1;
}

/* Behind what stat tells: links and attributes. */
static int look_behind(const struct look *look, int dirfd, const char *name, struct entry *entry,
		       struct buf *link, struct err *err)
{
	struct err why = ERR_INIT;

	if (look_closer(look, dirfd, name, entry, link, &why) == 0)
		return 1;
	*entry = (struct entry){ .type = ENTRY_ABSENT };
	if (why.sys == ENOENT)
		return 0;
	if (err)
		*err = why;
	return -1;
}

int look_at(const struct look *look, int dirfd, const char *name, struct entry *entry,
	    struct buf *link, struct err *err)
{
	int found = look_at_stat(look, dirfd, name, entry, err);

	if (found <= 0)
		return found;
	if (entry->type == ENTRY_DIR && is_mount_point(dirfd, name, AT_SYMLINK_NOFOLLOW))
		mark_mount(entry);
	return look_behind(look, dirfd, name, entry, link, err);
}

int look_briefly(const struct look *look, int dirfd, const char *name, struct entry *entry,
		 struct buf *link, struct err *err)
{
	int found = look_at_stat(look, dirfd, name, entry, err);

	if (found <= 0 || entry->type == ENTRY_DIR)
		return found;
	return look_behind(look, dirfd, name, entry, link, err);
}

int look_open(const struct look *look, int fd, struct entry *entry, struct err *err)
{
	int64_t now_ns = root_now_ns(look->root);
	struct stat st = { 0 };

	if (sys_fstat(fd, &st) < 0)
		return err_sys(err, errno, "cannot be looked at");
	fill(look, &st, now_ns, entry);
	if (entry->type == ENTRY_DIR && is_mount_point(fd, "", AT_EMPTY_PATH))
		mark_mount(entry);
	return wants_attributes(look, entry) ? add_attributes(look, fd, entry, err) : 0;
}
