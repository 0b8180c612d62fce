/* SPDX-License-Identifier: BSD-2-Clause */
/* What agent_ops.c, which does operations, shares with agent_puts.c, which receives the bytes of files. */
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

struct reader;
struct staged;
struct worker;

/* One operation between its OP frame and the next FLUSH. */
struct pending {
	struct pending *next;
	uint64_t id;
	enum op_kind kind;
	bool complete; /* OP_PUT: all bytes are here */
	char *path;
	struct entry expect;
	uint64_t size;	     /* OP_PUT: what it is said to become */
	struct op_meta meta; /* names are resolved already */
	unsigned settles;    /* 0, or enum done_kind */
	char *from;	     /* DONE_MOVED: where it was */
	struct entry there;  /* otherwise: the other side's */
	struct staged *staged;
	bool differs;	      /* OP_PUT: BASIS came, */
	bool partial;	      /* for what has come of it before */
	struct reader *basis; /* the version that is to be replaced, open: COPY may come */
	bool spoiled;	      /* a COPY could not be done */
	uint64_t folder;      /* of a file or symlink: the inode of that into which it was placed */
	struct entry result;
	struct err status;
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
	struct pending *receiving; /* the OP_PUT that the last DATA was for */
	struct pending *found;	   /* by find_put() last, also when it is complete */
	unsigned count;
	bool reporting;	   /* there was a FLUSH, and no FLUSHED yet */
	int64_t settle_ms; /* when its results prove what they say (changer_settle_ms) */
};

/* What is to be set, of what was asked for; attrs[0..attrs_len) is borrowed. */
struct meta op_meta_of(const struct op_meta *from, const unsigned char *attrs, size_t attrs_len);

#endif
