/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What agent_ops.c, which does operations, shares with agent_puts.c, which receives the bytes of files,
 * agent_fetch.c, which takes them from the other root, and agent_fill.c, which gathers those of new folders.
 */
#ifndef PEER_AGENT_OPS_INTERNAL_H
#define PEER_AGENT_OPS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/entry.h"
#include "peer/agent_internal.h"
#include "peer/lookup.h"
#include "peer/msg.h"
#include "store/done_log.h"
#include "tree/changer.h"

struct fill;
struct reader;
struct staged;
struct worker;

/* One operation between its OP frame and the next FLUSH. */
struct pending {
	struct pending *next;
	uint64_t id;
	enum op_kind kind;
	bool complete; /* OP_PUT: all bytes are here */
	bool late;     /* done by FLUSH */
	char *path;
	struct entry expect;
	uint64_t size;	     /* OP_PUT: what it is said to become */
	struct op_meta meta; /* names are resolved already */
	unsigned settles;    /* 0, or enum done_kind */
	char *from;	     /* DONE_MOVED: where it was */
	struct entry there;  /* otherwise: the other side's */
	struct staged *staged;
	bool fetched;	      /* OP_PUT: FETCH came: no bytes are sent */
	bool differs;	      /* OP_PUT: BASIS came, */
	bool partial;	      /* for what has come of it before */
	struct reader *basis; /* the version that is to be replaced, open: COPY may come */
	bool spoiled;	      /* a COPY could not be done */
	uint64_t folder;      /* of a file or symlink: the inode of that into which it was placed */
	struct entry result;
	struct err status;
	/* Folders that are filled, see agent_fill.c. */
	struct fill *fill; /* OP_MKDIR: this is one */
	struct pending
		*under; /* the innermost that it is to lie in or below, until that is taken */
	bool inside;	/* OP_PUT: it is to be staged in that */
	struct pending *next_inside;
};

struct agent_ops {
	struct agent *agent;
	struct changer *changer;
	struct lookup lookup;
	struct done_log done;
	struct pending *first; /* in the order in which they came */
	struct pending **end;
	struct pending *flushed; /* what FLUSH is about, until it is reported; likewise */
	struct worker *worker;
	struct pending
		*filling; /* the last folder that came to be filled; each lies in its `under` */
	struct pending *receiving; /* the OP_PUT that the last DATA was for */
	struct pending *found;	   /* by find_put() last, also when it is complete */
	unsigned count;
	bool reporting;	   /* there was a FLUSH, and no FLUSHED yet */
	int64_t settle_ms; /* when its results prove what they say (changer_settle_ms) */
};

/* What is to be set, of what was asked for; attrs[0..attrs_len) is borrowed. */
struct meta op_meta_of(const struct op_meta *from, const unsigned char *attrs, size_t attrs_len);

/* Put a complete one in its place. */
int ops_place(struct agent_ops *ops, struct pending *op);
/* What is to be noted of one that is done, for a run after one that is killed. */
void ops_put_note(struct agent_ops *ops, const struct pending *op);
/* Until everything is in it, a new folder must let us in; its own mode comes at the end. Borrows attrs. */
struct meta ops_folder_meta(const struct pending *op, const unsigned char *attrs, size_t attrs_len);

/* agent_puts.c, for agent_fetch.c: */

/* The OP_PUT that FETCH is about, from now on; NULL where there is none, or bytes of it have come. */
struct pending *puts_fetch(struct agent_ops *ops, uint64_t id);
/* What its bytes go to, nothing yet; NULL when it has failed (op->status). */
struct staged *puts_stage(struct agent_ops *ops, struct pending *op);
/* All that is to come of it has come, and been finished, or op->status is set. */
void puts_end(struct agent_ops *ops, struct pending *op);

/* agent_fill.c: */

/* The innermost folder still being filled that this path lies below, or NULL. */
struct pending *fill_above(struct agent_ops *ops, const char *path);
/* An OP_MKDIR that is to be filled from now on. Its attributes are copied. */
void fill_begin(struct agent_ops *ops, struct pending *op, const unsigned char *attrs,
		size_t attrs_len);
/* An OP_PUT, of which nothing has come, is staged in the folder it lies in where that is being filled. */
void fill_join(struct pending *op);
/* Its staged file; where it cannot lie there, an ordinary one. */
struct staged *fill_stage(struct agent_ops *ops, struct pending *op, mode_t mode);
/* All its bytes are there, or never will be. */
void fill_complete(struct pending *op);
/* For a FLUSH: no folder that has something waits for puts of which nothing has come; they are ordinary ones then. */
void fill_part(struct agent_ops *ops);
/* Whether it has to wait for what a later FLUSH is about. Those before it have been asked. */
bool fill_must_wait(struct pending *op);
/* A FLUSH takes it. */
void fill_take(struct pending *op);
/* Those that were taken get nothing any more. */
void fill_forget_taken(struct agent_ops *ops);
/* Complete a folder, before the stage is made durable. */
void fill_finish(struct pending *op);
/* Put a folder in its place, with what is in it. */
void fill_place(struct agent_ops *ops, struct pending *op);
void fill_free(struct fill *fill);

#endif
