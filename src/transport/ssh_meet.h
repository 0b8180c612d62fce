/* SPDX-License-Identifier: BSD-2-Clause */
/* The process behind transport/meet.h, with the libssh2 session. */
#ifndef TRANSPORT_SSH_MEET_H
#define TRANSPORT_SSH_MEET_H

struct err;

/* The body of the helper process (child_start): says on fd what meet_decode() reads. */
int ssh_meet_run(int fd, const void *config, struct err *err);

#endif
