/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "model/guard.h"
#include "model_help.h"

static const struct guard_limits defaults = { .max_delete_percent = 50,
					      .max_delete_count = 10,
					      .max_change_percent = 50,
					      .max_change_count = 100 };

/* A run over `files` agreed files, all in folder "d" (or at the top), both sides not empty. */
struct fixture {
	struct changes changes;
	struct census census;
	struct guard_limits limits;
	struct err err;
};

static const struct base agreed_file = {
	.type = ENTRY_FILE, .side = { { .type = ENTRY_FILE }, { .type = ENTRY_FILE } }
};

static void begin(struct fixture *f, unsigned files, const char *prefix)
{
	*f = (struct fixture){ CHANGES_INIT, CENSUS_INIT, defaults, ERR_INIT };
	f->census.present[0] = f->census.present[1] = 1;
	for (unsigned i = 0; i < files; i++) {
		char path[32] = "";

		snprintf(path, sizeof(path), "%s%03u", prefix, i);
		census_add(&f->census, path, &agreed_file);
	}
}

/* The first `count` of them are deleted on the target, or on the initiator. */
static void delete (struct fixture *f, unsigned count, const char *prefix, enum side from)
{
	for (unsigned i = 0; i < count; i++) {
		struct change *change = NULL;
		char path[32] = "";

		snprintf(path, sizeof(path), "%s%03u", prefix, i);
		change = a_change(&f->changes, path, ENTRY_FILE, 1, from == SIDE_TARGET,
				  from == SIDE_INITIATOR);
		change->verdict.kind = VERDICT_DELETE;
		change->verdict.from = (uint8_t)from;
	}
}

static int finish(struct fixture *f)
{
	int status = guard_check(&f->changes, &f->census, &f->limits, &f->err);

	changes_release(&f->changes);
	census_release(&f->census);
	if (status < 0)
		assert_int_equal(f->err.kind, ERR_GUARD);
	return status;
}

static int judge(unsigned files, unsigned deleted, enum side from)
{
	struct fixture f;

	begin(&f, files, "f");
	delete (&f, deleted, "f", from);
	return finish(&f);
}

static void test_both_limits_must_be_exceeded(void **state)
{
	for (int s = 0; s < SIDES; s++) {
		enum side from = (enum side)s;

		assert_int_equal(judge(100, 0, from), 0);
		assert_int_equal(judge(100, 50, from), 0);
		assert_int_equal(judge(100, 51, from), -1);
		assert_int_equal(judge(1000, 51, from), 0);
		assert_int_equal(judge(10, 10, from), 0);
		assert_int_equal(judge(11, 11, from), -1);
	}
}

static void test_deletions_of_both_sides_are_judged_apart(void **state)
{
	struct fixture f;

	begin(&f, 100, "f");
	delete (&f, 40, "f", SIDE_INITIATOR);
	delete (&f, 40, "g", SIDE_TARGET);
	assert_int_equal(finish(&f), 0);
}

static void test_top_folder_is_judged_by_itself(void **state)
{
	struct fixture f;

	begin(&f, 20, "d/f");
	for (int i = 0; i < 1000; i++)
		census_add(&f.census, "e/x", &agreed_file);
	delete (&f, 15, "d/f", SIDE_INITIATOR);
	assert_int_equal(finish(&f), -1);
	assert_non_null(strstr(f.err.msg, "15 of 20 files in 'd'"));
	assert_non_null(strstr(f.err.msg, "--allow-deletes"));
}

static void test_name_that_begins_like_the_folder_is_not_in_it(void **state)
{
	struct fixture f;

	begin(&f, 12, "d/f");
	for (int i = 0; i < 1000; i++)
		census_add(&f.census, "d.old/x", &agreed_file);
	delete (&f, 12, "d.old/f", SIDE_INITIATOR);
	assert_int_equal(finish(&f), 0);
}

