/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent: serves one root over the peer protocol until its input ends.
 *
 * One thread, one loop: a frame that has come is dealt with at once; between frames the
 * oldest unfinished job (listing, reading a file, hashing one) is taken a step further, as
 * far as credit allows.  Writing may block: the initiator always reads, and what is under
 * way is bounded.  The agent believes nothing it is told: every path is checked and opened
 * beneath the root.
 */
#ifndef PEER_AGENT_H
#define PEER_AGENT_H

struct agent_options {
	const char *dir;  /* the root folder */
	const char *role; /* for logs and fault injection: "initiator agent", "target agent" */
};

/* Serve; returns the exit status of the process. The descriptors stay open. */
int agent_serve(int in_fd, int out_fd, const struct agent_options *options);

#endif
