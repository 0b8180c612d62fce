/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the agent share. Included by agent*.c only. */
#ifndef PEER_AGENT_INTERNAL_H
#define PEER_AGENT_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/blocks.h"
#include "base/bucket.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/entry.h"
#include "peer/agent.h"
#include "peer/msg.h"
#include "store/table.h"
#include "store/turn.h"
#include "tree/copy.h"

struct agent;
struct agent_ops;
struct dec;
struct differ;
struct filter;
struct keep;
struct frame;
struct hook_runner;
struct packer;
struct pending;
struct pulse;
struct reader;
struct scan;
struct sums;
struct turn;
struct unpacker;

/* The head of the cache: for whom and at which state of the saved list it was written. */
struct cache_head {
	bool known;
	struct uuid initiator;
	uint64_t generation;
	uint64_t filter; /* checksum of the rules it was made with */
};

/* A request that takes many steps. Jobs run one after the other. */
enum job_kind { JOB_SCAN, JOB_HASH, JOB_READ, JOB_SUMS, JOB_FETCH };

struct job {
	struct job *next;
	enum job_kind kind;
	uint64_t id;
	char *path;
	struct entry expect; /* ENTRY_ABSENT: whatever is there */
	uint64_t seed;
	bool attrs;	       /* READ, FETCH: attributes too */
	unsigned less;	       /* SCAN: PEER_SCAN_* */
	struct list *list;     /* SCAN: open with PEER_SCAN_LESS_LIST, where it can be read */
	struct reader *reader; /* open while under way */
	struct listing *listing;
	struct differ *differ; /* READ_CHANGES */
	uint64_t hole;	       /* READ_CHANGES: that comes behind what was read */
	bool partial;	       /* SUMS: of what has come of it before */
	struct block_run run;  /* SUMS: how far they are */
	bool clock;	       /* FETCH: stamps there are from this machine's clock */
	struct pending *put;   /* FETCH: for which operation; it stays until this has ended */
	struct copy copy;      /* FETCH: to where that is staged */
};

struct agent {
	const struct agent_options *options;
	int in_fd;
	int out_fd;
	struct buf in;
	size_t in_used;		   /* bytes of `in` dealt with */
	struct buf out;		   /* collected until written */
	struct buf wire;	   /* being written */
	struct packer *packer;	   /* NULL: nothing is packed */
	struct unpacker *unpacker; /* NULL: nor may the initiator */
	int64_t credit;		   /* bulk bytes we may still send */
	uint64_t owed;		   /* credit not given back yet */
	bool mute;		   /* nothing can be said any more */
	bool done;		   /* BYE or end of input */
	struct arena arena;	   /* emptied after every frame */

	struct hook_runner *runner; /* NULL: no hooks */
	int hooks_open;		    /* HOOK without HOOKED yet */
	bool hook_keeps_root;	    /* the root must be the same one when it has ended */
	bool confined;		    /* it was tried */
	struct pulse *pulse;
	bool welcomed;
	bool dry; /* changes nothing: for a dry run, or always */
	struct root
		*root; /* NULL after a welcome: a dry run on a folder that is still to be made */
	struct root *other; /* the other side's, only read; NULL: FETCH is not to be had */
	bool knows_other;   /* what its file system can do was asked, */
	bool same_clock;    /* and it is that of our root */
	int list_fd;	    /* folder of the saved list, -1 where there is none, and on a target */
	int state_fd;	    /* folder of caches, -1 before PREPARE where it is not there */
	char *state_dir;    /* "" for the default */
	char *profile;
	char *place;	      /* "" for none */
	struct uuid at_place; /* which initiator was at that place, as far as this root remembers */
	unsigned scan_flags;
	uint64_t seed;
	unsigned fsync_mode;
	int64_t silence_ms; /* of the initiator, after which it is gone */
	struct bucket rate; /* of what is written */
	int64_t heard_ms;   /* when something came last, */
	int64_t said_ms;    /* and when something was written */
	struct lock *lock;
	struct turn *turn; /* NULL before LOCK */
	enum turn_patience lock_patience;
	bool lock_waits;   /* LOCK is not answered yet */
	bool lock_refused; /* the last one was: a SCAN behind it is, too */
	int64_t lock_until_ms;
	int64_t lock_next_ms; /* when to try again */
	int64_t last_beat_ms;
	struct table *cache; /* what was last agreed on for this profile; NULL before LOCK */
	struct cache_head head;
	struct filter *filter; /* of the last SCAN, or NULL */
	uint64_t rules;	       /* its checksum, once that has begun */
	struct uuid boot;      /* of this machine, as store/done_log.h wants it */
	struct agent_ops *ops; /* NULL before PREPARE */

