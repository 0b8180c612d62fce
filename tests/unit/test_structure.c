/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/structure.h"
#include "model_help.h"

struct fixture {
	struct changes changes;
	struct policy policy;
};

static void begin(struct fixture *f)
{
	*f = (struct fixture){ CHANGES_INIT, { .fields = { META_MODE, META_MODE } } };
}

static struct verdict verdict(const struct fixture *f, const char *path)
{
	return changes_find(&f->changes, path)->verdict;
}

static void settle(struct fixture *f)
{
	changes_sort(&f->changes);
	structure_block_unknown(&f->changes);
	structure_settle(&f->changes, &f->policy);
}

static void test_deleted_folder_stays_for_what_is_new_in_it(void **state)
{
	struct fixture f;

	begin(&f);
	a_change(&f.changes, "d", ENTRY_DIR, 1, 0, 1);
	a_change(&f.changes, "d/e", ENTRY_DIR, 2, 0, 2);
	a_change(&f.changes, "d/e/new", ENTRY_FILE, 0, 0, 3);
	a_change(&f.changes, "d/old", ENTRY_FILE, 4, 0, 4);
	settle(&f);
	assert_int_equal(verdict(&f, "d").kind, VERDICT_COPY);
	assert_int_equal(verdict(&f, "d").from, SIDE_TARGET);
	assert_int_equal(verdict(&f, "d").reason, REASON_KEPT_FOLDER);
	assert_int_equal(verdict(&f, "d/e").kind, VERDICT_COPY);
	assert_int_equal(verdict(&f, "d/e/new").kind, VERDICT_COPY);
	assert_int_equal(verdict(&f, "d/old").kind, VERDICT_DELETE);
	changes_release(&f.changes);
}

/* d became a file on the initiator, and something new is in it on the target. */
static void file_for_folder(struct fixture *f, enum conflict_rule rule)
{
	begin(f);
	f->policy.rule = rule;
	*a_change(&f->changes, "d", ENTRY_DIR, 1, 1, 1)->now[SIDE_INITIATOR] =
		an_entry(ENTRY_FILE, 5);
	a_change(&f->changes, "d/new", ENTRY_FILE, 0, 0, 3);
	settle(f);
}

static void test_folder_that_became_a_file_keeps_its_name_for_what_lives_in_it(void **state)
{
	struct fixture f;

	file_for_folder(&f, RULE_INITIATOR);
	assert_int_equal(verdict(&f, "d").kind, VERDICT_CONFLICT);
	assert_int_equal(verdict(&f, "d").from, SIDE_TARGET);
	assert_true(verdict(&f, "d").keep_loser);
	changes_release(&f.changes);
}

static void test_the_same_is_left_alone_where_conflicts_are(void **state)
{
	struct fixture f;

	file_for_folder(&f, RULE_SKIP);
	assert_int_equal(verdict(&f, "d").kind, VERDICT_LEAVE);
	assert_int_equal(verdict(&f, "d/new").kind, VERDICT_LEAVE);
	assert_int_equal(verdict(&f, "d/new").reason, REASON_BLOCKED);
	changes_release(&f.changes);
}

static void test_folder_goes_where_nothing_lives_in_it(void **state)
{
	struct fixture f;

	begin(&f);
	a_change(&f.changes, "d", ENTRY_DIR, 1, 0, 1);
	a_change(&f.changes, "d/x", ENTRY_FILE, 2, 0, 2);
	a_change(&f.changes, "d/y", ENTRY_FILE, 3, 0, 0);
	settle(&f);
	assert_int_equal(verdict(&f, "d").kind, VERDICT_DELETE);
	assert_int_equal(verdict(&f, "d/x").kind, VERDICT_DELETE);
	assert_int_equal(verdict(&f, "d/y").kind, VERDICT_RECORD);
	changes_release(&f.changes);
}

static void test_special_file_keeps_its_folder(void **state)
{
	struct fixture f;

	begin(&f);
	a_change(&f.changes, "d", ENTRY_DIR, 1, 0, 1);
	a_change(&f.changes, "d/fifo", ENTRY_SPECIAL, 0, 0, 2);
	settle(&f);
	assert_int_equal(verdict(&f, "d").kind, VERDICT_COPY);
	assert_int_equal(verdict(&f, "d/fifo").kind, VERDICT_LEAVE);
	changes_release(&f.changes);
}

static void test_nothing_is_done_below_an_unreadable_folder(void **state)
{
	struct fixture f;

	begin(&f);
	a_change(&f.changes, "d", ENTRY_DIR, 1, 1, 1)->now[0]->flags = ENTRY_OPAQUE;
	a_change(&f.changes, "d/x", ENTRY_FILE, 2, 0, 2);
	a_change(&f.changes, "d/x/y", ENTRY_FILE, 2, 0, 2);
	a_change(&f.changes, "d.txt", ENTRY_FILE, 2, 0, 2);
	settle(&f);
	assert_int_equal(verdict(&f, "d").kind, VERDICT_LEAVE);
	assert_int_equal(verdict(&f, "d/x").kind, VERDICT_LEAVE);
	assert_int_equal(verdict(&f, "d/x/y").kind, VERDICT_LEAVE);
	assert_true(changes_find(&f.changes, "d/x")->blocked);
	assert_int_equal(verdict(&f, "d.txt").kind, VERDICT_DELETE);
	changes_release(&f.changes);
}

