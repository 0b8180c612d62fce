/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decision about one path: its laws over every combination of what was agreed on and what
 * both sides show, and a table of cases to be read like code.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "model/owners.h"
#include "model/reconcile.h"

/* What a side shows, in one word ---------------------------------------------- */

enum { GONE = 0, V1, V2, V3, DIR, LINK1, LINK2, SPECIAL, OPAQUE, MOUNT, LOOKS };
/* Beside that: */
enum {
	SAME = 0,    /* the very thing that was recorded, if it is that */
	TOUCHED = 1, /* another mtime */
	CHMODDED = 2,
	RESTAMPED = 4, /* another ctime: the content must be read */
	VARIANTS = 8
};

struct look {
	unsigned what;
	unsigned how;
};

static struct entry entry_of(struct look look, enum side side)
{
	static const uint8_t types[LOOKS] = { ENTRY_ABSENT,  ENTRY_FILE,    ENTRY_FILE,
					      ENTRY_FILE,    ENTRY_DIR,	    ENTRY_SYMLINK,
					      ENTRY_SYMLINK, ENTRY_SPECIAL, ENTRY_DIR,
					      ENTRY_DIR };
	struct entry entry = { .type = types[look.what], .mode = 0644, .ino = 7 + side };

	entry.mtime_ns = 5000 + (int64_t)look.what + ((look.how & TOUCHED) ? 300 + 10 * side : 0);
	entry.ctime_ns = 9000 + ((look.how & RESTAMPED) ? 1 : 0);
	if (look.how & CHMODDED)
		entry.mode = side == SIDE_INITIATOR ? 0600 : 0755;
	if (entry.type == ENTRY_FILE || entry.type == ENTRY_SYMLINK) {
		/* V3 has a size of its own. */
		entry.size = look.what == V3 ? 30 : 20;
		entry.digest.bytes[0] = (unsigned char)look.what;
	}
	if (entry.type == ENTRY_SYMLINK)
		entry.flags = ENTRY_HAS_DIGEST;
	if (look.what == OPAQUE || look.what == MOUNT)
		entry.flags = ENTRY_OPAQUE;
	if (look.what == MOUNT)
		entry.flags |= ENTRY_MOUNT;
	return entry;
}

/* One input of reconcile(), with room for what it points to. */
struct input {
	struct base base;
	struct entry entry[SIDES];
	const struct base *agreed;
	const struct entry *now[SIDES];
	struct policy policy;
};

static void point(struct input *in, bool agreed)
{
	in->agreed = agreed ? &in->base : NULL;
	for (int s = 0; s < SIDES; s++)
		in->now[s] = in->entry[s].type == ENTRY_ABSENT ? NULL : &in->entry[s];
}

/* Read where reconcile asks for it, and nowhere else; what is proven unchanged is known. */
static void read_contents(struct input *in)
{
	for (int s = 0; s < SIDES; s++)
		if (in->agreed && in->now[s] && in->base.type == ENTRY_FILE &&
		    in->base.side[s].type == ENTRY_FILE && in->now[s]->type == ENTRY_FILE &&
		    !(in->base.side[s].flags & ENTRY_RACY) &&
		    entry_same_content_key(&in->base.side[s], in->now[s])) {
			in->entry[s].digest = in->base.digest;
			in->entry[s].flags |= ENTRY_HAS_DIGEST;
		}
	for (int s = 0; s < SIDES; s++)
		if (reconcile_wants_digest(in->agreed, in->now, (enum side)s))
			in->entry[s].flags |= ENTRY_HAS_DIGEST;
}

static struct base base_of(unsigned what, bool racy)
{
	struct base base = { 0 };

	for (unsigned s = 0; s < SIDES; s++) {
		base.side[s] = entry_of((struct look){ what, SAME }, (enum side)s);
		if (racy)
			base.side[s].flags |= ENTRY_RACY;
		if (base.side[s].type == ENTRY_FILE)
			base.side[s].flags |= ENTRY_HAS_DIGEST;
	}
	base.type = base.side[0].type;
	base.digest = base.side[0].digest;
	return base;
}

