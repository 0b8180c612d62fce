/* SPDX-License-Identifier: BSD-2-Clause */
/* What an agent is told first: who asks, and which of what osync.conf says it must know to serve. */
#ifndef RUN_HELLO_H
#define RUN_HELLO_H

#include <stdint.h>

#include "model/entry.h"
#include "peer/packer.h"

struct config;
struct session;

/* KiB/s that either end of this connection may write, 0 for any: a limit is for lines, not for this machine. */
uint32_t hello_rate_kib(const struct config *config, enum side side);
/* How frames are packed on this connection, by either end: never within this machine. */
enum packer_mode hello_packing(const struct config *config, enum side side);
/* Queue the HELLO of this side. */
void hello_send(struct session *session, enum side side);

#endif
