/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of trouble between runs: one small file a job, replaced as a whole.
 *
 * It lies in $XDG_STATE_HOME/osync or ~/.local/state/osync, not with the job's other state in the
 * synced folder: that a folder is not there is the trouble that is to be remembered.  Only where
 * there is no home folder to write to, it is put there.
 *
 * Losing it costs a mail too many.  Two runs of a job at once may lose what one of them noted.
 */
#ifndef ALERT_MEMORY_H
#define ALERT_MEMORY_H

struct buf;
struct config;
struct err;
struct policy_memory;

/* An empty memory where there is none yet; where it cannot be read that is logged. */
void memory_load(const struct config *config, struct policy_memory *memory);
/* 0, or -1 with err. */
int memory_save(const struct config *config, const struct policy_memory *memory, struct err *err);

/* The file: lines of numbers. */
void memory_encode(const struct policy_memory *memory, struct buf *out);
/* 0, or -1 for what is no memory, with *memory empty. */
int memory_decode(const char *text, struct policy_memory *memory);

#endif
