/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/version.h"

#ifndef OSYNC_VERSION
#define OSYNC_VERSION "0.1.0"
#endif
#ifndef OSYNC_BUILD
#define OSYNC_BUILD "unknown"
#endif

const char version_string[] = OSYNC_VERSION;
const char version_build[] = OSYNC_BUILD;
