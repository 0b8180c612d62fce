/* SPDX-License-Identifier: BSD-2-Clause */
/* What is followed and what is not. That following is safe is for test_model.c to show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "model/move.h"
#include "model_help.h"

struct fixture {
	struct changes changes;
	struct moves moves;
};

static void begin(struct fixture *f)
{
	*f = (struct fixture){ CHANGES_INIT, MOVES_INIT };
}

static void end(struct fixture *f)
{
	changes_release(&f->changes);
	moves_release(&f->moves);
}

static void file(struct fixture *f, const char *path, unsigned base, unsigned i, unsigned t)
{
	a_change(&f->changes, path, ENTRY_FILE, base, i, t);
}

static void folder(struct fixture *f, const char *path, unsigned base, unsigned i, unsigned t)
{
	a_change(&f->changes, path, ENTRY_DIR, base, i, t);
}

static void follow(struct fixture *f)
{
	changes_sort(&f->changes);
	moves_follow(&f->changes, &f->moves, DIRECTION_BOTH);
}

static void expect(const struct fixture *f, size_t n, enum side side, const char *from,
		   const char *to)
{
	assert_true(f->moves.count > n);
	assert_int_equal(f->moves.items[n].side, side);
	assert_string_equal(f->moves.items[n].from, from);
	assert_string_equal(f->moves.items[n].to, to);
}

static void test_renamed_file_is_renamed_on_the_other_side(void **state)
{
	struct fixture f;
	const struct change *change = NULL;

	begin(&f);
	file(&f, "old", 1, 0, 1);
	file(&f, "new", 0, 1, 0);
	follow(&f);
	assert_int_equal(f.moves.count, 1);
	expect(&f, 0, SIDE_TARGET, "old", "new");
	assert_false(f.moves.items[0].folder);
	/* Its history came with it. */
	assert_int_equal(f.changes.count, 1);
	change = changes_find(&f.changes, "new");
	assert_non_null(change->base);
	assert_non_null(change->now[SIDE_INITIATOR]);
	assert_ptr_equal(change->now[SIDE_TARGET], f.moves.items[0].expect);
	assert_string_equal(change_moved_from(change), "old");
	assert_int_equal(change_move(change), 1);
	end(&f);
}

static void expect_now(const struct fixture *f, enum side side, const char *path, const char *now)
{
	AUTO_FREE char *found = moves_path_now(&f->moves, side, path);

	assert_string_equal(found, now);
}

static void test_what_is_to_be_moved_is_found_where_it_is(void **state)
{
	struct fixture f;

	begin(&f);
	folder(&f, "d", 1, 0, 1);
	folder(&f, "d/s", 2, 0, 2);
	file(&f, "d/s/x", 3, 0, 3);
	file(&f, "d/y", 4, 0, 4);
	folder(&f, "e", 0, 1, 0);
	folder(&f, "e/r", 0, 2, 0);
	file(&f, "e/r/x", 0, 3, 0);
	file(&f, "e/y", 0, 4, 0);
	follow(&f);
	assert_int_equal(f.moves.count, 2);
	expect_now(&f, SIDE_TARGET, "e/r/x", "d/s/x");
	expect_now(&f, SIDE_TARGET, "e", "d");
	expect_now(&f, SIDE_TARGET, "ee", "ee");
	expect_now(&f, SIDE_INITIATOR, "e/r/x", "e/r/x");
	end(&f);
}

static void test_same_inode_is_preferred_among_equal_contents(void **state)
{
	struct fixture f;
	struct change *gone = NULL;
	struct base base = { .type = ENTRY_ABSENT };

	begin(&f);
	file(&f, "a", 1, 1, 0);
	gone = a_change(&f.changes, "b", ENTRY_FILE, 1, 1, 0);
	base = *gone->base;
	base.side[SIDE_TARGET].ino = 77;
	gone->base = changes_copy_base(&f.changes, &base);
	a_change(&f.changes, "c", ENTRY_FILE, 0, 0, 1)->now[SIDE_TARGET]->ino = 77;
	follow(&f);
	assert_int_equal(f.moves.count, 1);
	expect(&f, 0, SIDE_INITIATOR, "b", "c");
	end(&f);
}

