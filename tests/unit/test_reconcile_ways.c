/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decision about one path where not everything is synced both ways: SYNC_TYPE, SKIP_DELETION.
 * Its laws over every combination of what was agreed on, what both sides show, and the policy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/reconcile.h"

/* What a side shows; the number behind it is the content. */
enum look { GONE, V1, V1_TOUCHED, V2, V2_LATE, FOLDER, PIPE, LOOKS };
/* On which sides it was seen when it was agreed on. */
enum seen { ON_BOTH, ON_INITIATOR, ON_TARGET, NEVER, SEENS };

struct input {
	struct base base;
	struct entry entry[SIDES];
	struct policy policy;
	enum seen seen;
};

static struct entry entry_of(enum look look)
{
	static const uint8_t types[LOOKS] = { ENTRY_ABSENT, ENTRY_FILE, ENTRY_FILE,   ENTRY_FILE,
					      ENTRY_FILE,   ENTRY_DIR,	ENTRY_SPECIAL };
	struct entry entry = { .type = types[look], .mode = 0644, .ino = 7, .mtime_ns = 5000 };

	if (entry.type == ENTRY_FILE) {
		entry.flags = ENTRY_HAS_DIGEST;
		entry.size = 3;
		entry.digest.bytes[0] = look >= V2 ? 2 : 1;
	}
	if (look == V1_TOUCHED || look == V2_LATE)
		entry.mtime_ns = 9000;
	return entry;
}

static struct verdict decide(const struct input *in)
{
	const struct entry *now[SIDES] = { in->entry[0].type ? &in->entry[0] : NULL,
					   in->entry[1].type ? &in->entry[1] : NULL };

	return reconcile(in->seen == NEVER ? NULL : &in->base, now, &in->policy);
}

static struct input swapped(const struct input *in)
{
	static const enum seen seen[SEENS] = { ON_BOTH, ON_TARGET, ON_INITIATOR, NEVER };
	static const enum direction direction[] = { DIRECTION_BOTH, DIRECTION_FROM_TARGET,
						    DIRECTION_FROM_INITIATOR };
	struct input out = *in;

	for (int s = 0; s < SIDES; s++) {
		out.base.side[s] = in->base.side[!s];
		out.entry[s] = in->entry[!s];
		out.policy.skip_deletion[s] = in->policy.skip_deletion[!s];
	}
	out.seen = seen[in->seen];
	out.policy.direction = direction[in->policy.direction];
	out.policy.prevalence = side_other(in->policy.prevalence);
	return out;
}

static void check_symmetric(const struct input *in, struct verdict v)
{
	const struct input other = swapped(in);
	struct verdict w = decide(&other);

	assert_int_equal(w.kind, v.kind);
	assert_int_equal(w.reason, v.reason);
	assert_int_equal(w.meta_to[0], v.meta_to[1]);
	assert_int_equal(w.meta_to[1], v.meta_to[0]);
	if (v.kind == VERDICT_COPY || v.kind == VERDICT_DELETE)
		assert_int_not_equal(w.from, v.from);
}

static bool is_file_on_both(const struct input *in)
{
	return in->entry[0].type == ENTRY_FILE && in->entry[1].type == ENTRY_FILE;
}

/* The side that gives is never changed; the other is like it afterwards, or newer. */
static void check_one_way(const struct input *in, struct verdict v)
{
	enum side giver =
		in->policy.direction == DIRECTION_FROM_TARGET ? SIDE_TARGET : SIDE_INITIATOR;
	const struct entry *given = &in->entry[giver];
	const struct entry *taken = &in->entry[side_other(giver)];

	if (in->policy.direction == DIRECTION_BOTH)
		return;
	assert_int_equal(v.meta_to[giver], 0);
	assert_int_not_equal(v.kind, VERDICT_CONFLICT);
	if (v.kind == VERDICT_COPY || v.kind == VERDICT_DELETE)
		assert_int_equal(v.from, giver);
	else if (v.reason == REASON_NEWER_THERE)
		assert_true(is_file_on_both(in) && taken->mtime_ns > given->mtime_ns);
	else if (v.reason != REASON_APART && v.kind != VERDICT_LEAVE)
		assert_true(given->type == taken->type &&
			    digest_same(&given->digest, &taken->digest));
}