static void test_folders_do_not_count_as_files(void **state)
{
	struct fixture f;

	begin(&f, 20, "f");
	for (unsigned i = 0; i < 30; i++) {
		char path[32] = "";
		struct change *change = NULL;

		snprintf(path, sizeof(path), "g%03u", i);
		change = a_change(&f.changes, path, ENTRY_DIR, 1, 0, 1);
		change->verdict.kind = VERDICT_DELETE;
	}
	assert_int_equal(finish(&f), 0);
}

static void test_empty_side_stops_the_run(void **state)
{
	struct fixture f;

	begin(&f, 3, "f");
	f.census.present[SIDE_TARGET] = 0;
	assert_int_equal(finish(&f), -1);
	assert_non_null(strstr(f.err.msg, "the target has nothing of the"));
	/* The one or two things that a small tree holds may be deleted. */
	begin(&f, 2, "f");
	f.census.present[SIDE_INITIATOR] = 0;
	assert_int_equal(finish(&f), 0);
	/* A stray leftover does not disarm the other guard. */
	assert_int_equal(judge(100, 99, SIDE_INITIATOR), -1);
}

static void test_first_run_is_not_stopped(void **state)
{
	struct fixture f;

	begin(&f, 0, "f");
	f.census.present[SIDE_TARGET] = 0;
	assert_int_equal(finish(&f), 0);
}

static void test_long_folder_name_fits_the_message(void **state)
{
	struct fixture f;
	char prefix[257] = "";
	char path[300] = "";

	memset(prefix, 'n', 255);
	prefix[255] = '/';
	begin(&f, 0, "");
	for (unsigned i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "%s%03u", prefix, i);
		census_add(&f.census, path, &agreed_file);
		a_change(&f.changes, path, ENTRY_FILE, 1, 0, 1)->verdict.kind = VERDICT_DELETE;
	}
	f.census.files = 1000;
	assert_int_equal(finish(&f), -1);
	assert_non_null(strstr(f.err.msg, "nnn"));
	assert_non_null(strstr(f.err.msg, "--allow-deletes"));
}

/* `count` files f000, f001, ... that both sides show: contents of the base, the initiator, the target. */
static struct change *show(struct fixture *f, unsigned count, unsigned initiator, unsigned target,
			   struct verdict verdict)
{
	struct change *last = NULL;

	for (unsigned i = 0; i < count; i++) {
		char path[32] = "";

		snprintf(path, sizeof(path), "f%03u", i);
		last = a_change(&f->changes, path, ENTRY_FILE, 1, initiator, target);
		last->verdict = verdict;
	}
	return last;
}

static const struct verdict pushed = { .kind = VERDICT_COPY, .from = SIDE_INITIATOR };
static const struct verdict pulled = { .kind = VERDICT_COPY, .from = SIDE_TARGET };

/* What the sender shows for all of them. */
static void resend(struct fixture *f, enum side from, enum entry_type type, uint64_t size)
{
	for (size_t i = 0; i < f->changes.count; i++) {
		f->changes.items[i].now[from]->type = (uint8_t)type;
		f->changes.items[i].now[from]->size = size;
	}
}

static void test_i3_a_version_that_loses_counts_as_a_deletion(void **state)
{
	struct verdict verdict = { .kind = VERDICT_CONFLICT, .from = SIDE_INITIATOR };
	struct fixture f;

	begin(&f, 20, "f");
	show(&f, 11, 2, 3, verdict);
	assert_int_equal(finish(&f), -1);
	assert_non_null(strstr(f.err.msg, "11 of 20 files would be deleted on the target"));
	begin(&f, 20, "f");
	verdict.from = SIDE_TARGET;
	show(&f, 11, 2, 3, verdict);
	assert_int_equal(finish(&f), -1);
	assert_non_null(strstr(f.err.msg, "deleted on the initiator"));
	/* Kept beside the winner, nothing is lost. */
	begin(&f, 20, "f");
	verdict.keep_loser = true;
	show(&f, 11, 2, 3, verdict);
	assert_int_equal(finish(&f), 0);
}

