/* SPDX-License-Identifier: BSD-2-Clause */
#include "alert/policy.h"

#include <string.h>

#include "config/mail.h"

bool policy_is_good(const struct policy_found *found)
{
	for (size_t i = 0; i < found->count; i++)
		if (found->items[i].kind != TROUBLE_LOOK && found->items[i].kind != TROUBLE_SETUP)
			return false;
	return found->finished;
}

/* The memory ---------------------------------------------------------------------- */

static struct trouble *lookup(struct policy_memory *memory, enum trouble_kind kind, uint64_t id)
{
	for (size_t i = 0; i < memory->count; i++)
		if (memory->troubles[i].kind == kind && memory->troubles[i].id == id)
			return &memory->troubles[i];
	return NULL;
}

const struct trouble *policy_find_trouble(const struct policy_memory *memory,
					  enum trouble_kind kind, uint64_t id)
{
	for (size_t i = 0; i < memory->count; i++)
		if (memory->troubles[i].kind == kind && memory->troubles[i].id == id)
			return &memory->troubles[i];
	return NULL;
}

static bool is_within(int64_t then_s, int64_t span_s, int64_t now_s)
{
	return then_s != 0 && now_s - then_s < span_s;
}

/* How much would go with it: an end that is owed, a repetition, a beginning, nothing. */
static int worth(const struct trouble *trouble)
{
	if (trouble->owed)
		return 3;
	/* A look that is over does not come again. */
	if (trouble->told_s != 0 && (trouble->lasts || trouble->kind != TROUBLE_LOOK))
		return 2;
	return trouble->lasts ? 1 : 0;
}

/* What may be forgotten first; of equals, what was seen long ago. */
static bool matters_less(const struct trouble *a, const struct trouble *b)
{
	return worth(a) != worth(b) ? worth(a) < worth(b) : a->seen_s < b->seen_s;
}

/* A place for a new trouble. */
static struct trouble *make_room(struct policy_memory *memory)
{
	struct trouble *least = &memory->troubles[0];

	if (memory->count < POLICY_ENTRIES)
		return &memory->troubles[memory->count++];
	for (size_t i = 1; i < memory->count; i++)
		if (matters_less(&memory->troubles[i], least))
			least = &memory->troubles[i];
	return least;
}

static void not_after(int64_t *time_s, int64_t now_s)
{
	if (*time_s > now_s)
		*time_s = now_s;
}

static void mend_times(struct policy_memory *memory, int64_t now_s)
{
	for (size_t i = 0; i < memory->count; i++) {
		not_after(&memory->troubles[i].since_s, now_s);
		not_after(&memory->troubles[i].seen_s, now_s);
		not_after(&memory->troubles[i].told_s, now_s);
	}
	not_after(&memory->look_told_s, now_s);
	not_after(&memory->mute_s, now_s);
}

/* Whether anybody wants to be told of such a thing at all. */
static bool is_wanted(const struct policy_rules *rules, const struct policy_find *find)
{
	unsigned occasion = MAIL_ON_ERROR;

	if (find->kind == TROUBLE_SETUP || find->kind == TROUBLE_LOOK)
		occasion = MAIL_ON_WARNING;
	if (find->kind == TROUBLE_LOOK && find->conflict)
		occasion = MAIL_ON_CONFLICT;
	return (rules->on & occasion) != 0;
}

static void remember(struct policy_memory *memory, const struct policy_rules *rules,
		     const struct policy_find *find, int64_t now_s)
{
	struct trouble *trouble = lookup(memory, find->kind, find->id);

	if (!trouble) {
		trouble = make_room(memory);
		*trouble = (struct trouble){ .kind = find->kind, .id = find->id };
	}
	if (!trouble->lasts) {
		trouble->lasts = true;
		trouble->since_s = now_s;
		trouble->runs = 0;
		/* What comes again, or is said by every run, is one thing and not one more. */
		if (is_wanted(rules, find) && !is_within(trouble->told_s, rules->repeat_s, now_s))
			memory->looks += find->looks;
	}
	trouble->seen_s = now_s;
	if (trouble->runs < UINT32_MAX)
		trouble->runs++;
}

/* Whether a trouble that this run has not found is over. */
static bool is_over(const struct trouble *trouble, const struct policy_found *found)
{
	if (trouble->kind == TROUBLE_SETUP || found->finished)
		return true;
	/* Who is stopped by a guard or a lock has talked to the target. */
	for (size_t i = 0; i < found->count; i++)
		if (found->items[i].kind == TROUBLE_GUARD || found->items[i].kind == TROUBLE_LOCKED)
			return trouble->kind == TROUBLE_UNREACHABLE ||
			       trouble->kind == TROUBLE_DOWN || trouble->kind == TROUBLE_DENIED;
	return false;
}

static bool has(const struct policy_found *found, const struct trouble *trouble)
{
	for (size_t i = 0; i < found->count; i++)
		if (found->items[i].kind == trouble->kind && found->items[i].id == trouble->id)
			return true;
	return false;
}

