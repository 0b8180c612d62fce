/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How far the history of a profile has come: the generation of the saved list (store/list.h), kept
 * in each root beside its identity, whoever keeps the list and wherever.
 *
 * It is written before a run changes or records anything. So a root that was put back to an older
 * state, by a backup or a snapshot, shows an older generation than the list does, also where the run
 * that went on from there was cut off.
 *
 * And once more when the run has done all: then the mark is mark_of_end() of the generation. So a
 * snapshot that was taken in the midst of a run is not taken for what that run has left.
 */
#ifndef STORE_MARK_H
#define STORE_MARK_H

#include <stdint.h>

struct err;

/* Generations are even. */
static inline uint64_t mark_of_end(uint64_t generation)
{
	return generation | 1;
}
/*
 * The generation in the mark of this profile; 0 where there is none that makes sense. ERR_SYSTEM
 * where it cannot be read now: that says nothing about the past.
 */
int mark_read(int dirfd, const char *profile, uint64_t *generation, struct err *err);
/* Durable on return. */
int mark_write(int dirfd, const char *profile, uint64_t generation, struct err *err);

#endif
