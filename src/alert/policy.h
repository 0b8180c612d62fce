/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When somebody is told: never twice for the same within some hours, never for what ends by itself
 * soon, and never not at all.
 *
 *	policy_note	what this run has found, into the memory
 *	policy_judge	whether to tell, and what
 *	policy_told	what was told, once it has been
 *
 * The memory holds at most POLICY_ENTRIES troubles.  A trouble is a kind and an id; the same id means
 * the same to whom it is told.  It lasts from the run that finds it first to the first run that shows
 * that it is over: one that came to its end shows that for everything, one that was kept from working
 * only for what it must have got past.
 *
 *   * Told again after repeat_s, also if it came and went in between.
 *   * A locked or unreachable target, and runs that are ended from outside, are told when that has
 *     lasted for the time the rules give (of a target that is down while this machine is on-line, that
 *     of a lock) and for three runs in a row (a laptop that wakes up after a
 *     weekend has had one run before and one after).
 *   * Of one kind at most POLICY_PER_KIND are told within repeat_s, whatever their ids.
 *   * What wants a look (a conflict) is said by one run only, so nothing of it may be dropped: it is
 *     told at once, but not within POLICY_LOOK_GAP_S of the last; then it is owed, and the first run
 *     after that time tells how many there were.
 *   * The end of a trouble that was told is told once.
 *
 * Clocks are set back and forth: a time of the memory that lies in the future is taken for now.
 *
 * Pure but for the memory given: no I/O, no clock.
 */
#ifndef ALERT_POLICY_H
#define ALERT_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	POLICY_ENTRIES = 16,
	POLICY_PER_KIND = 4,
	POLICY_PATIENT_RUNS = 3,
	POLICY_LOOK_GAP_S = 3600,
	POLICY_FOUND_MAX = 4, /* troubles that one run can have */
};

enum trouble_kind {
	TROUBLE_FAILED,	     /* the run as a whole */
	TROUBLE_PATHS,	     /* some paths; the id is how many digits their number has */
	TROUBLE_GUARD,	     /* stopped before any change */
	TROUBLE_DENIED,	     /* host key or login */
	TROUBLE_UNREACHABLE, /* the target */
	TROUBLE_LOCKED,	     /* by another run */
	TROUBLE_STOPPED,     /* by a signal */
	TROUBLE_LOOK,	     /* finished, and something wants a look */
	TROUBLE_SETUP,	     /* warnings about the configuration, a log that cannot be written */
	TROUBLE_DOWN,	     /* the target cannot be reached, and this machine is on-line */
};
enum { TROUBLE_KINDS = TROUBLE_DOWN + 1 };

/* Wall-clock seconds since 1970; 0: never. */
struct trouble {
	enum trouble_kind kind;
	uint64_t id;
	int64_t since_s;
	int64_t seen_s; /* by the last run that found it */
	int64_t told_s;
	uint32_t runs; /* in a row that found it */
	bool lasts;
	bool owed; /* its end is to be told */
};

struct policy_memory {
	struct trouble troubles[POLICY_ENTRIES];
	size_t count;
	int64_t look_told_s;
	uint64_t looks; /* that nobody was told of */
	int64_t mute_s; /* since when telling has failed and that was said */
};

struct policy_rules {
	unsigned on; /* enum mail_on */
	int64_t repeat_s;
	int64_t locked_s; /* how long these may last before they are told */
	int64_t offline_s;
};

/* What a run has found. */
struct policy_find {
	enum trouble_kind kind;
	uint64_t id;
	uint64_t looks; /* TROUBLE_LOOK: how many things */
	bool conflict;	/* TROUBLE_LOOK: conflicts are among them */
};

struct policy_found {
	struct policy_find items[POLICY_FOUND_MAX];
	size_t count;
	bool finished; /* the run came to its end, whatever became of single paths */
};

/* What to tell. */
struct policy_verdict {
	bool tell;		      /* anything of what follows */
	bool found[POLICY_FOUND_MAX]; /* these of the troubles found */
	bool looks;		      /* those that are owed */
	bool recovered;		      /* everything that was told is over */
	bool success;
};

/* Whether the run was a good one: at its end, with nothing pending. */
bool policy_is_good(const struct policy_found *found);

void policy_note(struct policy_memory *memory, const struct policy_rules *rules,
		 const struct policy_found *found, int64_t now_s);
struct policy_verdict policy_judge(const struct policy_memory *memory,
				   const struct policy_rules *rules,
				   const struct policy_found *found, int64_t now_s);
void policy_told(struct policy_memory *memory, const struct policy_found *found,
		 const struct policy_verdict *verdict, int64_t now_s);

/* The trouble of that kind and id, or NULL. */
const struct trouble *policy_find_trouble(const struct policy_memory *memory,
					  enum trouble_kind kind, uint64_t id);

#endif
