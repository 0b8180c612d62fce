/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The name under which the losing version of a conflict is kept beside the other:
 * STEM.conflict-YYYYMMDD-HHMMSS-xxxxxx.EXT, with the time (UTC) and the first digits of the
 * digest (seed 0) of the losing version itself, so that every machine that meets the same
 * conflict gives the same name, and the same version is kept once.
 */
#ifndef MODEL_CONFLICT_NAME_H
#define MODEL_CONFLICT_NAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

struct buf;

/*
 * Append the path of the copy. `digits` (6..DIGEST_HEX_LEN) is how many hex digits to use: more
 * where the shorter name is taken by other content.  The stem is cut, at a character's border,
 * where the name would be longer than 255 bytes.
 */
void conflict_name(struct buf *out, const char *path, int64_t mtime_ns, const struct digest *digest,
		   size_t digits);

#endif
