/* SPDX-License-Identifier: BSD-2-Clause */
/* Mail through the local sendmail: a command that takes the message on its standard input. */
#ifndef ALERT_SENDMAIL_H
#define ALERT_SENDMAIL_H

#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * Run the command by /bin/sh with message[0..len) as its standard input.  It has until deadline_ms
 * (clock_monotonic_ms), and is killed then; what it leaves behind when it ends by itself goes on (a
 * delivery in the background).  0, or -1 with its exit status and its last words.
 */
int sendmail_send(const char *command, const void *message, size_t len, int64_t deadline_ms,
		  struct err *err);

#endif
