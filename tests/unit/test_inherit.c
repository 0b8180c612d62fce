/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run takes for known without reading it, and what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/inherit.h"
#include "model_help.h"

enum { FOLDER = 7, SUBFOLDER = 8, CONTENT = 42, OTHER_CONTENT = 43, RENAMED_NS = 5000 };

static const bool both_last[SIDES] = { true, true };

/* What a listing shows of a file that nobody has read yet. */
static struct entry *unread(struct entry *entry)
{
	if (entry && entry->type == ENTRY_FILE) {
		entry->flags = 0;
		entry->digest = (struct digest){ { 0 } };
	}
	return entry;
}

static struct change *add(struct changes *changes, const char *path, enum entry_type type,
			  unsigned base, unsigned initiator, unsigned target)
{
	struct change *change = a_change(changes, path, type, base, initiator, target);

	unread(change->now[SIDE_INITIATOR]);
	unread(change->now[SIDE_TARGET]);
	return change;
}

static bool is_known(const struct changes *changes, const char *path, enum side side)
{
	const struct entry *now = changes_find(changes, path)->now[side];

	if (!(now->flags & ENTRY_HAS_DIGEST))
		return false;
	assert_int_equal(now->digest.bytes[0], CONTENT);
	return true;
}

/* "old" of the initiator, with old/f and old/sub/g, is called "new" now; sorted. */
static struct changes renamed(void)
{
	struct changes changes = CHANGES_INIT;

	add(&changes, "new", ENTRY_DIR, 0, FOLDER, 0);
	add(&changes, "new/f", ENTRY_FILE, 0, CONTENT, 0);
	add(&changes, "new/sub", ENTRY_DIR, 0, SUBFOLDER, 0);
	add(&changes, "new/sub/g", ENTRY_FILE, 0, CONTENT, 0);
	add(&changes, "old", ENTRY_DIR, FOLDER, 0, FOLDER);
	add(&changes, "old/f", ENTRY_FILE, CONTENT, 0, CONTENT);
	add(&changes, "old/sub", ENTRY_DIR, SUBFOLDER, 0, SUBFOLDER);
	add(&changes, "old/sub/g", ENTRY_FILE, CONTENT, 0, CONTENT);
	changes_sort(&changes);
	changes_find(&changes, "new")->now[SIDE_INITIATOR]->ctime_ns = RENAMED_NS;
	return changes;
}

static struct entry *shown(const struct changes *changes, const char *path)
{
	return changes_find(changes, path)->now[SIDE_INITIATOR];
}

static void test_i20_under_its_own_name_the_stat_key_says_it(void **state)
{
	struct changes changes = CHANGES_INIT;

	(void)state;
	add(&changes, "same", ENTRY_FILE, CONTENT, CONTENT, OTHER_CONTENT);
	inherit_digests(&changes, both_last);
	assert_true(is_known(&changes, "same", SIDE_INITIATOR));
	assert_false(is_known(&changes, "same", SIDE_TARGET));
	changes_release(&changes);
}

static void test_what_is_below_a_renamed_folder_is_not_read(void **state)
{
	struct changes changes = renamed();

	(void)state;
	inherit_digests(&changes, both_last);
	assert_true(is_known(&changes, "new/f", SIDE_INITIATOR));
	assert_true(is_known(&changes, "new/sub/g", SIDE_INITIATOR));
	assert_true(is_known(&changes, "old/f", SIDE_TARGET));
	changes_release(&changes);
}

/* Each of these alone says that it may be something else. */
static void test_i20_any_difference_below_a_renamed_folder_is_read(void **state)
{
	(void)state;
	for (int what = 0; what < 8; what++) {
		struct changes changes = renamed();
		struct entry *file = shown(&changes, "new/f");
		struct change *before = changes_find(&changes, "old/f");
		struct base base = *before->base;

		file->ctime_ns += what == 0;
		file->mtime_ns += what == 1;
		file->ino += what == 2;
		file->size += what == 3;
		file->flags |= what == 4 ? ENTRY_RACY : 0;
		base.side[SIDE_INITIATOR].flags |= what == 5 ? ENTRY_RACY : 0;
		if (what == 6)
			shown(&changes, "new")->ino++;
		if (what == 7)
			base.digest = (struct digest){ { 0 } };
		before->base = &base;
		inherit_digests(&changes, both_last);
		assert_false(is_known(&changes, "new/f", SIDE_INITIATOR));
		/* The other file, where only the first one differs. */
		assert_int_equal(is_known(&changes, "new/sub/g", SIDE_INITIATOR), what != 6);
		changes_release(&changes);
	}
}

static void test_what_still_stands_under_the_old_name_was_not_moved(void **state)
{
	struct changes changes = renamed();
	struct entry there = an_entry(ENTRY_FILE, CONTENT);

	(void)state;
	changes_find(&changes, "old/f")->now[SIDE_INITIATOR] =
		changes_copy_entry(&changes, unread(&there));
	inherit_digests(&changes, both_last);
	assert_false(is_known(&changes, "new/f", SIDE_INITIATOR));
	changes_release(&changes);
}

