/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/sys.h"
#include "base/text.h"
#include "tree/attrs.h"

enum {
	PACK_ROOM = 128 * 1024, /* bytes read at a time */
	PACK_NAMES_MAX = 65536, /* bytes of the names of extended attributes, the kernel's limit */
};

/* An archive being written, and what is known of it: equal digests mean equal contents. */
struct pack {
	struct archive *archive;
	struct digest_stream *digest;
	uint64_t count;
	uint64_t dev;	 /* of the folder */
	struct buf path; /* of the entry under way, in the archive */
	struct err *err;
	char room[PACK_ROOM];
};

static void pack_release(struct pack **pack)
{
	if (!*pack)
		return;
	buf_release(&(*pack)->path);
	digest_stream_free((*pack)->digest);
	free(*pack);
}

static void free_writer(struct archive **archive)
{
	archive_write_free(*archive);
}

static void free_reader(struct archive **archive)
{
	archive_read_free(*archive);
}

static void free_entry(struct archive_entry **entry)
{
	archive_entry_free(*entry);
}

static int archive_failed(struct archive *archive, struct err *err)
{
	const char *why = archive_error_string(archive);
	int errnum = archive_errno(archive);

	return err_set_at(err, ERR_SYSTEM, errnum > 0 ? errnum : EIO, ERR_WHERE,
			  "cannot pack the trash: %s", why ? why : "the archive cannot be written");
}

static int failed(struct pack *pack, const char *how)
{
	AUTO_BUF shown = BUF_INIT;
	int errnum = errno;

	text_add_escaped(&shown, buf_cstr(&pack->path));
	return err_sys(pack->err, errnum, "cannot pack '%.300s': %s", buf_cstr(&shown), how);
}

static int refused(struct pack *pack, const char *why)
{
	AUTO_BUF shown = BUF_INIT;

	text_add_escaped(&shown, buf_cstr(&pack->path));
	return err_set(pack->err, ERR_SYSTEM, "'%.300s' is not packed: %s", buf_cstr(&shown), why);
}

/* What both directions count: the header of an entry. Contents follow. */
static void add_header(struct pack *pack, struct archive_entry *entry)
{
	const char *link = archive_entry_symlink(entry);
	AUTO_BUF text = BUF_INIT;

	buf_addf(&text, "%s%c%o %lld %lld.%ld %lld:%lld %s", archive_entry_pathname(entry), 0,
		 (unsigned)archive_entry_mode(entry), (long long)archive_entry_size(entry),
		 (long long)archive_entry_mtime(entry), archive_entry_mtime_nsec(entry),
		 (long long)archive_entry_uid(entry), (long long)archive_entry_gid(entry),
		 link ? link : "");
	digest_stream_add(pack->digest, text.data, text.len);
	pack->count++;
}

/* One extended attribute, where it can be read. */
static void add_attribute(struct archive_entry *entry, int fd, const char *name)
{
	AUTO_FREE char *value = NULL;
	ssize_t len = sys_fgetxattr(fd, name, NULL, 0);

	if (len < 0 || len > ATTRS_MAX)
		return;
	value = xmalloc((size_t)len + 1);
	len = sys_fgetxattr(fd, name, value, (size_t)len);
	if (len >= 0)
		archive_entry_xattr_add_entry(entry, name, value, (size_t)len);
}

static void add_attributes(struct archive_entry *entry, int fd)
{
	AUTO_FREE char *names = xmalloc(PACK_NAMES_MAX);
	ssize_t len = sys_flistxattr(fd, names, PACK_NAMES_MAX);

	for (const char *name = names; len > 0 && name < names + len; name += strlen(name) + 1)
		if (strncmp(name, "user.", 5) == 0 || strncmp(name, "system.posix_acl_", 17) == 0)
			add_attribute(entry, fd, name);
}

/* Write the header of what is at pack->path; fd -1 for a symlink. */
static int put_header(struct pack *pack, int fd, const struct stat *st, const char *link)
{
	AUTO(free_entry) struct archive_entry *entry = archive_entry_new();

	archive_entry_copy_stat(entry, st);
	archive_entry_copy_pathname(entry, buf_cstr(&pack->path));
	if (link)
		archive_entry_copy_symlink(entry, link);
	if (!S_ISREG(st->st_mode))
		archive_entry_set_size(entry, 0);
	if (fd >= 0)
		add_attributes(entry, fd);
	/* A warning: its name is not in this locale's characters, and is kept as the bytes that it is. */
	if (archive_write_header(pack->archive, entry) < ARCHIVE_WARN)
		return archive_failed(pack->archive, pack->err);
	add_header(pack, entry);
	return 0;
}