static void test_file_that_the_other_side_edited_is_moved_with_the_edit(void **state)
{
	struct fixture f;

	begin(&f);
	file(&f, "old", 1, 0, 2);
	file(&f, "new", 0, 1, 0);
	follow(&f);
	assert_int_equal(f.moves.count, 1);
	assert_int_equal(changes_find(&f.changes, "new")->now[SIDE_TARGET]->digest.bytes[0], 2);
	end(&f);
}

static void test_nothing_is_followed_that_could_not_be_renamed(void **state)
{
	struct fixture f;

	begin(&f);
	file(&f, "gone on both", 1, 0, 0);
	file(&f, "new here", 0, 1, 0);
	file(&f, "gone here", 2, 0, 2);
	file(&f, "new and taken there", 0, 2, 3);
	file(&f, "edited", 4, 0, 4);
	file(&f, "as something else", 0, 5, 0);
	follow(&f);
	assert_int_equal(f.moves.count, 0);
	assert_int_equal(f.changes.count, 6);
	end(&f);
}

static void test_unread_file_is_not_guessed(void **state)
{
	struct fixture f;

	begin(&f);
	file(&f, "old", 1, 0, 1);
	a_change(&f.changes, "new", ENTRY_FILE, 0, 1, 0)->now[0]->flags = 0;
	follow(&f);
	assert_int_equal(f.moves.count, 0);
	end(&f);
}

static void test_digest_is_wanted_where_something_of_that_size_has_gone(void **state)
{
	struct fixture f;
	struct move_index *index = NULL;
	struct change *new = NULL;

	begin(&f);
	file(&f, "old", 1, 0, 1);
	new = a_change(&f.changes, "new", ENTRY_FILE, 0, 2, 0);
	new->now[0]->flags = 0;
	index = moves_index_new(&f.changes);
	assert_true(moves_wants_digest(index, new, SIDE_INITIATOR));
	assert_false(moves_wants_digest(index, new, SIDE_TARGET));
	new->now[0]->size++;
	assert_false(moves_wants_digest(index, new, SIDE_INITIATOR));
	moves_index_free(index);
	end(&f);
}

/* The other side has made it a folder: nothing of that size is to be looked for. */
static void test_digest_is_wanted_of_what_has_the_stat_key_of_a_gone_file(void **state)
{
	const struct entry dir = an_entry(ENTRY_DIR, 9);
	struct fixture f;

	begin(&f);
	for (int what = 0; what < 3; what++) {
		struct change *old = a_change(&f.changes, "old", ENTRY_FILE, 1, 0, 0);
		struct change *new = NULL;
		struct move_index *index = NULL;

		old->now[SIDE_TARGET] = changes_copy_entry(&f.changes, &dir);
		new = a_change(&f.changes, "new", ENTRY_FILE, 0, 1, 0);
		new->now[SIDE_INITIATOR]->flags = 0;
		/* Inodes are used again. */
		new->now[SIDE_INITIATOR]->ctime_ns += what == 1;
		new->now[SIDE_INITIATOR]->ino += what == 2;
		index = moves_index_new(&f.changes);
		assert_int_equal(moves_wants_digest(index, new, SIDE_INITIATOR), what == 0);
		moves_index_free(index);
		changes_release(&f.changes);
	}
	end(&f);
}

static void test_index_of_no_changes_wants_nothing(void **state)
{
	struct fixture f;
	struct move_index *index = NULL;

	begin(&f);
	index = moves_index_new(&f.changes);
	moves_index_free(index);
	moves_index_free(NULL);
	follow(&f);
	assert_int_equal(f.moves.count, 0);
	end(&f);
}

