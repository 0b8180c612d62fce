/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One run's connection to both sides: an agent for the initiator's folder, one for the
 * target's, and the saved list between them.
 *
 *	session_open		connect both, exchange hellos, check who they are
 *	session_lock		one run at a time on either root
 *	(scan, decide)
 *	session_prepare		identities, stage and trash folders: from here on things are written
 *	(apply)
 *	session_commit		both ends agree on what is now the state
 *	session_close
 *
 * Both sides are driven in the same way; that one of them is on this machine is known to the
 * transport only.
 */
#ifndef RUN_SESSION_H
#define RUN_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "model/entry.h"
#include "peer/frame.h"
#include "peer/listing.h"
#include "run/recall.h"
#include "run/saved.h"
#include "tree/space.h"

struct channel;
struct config;
struct err;
struct limits;
struct owners;
struct report;
struct transport;

struct session_side {
	struct transport *transport;
	struct channel *channel;
	struct uuid identity; /* none: this root was never synced */
	bool partial;	      /* it has something of a large file, of a run before */
	bool known;	      /* the target remembers a folder at the initiator's place: */
	struct uuid known_initiator;
	uint64_t known_generation; /* of the target's cache, 0: none */
	uint64_t mark;		   /* generation in the root, 0: none */
	bool can_chown;
	bool hooks;	      /* it runs hooks */
	int hooks_open;	      /* asked for and not ended yet */
	unsigned caps;	      /* enum peer_cap: what its file system can do */
	int64_t step_ns;      /* in which it keeps mtimes */
	bool fetches;	      /* it can take files from the other root itself */
	bool read_only;	      /* nothing can be changed there */
	bool has_state;	      /* a synchronizer's state was there when it was opened */
	bool lost;	      /* seen by session_wait_alone(): the connection is gone */
	struct recall recall; /* what a run that was killed had done here */
	uint64_t scanned;
	struct space space;	  /* when it was listed: of the root's file system, */
	struct space state_space; /* and of that of the agent's state, where it is another one */
};

/* A SCAN that was sent before it was known that it is the right one; see collect_ahead(). */
struct ahead {
	bool is_open; /* its LISTED has not come */
	bool delta;
	uint64_t generation; /* of the saved list it goes by, */
	uint64_t seed;	     /* and its seed */
};

struct session {
	struct limits *limits; /* to be set before session_open() */
	const struct config *config;
	struct report *report;
	const char *run; /* names this run and its trash folders */
	struct session_side sides[SIDES];
	struct uuid initiator; /* the initiator's identity, or the one it is to get */
	struct owners *owners;
	int64_t skew_ns;    /* target's clock minus this machine's */
	int64_t started_ms; /* or when session_edited() was called */
	bool no_history;    /* the saved list is not to be believed */
	struct saved saved; /* the saved list; no list: no history */
	bool locked;	    /* both locks are ours */
	bool list_damaged;  /* there is a saved list, but it cannot be trusted */
	bool retell;	    /* the target's cache must be told anew in full */
	bool prepared;
	bool again;    /* this session follows one that broke; to be set before session_open() */
	bool welcomed; /* by the target's agent */
	bool cut;      /* the connection to it broke after that */
	struct ahead ahead;	       /* a listing of the target that was asked for early */
	struct listing_writer records; /* what the target is still to be told */
};

/*
 * Connect, greet, open the saved list and judge identities.  ERR_GUARD where a root is not the one
 * that was synced before; nothing was changed then.
 */
int session_open(struct session *session, const struct config *config, struct report *report,
		 const char *run, struct err *err);
/*
 * Take both locks, waiting up to LOCK_WAIT. ERR_LOCKED names the holder. Then open the list for writing.
 * 1 where another first run came before this one, which must be begun again: close the session, open
 * it anew.
 */
int session_lock(struct session *session, struct err *err);
/* Make both sides ready for changes, and the saved list. */
int session_prepare(struct session *session, struct err *err);
/* Tell the target what is recorded, and agree on a new generation. */
int session_commit(struct session *session, struct err *err);
void session_close(struct session *session);

/* The next frame of one side, moving bytes of both while waiting. The frame is valid until the next call for that side. */
int session_wait(struct session *session, enum side side, struct frame *frame, struct err *err);
/*
 * The same where only that side matters any more: bytes of the other one are moved for as long as it is
 * there.  For what is still to be done after an error.
 */
int session_wait_alone(struct session *session, enum side side, struct frame *frame,
		       struct err *err);
/* Move bytes on both sides; waits up to timeout_ms. */
int session_pump(struct session *session, int timeout_ms, struct err *err);
/* A frame of another type than expected ends the run. */
int session_expect(const struct frame *frame, uint8_t type, struct err *err);

/* Something of this run may just have edited files: a hook. */
void session_edited(struct session *session);
/*
 * Let a moment pass since the start of the run (and since session_edited), so that files edited just before it are older
 * than the precision of their time stamps when they are read.
 */
void session_let_time_pass(const struct session *session);

/* What the saved list now says of a path; NULL: nothing. Told to the target with the next commit. */
void session_record(struct session *session, const char *path, const struct base *base);
/* After many of these: what waits to be written and told must not fill the memory. Moves bytes of both sides. */
int session_make_room(struct session *session, struct err *err);

#endif
