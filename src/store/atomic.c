/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/random.h"
#include "base/sys.h"

static const char temporary_mark[] = ".tmp-";
enum { TEMPORARY_HEX = 16 };

bool atomic_is_temporary(const char *name)
{
	size_t len = strlen(name);
	size_t tail = sizeof(temporary_mark) - 1 + TEMPORARY_HEX;
	const char *mark = len > tail ? name + len - tail : NULL;

	if (!mark || memcmp(mark, temporary_mark, sizeof(temporary_mark) - 1) != 0)
		return false;
	return strspn(mark + sizeof(temporary_mark) - 1, "0123456789abcdef") == TEMPORARY_HEX;
}

int atomic_sync_folder(int dirfd, struct err *err)
{
	if (sys_fsync(dirfd) < 0 && errno != EINVAL)
		return err_sys(err, errno, "cannot make the state folder durable");
	return 0;
}

/* Content and rename, with the temporary's name given; the caller removes what is left of it. */
static int write_through(int dirfd, const char *temporary, const char *name, const void *data,
			 size_t len, struct err *err)
{
	AUTO_CLOSE int fd =
		sys_openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(err, errno, "cannot create '%s'", temporary);
	if (sys_write_all(fd, data, len) < 0)
		return err_sys(err, errno, "cannot write '%s'", temporary);
	if (sys_fsync(fd) < 0)
		return err_sys(err, errno, "cannot make '%s' durable", temporary);
	if (sys_close(steal_fd(&fd)) < 0)
		return err_sys(err, errno, "cannot close '%s'", temporary);
	if (sys_renameat2(dirfd, temporary, dirfd, name, 0) < 0)
		return err_sys(err, errno, "cannot replace '%s'", name);
	return 0;
}

int atomic_write(int dirfd, const char *name, const void *data, size_t len, struct err *err)
{
	char temporary[NAME_MAX + 1];
	int made = snprintf(temporary, sizeof(temporary), "%s%s%0*llx", name, temporary_mark,
			    TEMPORARY_HEX, (unsigned long long)random_u64());

	if ((size_t)made >= sizeof(temporary))
		return err_sys(err, ENAMETOOLONG, "cannot create '%s'", name);
	if (write_through(dirfd, temporary, name, data, len, err) < 0) {
		sys_unlinkat(dirfd, temporary, 0);
		return -1;
	}
	return atomic_sync_folder(dirfd, err);
}

/* Open what stands there itself; should it be a fifo, without waiting. */
static int open_itself(int dirfd, const char *name, int flags)
{
	return sys_openat(dirfd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
}

int atomic_open(int dirfd, const char *name, int flags, int *fd, size_t *size, struct err *err)
{
	AUTO_CLOSE int got = open_itself(dirfd, name, flags);
	struct stat st;

	if (got < 0 && errno == ENOENT)
		return 0;
	if (got < 0 && (errno == ELOOP || errno == EISDIR || errno == ENXIO))
		return err_set(err, ERR_CORRUPT, "'%s' is not a regular file", name);
	if (got < 0)
		return err_sys(err, errno, "cannot open '%s'", name);
	if (sys_fstat(got, &st) < 0)
		return err_sys(err, errno, "cannot look at '%s'", name);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_CORRUPT, "'%s' is not a regular file", name);
	*size = (size_t)st.st_size;
	*fd = steal_fd(&got);
	return 1;
}

/* Append up to `max` bytes of fd; the number read, or -1 with errno. */
static ssize_t read_up_to(int fd, size_t max, struct buf *out)
{
	size_t start = out->len;
	ssize_t got = 1;

	while (got > 0 && out->len - start < max) {
		size_t step = max - (out->len - start);

		buf_reserve(out, step < BUFSIZ ? step : BUFSIZ);
		got = sys_read(fd, out->data + out->len, step < BUFSIZ ? step : BUFSIZ);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			out->len += (size_t)got;
	}
	return got < 0 ? -1 : (ssize_t)(out->len - start);
}

int atomic_read(int dirfd, const char *name, size_t max, struct buf *out, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	size_t start = out->len;
	size_t size = 0;
	int found = atomic_open(dirfd, name, O_RDONLY, &fd, &size, err);
	ssize_t got = 0;

	if (found <= 0)
		return found;
	/* One byte more than allowed shows that there are too many. */
	got = size > max ? (ssize_t)size : read_up_to(fd, max + 1, out);
	if (got >= 0 && (size_t)got <= max)
		return 1;
	out->len = start;
	if (got < 0)
		return err_sys(err, errno, "cannot read '%s'", name);
	return err_set(err, ERR_CORRUPT, "'%s' has more than %zu bytes", name, max);
}

int atomic_mkdir_open(int dirfd, const char *name, struct err *err)
{
	int fd = open_itself(dirfd, name, O_RDONLY | O_DIRECTORY);

	if (fd < 0 && errno == ENOENT) {
		if (sys_mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
			return err_sys(err, errno, "cannot create the folder '%s'", name);
		if (atomic_sync_folder(dirfd, err) < 0)
			return -1;
		fd = open_itself(dirfd, name, O_RDONLY | O_DIRECTORY);
	}
	return fd < 0 ? err_sys(err, errno, "cannot open the folder '%s'", name) : fd;
}

/* Make one folder of a path and its entry in the folder above durable. */
static int make_folder(const char *path, const char *parent, struct err *err)
{
	AUTO_CLOSE int above = -1;

	if (sys_mkdirat(AT_FDCWD, path, 0700) < 0)
		return errno == EEXIST ? 0
				       : err_sys(err, errno, "cannot create the folder '%s'", path);
	above = sys_openat(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (above < 0)
		return err_sys(err, errno, "cannot open the folder '%s'", parent);
	return atomic_sync_folder(above, err);
}

int atomic_mkdir_path_open(const char *path, struct err *err)
{
	int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	for (const char *slash = strchr(path + 1, '/'); fd < 0 && errno == ENOENT;
	     slash = strchr(slash + 1, '/')) {
		AUTO_FREE char *part =
			slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(path);
		AUTO_FREE char *parent = xstrndup(part, (size_t)(strrchr(part, '/') - part));

		if (make_folder(part, *parent ? parent : "/", err) < 0)
			return -1;
		if (!slash) {
			fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
			break;
		}
		errno = ENOENT;
	}
	return fd < 0 ? err_sys(err, errno, "cannot open the folder '%s'", path) : fd;
}
