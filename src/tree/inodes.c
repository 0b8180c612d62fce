/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/inodes.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/statfs.h>

/* As in linux/magic.h, which does not know all of them. */
static const uint32_t lasting[] = {
	0xef53,	    /* ext2, ext3, ext4 */
	0x58465342, /* XFS */
	0x9123683e, /* btrfs */
	0x01021994, /* tmpfs */
	0xf2f52010, /* F2FS */
	0x2fc12fc1, /* ZFS */
	0xca451a4e, /* bcachefs */
};

bool inodes_last(int fd)
{
	struct statfs fs = { 0 };

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (size_t i = 0; i < sizeof(lasting) / sizeof(lasting[0]); i++)
		if ((uint32_t)fs.f_type == lasting[i])
			return true;
	return false;
}
