/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signs of life from an agent that is in the middle of something long: an fsync of much, the copy of
 * a large file, a folder with millions of names.  The loop of an agent is one thread; what is here is
 * another one that does nothing but say PONG on its behalf.
 *
 *	pulse_start
 *	pulse_work	from here on the agent may be busy, and writes nothing
 *	pulse_rest	it is going to write, or to wait: the stream is its own
 *	pulse_stop
 *
 * A PONG leaves only between pulse_work and pulse_rest, where what was written ends with a whole
 * frame, only when the same work has lasted for PEER_PING_MS, and only while it can be written at
 * once.  After PEER_STEP_MS in one piece of work nothing more is said: an agent that hangs for good is
 * then given up as one that is dead.
 */
#ifndef PEER_PULSE_H
#define PEER_PULSE_H

struct lock;
struct pulse;

/* On the descriptor the agent writes to (borrowed). NULL where there can be no thread: then none is needed below. */
struct pulse *pulse_start(int fd);
void pulse_work(struct pulse *pulse);
void pulse_rest(struct pulse *pulse);
/* From here on each PONG is a heartbeat of this lock as well (borrowed until pulse_stop). */
void pulse_beat(struct pulse *pulse, struct lock *lock);
void pulse_stop(struct pulse *pulse);

#endif
