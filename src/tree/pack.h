/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One folder of the trash as one file: RUN becomes RUN.tar.zst beside it, a pax archive that tar unpacks.
 *
 * Nothing goes before it is safe elsewhere: the archive is written under another name, made durable, read
 * again from the disk and compared by digest with what was read from the folder; then it gets its name, that is
 * made durable, and only then is removed what is in it, file by file, each only if it holds to the last byte
 * what comes out of the archive.  What came into the folder meanwhile stays there.  Killed at any moment,
 * what was in the folder is there, or in the archive, or in both; the next time an archive that has its
 * name already is not written again, and the removal goes on.
 *
 * Folders, files and symlinks, with owners, modes, times and extended attributes.  A folder that holds anything
 * else (a device, another file system) is left as it is.  Links are not followed.
 */
#ifndef TREE_PACK_H
#define TREE_PACK_H

struct err;

#define PACK_SUFFIX	    ".tar.zst"
#define PACK_PARTIAL_SUFFIX ".tar.zst.new"

/*
 * Pack the folder RUN of the open folder `trash` and remove it.  The archive's mtime is the ctime of the
 * folder.  ERR_SYSTEM: nothing was removed, unless the message says so; no partial archive is left.
 */
int pack_run(int trash, const char *run, struct err *err);

#endif
