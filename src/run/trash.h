/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For how long old versions are kept: TRASH_DAYS, TRASH_PACK_DAYS, SOFT_DELETE_DAYS,
 * CONFLICT_BACKUP_DAYS.
 *
 * Each run tells both sides for how long its trash is wanted (tree/trash_tidy.h), and a run that wants that
 * has both remove and pack what is old enough when all else is done.
 */
#ifndef RUN_TRASH_H
#define RUN_TRASH_H

#include "tree/trash_tidy.h"

struct config;
struct err;
struct session;

/*
 * TRASH_DAYS; where that is 0, the longer one of SOFT_DELETE_DAYS and CONFLICT_BACKUP_DAYS, which lie
 * in one place here, if both are set.
 */
struct keep trash_keep(const struct config *config);
/* Remove and pack what is old. What cannot be is a warning. */
int trash_end_of_run(struct session *session, struct err *err);

#endif
