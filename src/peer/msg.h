/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages as values: one encode and one decode function per frame that both sides
 * must agree on (peer/protocol.h).  Encoders append a whole frame.  Decoders take the
 * payload, put strings into the arena and return -1 with ERR_PROTOCOL on anything that is
 * not exactly the message; paths are valid afterwards.
 */
#ifndef PEER_MSG_H
#define PEER_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/random.h"
#include "model/entry.h"
#include "model/plan.h"
#include "tree/space.h"

struct arena;
struct buf;
struct dec;
struct frame;

struct msg_hello {
	uint64_t version_min;
	uint64_t version_max;
	int64_t clock_ns;
	const char *build;
	const char *profile;   /* names the initiator's folder and its job */
	const char *place;     /* names where that folder is; NULL or "": nowhere */
	unsigned flags;	       /* enum peer_hello_flag */
	const char *state_dir; /* "": the default */
	unsigned scan_flags;
	unsigned fsync_mode; /* enum changer_sync_mode */
	unsigned silence_s;  /* how long either side may be silent */
	const char *mount;   /* tree/mountpoint.h; NULL or "": nothing need be mounted */
	uint32_t rate_kib;   /* KiB/s that the agent may write, with PEER_HELLO_LIMITED; else 0 */
};

struct msg_welcome {
	uint64_t version;
	int64_t clock_ns;
	const char *build;
	struct uuid identity;
	bool known; /* a folder at this place was here before: */
	struct uuid known_initiator;
	uint64_t known_generation; /* of the cache for this profile, 0 for none */
	uint64_t mark;		   /* store/mark.h, likewise */
	bool can_chown;
	unsigned flags; /* PEER_WELCOME_* */
};

struct msg_locked {
	struct err status;
	char seized[256]; /* from whom it was taken over; "" for nobody */
	unsigned caps;	  /* enum peer_cap */
	int64_t step_ns;
	uint64_t done_generation;  /* of the saved list when `done` was written */
	const unsigned char *done; /* records as in store/done_log.h; borrowed from the frame */
	size_t done_len;
};

struct msg_listed {
	struct err status;
	uint64_t seen;
	uint64_t checksum;
	struct space root;
	struct space state; /* total 0 where it is the same file system */
};

struct msg_ready {
	struct err status;
	struct uuid identity;
	bool partial; /* something of a large file is there that a run did not come to the end of */
};

struct msg_hook {
	const char *command;
	int64_t limit_ms;
	bool keeps_root;		/* the root must be the same folder afterwards */
	const char *const *environment; /* "OSYNC_NAME=VALUE", NULL at the end */
};

struct msg_op {
	uint64_t id;
	enum op_kind kind;
	const char *path;
	const char *from; /* "" for none */
	struct entry expect;
	struct entry source;
	struct op_meta meta;
	const unsigned char *attrs;
	size_t attrs_len;
	bool filled;	    /* OP_MKDIR: it is put in place with what comes into it until a FLUSH */
	unsigned settles;   /* 0, or enum done_kind: what to note when it is done */
	struct entry there; /* DONE_AGREED, DONE_MADE: what the other side shows */
};

/* Answers that say how a request ended: HASHED, DONE, READ_END, FETCHED, ATTRS_IS. */
struct msg_result {
	uint64_t id;
	struct err status;
	struct entry entry;
	const unsigned char *attrs;
	size_t attrs_len;
};

void msg_put_hello(struct buf *out, const struct msg_hello *hello);
/* The versions are set even where the rest cannot be understood. */
int msg_get_hello(const struct frame *frame, struct arena *arena, struct msg_hello *hello,
		  struct err *err);
void msg_put_welcome(struct buf *out, const struct msg_welcome *welcome);
int msg_get_welcome(const struct frame *frame, struct arena *arena, struct msg_welcome *welcome,
		    struct err *err);
void msg_put_locked(struct buf *out, const struct msg_locked *locked);
int msg_get_locked(const struct frame *frame, struct msg_locked *locked, struct err *err);
void msg_put_listed(struct buf *out, const struct msg_listed *listed);
int msg_get_listed(const struct frame *frame, struct msg_listed *listed, struct err *err);
/* STORED, and its answer. */
void msg_put_stored(struct buf *out, uint64_t id, const char *path);
void msg_put_stored_is(struct buf *out, uint64_t id, uint64_t size);
int msg_get_stored_is(const struct frame *frame, uint64_t *id, uint64_t *size, struct err *err);
void msg_put_ready(struct buf *out, const struct msg_ready *ready);
int msg_get_ready(const struct frame *frame, struct msg_ready *ready, struct err *err);
void msg_put_hook(struct buf *out, const struct msg_hook *hook);
int msg_get_hook(const struct frame *frame, struct arena *arena, struct msg_hook *hook,
		 struct err *err);
void msg_put_op(struct buf *out, const struct msg_op *op);
int msg_get_op(const struct frame *frame, struct arena *arena, struct msg_op *op, struct err *err);
/* What is at `path`, with its digest under `seed`; `expect` NULL: whatever it is. */
void msg_put_hash(struct buf *out, uint64_t id, const char *path, uint64_t seed,
		  const struct entry *expect);

/*
 * READ, FETCH, READ_CHANGES (to the last two of which more is to be added): of this entry at `path`, with its
 * attributes or not.
 */
void msg_enc_read(struct buf *out, uint64_t id, const char *path, const struct entry *expect,
		  bool attrs);

/* `type` is PEER_HASHED, PEER_DONE, PEER_FETCHED, PEER_READ_END or PEER_ATTRS_IS; attributes only with the last two. */
void msg_put_result(struct buf *out, uint8_t type, const struct msg_result *result);
int msg_get_result(const struct frame *frame, struct arena *arena, struct msg_result *result,
		   struct err *err);

/* A frame that is nothing but a status: FINISHED, COMMITTED, ERROR. */
void msg_put_status(struct buf *out, uint8_t type, const struct err *status);
int msg_get_status(const struct frame *frame, struct err *status, struct err *err);

/* An empty frame. */
void msg_put_empty(struct buf *out, uint8_t type);
/* A frame that is nothing but a number: PONG, CREDIT, AGAIN. */
void msg_put_number(struct buf *out, uint8_t type, uint64_t number);
int msg_get_number(const struct frame *frame, uint64_t *number, struct err *err);

/* Parts. */
void msg_enc_status(struct buf *out, const struct err *status);
/* The text as msg_dec_text. ERR_SIGNAL becomes ERR_UNREACHABLE: it is the other side that was stopped. */
void msg_dec_status(struct dec *dec, struct err *status);
void msg_enc_uuid(struct buf *out, const struct uuid *uuid);
void msg_dec_uuid(struct dec *dec, struct uuid *uuid);
/* A path that path_valid() accepts; sets dec->bad otherwise. */
const char *msg_dec_path(struct dec *dec, struct arena *arena);

/* A text for people, of at most `max` bytes; '?' stands for every control character. */
const char *msg_dec_text(struct dec *dec, size_t max, struct arena *arena);

/* ERR_PROTOCOL: "... sent a malformed message (type N)". */
int msg_malformed(const struct frame *frame, struct err *err);

#endif