static struct verdict decide(struct input *in)
{
	read_contents(in);
	return reconcile(in->agreed, in->now, &in->policy);
}

/* The laws ---------------------------------------------------------------------- */

static void describe(const struct input *in)
{
	printf("base %d, initiator %d %u, target %d %u, rule %d, prevalence %d\n",
	       in->agreed ? in->base.type : -1, in->entry[0].type, in->entry[0].digest.bytes[0],
	       in->entry[1].type, in->entry[1].digest.bytes[0], (int)in->policy.rule,
	       (int)in->policy.prevalence);
}

#define REQUIRE(in, condition)                                    \
	do {                                                      \
		if (!(condition)) {                               \
			describe(in);                             \
			fail_msg("%s does not hold", #condition); \
		}                                                 \
	} while (0)

static bool same_content(const struct entry *a, const struct entry *b)
{
	return a->type == b->type && digest_same(&a->digest, &b->digest);
}

static void check_total(const struct input *in, struct verdict v)
{
	const struct entry *from = in->now[v.from];

	REQUIRE(in, v.kind <= VERDICT_LEAVE);
	if (v.kind == VERDICT_COPY || v.kind == VERDICT_CONFLICT)
		REQUIRE(in, from && from->type != ENTRY_SPECIAL);
	if (v.kind == VERDICT_DELETE)
		REQUIRE(in, !from && in->now[side_other((enum side)v.from)]);
	if (v.kind == VERDICT_KEEP || v.kind == VERDICT_RECORD || v.kind == VERDICT_META)
		REQUIRE(in, !in->now[0] == !in->now[1]);
	if (v.kind != VERDICT_CONFLICT)
		REQUIRE(in, !v.keep_loser);
	if (v.kind == VERDICT_META)
		REQUIRE(in, v.meta_to[0] | v.meta_to[1]);
	for (int s = 0; s < SIDES; s++)
		if (v.meta_to[s])
			REQUIRE(in,
				in->now[0] && in->now[1] && in->now[0]->type == in->now[1]->type);
}

static enum conflict_rule swapped_rule(enum conflict_rule rule)
{
	if (rule == RULE_INITIATOR)
		return RULE_TARGET;
	return rule == RULE_TARGET ? RULE_INITIATOR : rule;
}

static void check_symmetric(const struct input *in, struct verdict v)
{
	struct input swapped = *in;
	struct verdict w;

	swapped.base.side[0] = in->base.side[1];
	swapped.base.side[1] = in->base.side[0];
	swapped.entry[0] = in->entry[1];
	swapped.entry[1] = in->entry[0];
	swapped.policy.prevalence = side_other(in->policy.prevalence);
	swapped.policy.rule = swapped_rule(in->policy.rule);
	swapped.policy.skew_ns = -in->policy.skew_ns;
	point(&swapped, in->agreed != NULL);
	w = reconcile(swapped.agreed, swapped.now, &swapped.policy);
	REQUIRE(in, w.kind == v.kind);
	REQUIRE(in, w.reason == v.reason);
	REQUIRE(in, w.keep_loser == v.keep_loser);
	REQUIRE(in, w.meta_to[0] == v.meta_to[1] && w.meta_to[1] == v.meta_to[0]);
	if (v.kind == VERDICT_COPY || v.kind == VERDICT_DELETE || v.kind == VERDICT_CONFLICT)
		REQUIRE(in, w.from != v.from);
}

/* What this verdict replaces or deletes was agreed on, or there is a conflict and a rule for it. */
static void check_nothing_disappears(const struct input *in, struct verdict v)
{
	enum side to = side_other((enum side)v.from);
	const struct entry *victim = in->now[to];
	bool agreed = false;

	if (v.kind != VERDICT_COPY && v.kind != VERDICT_DELETE && v.kind != VERDICT_CONFLICT)
		return;
	if (!victim)
		return;
	REQUIRE(in, victim->type != ENTRY_SPECIAL && !(victim->flags & ENTRY_OPAQUE));
	agreed = in->agreed && in->base.type == victim->type &&
		 digest_same(&in->base.digest, &victim->digest);
	if (v.kind != VERDICT_CONFLICT) {
		REQUIRE(in, agreed);
		return;
	}
	REQUIRE(in, !agreed);
	REQUIRE(in, in->policy.rule != RULE_SKIP);
	if (in->policy.rule == RULE_KEEP_BOTH)
		REQUIRE(in, v.keep_loser);
	/* A folder never loses its place to a file. */
	if (victim->type == ENTRY_DIR)
		REQUIRE(in, in->now[v.from]->type == ENTRY_DIR);
}

static void set_fields(struct entry *to, const struct entry *from, unsigned fields)
{
	if (fields & META_MODE)
		to->mode = from->mode;
	if (fields & META_MTIME)
		to->mtime_ns = from->mtime_ns;
}

/* Do what the verdict says to the two sides. */
static void carry_out(struct input *in, struct verdict v)
{
	struct entry before[SIDES] = { in->entry[0], in->entry[1] };
	enum side to = side_other((enum side)v.from);

	if (v.kind == VERDICT_DELETE)
		in->entry[to] = (struct entry){ 0 };
	if (v.kind == VERDICT_COPY || v.kind == VERDICT_CONFLICT) {
		in->entry[to] = before[v.from];
		in->entry[to].ino = 90;
		in->entry[to].ctime_ns = 9900;
		set_fields(&in->entry[to], &before[to], v.meta_to[v.from]);
	}
	for (int s = 0; s < SIDES; s++)
		set_fields(&in->entry[s], &before[side_other((enum side)s)], v.meta_to[s]);
}

static void agree(struct input *in)
{
	in->base = (struct base){ .type = in->entry[0].type,
				  .digest = in->entry[0].digest,
				  .side = { in->entry[0], in->entry[1] } };
	point(in, in->entry[0].type != ENTRY_ABSENT);
}

/* After the verdict was carried out and recorded there is nothing to do; before that, little. */
static void check_idempotent(const struct input *in, struct verdict v)
{
	struct input after = *in;
	struct verdict w;

	if (v.kind == VERDICT_LEAVE)
		return;
	carry_out(&after, v);
	REQUIRE(in, same_content(&after.entry[0], &after.entry[1]));
	/* Done but not recorded, as after a crash: adopted. */
	point(&after, in->agreed != NULL);
	w = decide(&after);
	REQUIRE(in, w.kind == VERDICT_KEEP || w.kind == VERDICT_RECORD);
	agree(&after);
	w = decide(&after);
	REQUIRE(in, w.kind == VERDICT_KEEP);
}

static void check_laws(struct input *in)
{
	struct verdict v = decide(in);

	check_total(in, v);
	check_symmetric(in, v);
	check_nothing_disappears(in, v);
	check_idempotent(in, v);
}

static void each_policy(struct input *in)
{
	for (unsigned n = 0; n < 10; n++) {
		in->policy.rule = (enum conflict_rule)(n / 2);
		in->policy.prevalence = n % 2 ? SIDE_TARGET : SIDE_INITIATOR;
		check_laws(in);
	}
}

static void each_pair_of_sides(unsigned base, bool racy)
{
	enum { ALL = LOOKS * VARIANTS };

	for (unsigned i = 0; i < ALL; i++)
		for (unsigned t = 0; t < ALL; t++) {
			struct input in = { .base = base_of(base, racy) };

			in.entry[0] = entry_of((struct look){ i / VARIANTS, i % VARIANTS },
					       SIDE_INITIATOR);
			in.entry[1] =
				entry_of((struct look){ t / VARIANTS, t % VARIANTS }, SIDE_TARGET);
			in.policy.fields[0] = in.policy.fields[1] = META_MODE | META_MTIME;
			point(&in, base != GONE);
			each_policy(&in);
		}
}

static void test_laws_hold_for_every_combination(void **state)
{
	for (unsigned base = GONE; base < LOOKS; base++) {
		each_pair_of_sides(base, false);
		each_pair_of_sides(base, true);
	}
}

/* Read like code ------------------------------------------------------------------ */

struct row {
	const char *title;
	unsigned base;
	struct look now[SIDES];
	enum conflict_rule rule;
	uint8_t kind;
	uint8_t from;
	uint8_t reason;
	uint8_t keep_loser;
	uint8_t meta_to[SIDES];
};

/* clang-format off */
#define I SIDE_INITIATOR
#define T SIDE_TARGET
static const struct row rows[] = {
	/*                                   base  initiator         target            rule             verdict */
	{ "nothing happened",                V1, {{V1, 0},          {V1, 0}},          RULE_KEEP_BOTH, VERDICT_KEEP, I, REASON_NONE, 0, {0, 0} },
	{ "never was there",                 GONE, {{GONE, 0},      {GONE, 0}},        RULE_KEEP_BOTH, VERDICT_KEEP, I, REASON_NONE, 0, {0, 0} },
	{ "edited here",                     V1, {{V2, RESTAMPED},  {V1, 0}},          RULE_KEEP_BOTH, VERDICT_COPY, I, REASON_EDITED, 0, {0, META_MTIME} },
	{ "edited there, another size",      V1, {{V1, 0},          {V3, RESTAMPED}},  RULE_KEEP_BOTH, VERDICT_COPY, T, REASON_EDITED, 0, {META_MTIME, 0} },
	{ "new here",                        GONE, {{V1, 0},        {GONE, 0}},        RULE_KEEP_BOTH, VERDICT_COPY, I, REASON_NEW, 0, {0, 0} },
	{ "new folder there",                GONE, {{GONE, 0},      {DIR, 0}},         RULE_KEEP_BOTH, VERDICT_COPY, T, REASON_NEW, 0, {0, 0} },
	{ "deleted here",                    V1, {{GONE, 0},        {V1, 0}},          RULE_KEEP_BOTH, VERDICT_DELETE, I, REASON_DELETED, 0, {0, 0} },
	{ "deleted on both sides",           V1, {{GONE, 0},        {GONE, 0}},        RULE_KEEP_BOTH, VERDICT_RECORD, I, REASON_NONE, 0, {0, 0} },
	{ "deleted here, edited there",      V1, {{GONE, 0},        {V2, RESTAMPED}},  RULE_KEEP_BOTH, VERDICT_COPY, T, REASON_EDIT_LIVES, 0, {0, 0} },
	{ "the same, whatever the rule",     V1, {{GONE, 0},        {V2, RESTAMPED}},  RULE_INITIATOR, VERDICT_COPY, T, REASON_EDIT_LIVES, 0, {0, 0} },
	{ "deleted there, chmod here",       V1, {{V1, CHMODDED | RESTAMPED}, {GONE, 0}}, RULE_KEEP_BOTH, VERDICT_DELETE, T, REASON_DELETED, 0, {0, 0} },
	{ "deleted there, touched here",     V1, {{V1, TOUCHED},    {GONE, 0}},        RULE_KEEP_BOTH, VERDICT_DELETE, T, REASON_DELETED, 0, {0, 0} },
	{ "deleted here, a folder there",    V1, {{GONE, 0},        {DIR, 0}},         RULE_KEEP_BOTH, VERDICT_COPY, T, REASON_EDIT_LIVES, 0, {0, 0} },
	{ "first run, equal",                GONE, {{V1, 0},        {V1, 0}},          RULE_KEEP_BOTH, VERDICT_RECORD, I, REASON_NONE, 0, {0, 0} },
	{ "first run, equal but for times: the older", GONE, {{V1, TOUCHED}, {V1, 0}}, RULE_KEEP_BOTH, VERDICT_META, I, REASON_META, 0, {META_MTIME, 0} },
	{ "first run, other modes: prevalence", GONE, {{V1, CHMODDED}, {V1, 0}},       RULE_KEEP_BOTH, VERDICT_META, I, REASON_META, 0, {0, META_MODE} },
	{ "first run, different: the newer", GONE, {{V1, 0},        {V2, 0}},          RULE_KEEP_BOTH, VERDICT_CONFLICT, T, REASON_BOTH_NEW, 1, {0, 0} },
	{ "the same edit on both sides",     V1, {{V2, RESTAMPED},  {V2, RESTAMPED}},  RULE_KEEP_BOTH, VERDICT_RECORD, I, REASON_NONE, 0, {0, 0} },
	{ "the same edit, sizes as agreed on neither", V1, {{V3, RESTAMPED}, {V3, RESTAMPED}}, RULE_KEEP_BOTH, VERDICT_RECORD, I, REASON_NONE, 0, {0, 0} },
	{ "edited on both sides",            V1, {{V3, RESTAMPED},  {V2, RESTAMPED}},  RULE_KEEP_BOTH, VERDICT_CONFLICT, I, REASON_BOTH_CHANGED, 1, {0, 0} },
	{ "the same, the newer wins",        V1, {{V3, RESTAMPED},  {V2, RESTAMPED}},  RULE_NEWER, VERDICT_CONFLICT, I, REASON_BOTH_CHANGED, 0, {0, 0} },
	{ "the same, the target wins",       V1, {{V3, RESTAMPED},  {V2, RESTAMPED}},  RULE_TARGET, VERDICT_CONFLICT, T, REASON_BOTH_CHANGED, 0, {0, 0} },
	{ "the same, left alone",            V1, {{V3, RESTAMPED},  {V2, RESTAMPED}},  RULE_SKIP, VERDICT_LEAVE, I, REASON_SKIP, 0, {0, 0} },
	{ "touched here",                    V1, {{V1, TOUCHED},    {V1, 0}},          RULE_KEEP_BOTH, VERDICT_META, I, REASON_META, 0, {0, META_MTIME} },
	{ "only the ctime is another",       V1, {{V1, RESTAMPED},  {V1, 0}},          RULE_KEEP_BOTH, VERDICT_RECORD, I, REASON_NONE, 0, {0, 0} },
	{ "chmod here, touched there",       V1, {{V1, CHMODDED},   {V1, TOUCHED}},    RULE_KEEP_BOTH, VERDICT_META, I, REASON_META, 0, {META_MTIME, META_MODE} },
	{ "chmod here, edited there",        V1, {{V1, CHMODDED},   {V2, RESTAMPED}},  RULE_KEEP_BOTH, VERDICT_COPY, T, REASON_EDITED, 0, {META_MTIME, META_MODE} },
	{ "chmod on both sides: prevalence", V1, {{V1, CHMODDED},   {V1, CHMODDED}},   RULE_KEEP_BOTH, VERDICT_META, I, REASON_META, 0, {0, META_MODE} },
	{ "a file became a folder",          V1, {{DIR, 0},         {V1, 0}},          RULE_KEEP_BOTH, VERDICT_COPY, I, REASON_TYPE, 0, {0, 0} },
	{ "a folder became a link",          DIR, {{DIR, 0},        {LINK1, 0}},       RULE_KEEP_BOTH, VERDICT_COPY, T, REASON_TYPE, 0, {0, 0} },
	{ "a folder against an edit: the folder keeps the name", V1, {{V2, RESTAMPED}, {DIR, 0}}, RULE_INITIATOR, VERDICT_CONFLICT, T, REASON_BOTH_CHANGED, 1, {0, 0} },
	{ "two links, no history",           GONE, {{LINK1, 0},     {LINK2, 0}},       RULE_KEEP_BOTH, VERDICT_CONFLICT, T, REASON_BOTH_NEW, 1, {0, 0} },
	{ "folders touched on both sides: the older", DIR, {{DIR, TOUCHED}, {DIR, TOUCHED}}, RULE_KEEP_BOTH, VERDICT_META, I, REASON_META, 0, {0, META_MTIME} },
	{ "a fifo took the file's place",    V1, {{SPECIAL, 0},     {V1, 0}},          RULE_KEEP_BOTH, VERDICT_LEAVE, I, REASON_SPECIAL, 0, {0, 0} },
	{ "a fifo, and the file is deleted there", V1, {{SPECIAL, 0}, {GONE, 0}},      RULE_KEEP_BOTH, VERDICT_LEAVE, I, REASON_SPECIAL, 0, {0, 0} },
	{ "a new fifo",                      GONE, {{GONE, 0},      {SPECIAL, 0}},     RULE_KEEP_BOTH, VERDICT_LEAVE, T, REASON_SPECIAL, 0, {0, 0} },
	{ "a folder that cannot be read",    DIR, {{OPAQUE, 0},     {DIR, 0}},         RULE_KEEP_BOTH, VERDICT_LEAVE, I, REASON_UNKNOWN, 0, {0, 0} },
	{ "the same, and deleted there",     DIR, {{OPAQUE, 0},     {GONE, 0}},        RULE_KEEP_BOTH, VERDICT_LEAVE, I, REASON_UNKNOWN, 0, {0, 0} },
	{ "a disk was mounted over it",      DIR, {{MOUNT, 0},      {DIR, 0}},         RULE_KEEP_BOTH, VERDICT_LEAVE, I, REASON_MOUNT, 0, {0, 0} },
	{ "unreadable weighs more than a fifo", DIR, {{SPECIAL, 0}, {OPAQUE, 0}},      RULE_KEEP_BOTH, VERDICT_LEAVE, T, REASON_UNKNOWN, 0, {0, 0} },
};
#undef I
#undef T
/* clang-format on */

static void check_row(const struct row *row)
{
	struct input in = { .base = base_of(row->base, false) };
	struct verdict v;

	in.policy.rule = row->rule;
	in.policy.fields[0] = in.policy.fields[1] = META_MODE | META_MTIME;
	for (int s = 0; s < SIDES; s++)
		in.entry[s] = entry_of(row->now[s], (enum side)s);
	point(&in, row->base != GONE);
	v = decide(&in);
	if (v.kind != row->kind || v.from != row->from || v.reason != row->reason ||
	    v.keep_loser != row->keep_loser || v.meta_to[0] != row->meta_to[0] ||
	    v.meta_to[1] != row->meta_to[1])
		fail_msg("%s: kind %u from %u, \"%s\", keep %u, meta %u %u", row->title, v.kind,
			 v.from, reason_text((enum reason)v.reason), v.keep_loser, v.meta_to[0],
			 v.meta_to[1]);
}

static void test_the_table_of_cases(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_row(&rows[i]);
}

/* What the table cannot show ------------------------------------------------------ */

/* Both have V1, agreed; everything is synced. */
static void in_sync(struct input *in)
{
	*in = (struct input){ .base = base_of(V1, false) };
	in->entry[0] = entry_of((struct look){ V1, SAME }, SIDE_INITIATOR);
	in->entry[1] = entry_of((struct look){ V1, SAME }, SIDE_TARGET);
	in->policy.fields[0] = in->policy.fields[1] =
		META_MODE | META_UID | META_GID | META_MTIME | META_XATTR;
	point(in, true);
}

static void test_special_that_was_reported_is_known_until_it_is_another(void **state)
{
	struct input in;

	in_sync(&in);
	in.base.side[0] = in.entry[0] = entry_of((struct look){ SPECIAL, SAME }, SIDE_INITIATOR);
	assert_int_equal(decide(&in).reason, REASON_SPECIAL_KNOWN);
	in.entry[0].ino++;
	assert_int_equal(decide(&in).reason, REASON_SPECIAL);
}

static void test_file_comes_back_when_the_special_in_its_place_is_gone(void **state)
{
	struct input in;
	struct verdict v;

	in_sync(&in);
	in.base.side[0] = entry_of((struct look){ SPECIAL, SAME }, SIDE_INITIATOR);
	in.entry[0].type = ENTRY_ABSENT;
	point(&in, true);
	v = decide(&in);
	assert_int_equal(v.kind, VERDICT_COPY);
	assert_int_equal(v.from, SIDE_TARGET);
	assert_int_equal(v.reason, REASON_RESTORE);
}

static void test_observed_only_is_no_history(void **state)
{
	struct input in;

	in_sync(&in);
	in.base = (struct base){ .type = ENTRY_ABSENT };
	in.base.side[0] = entry_of((struct look){ SPECIAL, SAME }, SIDE_INITIATOR);
	in.entry[0].type = ENTRY_ABSENT;
	point(&in, true);
	assert_int_equal(decide(&in).kind, VERDICT_COPY);
	assert_int_equal(decide(&in).reason, REASON_NEW);
}

static void test_edit_with_the_time_put_back_is_found_by_ctime(void **state)
{
	struct input in;

	in_sync(&in);
	in.entry[1].digest.bytes[0] = V2;
	in.entry[1].ctime_ns++;
	assert_true(reconcile_wants_digest(in.agreed, in.now, SIDE_TARGET));
	assert_int_equal(decide(&in).kind, VERDICT_COPY);
	assert_int_equal(decide(&in).from, SIDE_TARGET);
}

static void test_racy_record_is_read_again_and_then_trusted(void **state)
{
	struct input in;

	in_sync(&in);
	in.base.side[1].flags |= ENTRY_RACY;
	assert_true(reconcile_wants_digest(in.agreed, in.now, SIDE_TARGET));
	assert_false(reconcile_wants_digest(in.agreed, in.now, SIDE_INITIATOR));
	assert_int_equal(decide(&in).kind, VERDICT_RECORD);
	in.entry[1].digest.bytes[0] = V2;
	assert_int_equal(decide(&in).kind, VERDICT_COPY);
}

static void test_digest_is_asked_for_only_where_it_can_tell(void **state)
{
	struct input in;

	in_sync(&in);
	in.entry[0].size = 99;
	in.entry[0].ctime_ns++;
	assert_false(reconcile_wants_digest(in.agreed, in.now, SIDE_INITIATOR));
	/* The other side may have got the same bytes. */
	in.entry[1].size = 99;
	in.entry[1].ctime_ns++;
	assert_true(reconcile_wants_digest(in.agreed, in.now, SIDE_INITIATOR));
	/* Without history it takes both to be equal. */
	point(&in, false);
	assert_true(reconcile_wants_digest(in.agreed, in.now, SIDE_INITIATOR));
	in.entry[1].size = 98;
	assert_false(reconcile_wants_digest(in.agreed, in.now, SIDE_INITIATOR));
}

static void test_coarse_times_are_equal_within_their_granularity(void **state)
{
	struct input in;

	in_sync(&in);
	in.policy.granularity_ns = 2 * NS_PER_SEC;
	in.entry[0].mtime_ns = 100 * NS_PER_SEC + 1;
	in.entry[1].mtime_ns = 102 * NS_PER_SEC;
	assert_int_equal(decide(&in).kind, VERDICT_RECORD);
	in.entry[1].mtime_ns = 102 * NS_PER_SEC + 1;
	assert_int_equal(decide(&in).kind, VERDICT_META);
}

static void test_fine_granularity_compares_every_nanosecond(void **state)
{
	struct input in;

	in_sync(&in);
	in.policy.granularity_ns = 1;
	in.entry[1].mtime_ns++;
	assert_int_equal(decide(&in).kind, VERDICT_META);
}

static void test_newer_corrects_the_skew_of_the_clocks(void **state)
{
	struct input in;

	in_sync(&in);
	/* The target's clock is an hour ahead; its edit was made half an hour earlier. */
	in.policy.skew_ns = 3600 * NS_PER_SEC;
	in.entry[0].mtime_ns = 10000 * NS_PER_SEC;
	in.entry[1].mtime_ns = 11800 * NS_PER_SEC;
	assert_int_equal(reconcile_newer(in.now, &in.policy), SIDE_INITIATOR);
	in.policy.skew_ns = 0;
	assert_int_equal(reconcile_newer(in.now, &in.policy), SIDE_TARGET);
	in.entry[0].mtime_ns = in.entry[1].mtime_ns;
	in.policy.prevalence = SIDE_INITIATOR;
	assert_int_equal(reconcile_newer(in.now, &in.policy), SIDE_INITIATOR);
}

static void test_newer_survives_times_at_the_end_of_the_range(void **state)
{
	struct input in;

	in_sync(&in);
	in.policy.skew_ns = NS_PER_SEC;
	in.policy.granularity_ns = 2 * NS_PER_SEC;
	in.entry[0].mtime_ns = INT64_MAX;
	in.entry[1].mtime_ns = INT64_MIN;
	assert_int_equal(reconcile_newer(in.now, &in.policy), SIDE_INITIATOR);
}

static void test_field_that_cannot_be_set_stays_as_it_is(void **state)
{
	struct input in;

	in_sync(&in);
	in.policy.fields[SIDE_TARGET] = META_MTIME;
	in.entry[0].mode = 0600;
	in.entry[0].uid = 5;
	assert_int_equal(decide(&in).kind, VERDICT_RECORD);
}

static void test_special_mode_bits_are_each_sides_own(void **state)
{
	struct input in;

	in_sync(&in);
	in.entry[0].mode |= 04000;
	assert_int_equal(decide(&in).kind, VERDICT_RECORD);
}

static void test_executability_only_ignores_other_permissions(void **state)
{
	struct input in;

	in_sync(&in);
	in.policy.executability_only = true;
	in.entry[0].mode = 0600;
	assert_int_equal(decide(&in).kind, VERDICT_RECORD);
	in.entry[0].mode = 0700;
	assert_int_equal(decide(&in).meta_to[SIDE_TARGET], META_MODE);
}

static void test_attributes_and_owners_flow_like_modes(void **state)
{
	struct input in;
	struct verdict v;

	in_sync(&in);
	in.entry[0].xattr = 77;
	in.entry[1].uid = 5;
	in.entry[1].gid = 6;
	v = decide(&in);
	assert_int_equal(v.meta_to[SIDE_TARGET], META_XATTR);
	assert_int_equal(v.meta_to[SIDE_INITIATOR], META_UID | META_GID);
}

static void test_owner_of_the_same_name_is_the_same(void **state)
{
	struct input in;
	struct owners *owners = owners_new();

	in_sync(&in);
	owners_set(owners, SIDE_INITIATOR, OWNER_USER, 1000, "ann");
	owners_set(owners, SIDE_TARGET, OWNER_USER, 501, "ann");
	in.policy.owners = owners;
	in.entry[0].uid = 1000;
	in.entry[1].uid = 501;
	assert_int_equal(decide(&in).kind, VERDICT_RECORD);
	owners_free(owners);
}

/* Of one size, and never read: that is no reason to take them for the same. */
static void test_i11_content_that_nobody_has_read_is_not_the_same(void **state)
{
	struct entry known = entry_of((struct look){ V1, SAME }, SIDE_INITIATOR);
	struct entry unread = known;

	known.flags |= ENTRY_HAS_DIGEST;
	unread.flags &= (uint8_t)~ENTRY_HAS_DIGEST;
	assert_false(reconcile_same_content(&known, &unread));
	assert_false(reconcile_same_content(&unread, &known));
	assert_false(reconcile_same_content(&unread, &unread));
	assert_true(reconcile_same_content(&known, &known));
}

static void test_every_reason_has_words(void **state)
{
	for (unsigned r = REASON_NEW; r <= REASON_IN_THE_WAY; r++)
		assert_true(strlen(reason_text((enum reason)r)) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_laws_hold_for_every_combination),
		cmocka_unit_test(test_the_table_of_cases),
		cmocka_unit_test(test_special_that_was_reported_is_known_until_it_is_another),
		cmocka_unit_test(test_file_comes_back_when_the_special_in_its_place_is_gone),
		cmocka_unit_test(test_observed_only_is_no_history),
		cmocka_unit_test(test_edit_with_the_time_put_back_is_found_by_ctime),
		cmocka_unit_test(test_racy_record_is_read_again_and_then_trusted),
		cmocka_unit_test(test_digest_is_asked_for_only_where_it_can_tell),
		cmocka_unit_test(test_coarse_times_are_equal_within_their_granularity),
		cmocka_unit_test(test_fine_granularity_compares_every_nanosecond),
		cmocka_unit_test(test_newer_corrects_the_skew_of_the_clocks),
		cmocka_unit_test(test_newer_survives_times_at_the_end_of_the_range),
		cmocka_unit_test(test_field_that_cannot_be_set_stays_as_it_is),
		cmocka_unit_test(test_special_mode_bits_are_each_sides_own),
		cmocka_unit_test(test_executability_only_ignores_other_permissions),
		cmocka_unit_test(test_attributes_and_owners_flow_like_modes),
		cmocka_unit_test(test_owner_of_the_same_name_is_the_same),
		cmocka_unit_test(test_i11_content_that_nobody_has_read_is_not_the_same),
		cmocka_unit_test(test_every_reason_has_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
