/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the parts of the simulator only: the trees, one run, and the carrying out of a plan. */
#ifndef TESTS_MODEL_RUN_H
#define TESTS_MODEL_RUN_H

#include "model/change.h"
#include "model/move.h"
#include "model/plan.h"
#include "model_sim.h"

struct digest sim_digest(unsigned content);
unsigned sim_content_of(const struct entry *entry);
int64_t sim_tick(struct sim *sim);
bool sim_parent_exists(struct sim *sim, enum side side, const char *path);
struct sim_node *sim_create(struct sim *sim, enum side side, const char *path, enum entry_type type,
			    unsigned content);
void sim_share(struct sim *sim, enum side side, const struct entry *entry);
unsigned sim_names(const struct sim *sim, enum side side, uint64_t ino);
void sim_drop(struct sim *sim, enum side side, struct sim_node *node);
void sim_carry(struct sim *sim, enum side side, const char *from, const char *to);
/* The first problem stays. Returns false. */
bool sim_problem(struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Carry the plan out; op->state says what became of each, change->failed and pending follow. */
bool sim_apply(struct sim *sim, struct plan *plan);
void sim_print_plan(const struct plan *plan, const struct changes *changes);

#endif
