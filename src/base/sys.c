/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"

void sys_set_role(const char *name)
{
	fault_set_role(name);
}

#ifdef OSYNC_FAULTS

/* The command of the line "NAME=COMMAND" that is this point's; NULL if there is none. */
static const char *point_command(const char *lines, const char *name)
{
	size_t len = strlen(name);

	for (; lines; lines = strchr(lines, '\n'), lines = lines ? lines + 1 : NULL) {
		if (strncmp(lines, name, len) == 0 && lines[len] == '=')
			return lines + len + 1;
	}
	return NULL;
}

void sys_point(const char *name)
{
	const char *command = point_command(getenv("OSYNC_POINT"), name);
	char one[4096] = "";

	if (!command)
		return;
	snprintf(one, sizeof(one), "%.*s", (int)strcspn(command, "\n"), command);
	if (system(one) != 0)
		fprintf(stderr, "osync: OSYNC_POINT: the command at '%s' failed\n", name);
}

#else

void sys_point(const char *name)
{
	(void)name;
}

#endif

static int fails(enum fault_door door, const char *call)
{
	return fault_here(door, call) == FAULT_FAIL;
}

static int change_fails(const char *call)
{
	return fails(FAULT_CHANGE, call);
}

static int look_fails(const char *call)
{
	return fails(FAULT_LOOK, call);
}

/* How many of len bytes to try for; 0: the call fails. */
static size_t length_after(enum fault_deed deed, size_t len)
{
	if (deed == FAULT_FAIL)
		return 0;
	return deed == FAULT_SHORT && len > 1 ? len / 2 : len;
}

static size_t passage_of(enum fault_door door, const char *call, size_t len)
{
	return length_after(fault_here(door, call), len);
}

/* Looking -------------------------------------------------------------------------- */

int sys_openat(int dirfd, const char *name, int flags, mode_t mode)
{
	const int writes = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;

	if (fails(flags & writes ? FAULT_CHANGE : FAULT_LOOK, "openat"))
		return -1;
	return openat(dirfd, name, flags | O_CLOEXEC, mode);
}

int sys_fstat(int fd, struct stat *st)
{
	return look_fails("fstat") ? -1 : fstat(fd, st);
}

int sys_fstatvfs(int fd, struct statvfs *fs)
{
	return look_fails("fstatvfs") ? -1 : fstatvfs(fd, fs);
}

int sys_fstatat(int dirfd, const char *name, struct stat *st, int flags)
{
	return look_fails("fstatat") ? -1 : fstatat(dirfd, name, st, flags);
}