/* A file has been renamed into it: its rename on the other side needs the folder there, too. */
static void test_a_folder_with_something_unknown_is_made_for_what_lives_in_it(void **state)
{
	struct fixture f;

	begin(&f);
	a_change(&f.changes, "d", ENTRY_DIR, 1, 0, 1);
	a_change(&f.changes, "d/a", ENTRY_FILE, 2, 2, 2);
	a_change(&f.changes, "d/e", ENTRY_DIR, 3, 0, 3)->failed = true;
	a_change(&f.changes, "d/old", ENTRY_FILE, 4, 0, 4);
	settle(&f);
	assert_int_equal(verdict(&f, "d").kind, VERDICT_COPY);
	assert_int_equal(verdict(&f, "d").from, SIDE_TARGET);
	assert_int_equal(verdict(&f, "d").reason, REASON_KEPT_FOLDER);
	assert_int_equal(verdict(&f, "d/a").kind, VERDICT_KEEP);
	assert_int_equal(verdict(&f, "d/e").kind, VERDICT_LEAVE);
	assert_int_equal(verdict(&f, "d/old").kind, VERDICT_DELETE);
	changes_release(&f.changes);
}

/* Whether anything lives in it is not known: the deletion waits, and the folder is not put back. */
static void test_i5_deleted_folder_waits_for_what_is_unknown_in_it(void **state)
{
	struct fixture f;

	for (int how = 0; how < 2; how++) {
		struct change *inside = NULL;

		begin(&f);
		a_change(&f.changes, "d", ENTRY_DIR, 1, 0, 1);
		inside = a_change(&f.changes, "d/e", ENTRY_DIR, 2, 0, 2);
		if (how == 0)
			inside->now[SIDE_TARGET]->flags = ENTRY_OPAQUE;
		else
			inside->failed = true;
		a_change(&f.changes, "d/old", ENTRY_FILE, 4, 0, 4);
		settle(&f);
		assert_int_equal(verdict(&f, "d").kind, VERDICT_LEAVE);
		assert_int_equal(verdict(&f, "d").reason, REASON_UNKNOWN);
		assert_int_equal(verdict(&f, "d/e").kind, VERDICT_LEAVE);
		changes_release(&f.changes);
	}
}

static void test_what_failed_is_left_alone_with_all_below(void **state)
{
	struct fixture f;

	begin(&f);
	a_change(&f.changes, "d", ENTRY_DIR, 1, 0, 1)->failed = true;
	a_change(&f.changes, "d/x", ENTRY_FILE, 2, 0, 2);
	settle(&f);
	assert_int_equal(verdict(&f, "d").kind, VERDICT_LEAVE);
	assert_int_equal(verdict(&f, "d/x").kind, VERDICT_LEAVE);
	changes_release(&f.changes);
}

static void test_a_folder_that_holds_what_is_not_synced_stays(void **state)
{
	struct fixture f;

	for (int file = 0; file < 2; file++) {
		struct change *folder = NULL;

		begin(&f);
		a_change(&f.changes, "d", ENTRY_DIR, 1, 0, 1);
		folder = a_change(&f.changes, "d/e", ENTRY_DIR, 2, (unsigned)file, 2);
		if (file)
			*folder->now[SIDE_INITIATOR] = an_entry(ENTRY_FILE, 7);
		a_change(&f.changes, "d/e/old", ENTRY_FILE, 4, 0, 4);
		folder->holds = true;
		settle(&f);
		assert_int_equal(verdict(&f, "d/e").kind, file ? VERDICT_CONFLICT : VERDICT_COPY);
		assert_int_equal(verdict(&f, "d/e").from, SIDE_TARGET);
		assert_int_equal(verdict(&f, "d/e").reason, REASON_HOLDS);
		assert_int_equal(verdict(&f, "d/e").keep_loser, file);
		assert_int_equal(verdict(&f, "d").kind, VERDICT_COPY);
		assert_int_equal(verdict(&f, "d/e/old").kind, VERDICT_DELETE);
		assert_false(structure_folder_goes(folder));
		changes_release(&f.changes);
	}
}

static void test_no_changes_are_settled(void **state)
{
	struct fixture f;

	begin(&f);
	settle(&f);
	assert_int_equal(f.changes.count, 0);
	changes_release(&f.changes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deleted_folder_stays_for_what_is_new_in_it),
		cmocka_unit_test(
			test_folder_that_became_a_file_keeps_its_name_for_what_lives_in_it),
		cmocka_unit_test(test_the_same_is_left_alone_where_conflicts_are),
		cmocka_unit_test(test_folder_goes_where_nothing_lives_in_it),
		cmocka_unit_test(test_special_file_keeps_its_folder),
		cmocka_unit_test(test_nothing_is_done_below_an_unreadable_folder),
		cmocka_unit_test(test_a_folder_with_something_unknown_is_made_for_what_lives_in_it),
		cmocka_unit_test(test_i5_deleted_folder_waits_for_what_is_unknown_in_it),
		cmocka_unit_test(test_what_failed_is_left_alone_with_all_below),
		cmocka_unit_test(test_a_folder_that_holds_what_is_not_synced_stays),
		cmocka_unit_test(test_no_changes_are_settled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
