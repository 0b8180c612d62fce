/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifdef OSYNC_FAULTS

static const char *role = "initiator";
static unsigned long passages;

void sys_set_role(const char *name)
{
	role = name;
	passages = 0;
}

/* The ROLE part of a fault, or NULL where the text has fewer than `skip` colons. */
static const char *fault_role(const char *text, int skip)
{
	while (text && skip-- > 0) {
		text = strchr(text, ':');
		text = text ? text + 1 : NULL;
	}
	return text;
}

static int fault_concerns(const char *wanted)
{
	return !wanted || strcmp(wanted, role) == 0;
}

static void fault_count(const char *spec, const char *call)
{
	char file[512];
	FILE *out = NULL;

	if (!fault_concerns(fault_role(spec, 2)))
		return;
	snprintf(file, sizeof(file), "%.*s", (int)strcspn(spec + 6, ":"), spec + 6);
	out = fopen(file, "ae");
	if (!out)
		return;
	fprintf(out, "%s %lu %s\n", role, passages, call);
	fclose(out);
}

/* Whether the call must fail; errno is set then. Kills the process where told to. */
static int fault_here(const char *call)
{
	const char *spec = getenv("OSYNC_FAULT");
	unsigned long n = 0;
	int errnum = 0;

	passages++;
	if (!spec)
		return 0;
	if (strncmp(spec, "count:", 6) == 0) {
		fault_count(spec, call);
		return 0;
	}
	if (sscanf(spec, "kill:%lu", &n) == 1 && n == passages &&
	    fault_concerns(fault_role(spec, 2)))
		raise(SIGKILL);
	if (sscanf(spec, "fail:%lu:%d", &n, &errnum) == 2 && n == passages &&
	    fault_concerns(fault_role(spec, 3))) {
		errno = errnum;
		return 1;
	}
	return 0;
}

void sys_point(const char *name)
{
	const char *spec = getenv("OSYNC_POINT");
	size_t len = strlen(name);

	if (spec && strncmp(spec, name, len) == 0 && spec[len] == '=' &&
	    system(spec + len + 1) != 0)
		fprintf(stderr, "osync: OSYNC_POINT: the command at '%s' failed\n", name);
}

#else

void sys_set_role(const char *name)
{
	(void)name;
}

static int fault_here(const char *call)
{
	(void)call;
	return 0;
}

void sys_point(const char *name)
{
	(void)name;
}

#endif

int sys_openat(int dirfd, const char *name, int flags, mode_t mode)
{
	return fault_here("openat") ? -1 : openat(dirfd, name, flags | O_CLOEXEC, mode);
}

int sys_write_all(int fd, const void *data, size_t len)
{
	const char *pos = data;

	if (fault_here("write"))
		return -1;
	while (len > 0) {
		ssize_t done = write(fd, pos, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		pos += done;
		len -= (size_t)done;
	}
	return 0;
}

int sys_pwrite_all(int fd, const void *data, size_t len, off_t offset)
{
	const char *pos = data;

	if (fault_here("pwrite"))
		return -1;
	while (len > 0) {
		ssize_t done = pwrite(fd, pos, len, offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		pos += done;
		len -= (size_t)done;
		offset += done;
	}
	return 0;
}

int sys_ftruncate(int fd, off_t len)
{
	return fault_here("ftruncate") ? -1 : ftruncate(fd, len);
}

int sys_fsync(int fd)
{
	return fault_here("fsync") ? -1 : fsync(fd);
}

int sys_fdatasync(int fd)
{
	return fault_here("fdatasync") ? -1 : fdatasync(fd);
}

int sys_syncfs(int fd)
{
	return fault_here("syncfs") ? -1 : syncfs(fd);
}

int sys_mkdirat(int dirfd, const char *name, mode_t mode)
{
	return fault_here("mkdirat") ? -1 : mkdirat(dirfd, name, mode);
}

int sys_symlinkat(const char *target, int dirfd, const char *name)
{
	return fault_here("symlinkat") ? -1 : symlinkat(target, dirfd, name);
}

int sys_linkat(int olddir, const char *oldname, int newdir, const char *newname)
{
	return fault_here("linkat") ? -1 : linkat(olddir, oldname, newdir, newname, 0);
}

int sys_unlinkat(int dirfd, const char *name, int flags)
{
	return fault_here("unlinkat") ? -1 : unlinkat(dirfd, name, flags);
}

int sys_renameat2(int olddir, const char *oldname, int newdir, const char *newname, unsigned flags)
{
	return fault_here("renameat2") ? -1 : renameat2(olddir, oldname, newdir, newname, flags);
}

int sys_fchmod(int fd, mode_t mode)
{
	char path[32];

	if (fault_here("fchmod"))
		return -1;
	if (fchmod(fd, mode) == 0)
		return 0;
	if (errno != EBADF)
		return -1;
	/* The link in /proc leads to the open file itself, whatever has its name by now. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return chmod(path, mode);
}

int sys_fchown(int fd, uid_t uid, gid_t gid)
{
	return fault_here("fchown") ? -1 : fchown(fd, uid, gid);
}

int sys_lchownat(int dirfd, const char *name, uid_t uid, gid_t gid)
{
	return fault_here("fchownat") ? -1 : fchownat(dirfd, name, uid, gid, AT_SYMLINK_NOFOLLOW);
}

int sys_futimens(int fd, const struct timespec times[2])
{
	return fault_here("futimens") ? -1 : futimens(fd, times);
}

int sys_lutimensat(int dirfd, const char *name, const struct timespec times[2])
{
	return fault_here("utimensat") ? -1 : utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW);
}

int sys_fsetxattr(int fd, const char *name, const void *value, size_t len)
{
	return fault_here("fsetxattr") ? -1 : fsetxattr(fd, name, value, len, 0);
}

int sys_fremovexattr(int fd, const char *name)
{
	return fault_here("fremovexattr") ? -1 : fremovexattr(fd, name);
}

int sys_clone(int to, int from)
{
	return fault_here("clone") ? -1 : ioctl(to, FICLONE, from);
}

int sys_close(int fd)
{
	if (fault_here("close")) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return close(fd);
}