/* On the initiator d became e, with x in it. */
static void renamed_folder(struct fixture *f)
{
	begin(f);
	folder(f, "d", 9, 0, 9);
	file(f, "d/x", 1, 0, 1);
	folder(f, "e", 0, 9, 0);
	file(f, "e/x", 0, 1, 0);
}

static void test_renamed_folder_carries_what_is_in_it(void **state)
{
	struct fixture f;

	renamed_folder(&f);
	file(&f, "d/only there", 0, 0, 2);
	file(&f, "e/only here", 0, 3, 0);
	follow(&f);
	assert_int_equal(f.moves.count, 1);
	expect(&f, 0, SIDE_TARGET, "d", "e");
	assert_true(f.moves.items[0].folder);
	assert_int_equal(f.changes.count, 4);
	assert_non_null(changes_find(&f.changes, "e/x")->base);
	assert_non_null(changes_find(&f.changes, "e/x")->now[SIDE_TARGET]);
	assert_non_null(changes_find(&f.changes, "e/only there")->now[SIDE_TARGET]);
	assert_null(changes_find(&f.changes, "e/only here")->now[SIDE_TARGET]);
	end(&f);
}

static void test_file_taken_out_of_a_renamed_folder_is_followed_too(void **state)
{
	struct fixture f;

	renamed_folder(&f);
	file(&f, "d/y", 2, 0, 2);
	file(&f, "y", 0, 2, 0);
	follow(&f);
	assert_int_equal(f.moves.count, 2);
	expect(&f, 0, SIDE_TARGET, "d", "e");
	expect(&f, 1, SIDE_TARGET, "e/y", "y");
	assert_string_equal(change_moved_from(changes_find(&f.changes, "y")), "d/y");
	end(&f);
}

static void test_folder_that_only_got_the_inode_is_another_one(void **state)
{
	struct fixture f;

	begin(&f);
	folder(&f, "d", 9, 0, 9);
	file(&f, "d/x", 1, 0, 1);
	folder(&f, "e", 0, 9, 0);
	file(&f, "e/z", 0, 3, 0);
	follow(&f);
	assert_int_equal(f.moves.count, 0);
	end(&f);
}

/* It has even a file of the same name, or one that got the inode of that one, too. */
static void test_folder_that_has_one_like_what_was_inside_is_another_one(void **state)
{
	for (int reused = 0; reused < 2; reused++) {
		struct fixture f;
		struct change *like = NULL;

		begin(&f);
		folder(&f, "d", 9, 0, 9);
		folder(&f, "d/s", 8, 0, 8);
		file(&f, "d/s/y", 2, 0, 2);
		file(&f, "d/x", 1, 0, 1);
		folder(&f, "e", 0, 9, 0);
		folder(&f, "e/s", 0, 8, 0);
		like = a_change(&f.changes, "e/x", ENTRY_FILE, 0, 3, 0);
		if (reused)
			like->now[SIDE_INITIATOR]->ino = an_entry(ENTRY_FILE, 1).ino;
		follow(&f);
		assert_int_equal(f.moves.count, 0);
		end(&f);
	}
}

static void test_folder_is_followed_by_one_thing_that_is_still_inside(void **state)
{
	static const enum entry_type types[] = { ENTRY_FILE, ENTRY_DIR };

	for (int t = 0; t < 2; t++) {
		struct fixture f;

		begin(&f);
		folder(&f, "d", 9, 0, 9);
		folder(&f, "d/s", 8, 0, 8);
		a_change(&f.changes, "d/s/x", types[t], 1, 0, 1);
		folder(&f, "e", 0, 9, 0);
		folder(&f, "e/s", 0, 8, 0);
		a_change(&f.changes, "e/s/x", types[t], 0, 1, 0);
		follow(&f);
		assert_int_equal(f.moves.count, 1);
		expect(&f, 0, SIDE_TARGET, "d", "e");
		end(&f);
	}
}