static int put_bytes(struct pack *pack, int fd, uint64_t size)
{
	while (size > 0) {
		ssize_t got = sys_read(fd, pack->room, size < PACK_ROOM ? size : PACK_ROOM);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return failed(pack, "it cannot be read");
		if (got == 0)
			return refused(pack, "it becomes shorter");
		if (archive_write_data(pack->archive, pack->room, (size_t)got) != got)
			return archive_failed(pack->archive, pack->err);
		digest_stream_add(pack->digest, pack->room, (size_t)got);
		size -= (uint64_t)got;
	}
	return 0;
}

static int put_link(struct pack *pack, int dirfd, const char *name, const struct stat *st)
{
	char target[PATH_MAX + 1];
	ssize_t len = sys_readlinkat(dirfd, name, target, sizeof(target) - 1);

	if (len < 0)
		return failed(pack, "it cannot be read");
	target[len] = '\0';
	return put_header(pack, -1, st, target);
}

static int put_file(struct pack *pack, int dirfd, const char *name)
{
	AUTO_CLOSE int fd = sys_openat(
		dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	struct stat st;

	if (fd < 0 || sys_fstat(fd, &st) < 0)
		return failed(pack, "it cannot be opened");
	if (!S_ISREG(st.st_mode))
		return refused(pack, "it has become something else");
	return put_header(pack, fd, &st, NULL) < 0 ? -1 : put_bytes(pack, fd, (uint64_t)st.st_size);
}

static int put_folder(struct pack *pack, int at, const char *name);

static int put_any(struct pack *pack, int dirfd, const char *name)
{
	struct stat st;

	if (sys_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(pack, "it cannot be looked at");
	if ((uint64_t)st.st_dev != pack->dev)
		return refused(pack, "another file system is mounted there");
	if (S_ISDIR(st.st_mode))
		return put_folder(pack, dirfd, name);
	if (S_ISLNK(st.st_mode))
		return put_link(pack, dirfd, name, &st);
	return S_ISREG(st.st_mode) ? put_file(pack, dirfd, name)
				   : refused(pack, "it is a special file");
}

static int put_names(struct pack *pack, DIR *dir)
{
	size_t len = pack->path.len;
	const char *name = NULL;

	while ((name = sys_next_name(dir))) {
		buf_addf(&pack->path, "/%s", name);
		if (put_any(pack, dirfd(dir), name) < 0)
			return -1;
		pack->path.len = len;
	}
	return errno ? failed(pack, "it cannot be listed") : 0;
}

static int put_folder(struct pack *pack, int at, const char *name)
{
	AUTO_DIR DIR *dir = sys_list(at, name);
	struct stat st;

	if (!dir || sys_fstat(dirfd(dir), &st) < 0)
		return failed(pack, "it cannot be opened");
	return put_header(pack, dirfd(dir), &st, NULL) < 0 ? -1 : put_names(pack, dir);
}

static struct archive *open_writer(int fd, struct err *err)
{
	AUTO(free_writer) struct archive *archive = archive_write_new();

	if (archive_write_set_format_pax(archive) != ARCHIVE_OK ||
	    archive_write_add_filter_zstd(archive) != ARCHIVE_OK ||
	    archive_write_set_options(archive, "xattrheader=SCHILY") != ARCHIVE_OK ||
	    archive_write_open_fd(archive, fd) != ARCHIVE_OK) {
		archive_failed(archive, err);
		return NULL;
	}
	return steal_ptr(&archive);
}

static struct pack *pack_new(struct err *err)
{
	struct pack *pack = xcalloc(1, sizeof(*pack));

	pack->digest = digest_stream_new(0);
	pack->err = err;
	return pack;
}

/* Write the archive of the folder: its digest, and how many entries it has. */
static int write_archive(int trash, const char *run, int fd, struct digest *digest, uint64_t *count,
			 struct err *err)
{
	AUTO(free_writer) struct archive *archive = open_writer(fd, err);
	AUTO(pack_release) struct pack *pack = pack_new(err);
	struct stat st;

	if (!archive)
		return -1;
	if (sys_fstatat(trash, run, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "cannot look at '%s' in the trash", run);
	pack->archive = archive;
	pack->dev = (uint64_t)st.st_dev;
	buf_addstr(&pack->path, run);
	if (put_folder(pack, trash, run) < 0)
		return -1;
	if (archive_write_close(archive) != ARCHIVE_OK)
		return archive_failed(archive, err);
	*digest = digest_stream_value(pack->digest);
	*count = pack->count;
	return 0;
}

static struct archive *open_reader(int fd, struct err *err)
{
	AUTO(free_reader) struct archive *archive = archive_read_new();

	if (lseek(fd, 0, SEEK_SET) < 0 || archive_read_support_filter_zstd(archive) != ARCHIVE_OK ||
	    archive_read_support_format_tar(archive) != ARCHIVE_OK ||
	    archive_read_open_fd(archive, fd, PACK_ROOM) != ARCHIVE_OK) {
		archive_failed(archive, err);
		return NULL;
	}
	return steal_ptr(&archive);
}

/* ARCHIVE_EOF and errors are the end; a name that is not in this locale's characters is only a warning. */
static bool next_entry(struct archive *archive, struct archive_entry **entry, int *status)
{
	*status = archive_read_next_header(archive, entry);
	return *status == ARCHIVE_OK || *status == ARCHIVE_WARN;
}

static int read_bytes(struct pack *pack, struct archive *archive)
{
	la_ssize_t got = 0;

	while ((got = archive_read_data(archive, pack->room, PACK_ROOM)) > 0)
		digest_stream_add(pack->digest, pack->room, (size_t)got);
	return got < 0 ? archive_failed(archive, pack->err) : 0;
}

/* Read it again, all of it. */
static int verify(int fd, const struct digest *digest, uint64_t count, struct err *err)
{
	AUTO(free_reader) struct archive *archive = open_reader(fd, err);
	AUTO(pack_release) struct pack *pack = pack_new(err);
	struct archive_entry *entry = NULL;
	struct digest got;
	int status = ARCHIVE_OK;

	if (!archive)
		return -1;
	while (next_entry(archive, &entry, &status)) {
		add_header(pack, entry);
		if (read_bytes(pack, archive) < 0)
			return -1;
	}
	if (status != ARCHIVE_EOF)
		return archive_failed(archive, err);
	got = digest_stream_value(pack->digest);
	if (pack->count == count && digest_same(&got, digest))
		return 0;
	return err_set(err, ERR_SYSTEM,
		       "the packed trash does not hold what was packed; the folder stays");
}

/* Removing ---------------------------------------------------------------------- */

/* Open the folder above a path in the archive, no link followed: *name is what is in it. */
static int open_above(int trash, const char *path, const char **name)
{
	AUTO_FREE char *copy = xstrdup(path);
	AUTO_CLOSE int fd = fcntl(trash, F_DUPFD_CLOEXEC, 0);
	char *part = copy;
	char *slash = NULL;

	while (fd >= 0 && (slash = strchr(part, '/')) && slash[1]) {
		AUTO_CLOSE int above = steal_fd(&fd);

		*slash = '\0';
		fd = sys_openat(above, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
		part = slash + 1;
	}
	*name = path + (part - copy);
	return steal_fd(&fd);
}

/* Whether the file holds what comes out of the archive, to the last byte. */
static bool has_same_bytes(int fd, struct archive *archive, char *room, char *other)
{
	la_ssize_t got = 0;

	while ((got = archive_read_data(archive, room, PACK_ROOM)) > 0) {
		ssize_t have = 0;
		ssize_t more = 1;

		while (have < got && more > 0) {
			more = sys_read(fd, other + have, (size_t)(got - have));
			have += more > 0 ? more : 0;
		}
		if (have != got || memcmp(room, other, (size_t)got) != 0)
			return false;
	}
	return got == 0 && sys_read(fd, other, 1) == 0;
}

static bool is_packed_file(int dirfd, const char *name, struct archive *archive,
			   struct archive_entry *entry)
{
	AUTO_FREE char *room = xmalloc((size_t)2 * PACK_ROOM);
	AUTO_CLOSE int fd = sys_openat(
		dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	struct stat st;

	return fd >= 0 && sys_fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size == archive_entry_size(entry) &&
	       has_same_bytes(fd, archive, room, room + PACK_ROOM);
}

static bool is_packed_link(int dirfd, const char *name, struct archive_entry *entry)
{
	const char *packed = archive_entry_symlink(entry);
	char target[PATH_MAX + 1];
	ssize_t len = sys_readlinkat(dirfd, name, target, sizeof(target) - 1);

	return packed && len >= 0 && strlen(packed) == (size_t)len &&
	       memcmp(packed, target, (size_t)len) == 0;
}

static void remove_packed(int trash, struct archive *archive, struct archive_entry *entry)
{
	const char *name = NULL;
	AUTO_CLOSE int dirfd = open_above(trash, archive_entry_pathname(entry), &name);
	mode_t type = archive_entry_filetype(entry);

	if (dirfd < 0)
		return;
	if ((type == AE_IFREG && is_packed_file(dirfd, name, archive, entry)) ||
	    (type == AE_IFLNK && is_packed_link(dirfd, name, entry)))
		sys_unlinkat(dirfd, name, 0);
}

/* Folders that are empty by now. */
static void remove_folders(int at, const char *name)
{
	AUTO_DIR DIR *dir = sys_list(at, name);
	const char *below = NULL;

	if (!dir)
		return;
	while ((below = sys_next_name(dir)))
		remove_folders(dirfd(dir), below);
	sys_unlinkat(at, name, AT_REMOVEDIR);
}

static int remove_what_is_packed(int trash, const char *run, int fd, struct err *err)
{
	AUTO(free_reader) struct archive *archive = open_reader(fd, err);
	struct archive_entry *entry = NULL;
	int status = ARCHIVE_OK;
	struct stat st;

	if (!archive)
		return -1;
	while (next_entry(archive, &entry, &status))
		remove_packed(trash, archive, entry);
	remove_folders(trash, run);
	if (sys_fstatat(trash, run, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return err_set(err, ERR_SYSTEM, "'%s' was packed, but not all of it can be removed", run);
}

/* The whole ------------------------------------------------------------------------ */

static int write_and_verify(int trash, const char *run, int fd, const struct stat *st,
			    struct err *err)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, st->st_ctim };
	struct digest digest = { { 0 } };
	uint64_t count = 0;

	if (write_archive(trash, run, fd, &digest, &count, err) < 0)
		return -1;
	if (sys_futimens(fd, times) < 0 || sys_fsync(fd) < 0)
		return err_sys(err, errno, "cannot make the packed trash durable");
	sys_point("packed");
	return verify(fd, &digest, count, err);
}

/* Never in the place of another one. */
static int name_archive(int trash, const char *partial, const char *whole)
{
	struct stat st;

	if (sys_renameat2(trash, partial, trash, whole, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
		return -1;
	if (sys_fstatat(trash, whole, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return sys_renameat2(trash, partial, trash, whole, 0);
}

/* The archive of RUN: its descriptor, made where it is not there yet. */
static int make_archive(int trash, const char *run, const char *whole, const struct stat *st,
			struct err *err)
{
	AUTO_FREE char *partial = xasprintf("%s" PACK_PARTIAL_SUFFIX, run);
	AUTO_CLOSE int fd = -1;

	/* Of one who was killed. */
	sys_unlinkat(trash, partial, 0);
	fd = sys_openat(trash, partial, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, errno, "cannot create '%s'", partial);
	if (write_and_verify(trash, run, fd, st, err) < 0) {
		sys_unlinkat(trash, partial, 0);
		return -1;
	}
	if (name_archive(trash, partial, whole) < 0 || sys_fsync(trash) < 0) {
		err_sys(err, errno, "cannot put '%s' in its place", whole);
		sys_unlinkat(trash, partial, 0);
		return -1;
	}
	return steal_fd(&fd);
}

int pack_run(int trash, const char *run, struct err *err)
{
	AUTO_FREE char *whole = xasprintf("%s" PACK_SUFFIX, run);
	AUTO_CLOSE int fd =
		sys_openat(trash, whole, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	int missing = fd < 0 ? errno : 0;
	struct stat st;

	if (sys_fstatat(trash, run, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "cannot look at '%s' in the trash", run);
	/* One that is there already has its name since it was complete: the removal was interrupted. */
	if (missing && missing != ENOENT)
		return err_sys(err, missing, "cannot open '%s'", whole);
	if (missing)
		fd = make_archive(trash, run, whole, &st, err);
	if (fd < 0)
		return -1;
	sys_point("before-unpacked-goes");
	return remove_what_is_packed(trash, run, fd, err);
}