static void test_i3_a_file_that_is_emptied_or_no_file_any_more_counts_as_a_deletion(void **state)
{
	static const struct {
		enum entry_type type;
		uint64_t size;
		int status;
	} sent[] = {
		{ ENTRY_FILE, 1, 0 },
		{ ENTRY_FILE, 0, -1 },
		{ ENTRY_DIR, 0, -1 },
		{ ENTRY_SYMLINK, 3, 0 },
	};

	for (size_t i = 0; i < sizeof(sent) / sizeof(*sent); i++) {
		struct fixture f;

		begin(&f, 20, "f");
		show(&f, 11, 2, 1, pushed);
		resend(&f, SIDE_INITIATOR, sent[i].type, sent[i].size);
		assert_int_equal(finish(&f), sent[i].status);
		begin(&f, 20, "f");
		show(&f, 11, 1, 2, pulled);
		resend(&f, SIDE_TARGET, sent[i].type, sent[i].size);
		assert_int_equal(finish(&f), sent[i].status);
	}
}

static void test_i3_versions_without_history_that_lose_count_among_those_on_both_sides(void **state)
{
	static const struct {
		unsigned agreed;
		unsigned lost;
		unsigned alike;
		bool keep;
		int status;
	} runs[] = {
		{ 0, 11, 0, false, -1 },  { 0, 10, 0, false, 0 }, { 0, 11, 11, false, 0 },
		{ 0, 11, 10, false, -1 }, { 0, 900, 0, true, 0 }, { 900, 900, 0, false, 0 },
	};

	for (size_t i = 0; i < sizeof(runs) / sizeof(*runs); i++) {
		struct verdict verdict = { .kind = VERDICT_CONFLICT, .keep_loser = runs[i].keep };
		struct fixture f;

		begin(&f, runs[i].agreed, "e");
		show(&f, runs[i].lost, 2, 3, verdict);
		show(&f, runs[i].alike, 2, 2, (struct verdict){ .kind = VERDICT_RECORD });
		for (size_t c = 0; c < f.changes.count; c++)
			f.changes.items[c].base = NULL;
		assert_int_equal(finish(&f), runs[i].status);
	}
}

static void test_i3_a_renamed_top_folder_is_judged_by_what_it_held(void **state)
{
	struct fixture f;

	begin(&f, 60, "d/");
	for (int i = 0; i < 200; i++)
		census_add(&f.census, "e/x", &agreed_file);
	delete (&f, 55, "n/", SIDE_INITIATOR);
	for (size_t i = 0; i < f.changes.count; i++) {
		char *old = arena_strdup(&f.changes.arena, f.changes.items[i].path);

		old[0] = 'd';
		changes_rare(&f.changes, &f.changes.items[i])->moved_from = old;
	}
	assert_int_equal(finish(&f), -1);
	assert_non_null(strstr(f.err.msg, "55 of 60 files in 'd'"));
}

static int judge_rewritten(unsigned files, unsigned changed, enum side from)
{
	struct fixture f;

	begin(&f, files, "f");
	show(&f, changed, from == SIDE_INITIATOR ? 2 : 1, from == SIDE_TARGET ? 2 : 1,
	     from == SIDE_INITIATOR ? pushed : pulled);
	return finish(&f);
}

static void test_i4_both_limits_must_be_exceeded(void **state)
{
	for (int s = 0; s < SIDES; s++) {
		enum side from = (enum side)s;

		assert_int_equal(judge_rewritten(50, 30, from), 0);
		assert_int_equal(judge_rewritten(100, 100, from), 0);
		assert_int_equal(judge_rewritten(101, 101, from), -1);
		assert_int_equal(judge_rewritten(300, 150, from), 0);
		assert_int_equal(judge_rewritten(300, 151, from), -1);
	}
}