/* Its time was changed, its bytes were not. */
static void test_folder_is_followed_by_a_file_that_was_touched(void **state)
{
	struct fixture f;
	struct change *touched = NULL;

	begin(&f);
	folder(&f, "d", 9, 0, 9);
	file(&f, "d/x", 1, 0, 1);
	folder(&f, "e", 0, 9, 0);
	touched = a_change(&f.changes, "e/x", ENTRY_FILE, 0, 1, 0);
	touched->now[SIDE_INITIATOR]->mtime_ns++;
	follow(&f);
	assert_int_equal(f.moves.count, 1);
	end(&f);
}

static void test_folder_is_followed_where_a_special_was_seen_before(void **state)
{
	struct fixture f;
	struct base seen = { .type = ENTRY_ABSENT };

	renamed_folder(&f);
	seen.side[SIDE_INITIATOR] = an_entry(ENTRY_SPECIAL, 4);
	changes_sort(&f.changes);
	changes_find(&f.changes, "e")->base = changes_copy_base(&f.changes, &seen);
	follow(&f);
	assert_int_equal(f.moves.count, 1);
	assert_int_equal(changes_find(&f.changes, "e")->base->type, ENTRY_DIR);
	end(&f);
}

static void test_move_below_a_file_of_the_other_side_is_not_followed(void **state)
{
	struct fixture f;
	struct change *above = NULL;
	struct entry dir = an_entry(ENTRY_DIR, 9);

	begin(&f);
	above = a_change(&f.changes, "p", ENTRY_FILE, 1, 1, 2);
	*above->now[SIDE_INITIATOR] = dir;
	folder(&f, "p/q", 0, 8, 0);
	file(&f, "p/q/x", 0, 3, 0);
	file(&f, "x", 3, 0, 3);
	follow(&f);
	assert_int_equal(f.moves.count, 0);
	end(&f);
}

static void test_folders_moved_into_each_other_do_not_nest_for_ever(void **state)
{
	struct fixture f;

	begin(&f);
	/* Initiator: a into b. Target: b into a. */
	folder(&f, "a", 1, 0, 1);
	folder(&f, "a/b", 0, 0, 2);
	folder(&f, "b", 2, 2, 0);
	folder(&f, "b/a", 0, 1, 0);
	follow(&f);
	assert_int_equal(f.moves.count, 1);
	expect(&f, 0, SIDE_TARGET, "a", "b/a");
	end(&f);
}

static void test_renames_of_both_sides_meet_under_the_new_names(void **state)
{
	struct fixture f;

	begin(&f);
	/* Initiator: d into t. Target: t is called u. */
	folder(&f, "d", 1, 0, 1);
	file(&f, "d/x", 5, 0, 5);
	folder(&f, "t", 2, 2, 0);
	file(&f, "t/y", 6, 6, 0);
	folder(&f, "t/d", 0, 1, 0);
	file(&f, "t/d/x", 0, 5, 0);
	folder(&f, "u", 0, 0, 2);
	file(&f, "u/y", 0, 0, 6);
	follow(&f);
	assert_int_equal(f.moves.count, 2);
	/* On the target there is no t any more. */
	expect(&f, 0, SIDE_TARGET, "d", "u/d");
	expect(&f, 1, SIDE_INITIATOR, "t", "u");
	assert_int_equal(f.moves.items[1].after, 1);
	assert_string_equal(change_moved_from(changes_find(&f.changes, "u/d/x")), "d/x");
	end(&f);
}

static void test_file_moved_into_a_folder_renamed_on_the_other_side_needs_both(void **state)
{
	struct fixture f;

	begin(&f);
	/* Initiator: x into t. Target: t is called u. */
	folder(&f, "t", 2, 2, 0);
	file(&f, "t/y", 6, 6, 0);
	file(&f, "t/x", 0, 5, 0);
	folder(&f, "u", 0, 0, 2);
	file(&f, "u/y", 0, 0, 6);
	file(&f, "x", 5, 0, 5);
	follow(&f);
	assert_int_equal(f.moves.count, 2);
	expect(&f, 0, SIDE_INITIATOR, "t", "u");
	expect(&f, 1, SIDE_TARGET, "x", "u/x");
	assert_int_equal(change_move(changes_find(&f.changes, "u/x")), 2);
	assert_int_equal(f.moves.items[1].after, 1);
	end(&f);
}

