/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much of this machine's memory a listing may take: a peer that lists paths without end, of which
 * each is a few bytes on the wire and 4 KiB here, must not take all.
 *
 * What the saved list knows is bounded by the saved list.  Everything else that a side lists is
 * charged to it, kept or not, so that a listing without end ends.
 */
#ifndef RUN_BUDGET_H
#define RUN_BUDGET_H

#include <stddef.h>
#include <stdint.h>

#include "model/entry.h"

struct err;

struct budget {
	uint64_t limit; /* bytes for each side */
	uint64_t used[SIDES];
	uint64_t paths[SIDES];
	uint32_t names[SIDES]; /* of owners */
};

enum { BUDGET_NAMES_MAX = 65536 /* owners of one side: they are searched one by one */ };

/* Half the memory that this process may have: of the machine's, and of its limits (ulimit -d, -v). */
struct budget budget_new(void);
/* One new path, with `len` bytes of text. ERR_PROTOCOL, with what to do, when it is one too many. */
int budget_take(struct budget *budget, enum side side, size_t len, struct err *err);
/* The name of an owner: the same. */
int budget_take_name(struct budget *budget, enum side side, struct err *err);

#endif