/* Nothing is deleted where deletions are skipped, and nothing that is kept apart comes back. */
static void check_skipped(const struct input *in, struct verdict v)
{
	enum side to = side_other((enum side)v.from);
	bool apart = in->seen == ON_INITIATOR || in->seen == ON_TARGET;
	enum side keeper = in->seen == ON_TARGET ? SIDE_TARGET : SIDE_INITIATOR;
	const struct entry *kept = &in->entry[keeper];

	if (v.kind == VERDICT_DELETE)
		assert_false(in->policy.skip_deletion[to]);
	if (apart && in->policy.direction == DIRECTION_BOTH && kept->type == in->base.type &&
	    digest_same(&kept->digest, &in->base.digest) && !in->entry[!keeper].type)
		assert_true(v.kind == VERDICT_KEEP || v.kind == VERDICT_RECORD);
}

/* What was recorded is not decided again. */
static void check_idempotent(const struct input *in, struct verdict v)
{
	struct input after = *in;
	const struct entry *any = in->entry[0].type ? &in->entry[0] : &in->entry[1];

	if (v.kind != VERDICT_RECORD)
		return;
	after.base.type = any->type;
	after.base.digest = any->digest;
	for (int s = 0; s < SIDES; s++)
		after.base.side[s] = in->entry[s];
	after.seen = any->type ? ON_BOTH : NEVER;
	assert_int_equal(decide(&after).kind, VERDICT_KEEP);
}

static void check_laws(const struct input *in)
{
	struct verdict v = decide(in);

	check_symmetric(in, v);
	check_one_way(in, v);
	check_skipped(in, v);
	check_idempotent(in, v);
}

static void each_policy(struct input *in)
{
	for (unsigned n = 0; n < 24; n++) {
		in->policy = (struct policy){
			.direction = (enum direction)(n % 3),
			.skip_deletion = { n / 3 % 2, n / 6 % 2 },
			.prevalence = n / 12 ? SIDE_TARGET : SIDE_INITIATOR,
			.fields = { META_MODE | META_MTIME, META_MODE | META_MTIME },
		};
		check_laws(in);
	}
}

static void each_pair(enum look agreed, enum seen seen)
{
	for (unsigned n = 0; n < LOOKS * LOOKS; n++) {
		const struct entry base = entry_of(agreed);
		struct input in = { .base = { .type = base.type, .digest = base.digest },
				    .entry = { entry_of(n % LOOKS), entry_of(n / LOOKS) },
				    .seen = seen };

		if (seen != ON_TARGET)
			in.base.side[SIDE_INITIATOR] = base;
		if (seen != ON_INITIATOR)
			in.base.side[SIDE_TARGET] = base;
		each_policy(&in);
	}
}

static void test_laws_hold_for_every_combination(void **state)
{
	(void)state;
	for (unsigned seen = ON_BOTH; seen < NEVER; seen++) {
		each_pair(V1, (enum seen)seen);
		each_pair(V2, (enum seen)seen);
		each_pair(FOLDER, (enum seen)seen);
	}
	each_pair(GONE, NEVER);
}

static void test_what_is_observed_only_is_not_apart(void **state)
{
	struct base base = { .type = ENTRY_ABSENT };

	(void)state;
	base.side[0].type = ENTRY_SPECIAL;
	assert_false(reconcile_is_apart(&base));
	assert_false(reconcile_is_apart(NULL));
	base = (struct base){ .type = ENTRY_FILE };
	base.side[0].type = ENTRY_FILE;
	assert_true(reconcile_is_apart(&base));
	base.side[1].type = ENTRY_SPECIAL;
	assert_false(reconcile_is_apart(&base));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_laws_hold_for_every_combination),
		cmocka_unit_test(test_what_is_observed_only_is_not_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
