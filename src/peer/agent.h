/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent: serves one root over the peer protocol until its input ends.
 *
 * One loop: a frame that has come is dealt with at once; between frames the
 * oldest unfinished job (listing, reading a file, hashing one) is taken a step further, as
 * far as credit allows.  Writing may block: the initiator always reads, and what is under
 * way is bounded.  The agent believes nothing it is told: every path is checked and opened
 * beneath the root.  As soon as it has opened the root (and the folder of caches, where that is
 * elsewhere and still to be made, then), it can open nothing else any more, where the kernel has
 * Landlock, but read in the other side's root, where that is on this machine and it was told so by
 * whoever has started it.  Hooks are run by another process (peer/hook_runner.h), which was started before that.
 */
#ifndef PEER_AGENT_H
#define PEER_AGENT_H

#include <stdbool.h>

struct agent_options {
	const char *dir;       /* the root folder */
	const char *state_dir; /* the only other folder that it may keep caches in; NULL: none */
	const char *
		list_dir; /* where the initiator's saved list is, and its name there; NULL: on a target */
	const char *list_name;
	const char *
		other_dir; /* the other side's root, on this machine, to take files from; NULL: it is not told */
	const char *role; /* for logs and fault injection: "initiator agent", "target agent" */
	bool hooks;	  /* it may run the initiator's commands */
	bool read_only;	  /* it changes nothing, whatever the initiator asks for */
	bool alone; /* the process is for nothing else: give up all but the root (base/confine.h), start a
		       thread (peer/pulse.h) */
};

/* Serve; returns the exit status of the process. The descriptors stay open. */
int agent_serve(int in_fd, int out_fd, const struct agent_options *options);

#endif
