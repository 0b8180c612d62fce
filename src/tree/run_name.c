/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/run_name.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"

void run_name_make(char out[static RUN_NAME_LEN + 1])
{
	char stamp[16];

	clock_stamp(clock_realtime_ns(), stamp);
	snprintf(out, RUN_NAME_LEN + 1, "%s-%06x", stamp, (unsigned)(random_u64() & 0xffffff));
}

bool run_name_begins(const char *name)
{
	static const char form[] = "dddddddd-dddddd-hhhhhh";

	for (size_t i = 0; i < RUN_NAME_LEN; i++) {
		const char *allowed = form[i] == 'd'   ? "0123456789"
				      : form[i] == 'h' ? "0123456789abcdef"
						       : "-";

		if (!name[i] || !strchr(allowed, name[i]))
			return false;
	}
	return true;
}
