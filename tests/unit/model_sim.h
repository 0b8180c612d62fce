/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two trees and a saved list in memory, and a run over them that uses the model the way
 * run/ does, with every promise checked on the way:
 *
 *   - each operation of the plan finds what it expects, in the order of the plan (within
 *     a phase without order: in any order);
 *   - no content disappears: what a tree had is in a tree or in the trash afterwards, and
 *     what was not agreed on is in a tree where the policy keeps both;
 *   - both trees are equal afterwards, but for what was left alone;
 *   - nothing is saved that is not so on both sides.
 *
 *	struct sim *sim = sim_new(seed);
 *	sim_put(sim, SIDE_INITIATOR, "a", ENTRY_FILE, 1);	the user's doings
 *	sim_run(sim);			true; or sim->problem says what went wrong
 *	sim_rest(sim);			until nothing is left to do, at most three more runs
 */
#ifndef TESTS_MODEL_SIM_H
#define TESTS_MODEL_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/entry.h"
#include "model/reconcile.h"

enum { SIM_NODES = 48, SIM_PATH = 192, SIM_CONTENTS = 256 };

struct sim_node {
	char path[SIM_PATH];
	struct entry entry;
};

/* Sorted by path. */
struct sim_tree {
	struct sim_node nodes[SIM_NODES];
	size_t count;
	uint64_t freed_ino; /* of what was removed last; used again now and then */
};

struct sim_saved {
	char path[SIM_PATH];
	struct base base;
};

struct plan;

struct sim {
	const struct plan *plan; /* being carried out */
	struct sim_tree tree[SIDES];
	struct sim_saved saved[SIM_NODES];
	size_t saved_count;
	struct policy policy;
	bool hardlinks;
	bool had_links;		       /* sim_link was used */
	unsigned fail_percent;	       /* of operations that fail, for no reason */
	const char *unreadable[SIDES]; /* a folder that cannot be listed, or NULL */
	bool in_trash[SIM_CONTENTS];   /* by content */
	uint64_t rng;
	int64_t clock_ns;
	uint64_t next_ino;
	unsigned next_content;
	/* Of the last run: */
	size_t ops;
	size_t sent;  /* OP_PUT */
	size_t moved; /* OP_MOVE */
	size_t left;  /* paths left alone */
	size_t failed;
	char problem[512]; /* "" while all is well */
};

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *sim);

/* A number below n; the same sequence for the same seed. */
unsigned sim_random(struct sim *sim, unsigned n);
/* A content that no file had before. */
unsigned sim_fresh_content(struct sim *sim);

struct sim_node *sim_find(struct sim *sim, enum side side, const char *path);
/* Content of a file or symlink there, or 0. */
unsigned sim_content(struct sim *sim, enum side side, const char *path);

/*
 * What a user may do. Each returns false, and does nothing, where a file system would refuse.
 * sim_put creates or, for a file over a file, edits in place (all names of it).
 */
bool sim_put(struct sim *sim, enum side side, const char *path, enum entry_type type,
	     unsigned content);
/* With everything below. */
bool sim_remove(struct sim *sim, enum side side, const char *path);
/* With everything below; over nothing. */
bool sim_rename(struct sim *sim, enum side side, const char *from, const char *to);
bool sim_link(struct sim *sim, enum side side, const char *from, const char *to);
bool sim_chmod(struct sim *sim, enum side side, const char *path, unsigned mode);
bool sim_touch(struct sim *sim, enum side side, const char *path);

/* One run. false: sim->problem is set. */
bool sim_run(struct sim *sim);
/* Runs without failures until one plans nothing; a problem if that does not come soon. */
bool sim_rest(struct sim *sim);
/* Both trees and the saved list, for people. */
void sim_print(const struct sim *sim);

#endif
