/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/sys.h"
#include "store/atomic.h"
#include "tree/partial.h"

#define LOCK_NEW "lock.new-" /* of one who was killed while he took a lock over */

/* A temporary lives for as long as a small file is written. */
static const int64_t LIFE_NS = INT64_C(86400) * NS_PER_SEC;
static const int64_t PART_LIFE_NS = INT64_C(30) * 86400 * NS_PER_SEC;

static bool is_leftover(int dirfd, const char *folder, const char *name, int64_t now_ns)
{
	bool part = strcmp(folder, PARTIAL_FOLDER) == 0;
	struct stat st;

	if (!part && !atomic_is_temporary(name) && strncmp(name, LOCK_NEW, strlen(LOCK_NEW)) != 0)
		return false;
	return sys_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       now_ns - clock_from_timespec(st.st_mtim) >= (part ? PART_LIFE_NS : LIFE_NS);
}

void leftover_sweep(int above, const char *name, int64_t now_ns, enum leftover_mode mode,
		    leftover_fn *fn, void *arg)
{
	AUTO_DIR DIR *dir = sys_list(above, name);
	const char *left = NULL;

	while (dir && (left = sys_next_name(dir))) {
		int error = 0;

		if (!is_leftover(dirfd(dir), name, left, now_ns))
			continue;
		if (mode == LEFTOVER_REMOVE && sys_unlinkat(dirfd(dir), left, 0) < 0)
			error = errno;
		if (fn)
			fn(arg, left, error);
	}
}
