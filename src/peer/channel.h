/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The initiator's end of a connection to an agent: frames in, frames out, never blocking on
 * one side while the other has something to say.
 *
 * Everything sent is queued and written when the descriptor takes it; everything that comes is
 * read as soon as it is there.  Credit and pings are dealt with in here, out of turn.  Bulk frames
 * may be queued only while channel_may_send_bulk() says so; a bulk frame that was received is given
 * back as credit when the caller takes the next one.
 */
#ifndef PEER_CHANNEL_H
#define PEER_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "peer/frame.h"
#include "peer/packer.h"

struct buf;
struct channel;
struct err;

/* On a connected, non-blocking descriptor (borrowed). `name` is for messages ("target"). */
struct channel *channel_new(int fd, const char *name);
void channel_free(struct channel *channel);
/* After how much silence the agent is gone; PEER_SILENCE_MS where nothing is said. */
void channel_set_silence(struct channel *channel, int64_t silence_ms);
/* Write no more than so many bytes a second (base/bucket.h) from now on; 0: any number. */
void channel_set_rate(struct channel *channel, int64_t rate);

/* Whether the agent may send PACKED frames, and we to it; at first neither does. */
void channel_unpack(struct channel *channel);
void channel_pack(struct channel *channel, enum packer_mode mode);

/* Where to append frames that are to be sent. They leave with the next pump. */
struct buf *channel_out(struct channel *channel);
bool channel_may_send_bulk(const struct channel *channel);
/* Account for a bulk frame of `size` bytes that was appended. */
void channel_spend(struct channel *channel, size_t size);

/*
 * The line is short: from now on no more than PEER_WINDOW_NEAR is on its way to the agent.  What it does not
 * read at once waits in sshd, which copies all that waits each time something is added.
 */
void channel_narrow(struct channel *channel);

/* The next frame that has come: 1; 0 when none is complete. Valid until the next call on this channel. */
int channel_next(struct channel *channel, struct frame *frame, struct err *err);

/*
 * Move bytes on all `count` channels, waiting up to timeout_ms for something to happen.
 * ERR_UNREACHABLE when a connection ended or an agent is silent for too long (*failed says which), or
 * when no agent has done anything for PEER_STEP_MS (*failed is left),
 * ERR_PROTOCOL, or ERR_SIGNAL when the run was asked to stop.
 */
int channel_pump(struct channel *const *channels, size_t count, int timeout_ms,
		 struct channel **failed, struct err *err);

/* What the login shell printed before the greeting, escaped; NULL for nothing. */
const char *channel_noise(const struct channel *channel);
/* Append, escaped, what came instead of a greeting so far. */
void channel_add_noise(const struct channel *channel, struct buf *out);
/* Whether the connection has come to its end; else the agent only says nothing. */
bool channel_has_ended(const struct channel *channel);
/* Whether the agent has greeted. */
bool channel_is_greeted(const struct channel *channel);
/* Payload and headers that went through, in bytes. */
uint64_t channel_sent_bytes(const struct channel *channel);
uint64_t channel_received_bytes(const struct channel *channel);

#endif