bool sys_same_file(const struct stat *one, const struct stat *other)
{
	return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

DIR *sys_fdopendir(int fd)
{
	return look_fails("fdopendir") ? NULL : fdopendir(fd);
}

ssize_t sys_read_folder(int fd, void *out, size_t room)
{
	return look_fails("readdir") ? -1 : getdents64(fd, out, room);
}

struct dirent *sys_readdir(DIR *dir)
{
	return look_fails("readdir") ? NULL : readdir(dir);
}

DIR *sys_list(int dirfd, const char *name)
{
	AUTO_CLOSE int fd =
		sys_openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	DIR *dir = fd < 0 ? NULL : sys_fdopendir(fd);

	if (dir)
		steal_fd(&fd);
	return dir;
}

bool sys_is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

const char *sys_next_name(DIR *dir)
{
	const struct dirent *item = NULL;

	do {
		errno = 0;
		item = sys_readdir(dir);
	} while (item && sys_is_dots(item->d_name));
	return item ? item->d_name : NULL;
}

void cleanup_dir(DIR **dir)
{
	int saved = errno;

	if (*dir)
		closedir(*dir);
	*dir = NULL;
	errno = saved;
}

ssize_t sys_read(int fd, void *data, size_t len)
{
	size_t now = passage_of(FAULT_LOOK, "read", len);

	return now == 0 && len > 0 ? -1 : read(fd, data, now);
}

ssize_t sys_pread(int fd, void *data, size_t len, off_t offset)
{
	size_t now = passage_of(FAULT_LOOK, "pread", len);

	return now == 0 && len > 0 ? -1 : pread(fd, data, now, offset);
}

ssize_t sys_readlinkat(int dirfd, const char *name, char *target, size_t size)
{
	return look_fails("readlinkat") ? -1 : readlinkat(dirfd, name, target, size);
}

ssize_t sys_fgetxattr(int fd, const char *name, void *value, size_t size)
{
	return look_fails("fgetxattr") ? -1 : fgetxattr(fd, name, value, size);
}

ssize_t sys_flistxattr(int fd, char *names, size_t size)
{
	return look_fails("flistxattr") ? -1 : flistxattr(fd, names, size);
}

int sys_flock(int fd, int operation)
{
	return look_fails("flock") ? -1 : flock(fd, operation);
}

int sys_fcntl_lock(int fd, int command, struct flock *lock)
{
	return look_fails("fcntl") ? -1 : fcntl(fd, command, lock);
}

void *sys_map(int fd, size_t len)
{
	return look_fails("mmap") ? MAP_FAILED : mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
}

void sys_drop_pages(const void *map, size_t len)
{
	/* madvise() takes a pointer to what it will not change. */
	madvise((void *)(uintptr_t)map, len, MADV_DONTNEED);
}

/* The link -------------------------------------------------------------------------- */

/* Nothing comes or goes through this descriptor any more, nor through copies of it in other processes. */
static void cut(int fd)
{
	int null_fd = shutdown(fd, SHUT_RDWR) == 0 ? -1 : open("/dev/null", O_RDWR | O_CLOEXEC);

	/* A pipe has no shutdown, but its end goes with the descriptor. */
	if (null_fd >= 0) {
		dup3(null_fd, fd, O_CLOEXEC);
		close(null_fd);
	}
}

/* How much of len to try for; 0: it fails. Where the link is cut, the call finds out by itself. */
static size_t link_passage(int fd, const char *call, size_t len)
{
	enum fault_deed deed = fault_here(FAULT_LINK, call);

	if (deed == FAULT_CUT)
		cut(fd);
	return length_after(deed, len);
}

ssize_t sys_link_read(int fd, void *data, size_t len)
{
	size_t now = link_passage(fd, "read", len);

	return now == 0 && len > 0 ? -1 : read(fd, data, now);
}

ssize_t sys_link_write(int fd, const void *data, size_t len)
{
	size_t now = link_passage(fd, "write", len);

	return now == 0 && len > 0 ? -1 : write(fd, data, now);
}

ssize_t sys_link_send(int fd, const void *data, size_t len)
{
	size_t now = link_passage(fd, "send", len);

	return now == 0 && len > 0 ? -1 : send(fd, data, now, MSG_NOSIGNAL);
}

int sys_socketpair(int pair[2])
{
	return fails(FAULT_LINK, "socketpair")
		       ? -1
		       : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

int sys_pipe(int ends[2])
{
	return fails(FAULT_LINK, "pipe") ? -1 : pipe2(ends, O_CLOEXEC);
}

pid_t sys_fork(void)
{
	return fails(FAULT_LINK, "fork") ? -1 : fork();
}

/* Changing -------------------------------------------------------------------------- */

static ssize_t write_some(int fd, const char *data, size_t len)
{
	size_t now = passage_of(FAULT_CHANGE, "write", len);

	return now == 0 ? -1 : write(fd, data, now);
}

static ssize_t pwrite_some(int fd, const char *data, size_t len, off_t offset)
{
	size_t now = passage_of(FAULT_CHANGE, "pwrite", len);

	return now == 0 ? -1 : pwrite(fd, data, now, offset);
}

int sys_write_all(int fd, const void *data, size_t len)
{
	const char *pos = data;

	while (len > 0) {
		ssize_t done = write_some(fd, pos, len);

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

	while (len > 0) {
		ssize_t done = pwrite_some(fd, pos, len, offset);

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
	return change_fails("ftruncate") ? -1 : ftruncate(fd, len);
}

int sys_fsync(int fd)
{
	return change_fails("fsync") ? -1 : fsync(fd);
}

int sys_fdatasync(int fd)
{
	return change_fails("fdatasync") ? -1 : fdatasync(fd);
}

int sys_syncfs(int fd)
{
	return change_fails("syncfs") ? -1 : syncfs(fd);
}

int sys_mkdirat(int dirfd, const char *name, mode_t mode)
{
	return change_fails("mkdirat") ? -1 : mkdirat(dirfd, name, mode);
}

int sys_symlinkat(const char *target, int dirfd, const char *name)
{
	return change_fails("symlinkat") ? -1 : symlinkat(target, dirfd, name);
}

int sys_linkat(int olddir, const char *oldname, int newdir, const char *newname)
{
	return change_fails("linkat") ? -1 : linkat(olddir, oldname, newdir, newname, 0);
}

int sys_unlinkat(int dirfd, const char *name, int flags)
{
	return change_fails("unlinkat") ? -1 : unlinkat(dirfd, name, flags);
}

int sys_renameat2(int olddir, const char *oldname, int newdir, const char *newname, unsigned flags)
{
	return change_fails("renameat2") ? -1 : renameat2(olddir, oldname, newdir, newname, flags);
}

int sys_fchmod(int fd, mode_t mode)
{
	char path[32];

	if (change_fails("fchmod"))
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
	return change_fails("fchown") ? -1 : fchown(fd, uid, gid);
}

int sys_lchownat(int dirfd, const char *name, uid_t uid, gid_t gid)
{
	return change_fails("fchownat") ? -1 : fchownat(dirfd, name, uid, gid, AT_SYMLINK_NOFOLLOW);
}

int sys_futimens(int fd, const struct timespec times[2])
{
	return change_fails("futimens") ? -1 : futimens(fd, times);
}

int sys_lutimensat(int dirfd, const char *name, const struct timespec times[2])
{
	return change_fails("utimensat") ? -1 : utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW);
}

int sys_fsetxattr(int fd, const char *name, const void *value, size_t len)
{
	return change_fails("fsetxattr") ? -1 : fsetxattr(fd, name, value, len, 0);
}

int sys_fremovexattr(int fd, const char *name)
{
	return change_fails("fremovexattr") ? -1 : fremovexattr(fd, name);
}

int sys_clone(int to, int from, uint64_t offset, uint64_t len)
{
	struct file_clone_range range = {
		.src_fd = from, .src_offset = offset, .src_length = len, .dest_offset = offset
	};

	return change_fails("clone") ? -1 : ioctl(to, FICLONERANGE, &range);
}

int sys_close(int fd)
{
	if (change_fails("close")) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return close(fd);
}
