/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one door to the world: every system call that changes or reads a file system, or moves
 * bytes between processes, goes through here, so that tests can fail it or kill the program
 * at it (base/fault.h says how).
 *
 * Each function behaves as the call it is named after (returns -1 and sets errno), except
 * where its comment says more.  Descriptors are close-on-exec.
 */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "base/cleanup.h"

struct flock;
struct statvfs;

/* "initiator", "target agent", "transport", ...: who this process is, for faults. Kept, not copied. */
void sys_set_role(const char *name);
/*
 * A named place in a run where a test may act (sync points for races):
 * OSYNC_POINT="NAME=COMMAND" runs COMMAND with /bin/sh at the point NAME. Several in
 * several lines; a command is at most 4,095 bytes long.
 * Nothing in a release build.
 */
void sys_point(const char *name);

/* What reads a file system: the door `look` ---------------------------------------- */

/* To write or to create: the door `change`. */
int sys_openat(int dirfd, const char *name, int flags, mode_t mode);
int sys_fstat(int fd, struct stat *st);
int sys_fstatvfs(int fd, struct statvfs *fs);
int sys_fstatat(int dirfd, const char *name, struct stat *st, int flags);
/* Whether both tell of one file, or one folder, under whatever name. */
bool sys_same_file(const struct stat *one, const struct stat *other);
/* Takes the descriptor over, unless it fails. */
DIR *sys_fdopendir(int fd);
/*
 * Names of the open folder from where it stands on, as records of getdents64(2): their bytes; 0 at the end; -1
 * with errno. For who reads whole folders by the thousand; else sys_list().
 */
ssize_t sys_read_folder(int fd, void *out, size_t room);
/* "." or "..", which are in every folder. */
bool sys_is_dots(const char *name);
/* NULL at the end with errno as it was before, and on failure with errno set: set it to 0 first. */
struct dirent *sys_readdir(DIR *dir);
/*
 * Begin to list the folder `name` in dirfd ("." is dirfd itself, from its start); a link is none. NULL
 * with errno. What is listed is reached through dirfd(3).
 */
DIR *sys_list(int dirfd, const char *name);
/*
 * The next name, "." and ".." left out; valid until the next call. NULL at the end with errno 0, and on
 * failure with errno set.
 */
const char *sys_next_name(DIR *dir);
/* End the listing *dir unless it is NULL. Keeps errno. */
void cleanup_dir(DIR **dir);
#define AUTO_DIR AUTO(cleanup_dir)
/* May give less than was asked for, and fail with EINTR. */
ssize_t sys_read(int fd, void *data, size_t len);
ssize_t sys_pread(int fd, void *data, size_t len, off_t offset);
ssize_t sys_readlinkat(int dirfd, const char *name, char *target, size_t size);
ssize_t sys_fgetxattr(int fd, const char *name, void *value, size_t size);
ssize_t sys_flistxattr(int fd, char *names, size_t size);
int sys_flock(int fd, int operation);
/* F_OFD_SETLK and F_OFD_GETLK of fcntl(2). */
int sys_fcntl_lock(int fd, int command, struct flock *lock);
/* The file's first len bytes, to be read (MAP_PRIVATE); MAP_FAILED where it cannot be. */
void *sys_map(int fd, size_t len);
/* Whole pages of such a mapping take no memory from now on, until they are read again. */
void sys_drop_pages(const void *map, size_t len);

/* What moves bytes between processes: the door `link` ------------------------------- */

/* read(2) and write(2) of a pipe or a socket. */
ssize_t sys_link_read(int fd, void *data, size_t len);
ssize_t sys_link_write(int fd, const void *data, size_t len);
/* send(2), without SIGPIPE. */
ssize_t sys_link_send(int fd, const void *data, size_t len);
int sys_socketpair(int pair[2]);
int sys_pipe(int ends[2]);
pid_t sys_fork(void);

/* What changes a file system: the door `change` -------------------------------------- */

/* Write everything; 0, or -1 after a partial write. Retries EINTR. */
int sys_write_all(int fd, const void *data, size_t len);
int sys_pwrite_all(int fd, const void *data, size_t len, off_t offset);
int sys_ftruncate(int fd, off_t len);
int sys_fsync(int fd);
int sys_fdatasync(int fd);
int sys_syncfs(int fd);
int sys_mkdirat(int dirfd, const char *name, mode_t mode);
int sys_symlinkat(const char *target, int dirfd, const char *name);
int sys_linkat(int olddir, const char *oldname, int newdir, const char *newname);
int sys_unlinkat(int dirfd, const char *name, int flags);
/* renameat2(2); flags are RENAME_NOREPLACE, RENAME_EXCHANGE or 0. */
int sys_renameat2(int olddir, const char *oldname, int newdir, const char *newname, unsigned flags);
/* Also of an O_PATH descriptor (a file that may not be opened), but never of a symlink. */
int sys_fchmod(int fd, mode_t mode);
int sys_fchown(int fd, uid_t uid, gid_t gid);
/* Never follows a link. */
int sys_lchownat(int dirfd, const char *name, uid_t uid, gid_t gid);
int sys_futimens(int fd, const struct timespec times[2]);
/* Never follows a link. */
int sys_lutimensat(int dirfd, const char *name, const struct timespec times[2]);
int sys_fsetxattr(int fd, const char *name, const void *value, size_t len);
int sys_fremovexattr(int fd, const char *name);
/*
 * Share `len` bytes of `from` at `offset` with `to`, which gets them there (ioctl FICLONERANGE), where the file
 * system can. Both are multiples of its blocks, but that the range may end with the file.
 */
int sys_clone(int to, int from, uint64_t offset, uint64_t len);
/* close(2) of a descriptor that was written: EIO and EDQUOT may come only here. */
int sys_close(int fd);

#endif
