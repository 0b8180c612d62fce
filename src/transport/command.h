/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TRANSPORT=command: any command whose standard input and output reach an agent.
 *
 * osync appends " osync agent --root 'PATH'" to TRANSPORT_COMMAND (REMOTE_OSYNC_PATH in
 * place of osync, "sudo -n -E " before it with SUDO_EXEC; quoting: transport/quote.h) and
 * has /bin/sh run the whole, so `ssh -o BatchMode=yes HOST` is a complete TRANSPORT_COMMAND.
 *
 * The command holds the socket itself, so its bytes are not copied; the helper process
 * stays behind to read its standard error and to account for its exit status.
 */
#ifndef TRANSPORT_COMMAND_H
#define TRANSPORT_COMMAND_H

struct err;

/* The body of the helper process (child_start); `config` is a struct config. */
int command_run(int fd, const void *config, struct err *err);

#endif