/* As in an image that was built anew. */
static void test_i20_a_folder_without_the_ctime_of_a_rename_vouches_for_nothing(void **state)
{
	struct changes changes = renamed();

	(void)state;
	shown(&changes, "new")->ctime_ns =
		changes_find(&changes, "old")->base->side[SIDE_INITIATOR].ctime_ns;
	inherit_digests(&changes, both_last);
	assert_false(is_known(&changes, "new/f", SIDE_INITIATOR));
	assert_false(is_known(&changes, "new/sub/g", SIDE_INITIATOR));
	changes_release(&changes);
}

/* What came into it meanwhile has left the time stamps of an edit. */
static void test_a_renamed_folder_may_have_changed_itself(void **state)
{
	struct changes changes = renamed();

	(void)state;
	shown(&changes, "new")->mtime_ns = RENAMED_NS;
	inherit_digests(&changes, both_last);
	assert_true(is_known(&changes, "new/f", SIDE_INITIATOR));
	assert_true(is_known(&changes, "new/sub/g", SIDE_INITIATOR));
	changes_release(&changes);
}

static void test_what_is_below_went_along_only_under_its_old_name(void **state)
{
	struct changes changes = CHANGES_INIT;

	(void)state;
	add(&changes, "new", ENTRY_DIR, 0, FOLDER, 0);
	add(&changes, "new/other", ENTRY_DIR, 0, SUBFOLDER, 0);
	add(&changes, "new/other/g", ENTRY_FILE, 0, CONTENT, 0);
	add(&changes, "old", ENTRY_DIR, FOLDER, 0, FOLDER);
	add(&changes, "old/sub", ENTRY_DIR, SUBFOLDER, 0, SUBFOLDER);
	add(&changes, "old/sub/g", ENTRY_FILE, CONTENT, 0, CONTENT);
	changes_sort(&changes);
	shown(&changes, "new")->ctime_ns = RENAMED_NS;
	inherit_digests(&changes, both_last);
	assert_false(is_known(&changes, "new/other/g", SIDE_INITIATOR));
	changes_release(&changes);
}

static void test_i20_where_inodes_do_not_last_all_is_read(void **state)
{
	const bool inodes_last[SIDES] = { [SIDE_INITIATOR] = false, [SIDE_TARGET] = true };
	struct changes changes = renamed();

	(void)state;
	inherit_digests(&changes, inodes_last);
	assert_false(is_known(&changes, "new/f", SIDE_INITIATOR));
	assert_false(is_known(&changes, "new/sub/g", SIDE_INITIATOR));
	assert_true(is_known(&changes, "old/f", SIDE_TARGET));
	changes_release(&changes);
}

static void test_two_lost_folders_of_one_inode_vouch_for_nothing(void **state)
{
	struct changes changes = renamed();

	(void)state;
	add(&changes, "zero", ENTRY_DIR, FOLDER, 0, 0);
	inherit_digests(&changes, both_last);
	assert_false(is_known(&changes, "new/f", SIDE_INITIATOR));
	changes_release(&changes);
}

static void test_a_file_renamed_in_its_folder_is_read(void **state)
{
	struct changes changes = CHANGES_INIT;

	(void)state;
	add(&changes, "folder", ENTRY_DIR, FOLDER, FOLDER, FOLDER);
	add(&changes, "folder/f", ENTRY_FILE, CONTENT, 0, CONTENT);
	add(&changes, "folder/g", ENTRY_FILE, 0, CONTENT, 0);
	inherit_digests(&changes, both_last);
	assert_false(is_known(&changes, "folder/g", SIDE_INITIATOR));
	changes_release(&changes);
}

static void test_each_side_has_its_own_renames(void **state)
{
	struct changes changes = renamed();
	struct change *change = changes_find(&changes, "new/f");
	struct entry there = an_entry(ENTRY_FILE, CONTENT);

	(void)state;
	/* The target has such a file below "new" too, and still has "old". */
	change->now[SIDE_TARGET] = changes_copy_entry(&changes, unread(&there));
	inherit_digests(&changes, both_last);
	assert_true(is_known(&changes, "new/f", SIDE_INITIATOR));
	assert_false(is_known(&changes, "new/f", SIDE_TARGET));
	changes_release(&changes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_i20_under_its_own_name_the_stat_key_says_it),
		cmocka_unit_test(test_what_is_below_a_renamed_folder_is_not_read),
		cmocka_unit_test(test_i20_any_difference_below_a_renamed_folder_is_read),
		cmocka_unit_test(test_what_still_stands_under_the_old_name_was_not_moved),
		cmocka_unit_test(
			test_i20_a_folder_without_the_ctime_of_a_rename_vouches_for_nothing),
		cmocka_unit_test(test_a_renamed_folder_may_have_changed_itself),
		cmocka_unit_test(test_what_is_below_went_along_only_under_its_old_name),
		cmocka_unit_test(test_i20_where_inodes_do_not_last_all_is_read),
		cmocka_unit_test(test_two_lost_folders_of_one_inode_vouch_for_nothing),
		cmocka_unit_test(test_a_file_renamed_in_its_folder_is_read),
		cmocka_unit_test(test_each_side_has_its_own_renames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
