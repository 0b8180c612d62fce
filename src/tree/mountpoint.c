/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/mountpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/sys.h"

enum { DEPTH_MAX = 4096 /* folders above a root: more than a path can name */ };

/* Not O_PATH, which an automounter would not hear of; but where only that is allowed. */
static int open_folder(const char *path)
{
	int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	if (fd < 0 && errno == EACCES)
		fd = sys_openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	return fd;
}

/* Kernels before 5.8 do not tell; then another device than the parent's is all there is. */
static bool is_mounted_on(int fd)
{
	struct statx stx = { 0 };
	struct stat here;
	struct stat above;

	if (statx(fd, "", AT_EMPTY_PATH, 0, &stx) == 0 &&
	    (stx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
		return (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
	return sys_fstat(fd, &here) == 0 && sys_fstatat(fd, "..", &above, 0) == 0 &&
	       (here.st_dev != above.st_dev || here.st_ino == above.st_ino);
}

/* From the root up to the top: is that folder on the way? */
static bool is_above(int point, int root)
{
	AUTO_CLOSE int at = sys_openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	struct stat wanted;
	struct stat st;

	if (at < 0 || sys_fstat(point, &wanted) < 0)
		return false;
	for (int depth = 0; depth < DEPTH_MAX && sys_fstat(at, &st) == 0; depth++) {
		struct stat before = st;
		int above = -1;

		if (sys_same_file(&st, &wanted))
			return true;
		above = sys_openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
		cleanup_close(&at);
		at = above;
		if (at < 0 || sys_fstat(at, &st) < 0 || sys_same_file(&st, &before))
			break;
	}
	return false;
}

int mountpoint_check(const char *root, const char *point, struct err *err)
{
	const char *path = strcmp(point, ".") == 0 ? root : point;
	AUTO_CLOSE int fd = open_folder(path);
	AUTO_CLOSE int root_fd = open_folder(root);

	if (fd >= 0 && is_mounted_on(fd) && (root_fd < 0 || is_above(fd, root_fd)))
		return 0;
	if (path == root)
		return err_set(err, ERR_GUARD,
			       "nothing is mounted on the folder '%.300s'; nothing was changed",
			       root);
	return err_set(err, ERR_GUARD,
		       "nothing is mounted on '%.150s', or the folder '%.150s' does not lie "
		       "there; nothing was changed",
		       point, root);
}
