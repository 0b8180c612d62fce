/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/spelling.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/sys.h"

bool spelling_is_listed(int dirfd, const char *name)
{
	AUTO_CLOSE int fd = -1;
	const struct dirent *item = NULL;
	bool found = false;

	if (name[strspn(name, "0123456789.-_")] == '\0')
		return true;
	fd = sys_openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	AUTO_DIR DIR *dir = fd < 0 ? NULL : sys_fdopendir(fd);
	if (!dir)
		return true;
	steal_fd(&fd);
	errno = 0;
	while (!found && (item = sys_readdir(dir)))
		found = strcmp(item->d_name, name) == 0;
	/* A list that breaks off proves nothing. */
	found = found || errno != 0;
	return found;
}
