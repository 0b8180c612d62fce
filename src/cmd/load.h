/* SPDX-License-Identifier: BSD-2-Clause */
/* What the commands that work on a profile have in common. */
#ifndef CMD_LOAD_H
#define CMD_LOAD_H

struct buf;
struct config;
struct err;

/*
 * Load the configuration, print its warnings and problems, set the log up. *config is NULL on
 * failure; the return value is the exit status then, and err has a digest of what was printed.
 */
int cmd_load(int argc, char **argv, struct config **config, struct err *err);
/* The same with the warnings added to `warnings` (lines) instead of printed. */
int cmd_load_quietly(int argc, char **argv, struct config **config, struct buf *warnings,
		     struct err *err);

#endif
