/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/jitter.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/stop.h"
#include "config/config.h"

enum { STOP_LOOK_MS = 100 /* how often it is looked whether to stop */ };

int64_t jitter_ms(const struct config *config, uint64_t random)
{
	if (!config->from_cron || config->dry_run || config->start_jitter_s <= 0)
		return 0;
	return (int64_t)(random % ((uint64_t)config->start_jitter_s * 1000));
}

void jitter_wait(const struct config *config)
{
	int64_t left = jitter_ms(config, random_u64());

	if (left > 0)
		log_info("waiting %d ms (START_JITTER)", (int)left);
	for (; left > 0 && !stop_signal(); left -= STOP_LOOK_MS)
		clock_sleep_ms(left < STOP_LOOK_MS ? left : STOP_LOOK_MS);
}
