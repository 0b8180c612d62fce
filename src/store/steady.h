/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Since when the clock has been steady: what is to be removed because of its age must not be removed
 * because a clock has jumped.
 *
 * Whoever removes by age looks at the clock about once a day, and notes what it showed (in "trash-clock"),
 * beside the time since the machine was started.  Where both have not moved by the same, or where the machine
 * was started anew and the clock has moved by more than STEADY_MOST_NS, it has jumped, and no age counts
 * for more than the time since then.  Before the first look, it showed what the folder was last changed at.
 */
#ifndef STORE_STEADY_H
#define STORE_STEADY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/random.h"

#define STEADY_DAY_NS (INT64_C(86400) * NS_PER_SEC)
/* A clean-up job comes once a month at least. */
#define STEADY_MOST_NS (45 * STEADY_DAY_NS)

struct steady {
	bool known;
	int64_t since_ns;   /* 0: no jump was ever seen */
	int64_t seen_ns;    /* what the clock showed the last time */
	int64_t started_ms; /* for how long the machine had been running then */
	struct uuid boot;
};

/* The clock shows now_ns, in a machine that was started as `boot` started_ms ago. Pure. */
struct steady steady_step(const struct steady *before, int64_t now_ns, int64_t started_ms,
			  const struct uuid *boot);
/* How old what was made at made_ns is by now, at least (0 for what comes from the future). Pure. */
int64_t steady_age_ns(const struct steady *steady, int64_t made_ns);

/* For how long the machine has been running, suspended or not (ms). */
int64_t steady_started_ms(void);
void steady_load(int workdir, struct steady *steady);
void steady_save(int workdir, const struct steady *steady);

#endif
