/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Find out what a file system can do by trying it on temporaries of our own.
 * A file system's name tells little: FUSE, NFS and their servers differ in what they
 * pass on.  Everything probed is removed again.
 */
#ifndef TREE_PROBE_H
#define TREE_PROBE_H

#include "tree/root.h"

struct err;

/*
 * The file system's clock minus ours: 0 where a file that was written between before_ns and after_ns
 * (clock_file_ns) may have got ctime_ns from that very clock.
 */
int64_t probe_offset_ns(int64_t before_ns, int64_t ctime_ns, int64_t after_ns, int64_t slack_ns);

/* What to assume before probing: a local Linux file system, as an ordinary user. */
struct root_caps probe_defaults(void);

/*
 * Probe in the private folder `dirfd`.  ERR_SYSTEM where not even a file can be created, or where
 * a call failed in a way that says nothing of the file system (EIO, no memory, no space): what is
 * probed is remembered, and must not be the trouble of a moment.
 *
 * granularity_ns is the step in which mtimes are kept (found by setting an odd one and reading
 * it back) plus 20 ms, which is two ticks of the slowest kernel clock (100 Hz).
 * clock_offset_ns is 0 where a new file's ctime fits our own coarse clock; otherwise the
 * smallest difference that explains it, so that root_now_ns is rather early.
 */
int probe_folder(int dirfd, struct root_caps *caps, struct err *err);

#endif
