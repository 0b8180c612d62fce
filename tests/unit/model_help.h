/* SPDX-License-Identifier: BSD-2-Clause */
/* Short words for the tests of the model: entries and changes made of a type and a content. */
#ifndef TESTS_MODEL_HELP_H
#define TESTS_MODEL_HELP_H

#include "model/change.h"

/* A file or symlink with this content (digest known), or a folder; inode 1000 + content. */
static inline struct entry an_entry(enum entry_type type, unsigned content)
{
	struct entry entry = { .type = (uint8_t)type, .mode = 0644, .ino = 1000 + content };

	if (type == ENTRY_DIR)
		entry.mode = 0755;
	if (type == ENTRY_FILE || type == ENTRY_SYMLINK) {
		entry.flags = ENTRY_HAS_DIGEST;
		entry.size = 10;
		entry.digest.bytes[0] = (unsigned char)content;
		entry.mtime_ns = 1000 + (int64_t)content;
	}
	if (type == ENTRY_SYMLINK)
		entry.link = "somewhere";
	return entry;
}

/*
 * A path with what was agreed on, and what both sides show: contents of one type, 0 for nothing
 * (folders: 1 or more for there, the inode).
 */
static inline struct change *a_change(struct changes *changes, const char *path,
				      enum entry_type type, unsigned base, unsigned initiator,
				      unsigned target)
{
	struct change *change = changes_add(changes, path);
	struct entry entries[3] = { an_entry(type, base), an_entry(type, initiator),
				    an_entry(type, target) };

	if (base) {
		struct base agreed = { .type = (uint8_t)type,
				       .digest = entries[0].digest,
				       .side = { entries[0], entries[0] } };

		change->base = changes_copy_base(changes, &agreed);
	}
	if (initiator)
		change->now[SIDE_INITIATOR] = changes_copy_entry(changes, &entries[1]);
	if (target)
		change->now[SIDE_TARGET] = changes_copy_entry(changes, &entries[2]);
	return change;
}

#endif
