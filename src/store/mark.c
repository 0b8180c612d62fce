/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/mark.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "store/atomic.h"

enum { MARK_MAX = 32 /* bytes: sixteen digits and a newline */ };

static char *mark_name(const char *profile)
{
	return xasprintf("mark-%s", profile);
}

int mark_read(int dirfd, const char *profile, uint64_t *generation, struct err *err)
{
	AUTO_FREE char *name = mark_name(profile);
	AUTO_BUF text = BUF_INIT;
	struct err why = ERR_INIT;
	char *end = NULL;
	int found = atomic_read(dirfd, name, MARK_MAX, &text, &why);

	*generation = 0;
	if (found < 0 && why.kind != ERR_CORRUPT) {
		if (err)
			*err = why;
		return -1;
	}
	if (found != 1)
		return 0;
	*generation = strtoull(buf_cstr(&text), &end, 16);
	if (strcmp(end, "\n") != 0)
		*generation = 0;
	return 0;
}

int mark_write(int dirfd, const char *profile, uint64_t generation, struct err *err)
{
	AUTO_FREE char *name = mark_name(profile);
	AUTO_FREE char *text = xasprintf("%016" PRIx64 "\n", generation);

	return atomic_write(dirfd, name, text, strlen(text), err);
}