static void test_what_came_below_an_unreadable_folder_is_blocked(void **state)
{
	struct fixture f;

	renamed_folder(&f);
	folder(&f, "d/s", 7, 0, 7);
	file(&f, "d/s/z", 4, 0, 4);
	a_change(&f.changes, "e/s", ENTRY_DIR, 0, 7, 0)->now[0]->flags = ENTRY_OPAQUE;
	/* Not the missing one: nobody knows whether that is gone. */
	file(&f, "z", 0, 4, 0);
	follow(&f);
	assert_int_equal(f.moves.count, 1);
	assert_true(changes_find(&f.changes, "e/s/z")->blocked);
	end(&f);
}

static void test_history_follows_what_both_sides_have_moved(void **state)
{
	struct fixture f;
	const struct change *change = NULL;

	begin(&f);
	folder(&f, "old", 1, 0, 0);
	file(&f, "old/deleted here", 2, 0, 0);
	file(&f, "old/deleted on both", 3, 0, 0);
	file(&f, "old/replaced", 4, 0, 0);
	folder(&f, "new", 0, 1, 1);
	file(&f, "new/deleted here", 0, 0, 2);
	file(&f, "new/replaced", 0, 9, 4);
	follow(&f);
	assert_int_equal(f.moves.count, 0);
	assert_int_equal(f.changes.count, 4);
	change = changes_find(&f.changes, "new/deleted here");
	assert_non_null(change->base);
	assert_string_equal(change_moved_from(change), "old/deleted here");
	assert_int_equal(change_move(change), 0);
	assert_non_null(changes_find(&f.changes, "new/replaced")->base);
	/* To be forgotten under the old name. */
	change = changes_find(&f.changes, "new/deleted on both");
	assert_string_equal(change_moved_from(change), "old/deleted on both");
	assert_null(change->now[0]);
	end(&f);
}

/* Both sides have deleted x and made y, which got its inode on both. */
static void test_i24_history_does_not_follow_a_used_inode(void **state)
{
	for (int moved = 0; moved <= SIDES; moved++) {
		struct fixture f;
		struct change *change = NULL;

		begin(&f);
		file(&f, "x", 1, 0, 0);
		change = a_change(&f.changes, "y", ENTRY_FILE, 0, 1, 2);
		change->now[SIDE_TARGET]->ino = change->now[SIDE_INITIATOR]->ino;
		for (int s = 0; s < SIDES; s++)
			change->now[s]->mtime_ns = s == moved ? 1001 : 9000 + s;
		follow(&f);
		assert_int_equal(changes_find(&f.changes, "y")->base != NULL, moved < SIDES);
		end(&f);
	}
}

static void test_history_does_not_follow_another_file_of_one_side(void **state)
{
	struct fixture f;

	begin(&f);
	file(&f, "old", 1, 0, 0);
	file(&f, "new", 0, 1, 2);
	folder(&f, "d", 3, 0, 0);
	file(&f, "d/name", 4, 0, 0);
	folder(&f, "e", 0, 3, 3);
	file(&f, "e/name", 0, 5, 0);
	follow(&f);
	assert_null(changes_find(&f.changes, "new")->base);
	assert_null(changes_find(&f.changes, "e/name")->base);
	assert_non_null(changes_find(&f.changes, "old")->base);
	assert_non_null(changes_find(&f.changes, "d/name")->base);
	end(&f);
}

