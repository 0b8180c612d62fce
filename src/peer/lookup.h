/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Users and groups by name, each looked up once: the system's own look-up reads a file, or asks a
 * server, every time.
 */
#ifndef PEER_LOOKUP_H
#define PEER_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "model/owners.h"

struct lookup_name {
	char *name;
	uint32_t id;
	bool exists;
};

struct lookup {
	struct lookup_name *names[2]; /* by enum owner_kind */
	size_t count[2];
};

void lookup_release(struct lookup *lookup);
/* The id this name has on this machine: true and *id; false where there is no such name. */
bool lookup_id(struct lookup *lookup, enum owner_kind kind, const char *name, uint32_t *id);

#endif