static void test_i4_the_message_tells_the_side_and_the_way_on(void **state)
{
	struct fixture f;

	begin(&f, 200, "f");
	show(&f, 180, 1, 2, pulled);
	assert_int_equal(finish(&f), -1);
	assert_non_null(strstr(f.err.msg, "180 of 200 files"));
	assert_non_null(strstr(f.err.msg, "on the target"));
	assert_non_null(strstr(f.err.msg, "MAX_CHANGE_PERCENT"));
	assert_non_null(strstr(f.err.msg, "--allow-changes"));
}

static void test_i4_changes_that_meet_edits_of_the_other_side_count(void **state)
{
	struct verdict verdict = { .kind = VERDICT_CONFLICT, .keep_loser = true };
	struct fixture f;

	begin(&f, 200, "f");
	show(&f, 180, 2, 3, verdict);
	assert_int_equal(finish(&f), -1);
}

static void test_i4_metadata_and_what_both_sides_did_alike_do_not_count(void **state)
{
	struct fixture f;

	begin(&f, 200, "f");
	show(&f, 200, 2, 2, (struct verdict){ .kind = VERDICT_RECORD });
	assert_int_equal(finish(&f), 0);
	begin(&f, 200, "f");
	show(&f, 200, 1, 1, (struct verdict){ .kind = VERDICT_META });
	assert_int_equal(finish(&f), 0);
}

static void test_a_confirmation_is_good_for_so_many_files(void **state)
{
	for (int allowed = 98; allowed <= 99; allowed++) {
		struct fixture f;

		begin(&f, 100, "d/f");
		delete (&f, 99, "d/f", SIDE_INITIATOR);
		f.limits.allow_deletes = allowed;
		assert_int_equal(finish(&f), allowed == 99 ? 0 : -1);
		begin(&f, 100, "f");
		f.limits.max_change_count = 10;
		show(&f, 99, 2, 1, pushed);
		f.limits.allow_changes = allowed;
		assert_int_equal(finish(&f), allowed == 99 ? 0 : -1);
	}
}

static void test_a_confirmation_for_too_few_does_not_let_an_empty_side_pass(void **state)
{
	for (int allowed = 9; allowed <= 10; allowed++) {
		struct fixture f;

		begin(&f, 10, "f");
		f.census.present[SIDE_INITIATOR] = 0;
		f.limits.allow_deletes = allowed;
		assert_int_equal(finish(&f), allowed == 10 ? 0 : -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_limits_must_be_exceeded),
		cmocka_unit_test(test_deletions_of_both_sides_are_judged_apart),
		cmocka_unit_test(test_top_folder_is_judged_by_itself),
		cmocka_unit_test(test_name_that_begins_like_the_folder_is_not_in_it),
		cmocka_unit_test(test_folders_do_not_count_as_files),
		cmocka_unit_test(test_empty_side_stops_the_run),
		cmocka_unit_test(test_first_run_is_not_stopped),
		cmocka_unit_test(test_long_folder_name_fits_the_message),
		cmocka_unit_test(test_i3_a_version_that_loses_counts_as_a_deletion),
		cmocka_unit_test(
			test_i3_a_file_that_is_emptied_or_no_file_any_more_counts_as_a_deletion),
		cmocka_unit_test(
			test_i3_versions_without_history_that_lose_count_among_those_on_both_sides),
		cmocka_unit_test(test_i3_a_renamed_top_folder_is_judged_by_what_it_held),
		cmocka_unit_test(test_i4_both_limits_must_be_exceeded),
		cmocka_unit_test(test_i4_the_message_tells_the_side_and_the_way_on),
		cmocka_unit_test(test_i4_changes_that_meet_edits_of_the_other_side_count),
		cmocka_unit_test(test_i4_metadata_and_what_both_sides_did_alike_do_not_count),
		cmocka_unit_test(test_a_confirmation_is_good_for_so_many_files),
		cmocka_unit_test(test_a_confirmation_for_too_few_does_not_let_an_empty_side_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
