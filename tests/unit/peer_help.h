/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An agent at the other end of a socket, in a process of its own, and the frames to drive it with:
 * those that osync sends, and those that it never would.
 *
 * Frames are appended to far->out and leave with the next far_next() or far_end().  The agent serves
 * the folder "t" of the working folder (tests/unit/tree_help.h).
 */
#ifndef TESTS_PEER_HELP_H
#define TESTS_PEER_HELP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "peer/frame.h"
#include "peer/msg.h"
#include "peer/protocol.h"

struct agent_options;

struct far {
	int fd;
	pid_t pid;
	struct buf out;
	struct buf in;
	size_t used;	    /* bytes of `in` that were looked at */
	struct frame frame; /* the last one that far_next() found */
};

/* Forget a connection that a failed test left open. */
void far_close(struct far *far);
#define AUTO_FAR AUTO(far_close) struct far

struct far far_start(void);
struct far far_start_as(const struct agent_options *options);
/* What the agent writes at once comes at once, and nothing else with it. */
struct far far_start_in_records(void);
/* Send what is there; the type of the agent's next frame, 0 at the end of what it says. Kept in far->frame. */
unsigned far_next(struct far *far);
/* far_next() must give this type. */
void far_expect(struct far *far, unsigned type);
/* The next frame must be a status of this type; its kind. */
enum err_kind far_status(struct far *far, unsigned type);
/* The next frame must be an answer (HASHED, DONE ...) with this id; its kind. */
enum err_kind far_result(struct far *far, unsigned type, uint64_t id);
/* Send what is there and nothing more; the agent's exit status when it has said all. */
int far_end(struct far *far);
/* The agent must end the session with an error of this kind, and the status of failure. */
void far_refuses(struct far *far, enum err_kind kind);

/* Requests */
void far_hello(struct far *far, unsigned flags);
void far_lock(struct far *far, unsigned mode, const char *holder);
void far_prepare(struct far *far, const char *run);
/* The same, and the answers are good. */
struct far far_welcomed(unsigned flags);
struct far far_locked(void);
struct far far_prepared(void);
/* `less`: PEER_SCAN_* */
void far_scan(struct far *far, unsigned less);
void far_hash(struct far *far, uint64_t id, const char *path, const struct entry *expect);
void far_attrs(struct far *far, uint64_t id, const char *path);
void far_read(struct far *far, uint64_t id, const char *path, const struct entry *expect);
void far_op(struct far *far, const struct msg_op *op);
void far_data(struct far *far, uint64_t id, const char *text);
void far_hole(struct far *far, uint64_t id, uint64_t len);
/* The digest is that of `text`. */
void far_put_end(struct far *far, uint64_t id, int complete, const char *text);
void far_record(struct far *far, const char *path, const struct entry *entry);
void far_commit(struct far *far, uint64_t generation);
void far_empty(struct far *far, uint8_t type);

enum { FAR_SEED = 42, FAR_GENERATION = 43 };

#endif