	struct job *jobs; /* first is under way */
	struct job **jobs_end;
	unsigned job_count;
	struct sums *sums; /* of files that are to be sent as a difference */
};

/* agent.c: output */
/* Write out what was collected. */
int agent_flush(struct agent *agent, struct err *err);
/* Whether nobody will ever read what is written. */
bool agent_is_left(const struct agent *agent);
/* A frame that was appended to agent->out counts against credit. */
void agent_spend(struct agent *agent, size_t size);
void agent_job_add(struct agent *agent, const struct job *job);

/* agent_lock.c: LOCK */
int agent_on_lock(struct agent *agent, const struct frame *frame, struct err *err);
/* While agent->lock_waits: try again, where it is time. */
void agent_lock_step(struct agent *agent);
/* Whether the lock is still ours; ERR_LOCKED where it was taken over. In front of whatever changes something. */
int agent_lock_check(const struct agent *agent, struct err *err);
void agent_lock_close(struct agent *agent);

/* agent_tidy.c: TIDY */
int agent_on_tidy(struct agent *agent, const struct frame *frame, struct err *err);

/* agent_space.c: STORED, and what LISTED says of the room there is */
void agent_space(const struct agent *agent, struct msg_listed *listed);
int agent_on_stored(struct agent *agent, const struct frame *frame, struct err *err);

/* agent_session.c: HELLO, PREPARE, COMMIT */
int agent_on_hello(struct agent *agent, const struct frame *frame, struct err *err);
/* The folder of caches, if it is there; with `create`, made. -1 without err where it is not there. */
int agent_open_state(struct agent *agent, bool create, struct err *err);
/*
 * Open the cache. A cache that cannot be used is set aside (not in a dry run) and counts as lost: the
 * initiator then gets the whole listing, and nothing depends on it.
 */
void agent_open_cache(struct agent *agent, enum table_mode mode);
int agent_on_prepare(struct agent *agent, const struct frame *frame, struct err *err);
int agent_on_record(struct agent *agent, const struct frame *frame, struct err *err);
int agent_on_forget(struct agent *agent, const struct frame *frame, struct err *err);
int agent_on_commit(struct agent *agent, const struct frame *frame, struct err *err);
void agent_session_close(struct agent *agent);

/* agent_jobs.c: SCAN, HASH, READ, ATTRS */
int agent_on_scan(struct agent *agent, const struct frame *frame, struct err *err);
int agent_on_hash(struct agent *agent, const struct frame *frame, struct err *err);
int agent_on_read(struct agent *agent, const struct frame *frame, struct err *err);
int agent_on_attrs(struct agent *agent, const struct frame *frame, struct err *err);
/* What READ says, but for the path, which is in the arena. */
const char *agent_dec_read(struct agent *agent, struct dec *dec, struct job *job);
/* Take the first job a step further: at most one bulk frame. */
int agent_job_step(struct agent *agent, struct err *err);
/* Whether there is a job that has the credit to go on. */
bool agent_job_ready(const struct agent *agent);
void agent_jobs_free(struct agent *agent);

/* agent_basis.c: BASIS */
int agent_on_basis(struct agent *agent, const struct frame *frame, struct err *err);
/* One step of JOB_SUMS: true if there is more. */
bool agent_step_sums(struct agent *agent, struct job *job);

/* agent_differ.c: SUMS, READ_CHANGES */
int agent_on_sums(struct agent *agent, const struct frame *frame, struct err *err);
int agent_on_read_changes(struct agent *agent, const struct frame *frame, struct err *err);
/* One step of a JOB_READ with a differ, at most one bulk frame; false at the end of the file, or with *status. */
bool agent_read_changes(struct agent *agent, struct job *job, struct err *status);
/* Forget the sums that came for this file. */
void agent_sums_drop(struct agent *agent, uint64_t id);
void agent_sums_free(struct agent *agent);

