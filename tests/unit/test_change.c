/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model_help.h"

static void test_added_is_empty_and_owns_its_path(void **state)
{
	struct changes changes = CHANGES_INIT;
	char path[] = "a/b";
	const struct change *change = changes_add(&changes, path);

	path[0] = 'x';
	assert_string_equal(change->path, "a/b");
	assert_null(change->base);
	assert_null(change->now[0]);
	assert_null(change->now[1]);
	assert_int_equal(change->verdict.kind, VERDICT_KEEP);
	assert_int_equal(change->pending, 0);
	changes_release(&changes);
}

static void test_copies_do_not_share(void **state)
{
	struct changes changes = CHANGES_INIT;
	char target[] = "there";
	struct entry link = an_entry(ENTRY_SYMLINK, 1);
	const struct entry *copy = NULL;

	link.link = target;
	copy = changes_copy_entry(&changes, &link);
	target[0] = 'x';
	assert_string_equal(copy->link, "there");
	changes_release(&changes);
}

static void test_what_is_rare_is_there_once_it_was_asked_for(void **state)
{
	struct changes changes = CHANGES_INIT;
	struct change *change = changes_add(&changes, "a");

	assert_null(change_moved_from(change));
	assert_null(change_copy(change));
	assert_null(change_problem(change, SIDE_TARGET));
	assert_int_equal(change_move(change), 0);
	changes_rare(&changes, change)->move = 3;
	changes_rare(&changes, change)->problem[SIDE_TARGET] = "why";
	assert_int_equal(change_move(change), 3);
	assert_string_equal(change_problem(change, SIDE_TARGET), "why");
	assert_null(change_problem(change, SIDE_INITIATOR));
	assert_null(change_moved_from(change));
	changes_release(&changes);
}

static void test_dropped_entries_make_room_for_others(void **state)
{
	struct changes changes = CHANGES_INIT;
	struct change *one = a_change(&changes, "a", ENTRY_FILE, 0, 1, 2);
	const struct entry *old[SIDES] = { one->now[0], one->now[1] };
	const struct entry *copies[3];

	changes_drop_entries(&changes, one);
	assert_null(one->now[0]);
	assert_null(one->now[1]);
	for (unsigned i = 0; i < 3; i++) {
		const struct entry entry = an_entry(ENTRY_FILE, 10 + i);

		copies[i] = changes_copy_entry(&changes, &entry);
	}
	assert_true(copies[0] == old[0] || copies[0] == old[1]);
	assert_true(copies[1] == old[0] || copies[1] == old[1]);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(copies[i]->ino, 1010 + i);
		assert_int_equal(copies[i]->digest.bytes[0], 10 + i);
	}
	changes_release(&changes);
}

static void test_finds_every_path_and_no_other(void **state)
{
	struct changes changes = CHANGES_INIT;

	assert_null(changes_find(&changes, "a"));
	for (int i = 999; i >= 0; i--) {
		char path[32] = "";

		snprintf(path, sizeof(path), "d%d/f%d", i % 10, i);
		changes_add(&changes, path);
	}
	changes_sort(&changes);
	for (int i = 0; i < 1000; i++) {
		char path[32] = "";

		snprintf(path, sizeof(path), "d%d/f%d", i % 10, i);
		assert_non_null(changes_find(&changes, path));
		assert_string_equal(changes_find(&changes, path)->path, path);
	}
	assert_null(changes_find(&changes, "d0/f1"));
	assert_null(changes_find(&changes, "d0"));
	changes_release(&changes);
}

static void test_below_a_folder_comes_before_names_that_begin_like_it(void **state)
{
	struct changes changes = CHANGES_INIT;

	changes_add(&changes, "a.b");
	changes_add(&changes, "a/z");
	changes_add(&changes, "a");
	changes_sort(&changes);
	assert_string_equal(changes.items[0].path, "a");
	assert_string_equal(changes.items[1].path, "a/z");
	assert_string_equal(changes.items[2].path, "a.b");
	changes_release(&changes);
}

static void test_finds_the_parent_that_is_in_the_set(void **state)
{
	struct changes changes = CHANGES_INIT;

	changes_add(&changes, "a");
	changes_add(&changes, "a/b/c");
	changes_sort(&changes);
	assert_string_equal(changes_find_parent(&changes, "a/x")->path, "a");
	assert_null(changes_find_parent(&changes, "a/b/c"));
	assert_null(changes_find_parent(&changes, "a"));
	changes_release(&changes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_added_is_empty_and_owns_its_path),
		cmocka_unit_test(test_copies_do_not_share),
		cmocka_unit_test(test_what_is_rare_is_there_once_it_was_asked_for),
		cmocka_unit_test(test_dropped_entries_make_room_for_others),
		cmocka_unit_test(test_finds_every_path_and_no_other),
		cmocka_unit_test(test_below_a_folder_comes_before_names_that_begin_like_it),
		cmocka_unit_test(test_finds_the_parent_that_is_in_the_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
