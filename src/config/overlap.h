/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether one folder of this machine holds another, whatever names they are called by: through
 * links, or mounted (bind) in several places.
 */
#ifndef CONFIG_OVERLAP_H
#define CONFIG_OVERLAP_H

#include <stdbool.h>

/*
 * Where a path leads: the part that exists resolved, the rest as it is, so that
 * a folder that will be created is judged by where it is going to be. Malloc'ed.
 */
char *overlap_resolved(const char *path);
/*
 * Whether `inner` is `outer` or lies below it. Both are resolved. A folder of `inner` above a mount
 * point is not looked for; where /proc/self/mountinfo cannot be read, only device and inode of what
 * is above `inner` are compared.
 */
bool overlap_inside(const char *inner, const char *outer);

#endif
