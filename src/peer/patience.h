/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long one side waits for the other: the times of peer/protocol.h.
 *
 * Builds with fault points divide them by the number in the environment variable OSYNC_HURRY, so that
 * tests need not wait for minutes; a release does not know it.
 */
#ifndef PEER_PATIENCE_H
#define PEER_PATIENCE_H

#include <stdint.h>

int64_t patience_ms(int64_t ms);

#endif
