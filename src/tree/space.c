/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/space.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/sys.h"

enum { STAT_BLOCK = 512 /* bytes: the unit of st_blocks, see stat(2) */ };

struct space space_of(int fd)
{
	struct statvfs fs = { 0 };
	uint64_t unit = 0;

	if (sys_fstatvfs(fd, &fs) < 0 || fs.f_blocks == 0)
		return (struct space){ .block = 1 };
	unit = fs.f_frsize ? fs.f_frsize : fs.f_bsize;
	return (struct space){ .total = fs.f_blocks * unit,
			       .free = fs.f_bavail * unit,
			       .block = unit ? unit : 1 };
}

uint64_t space_taken(const struct stat *st)
{
	return st->st_blocks > 0 ? (uint64_t)st->st_blocks * STAT_BLOCK : 0;
}

/* One that has another name stays. */
static bool goes_with_its_name(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_nlink == 1;
}

static uint64_t space_below(int dirfd, const char *name)
{
	AUTO_CLOSE int fd =
		sys_openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);

	return fd < 0 ? 0 : space_in_folder(fd, NULL, NULL);
}

uint64_t space_in_folder(int dirfd, space_into_fn *into, const struct uuid *boot)
{
	AUTO_CLOSE int copy = sys_openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	AUTO_DIR DIR *dir = copy < 0 ? NULL : sys_fdopendir(copy);
	const struct dirent *item = NULL;
	uint64_t sum = 0;

	if (!dir)
		return 0;
	steal_fd(&copy);
	while ((item = sys_readdir(dir))) {
		struct stat st;

		if (into && into(item->d_name, boot))
			sum += space_below(dirfd, item->d_name);
		else if (sys_fstatat(dirfd, item->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			 goes_with_its_name(&st))
			sum += space_taken(&st);
	}
	return sum;
}
