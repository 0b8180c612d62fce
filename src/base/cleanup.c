/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cleanup_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

void cleanup_free(void *ptr)
{
	int saved = errno;
	void *object = NULL;

	memcpy(&object, ptr, sizeof(object));
	free(object);
	errno = saved;
}

int steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}