/* agent_ops.c: OP, FLUSH, RECORDED, FINISH */
struct agent_ops *agent_ops_open(struct agent *agent, const char *run, uint64_t generation,
				 const struct keep *keep, struct err *err);
void agent_ops_close(struct agent_ops *ops);
/* Whether something is there of a large file that a run did not come to the end of. */
bool agent_has_partial(const struct agent_ops *ops);
int agent_on_op(struct agent *agent, const struct frame *frame, struct err *err);
/*
 * All is done when it returns, or beside the loop (agent_ops_rest), and reported once the results prove what
 * they say: agent_ops_report().
 */
int agent_on_flush(struct agent *agent, const struct frame *frame, struct err *err);
/* In how many ms agent_ops_report() is due; -1 while there is nothing to report. */
int agent_ops_wait_ms(const struct agent *agent);
/* Readable when agent_ops_wait_ms() has something new to say; -1 where that is told by the clock alone. */
int agent_ops_fd(const struct agent *agent);
/*
 * Wait until nothing is done beside the loop any more. In front of all that looks at the tree or changes it, but
 * for what is staged, and of all that needs the lock.
 */
void agent_ops_rest(struct agent *agent);
/* DONE for each operation that was flushed, and FLUSHED. */
int agent_ops_report(struct agent *agent, struct err *err);
int agent_on_recorded(struct agent *agent, const struct frame *frame, struct err *err);
int agent_on_finish(struct agent *agent, const struct frame *frame, struct err *err);

/* agent_puts.c: DATA, HOLE, COPY, PUT_END, and BASIS for agent_basis.c */
int agent_on_data(struct agent *agent, const struct frame *frame, struct err *err);
int agent_on_hole(struct agent *agent, const struct frame *frame, struct err *err);
int agent_on_copy(struct agent *agent, const struct frame *frame, struct err *err);
/*
 * BASIS for this OP_PUT: where the version is that it is to replace (*path is the caller's), and what it is; with
 * `partial`, what it is to become. -1: it makes no sense.
 */
int agent_basis_begin(struct agent *agent, uint64_t id, bool partial, char **path,
		      struct entry *expect);
/* What has come before of a file that is to get `size` bytes: partial_open(). */
struct reader *agent_open_partial(struct agent *agent, const char *path, uint64_t size,
				  struct err *err);
/* All sums of it were sent; COPY is taken from what is open there. Takes the reader over. */
void agent_basis_ready(struct agent *agent, uint64_t id, struct reader *reader);
int agent_on_put_end(struct agent *agent, const struct frame *frame, struct err *err);

/* agent_fetch.c: FETCH */
/* Open the other side's root, where we were told of one. Before confining. */
void agent_fetch_prepare(struct agent *agent);
int agent_on_fetch(struct agent *agent, const struct frame *frame, struct err *err);
/* One step of JOB_FETCH: true if there is more. */
bool agent_step_fetch(struct agent *agent, struct job *job);
/* The other side may move its folders from here on. */
void agent_fetch_forget(struct agent *agent);

/* agent_hook.c: HOOK */
/* Have a process ready that may run hooks, where they are wanted and allowed. Before confining. */
void agent_hook_prepare(struct agent *agent, unsigned hello_flags);
int agent_on_hook(struct agent *agent, const struct frame *frame, struct err *err);
/* Whether the lock is still ours, while a hook runs: it must not run beside those of another run. */
int agent_hook_check(const struct agent *agent, struct err *err);
/* Readable when agent_hook_take() has something to do; -1 while no hook runs. */
int agent_hook_fd(const struct agent *agent);
void agent_hook_take(struct agent *agent);
/* End a hook that runs, with all it has started. Before the lock is released. */
void agent_hook_close(struct agent *agent);

/* agent_listing.c: the walk, less what is known already */
struct list;
struct listing;
/* `job`: a SCAN, borrowed. */
struct listing *listing_open(struct agent *agent, const struct job *job, struct err *err);
/* Append at most one LIST frame, and LISTED at the end: 1 if there is more, 0 at the end. */
int listing_step(struct listing *listing);
void listing_free(struct listing *listing);
/* Append LISTED of a folder that is not there. */
void listing_put_empty(struct agent *agent);
/* Append LISTED of what is not to be looked at: the lock was refused. */
void listing_put_refused(struct agent *agent);

#endif