/* A file of its own; the same, of which something is not known. */
static void test_history_stays_where_something_is_in_doubt(void **state)
{
	for (int doubt = 0; doubt < 6; doubt++) {
		struct fixture f;
		struct change *old = NULL;
		struct change *new = NULL;

		begin(&f);
		file(&f, "old", 1, 0, 0);
		file(&f, "other", 3, 0, 0);
		file(&f, "zzz", 0, 1, 1);
		old = changes_find(&f.changes, "old");
		new = changes_find(&f.changes, "zzz");
		if (doubt == 0)
			old->blocked = true;
		if (doubt == 1)
			old->failed = true;
		if (doubt == 2)
			new->blocked = true;
		if (doubt == 3)
			new->failed = true;
		if (doubt == 4)
			new->now[SIDE_TARGET]->flags |= ENTRY_OPAQUE;
		if (doubt == 5)
			new->now[SIDE_INITIATOR]->ino = old->base->side[0].ino + 5;
		follow(&f);
		assert_non_null(changes_find(&f.changes, "old")->base);
		assert_null(changes_find(&f.changes, "zzz")->base);
		end(&f);
	}
}

/* A folder that both have moved into another one that both have moved: twice carried along. */
static void test_history_follows_two_moves_of_both_sides(void **state)
{
	struct fixture f;

	begin(&f);
	folder(&f, "a", 1, 0, 0);
	folder(&f, "a/in", 2, 0, 0);
	file(&f, "a/in/gone", 3, 0, 0);
	file(&f, "a/in/stays", 4, 0, 0);
	folder(&f, "b", 0, 1, 1);
	folder(&f, "c", 0, 2, 2);
	file(&f, "c/stays", 0, 4, 4);
	follow(&f);
	assert_string_equal(change_moved_from(changes_find(&f.changes, "c/stays")), "a/in/stays");
	assert_string_equal(change_moved_from(changes_find(&f.changes, "c/gone")), "a/in/gone");
	assert_string_equal(change_moved_from(changes_find(&f.changes, "c")), "a/in");
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_renamed_file_is_renamed_on_the_other_side),
		cmocka_unit_test(test_what_is_to_be_moved_is_found_where_it_is),
		cmocka_unit_test(test_same_inode_is_preferred_among_equal_contents),
		cmocka_unit_test(test_file_that_the_other_side_edited_is_moved_with_the_edit),
		cmocka_unit_test(test_nothing_is_followed_that_could_not_be_renamed),
		cmocka_unit_test(test_unread_file_is_not_guessed),
		cmocka_unit_test(test_digest_is_wanted_where_something_of_that_size_has_gone),
		cmocka_unit_test(test_digest_is_wanted_of_what_has_the_stat_key_of_a_gone_file),
		cmocka_unit_test(test_index_of_no_changes_wants_nothing),
		cmocka_unit_test(test_renamed_folder_carries_what_is_in_it),
		cmocka_unit_test(test_file_taken_out_of_a_renamed_folder_is_followed_too),
		cmocka_unit_test(test_folder_that_only_got_the_inode_is_another_one),
		cmocka_unit_test(test_folder_that_has_one_like_what_was_inside_is_another_one),
		cmocka_unit_test(test_folder_is_followed_by_one_thing_that_is_still_inside),
		cmocka_unit_test(test_folder_is_followed_by_a_file_that_was_touched),
		cmocka_unit_test(test_folder_is_followed_where_a_special_was_seen_before),
		cmocka_unit_test(test_move_below_a_file_of_the_other_side_is_not_followed),
		cmocka_unit_test(test_folders_moved_into_each_other_do_not_nest_for_ever),
		cmocka_unit_test(test_renames_of_both_sides_meet_under_the_new_names),
		cmocka_unit_test(
			test_file_moved_into_a_folder_renamed_on_the_other_side_needs_both),
		cmocka_unit_test(test_what_came_below_an_unreadable_folder_is_blocked),
		cmocka_unit_test(test_history_follows_what_both_sides_have_moved),
		cmocka_unit_test(test_i24_history_does_not_follow_a_used_inode),
		cmocka_unit_test(test_history_does_not_follow_another_file_of_one_side),
		cmocka_unit_test(test_history_stays_where_something_is_in_doubt),
		cmocka_unit_test(test_history_follows_two_moves_of_both_sides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