static bool is_forgettable(const struct trouble *trouble, int64_t repeat_s, int64_t now_s)
{
	return !trouble->lasts && !trouble->owed && !is_within(trouble->told_s, repeat_s, now_s);
}

void policy_note(struct policy_memory *memory, const struct policy_rules *rules,
		 const struct policy_found *found, int64_t now_s)
{
	size_t kept = 0;

	mend_times(memory, now_s);
	for (size_t i = 0; i < memory->count; i++) {
		struct trouble *trouble = &memory->troubles[i];

		if (!has(found, trouble) && is_over(trouble, found))
			trouble->lasts = false;
		if (!(rules->on & MAIL_ON_RECOVERY))
			trouble->owed = false;
		if (!is_forgettable(trouble, rules->repeat_s, now_s))
			memory->troubles[kept++] = *trouble;
	}
	memory->count = kept;
	for (size_t i = 0; i < found->count; i++)
		remember(memory, rules, &found->items[i], now_s);
}

/* Judging ------------------------------------------------------------------------- */

/* How long it may last before it is told. */
static int64_t patience_s(const struct policy_rules *rules, enum trouble_kind kind)
{
	if (kind == TROUBLE_UNREACHABLE)
		return rules->offline_s;
	return kind == TROUBLE_LOCKED || kind == TROUBLE_STOPPED || kind == TROUBLE_DOWN
		       ? rules->locked_s
		       : 0;
}

static bool has_lasted(const struct policy_rules *rules, const struct trouble *trouble,
		       int64_t now_s)
{
	int64_t patience = patience_s(rules, trouble->kind);

	if (patience == 0)
		return true;
	return trouble->runs >= POLICY_PATIENT_RUNS && now_s - trouble->since_s >= patience;
}

/* Whether so many of the kind were told lately that one more tells nobody anything. */
static bool is_enough(const struct policy_memory *memory, const struct policy_find *find,
		      int64_t repeat_s, int64_t now_s)
{
	int told = 0;

	for (size_t i = 0; i < memory->count; i++) {
		const struct trouble *other = &memory->troubles[i];

		if (other->kind != find->kind || !is_within(other->told_s, repeat_s, now_s))
			continue;
		told++;
		/* Fewer paths than before are no news. */
		if (find->kind == TROUBLE_PATHS && other->id > find->id)
			return true;
	}
	return told >= POLICY_PER_KIND;
}

static bool is_due(const struct policy_memory *memory, const struct policy_rules *rules,
		   const struct policy_find *find, int64_t now_s)
{
	const struct trouble *trouble = policy_find_trouble(memory, find->kind, find->id);

	if (!trouble || !is_wanted(rules, find) || !has_lasted(rules, trouble, now_s) ||
	    is_within(trouble->told_s, rules->repeat_s, now_s))
		return false;
	if (find->kind == TROUBLE_LOOK)
		return !is_within(memory->look_told_s, POLICY_LOOK_GAP_S, now_s);
	return !is_enough(memory, find, rules->repeat_s, now_s);
}

static bool is_recovered(const struct policy_memory *memory, const struct policy_rules *rules,
			 const struct policy_found *found)
{
	if (!(rules->on & MAIL_ON_RECOVERY) || !policy_is_good(found))
		return false;
	for (size_t i = 0; i < memory->count; i++)
		if (memory->troubles[i].owed)
			return true;
	return false;
}

struct policy_verdict policy_judge(const struct policy_memory *memory,
				   const struct policy_rules *rules,
				   const struct policy_found *found, int64_t now_s)
{
	struct policy_verdict verdict = { .tell = false };

	for (size_t i = 0; i < found->count; i++) {
		verdict.found[i] = is_due(memory, rules, &found->items[i], now_s);
		verdict.tell |= verdict.found[i];
	}
	verdict.looks =
		memory->looks > 0 && !is_within(memory->look_told_s, POLICY_LOOK_GAP_S, now_s);
	verdict.recovered = is_recovered(memory, rules, found);
	verdict.success = (rules->on & MAIL_ON_SUCCESS) && policy_is_good(found);
	verdict.tell |= verdict.looks || verdict.recovered || verdict.success;
	return verdict;
}

/* Whether somebody who was told of it waits to hear that it is over. */
static bool has_an_end(enum trouble_kind kind)
{
	return kind != TROUBLE_LOOK && kind != TROUBLE_SETUP;
}

void policy_told(struct policy_memory *memory, const struct policy_found *found,
		 const struct policy_verdict *verdict, int64_t now_s)
{
	if (verdict->recovered)
		for (size_t i = 0; i < memory->count; i++)
			memory->troubles[i].owed = false;
	for (size_t i = 0; i < found->count; i++) {
		struct trouble *trouble = lookup(memory, found->items[i].kind, found->items[i].id);

		if (!verdict->found[i] || !trouble)
			continue;
		trouble->told_s = now_s;
		trouble->owed = has_an_end(trouble->kind);
		if (trouble->kind == TROUBLE_LOOK)
			memory->look_told_s = now_s;
	}
	if (verdict->looks) {
		memory->look_told_s = now_s;
		memory->looks = 0;
	}
}
