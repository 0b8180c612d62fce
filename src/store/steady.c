/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/steady.h"

#include "base/buf.h"
#include "base/codec.h"
#include "store/note.h"

static const char NAME[] = "trash-clock";

static bool is_far(int64_t ns, int64_t most_ns)
{
	return ns > most_ns || ns < -STEADY_DAY_NS;
}

static bool has_jumped(const struct steady *before, int64_t now_ns, int64_t started_ms,
		       const struct uuid *boot)
{
	int64_t moved_ns = now_ns - before->seen_ns;
	bool same_boot = !uuid_is_none(boot) && uuid_same(boot, &before->boot);

	if (!before->known)
		return false;
	if (!same_boot)
		return is_far(moved_ns, STEADY_MOST_NS);
	return is_far(moved_ns - (started_ms - before->started_ms) * NS_PER_MS, STEADY_DAY_NS);
}

struct steady steady_step(const struct steady *before, int64_t now_ns, int64_t started_ms,
			  const struct uuid *boot)
{
	bool jumped = has_jumped(before, now_ns, started_ms, boot);

	return (struct steady){ .known = true,
				.since_ns = jumped ? now_ns : before->since_ns,
				.seen_ns = now_ns,
				.started_ms = started_ms,
				.boot = *boot };
}

int64_t steady_age_ns(const struct steady *steady, int64_t made_ns)
{
	int64_t age_ns = steady->seen_ns - made_ns;
	int64_t steady_ns = steady->seen_ns - steady->since_ns;

	/* Made while the clock was wrong: as old as what was there when it was put right. */
	if (age_ns < -STEADY_DAY_NS)
		age_ns = steady->since_ns ? steady_ns : 0;
	if (age_ns < 0)
		return 0;
	return steady->since_ns && steady_ns < age_ns ? steady_ns : age_ns;
}

int64_t steady_started_ms(void)
{
	struct timespec ts = { 0 };

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return clock_from_timespec(ts) / NS_PER_MS;
}

void steady_load(int workdir, struct steady *steady)
{
	AUTO_BUF bytes = BUF_INIT;
	struct steady kept = { .known = true };
	struct dec dec;

	*steady = (struct steady){ .known = false };
	if (!note_load(workdir, NAME, &bytes, &dec))
		return;
	kept.since_ns = dec_int(&dec);
	kept.seen_ns = dec_int(&dec);
	kept.started_ms = dec_int(&dec);
	dec_raw(&dec, kept.boot.bytes, sizeof(kept.boot.bytes));
	if (dec_done(&dec))
		*steady = kept;
}

void steady_save(int workdir, const struct steady *steady)
{
	AUTO_BUF payload = BUF_INIT;

	enc_int(&payload, steady->since_ns);
	enc_int(&payload, steady->seen_ns);
	enc_int(&payload, steady->started_ms);
	enc_raw(&payload, steady->boot.bytes, sizeof(steady->boot.bytes));
	note_save(workdir, NAME, &payload, NULL);
}
