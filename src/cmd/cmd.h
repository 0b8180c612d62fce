/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sub-commands.  Each takes the arguments behind its name and returns the exit status
 * of the process.
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

/* Find the command in argv (a file or profile name, an option, or nothing, means `sync`) and run it. */
int cmd_main(int argc, char **argv);

int cmd_sync(int argc, char **argv);
int cmd_batch(int argc, char **argv);
int cmd_cron(int argc, char **argv);
int cmd_agent(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_reap(int argc, char **argv);
int cmd_init(int argc, char **argv);
int cmd_help(int argc, char **argv);
int cmd_version(void);

#endif
