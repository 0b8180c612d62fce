/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first run beside an osync 1.3 state: what its lists say was there at its last sync.
 *
 * osync kept, in the initiator's state folder, initiator-tree-after-ID and target-tree-after-ID:
 * one relative path a line, of files, folders and symlinks, and nothing else about them. A path that
 * stands in both lists and is gone from one side was deleted there since. It is deleted on the
 * other side too, but only where that still has it as it was: a file whose mtime or ctime is
 * younger than the lists was edited, and lives. What both sides have needs no history: it is
 * compared.
 *
 * Names with control characters are left out (osync wrote those as rsync prints them, "\#ooo"), and
 * so come back from the other side.
 */
#ifndef RUN_IMPORT_H
#define RUN_IMPORT_H

struct census;
struct changes;
struct session;

/*
 * Give the changes of a run without a saved list the history that osync's lists tell, and count it
 * in the census, for the guards. Such a base has no digest. Lists that cannot be read are as good as
 * none, and so are those of a target that osync has never synced, which is said; osync's files are left
 * alone. The changes must be in path order.
 */
void import_osync_lists(struct session *session, struct changes *changes, struct census *census);

#endif
