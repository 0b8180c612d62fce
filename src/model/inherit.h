/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Content that is known without reading it: where the stat key of a file is what it was when its
 * content was agreed on, so is the content.
 *
 * That holds under its own name, and below a folder that was renamed: the folder keeps its inode,
 * and what is in it keeps name, inode and time stamps. So however much is in a folder, renaming it
 * costs no reading. A file that was renamed itself has another change time, and is read.
 *
 * Some file systems number their files anew at each mount, and an inode may be another one's next
 * time (FUSE, vfat). Mostly these show the mtime for the ctime, so the folder must show a ctime that
 * its rename has left; and no other file that has gone may have had the same size and times with
 * other content. Else what is below is read.
 */
#ifndef MODEL_INHERIT_H
#define MODEL_INHERIT_H

struct changes;

/* Give each entry whose content is known like this the agreed digest. The set is sorted. O(n log n). */
void inherit_digests(struct changes *changes);

#endif
