/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who answers a ping: for those who ask for it, since the connection itself is the test.
 *
 *	REMOTE_HOST_PING	the target is not even called where it does not answer
 *	REMOTE_3RD_PARTY_HOSTS	where the target cannot be reached: is it the target, or are we off-line?
 *
 * ping(8) is run, which knows how without rights of its own; a ping that is missing, not permitted or
 * cannot find the name says nothing about the host: that is logged, and the target called all the same.
 */
#ifndef RUN_NETWORK_H
#define RUN_NETWORK_H

#include <stdbool.h>

struct config;
struct err;

/* Before connecting: 0, or ERR_UNREACHABLE. One that is reached through another host is not pinged. */
int network_check(const struct config *config, struct err *err);
/*
 * After ERR_UNREACHABLE: put into err what the others say. Whether this machine is on-line; false also
 * where nobody was asked. Takes some seconds for each host, half a minute at most.
 */
bool network_blame(const struct config *config, struct err *err);

#endif
