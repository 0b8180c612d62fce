/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/owners.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* Few ids occur in one tree, so a plain list is enough. */
struct owner {
	uint32_t id;
	char *name;
};

struct owner_list {
	struct owner *items;
	size_t count;
};

struct owners {
	struct owner_list lists[SIDES][2];
};

struct owners *owners_new(void)
{
	return xcalloc(1, sizeof(struct owners));
}

static void list_release(struct owner_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].name);
	free(list->items);
}

void owners_free(struct owners *owners)
{
	if (!owners)
		return;
	for (int s = 0; s < SIDES; s++)
		for (int k = 0; k < 2; k++)
			list_release(&owners->lists[s][k]);
	free(owners);
}

void owners_set(struct owners *owners, enum side side, enum owner_kind kind, uint32_t id,
		const char *name)
{
	struct owner_list *list = &owners->lists[side][kind];

	if (owners_name(owners, side, kind, id))
		return;
	list->items = xrealloc(list->items, (list->count + 1) * sizeof(*list->items));
	list->items[list->count++] = (struct owner){ .id = id, .name = xstrdup(name) };
}

const char *owners_name(const struct owners *owners, enum side side, enum owner_kind kind,
			uint32_t id)
{
	const struct owner_list *list = owners ? &owners->lists[side][kind] : NULL;

	for (size_t i = 0; list && i < list->count; i++)
		if (list->items[i].id == id)
			return list->items[i].name;
	return NULL;
}

static bool owners_same(const struct owners *owners, enum owner_kind kind, uint32_t initiator_id,
			uint32_t target_id)
{
	const char *ours = owners_name(owners, SIDE_INITIATOR, kind, initiator_id);
	const char *theirs = owners_name(owners, SIDE_TARGET, kind, target_id);

	if (ours && theirs)
		return strcmp(ours, theirs) == 0;
	return initiator_id == target_id;
}

bool owners_same_user(const struct owners *owners, uint32_t initiator_uid, uint32_t target_uid)
{
	return owners_same(owners, OWNER_USER, initiator_uid, target_uid);
}

bool owners_same_group(const struct owners *owners, uint32_t initiator_gid, uint32_t target_gid)
{
	return owners_same(owners, OWNER_GROUP, initiator_gid, target_gid);
}
