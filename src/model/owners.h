/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of users and groups of both sides: an owner is the same where the name is the
 * same, and by number where a side has no name for it (as rsync does it).
 */
#ifndef MODEL_OWNERS_H
#define MODEL_OWNERS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/entry.h"

struct owners;

enum owner_kind { OWNER_USER = 0, OWNER_GROUP = 1 };

struct owners *owners_new(void);
void owners_free(struct owners *owners);

/* On `side`, id has this name (copied). The first name given for an id stays. */
void owners_set(struct owners *owners, enum side side, enum owner_kind kind, uint32_t id,
		const char *name);
/* The name, or NULL where none is known. NULL owners: none is. */
const char *owners_name(const struct owners *owners, enum side side, enum owner_kind kind,
			uint32_t id);

/* Whether the initiator's id and the target's id mean the same owner. NULL owners: by number. */
bool owners_same_user(const struct owners *owners, uint32_t initiator_uid, uint32_t target_uid);
bool owners_same_group(const struct owners *owners, uint32_t initiator_gid, uint32_t target_gid);

#endif
