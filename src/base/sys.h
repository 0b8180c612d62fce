/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one door to the world: every system call that changes a file system goes
 * through here, so that tests can fail it or kill the program at it.
 *
 * Each function behaves as the call it is named after (returns -1 and sets
 * errno), except where its comment says more.  Descriptors are close-on-exec.
 *
 * With OSYNC_FAULTS compiled in (never in a release), the environment variable
 * OSYNC_FAULT steers the n-th passage through the door, counted per process:
 *
 *	OSYNC_FAULT=kill:N[:ROLE]		raise SIGKILL before the call
 *	OSYNC_FAULT=fail:N:ERRNO-NUMBER[:ROLE]	return that errno instead of calling
 *	OSYNC_FAULT=count:FILE[:ROLE]		append "ROLE N call" per passage to FILE
 *
 * ROLE is what sys_set_role() was last given in this process.
 */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* "initiator", "agent", "transport": who this process is, for fault injection. Kept, not copied. */
void sys_set_role(const char *name);
/*
 * A named place in a run where a test may act (sync points for races):
 * OSYNC_POINT="NAME=COMMAND" runs COMMAND with /bin/sh at the point NAME.
 * Nothing in a release build.
 */
void sys_point(const char *name);

int sys_openat(int dirfd, const char *name, int flags, mode_t mode);
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
/* Share all of `from`'s bytes with the empty file `to` (ioctl FICLONE), where the file system can. */
int sys_clone(int to, int from);
/* close(2) of a descriptor that was written: EIO and EDQUOT may come only here. */
int sys_close(int fd);

#endif
