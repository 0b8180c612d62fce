/* SPDX-License-Identifier: BSD-2-Clause */
/* Folders and moves where not everything is synced both ways: SKIP_DELETION, SYNC_TYPE, --initialize. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/move.h"
#include "model/structure.h"
#include "model_help.h"

struct fixture {
	struct changes changes;
	struct moves moves;
	struct policy policy;
};

static void begin(struct fixture *f)
{
	*f = (struct fixture){ CHANGES_INIT, MOVES_INIT, { .fields = { META_MODE, META_MODE } } };
}

static void end(struct fixture *f)
{
	changes_release(&f->changes);
	moves_release(&f->moves);
}

/* Agreed on once, and deleted on the initiator since, where that was skipped. */
static void apart(struct fixture *f, const char *path, enum entry_type type, unsigned content,
		  bool still_there)
{
	struct change *change =
		a_change(&f->changes, path, type, content, 0, still_there ? content : 0);
	struct base base = *change->base;

	base.side[SIDE_INITIATOR] = (struct entry){ .type = ENTRY_ABSENT };
	change->base = changes_copy_base(&f->changes, &base);
}

static const struct change *find(const struct fixture *f, const char *path)
{
	const struct change *change = changes_find(&f->changes, path);

	assert_non_null(change);
	return change;
}

static void settle(struct fixture *f)
{
	changes_sort(&f->changes);
	moves_follow(&f->changes, &f->moves, f->policy.direction);
	structure_block_unknown(&f->changes);
	structure_settle(&f->changes, &f->policy);
}

static void test_something_new_brings_the_folder_and_nothing_else_of_it(void **state)
{
	struct fixture f;

	begin(&f);
	f.policy.skip_deletion[SIDE_TARGET] = true;
	apart(&f, "d", ENTRY_DIR, 1, true);
	apart(&f, "d/e", ENTRY_DIR, 2, true);
	a_change(&f.changes, "d/e/new", ENTRY_FILE, 0, 0, 3);
	apart(&f, "d/old", ENTRY_FILE, 4, true);
	apart(&f, "f", ENTRY_DIR, 5, true);
	a_change(&f.changes, "f/deleted now", ENTRY_FILE, 6, 0, 6);
	settle(&f);
	assert_int_equal(find(&f, "d")->verdict.kind, VERDICT_COPY);
	assert_int_equal(find(&f, "d")->verdict.from, SIDE_TARGET);
	assert_int_equal(find(&f, "d/e")->verdict.kind, VERDICT_COPY);
	assert_int_equal(find(&f, "d/old")->verdict.kind, VERDICT_KEEP);
	assert_int_equal(find(&f, "f")->verdict.kind, VERDICT_KEEP);
	assert_int_equal(find(&f, "f/deleted now")->verdict.kind, VERDICT_RECORD);
	assert_int_equal(find(&f, "f/deleted now")->verdict.reason, REASON_APART);
	end(&f);
}

static void test_history_follows_what_was_moved_where_it_is_kept(void **state)
{
	struct fixture f;

	begin(&f);
	apart(&f, "old", ENTRY_DIR, 1, false);
	apart(&f, "old/x", ENTRY_FILE, 2, false);
	apart(&f, "old/gone", ENTRY_FILE, 3, false);
	a_change(&f.changes, "new", ENTRY_DIR, 0, 0, 1);
	a_change(&f.changes, "new/x", ENTRY_FILE, 0, 0, 2);
	apart(&f, "file", ENTRY_FILE, 4, false);
	a_change(&f.changes, "renamed", ENTRY_FILE, 0, 0, 4);
	settle(&f);
	assert_int_equal(f.moves.count, 0);
	for (size_t i = 0; i < f.changes.count; i++)
		assert_int_not_equal(f.changes.items[i].verdict.kind, VERDICT_COPY);
	assert_string_equal(change_moved_from(find(&f, "new/x")), "old/x");
	assert_string_equal(change_moved_from(find(&f, "renamed")), "file");
	assert_int_equal(find(&f, "new/gone")->verdict.kind, VERDICT_RECORD);
	end(&f);
}

