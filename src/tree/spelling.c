/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/spelling.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/sys.h"

bool spelling_is_listed(int dirfd, const char *name)
{
	AUTO_DIR DIR *dir = NULL;
	const char *listed = NULL;

	if (name[strspn(name, "0123456789.-_")] == '\0')
		return true;
	dir = sys_list(dirfd, ".");
	if (!dir)
		return true;
	while ((listed = sys_next_name(dir)))
		if (strcmp(listed, name) == 0)
			return true;
	/* A list that breaks off proves nothing. */
	return errno != 0;
}
