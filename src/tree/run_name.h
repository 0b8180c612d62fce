/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What runs are called: "YYYYMMDD-HHMMSS-xxxxxx" (UTC, and six random hexadecimal digits). So they sort by
 * time, and those of different machines differ. A run's folder in the trash has its name.
 */
#ifndef TREE_RUN_NAME_H
#define TREE_RUN_NAME_H

#include <stdbool.h>

enum { RUN_NAME_LEN = 22 };

/* A new one, by this machine's clock. */
void run_name_make(char out[static RUN_NAME_LEN + 1]);
/* Whether a name begins as a run's does; what follows is at RUN_NAME_LEN. */
bool run_name_begins(const char *name);

#endif
