/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/spelling.h"

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

bool spelling_is_listed(int dirfd, const char *name)
{
	AUTO_CLOSE int fd = -1;
	const struct dirent *item = NULL;
	bool found = false;
	DIR *dir = NULL;

	if (name[strspn(name, "0123456789.-_")] == '\0')
		return true;
	fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return true;
	steal_fd(&fd);
	while (!found && (item = readdir(dir)))
		found = strcmp(item->d_name, name) == 0;
	closedir(dir);
	return found;
}