/* On both sides now, or of another inode: it was made anew, and is synced. */
static void test_history_stays_where_it_may_be_another_one(void **state)
{
	for (unsigned content = 4; content <= 5; content++) {
		struct fixture f;

		begin(&f);
		apart(&f, "file", ENTRY_FILE, 4, false);
		a_change(&f.changes, "other", ENTRY_FILE, 0, content == 4 ? 4 : 0, content);
		settle(&f);
		assert_null(find(&f, "other")->base);
		assert_non_null(find(&f, "file")->base);
		end(&f);
	}
}

/* The initiator gives. */
static void begin_one_way(struct fixture *f)
{
	begin(f);
	f->policy.direction = DIRECTION_FROM_INITIATOR;
}

static void test_one_way_only_the_renames_of_the_giver_are_followed(void **state)
{
	struct fixture f;

	begin_one_way(&f);
	a_change(&f.changes, "a", ENTRY_FILE, 1, 0, 1);
	a_change(&f.changes, "b", ENTRY_FILE, 0, 1, 0);
	a_change(&f.changes, "c", ENTRY_FILE, 2, 2, 0);
	a_change(&f.changes, "d", ENTRY_FILE, 0, 0, 2);
	a_change(&f.changes, "e", ENTRY_DIR, 3, 3, 0);
	a_change(&f.changes, "e/x", ENTRY_FILE, 4, 4, 0);
	a_change(&f.changes, "f", ENTRY_DIR, 0, 0, 3);
	a_change(&f.changes, "f/x", ENTRY_FILE, 0, 0, 4);
	settle(&f);
	assert_int_equal(f.moves.count, 1);
	assert_int_equal(f.moves.items[0].side, SIDE_TARGET);
	assert_string_equal(f.moves.items[0].to, "b");
	assert_int_equal(find(&f, "c")->verdict.kind, VERDICT_COPY);
	assert_int_equal(find(&f, "c")->verdict.from, SIDE_INITIATOR);
	assert_int_equal(find(&f, "d")->verdict.kind, VERDICT_DELETE);
	assert_int_equal(find(&f, "e")->verdict.kind, VERDICT_COPY);
	assert_int_equal(find(&f, "f")->verdict.kind, VERDICT_DELETE);
	end(&f);
}

/* A folder that the giver does not have, or has a file for, with something below that is not synced. */
static void test_one_way_what_stays_keeps_its_folder_and_the_giver_is_not_changed(void **state)
{
	for (int file = 0; file < 2; file++) {
		struct fixture f;
		struct change *folder = NULL;

		begin_one_way(&f);
		folder = a_change(&f.changes, "d", ENTRY_DIR, 1, (unsigned)file, 1);
		if (file)
			*folder->now[SIDE_INITIATOR] = an_entry(ENTRY_FILE, 7);
		a_change(&f.changes, "d/fifo", ENTRY_SPECIAL, 0, 0, 2);
		settle(&f);
		assert_int_equal(find(&f, "d")->verdict.kind, file ? VERDICT_LEAVE : VERDICT_KEEP);
		assert_int_equal(find(&f, "d")->verdict.reason,
				 file ? REASON_IN_THE_WAY : REASON_KEPT_FOLDER);
		end(&f);
	}
}

static void test_only_what_is_equal_is_recorded(void **state)
{
	struct fixture f;

	begin(&f);
	a_change(&f.changes, "both", ENTRY_FILE, 0, 1, 1);
	a_change(&f.changes, "deleted", ENTRY_FILE, 2, 0, 2);
	a_change(&f.changes, "mine", ENTRY_FILE, 0, 3, 0);
	a_change(&f.changes, "differs", ENTRY_FILE, 0, 4, 5);
	settle(&f);
	structure_only_record(&f.changes);
	assert_int_equal(find(&f, "both")->verdict.kind, VERDICT_RECORD);
	assert_int_equal(find(&f, "deleted")->verdict.kind, VERDICT_KEEP);
	assert_int_equal(find(&f, "mine")->verdict.kind, VERDICT_KEEP);
	assert_int_equal(find(&f, "differs")->verdict.kind, VERDICT_KEEP);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_something_new_brings_the_folder_and_nothing_else_of_it),
		cmocka_unit_test(test_history_follows_what_was_moved_where_it_is_kept),
		cmocka_unit_test(test_history_stays_where_it_may_be_another_one),
		cmocka_unit_test(test_one_way_only_the_renames_of_the_giver_are_followed),
		cmocka_unit_test(
			test_one_way_what_stays_keeps_its_folder_and_the_giver_is_not_changed),
		cmocka_unit_test(test_only_what_is_equal_is_recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
