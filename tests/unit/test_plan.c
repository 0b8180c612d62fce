/* SPDX-License-Identifier: BSD-2-Clause */
/* The order of a plan, and what its operations carry. That it can be done: test_model.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/path.h"
#include "model/move.h"
#include "model/owners.h"
#include "model/plan.h"
#include "model/structure.h"
#include "model_help.h"

struct fixture {
	struct changes changes;
	struct moves moves;
	struct plan plan;
	struct policy policy;
};

static void begin(struct fixture *f)
{
	*f = (struct fixture){ CHANGES_INIT,
			       MOVES_INIT,
			       PLAN_INIT,
			       { .fields = { META_MODE | META_MTIME, META_MODE | META_MTIME } } };
}

static void end(struct fixture *f)
{
	plan_release(&f->plan);
	moves_release(&f->moves);
	changes_release(&f->changes);
}

static struct change *file(struct fixture *f, const char *path, unsigned base, unsigned i,
			   unsigned t)
{
	return a_change(&f->changes, path, ENTRY_FILE, base, i, t);
}

static struct change *folder(struct fixture *f, const char *path, unsigned base, unsigned i,
			     unsigned t)
{
	return a_change(&f->changes, path, ENTRY_DIR, base, i, t);
}

/* Every conflict's copy is PATH.copy. */
static void name_copies(struct fixture *f)
{
	size_t count = f->changes.count;

	for (size_t i = 0; i < count; i++) {
		char copy[64] = "";

		if (f->changes.items[i].verdict.kind != VERDICT_CONFLICT ||
		    !f->changes.items[i].verdict.keep_loser)
			continue;
		snprintf(copy, sizeof(copy), "%s.copy", f->changes.items[i].path);
		changes_rare(&f->changes, &f->changes.items[i])->copy =
			changes_add(&f->changes, copy)->path;
	}
	changes_sort(&f->changes);
}

static void build_with(struct fixture *f, bool hardlinks)
{
	changes_sort(&f->changes);
	moves_follow(&f->changes, &f->moves, DIRECTION_BOTH);
	structure_settle(&f->changes, &f->policy);
	name_copies(f);
	plan_build(&f->plan, &f->changes, &f->moves, &f->policy, hardlinks);
}

static void build(struct fixture *f)
{
	build_with(f, false);
}

/* Where in the plan this operation stands; it must be there, once. */
static size_t place(const struct fixture *f, enum op_kind kind, enum side side, const char *path)
{
	size_t found = SIZE_MAX;

	for (size_t i = 0; i < f->plan.count; i++) {
		const struct op *op = f->plan.ops[i];

		if (op->kind != kind || op->side != side || strcmp(op->path, path) != 0)
			continue;
		assert_true(found == SIZE_MAX);
		found = i;
	}
	if (found == SIZE_MAX)
		fail_msg("no such operation for %s", path);
	return found;
}

static const struct op *op(const struct fixture *f, enum op_kind kind, enum side side,
			   const char *path)
{
	return f->plan.ops[place(f, kind, side, path)];
}

static void test_nothing_to_do_is_an_empty_plan(void **state)
{
	struct fixture f;

	begin(&f);
	build_with(&f, true);
	assert_int_equal(f.plan.count, 0);
	end(&f);
	begin(&f);
	file(&f, "a", 1, 1, 1);
	build_with(&f, true);
	assert_int_equal(f.plan.count, 0);
	end(&f);
}

static void test_folders_come_before_what_is_in_them_and_their_times_last(void **state)
{
	struct fixture f;

	begin(&f);
	file(&f, "a/b/x", 0, 1, 0);
	folder(&f, "a/b", 0, 2, 0);
	folder(&f, "a", 0, 3, 0);
	build(&f);
	assert_true(place(&f, OP_MKDIR, SIDE_TARGET, "a") <
		    place(&f, OP_MKDIR, SIDE_TARGET, "a/b"));
	assert_true(place(&f, OP_MKDIR, SIDE_TARGET, "a/b") <
		    place(&f, OP_PUT, SIDE_TARGET, "a/b/x"));
	assert_true(place(&f, OP_PUT, SIDE_TARGET, "a/b/x") <
		    place(&f, OP_META, SIDE_TARGET, "a/b"));
	assert_true(place(&f, OP_META, SIDE_TARGET, "a/b") < place(&f, OP_META, SIDE_TARGET, "a"));
	assert_int_equal(op(&f, OP_META, SIDE_TARGET, "a")->report, REPORT_SILENT);
	assert_int_equal(changes_find(&f.changes, "a")->pending, 2);
	assert_int_equal(changes_find(&f.changes, "a/b/x")->pending, 1);
	end(&f);
}

static void test_i68_what_is_new_is_put_as_it_is_without_more(void **state)
{
	const struct op *put = NULL;
	const struct op *update = NULL;
	struct op_detail detail;
	struct fixture f;

	begin(&f);
	f.policy.fields[SIDE_TARGET] |= META_UID;
	file(&f, "a", 0, 1, 0)->now[SIDE_INITIATOR]->uid = 7;
	file(&f, "b", 1, 2, 1);
	build(&f);
	put = op(&f, OP_PUT, SIDE_TARGET, "a");
	update = op(&f, OP_PUT, SIDE_TARGET, "b");
	assert_null(put->detail);
	assert_non_null(update->detail);
	assert_string_equal(op_from(put), "a");
	assert_string_equal(op_from(update), "b");
	assert_null(op_expect(put));
	assert_ptr_equal(op_expect(update), update->change->now[SIDE_TARGET]);
	/* Said, it is the same. */
	detail = *plan_detail(&f.plan, f.plan.ops[place(&f, OP_PUT, SIDE_TARGET, "a")]);
	assert_string_equal(detail.from, "a");
	assert_null(detail.expect);
	assert_null(detail.after);
	assert_int_equal(detail.meta.mask, META_MODE | META_MTIME | META_UID);
	assert_int_equal(detail.meta.mode, 0644);
	assert_int_equal(detail.meta.mtime_ns, 1001);
	assert_int_equal(detail.meta.uid, 7);
	end(&f);
}

static void test_deletions_go_from_the_bottom_up(void **state)
{
	struct fixture f;

	begin(&f);
	folder(&f, "a", 1, 0, 1);
	folder(&f, "a/b", 2, 0, 2);
	file(&f, "a/b/x", 3, 0, 3);
	file(&f, "a.txt", 4, 0, 4);
	build(&f);
	assert_true(place(&f, OP_DELETE, SIDE_TARGET, "a/b/x") <
		    place(&f, OP_DELETE, SIDE_TARGET, "a/b"));
	assert_true(place(&f, OP_DELETE, SIDE_TARGET, "a/b") <
		    place(&f, OP_DELETE, SIDE_TARGET, "a"));
	assert_ptr_equal(op_expect(op(&f, OP_DELETE, SIDE_TARGET, "a/b/x")),
			 changes_find(&f.changes, "a/b/x")->now[SIDE_TARGET]);
	end(&f);
}

static void test_file_takes_the_place_of_a_folder_when_that_is_empty(void **state)
{
	struct fixture f;

	begin(&f);
	*folder(&f, "a", 1, 1, 1)->now[SIDE_INITIATOR] = an_entry(ENTRY_FILE, 7);
	file(&f, "a/x", 2, 0, 2);
	build(&f);
	assert_true(place(&f, OP_DELETE, SIDE_TARGET, "a/x") < place(&f, OP_PUT, SIDE_TARGET, "a"));
	assert_int_equal(op(&f, OP_PUT, SIDE_TARGET, "a")->phase, PHASE_REPLACE);
	end(&f);
}

static void test_losing_version_is_kept_before_it_is_replaced(void **state)
{
	struct fixture f;
	const struct op *keep = NULL;
	const struct op *put = NULL;

	begin(&f);
	file(&f, "a", 1, 2, 3);
	build(&f);
	/* The target's is newer. */
	keep = op(&f, OP_COPY, SIDE_INITIATOR, "a.copy");
	put = op(&f, OP_PUT, SIDE_INITIATOR, "a");
	assert_string_equal(op_from(keep), "a");
	assert_null(op_expect(keep));
	assert_ptr_equal(op_after(put), keep);
	assert_true(keep->phase < put->phase);
	assert_ptr_equal(op_after(op(&f, OP_PUT, SIDE_TARGET, "a.copy")), keep);
	assert_string_equal(op_from(op(&f, OP_PUT, SIDE_TARGET, "a.copy")), "a.copy");
	assert_int_equal(changes_find(&f.changes, "a.copy")->pending, 2);
	end(&f);
}

static void test_folder_takes_the_place_of_a_kept_file_before_its_contents_come(void **state)
{
	struct fixture f;

	begin(&f);
	*file(&f, "a", 1, 2, 2)->now[SIDE_TARGET] = an_entry(ENTRY_DIR, 8);
	folder(&f, "a/b", 0, 0, 4);
	file(&f, "a/b/x", 0, 0, 5);
	folder(&f, "c", 0, 0, 6);
	build(&f);
	assert_int_equal(op(&f, OP_COPY, SIDE_INITIATOR, "a.copy")->phase, PHASE_KEEP);
	assert_int_equal(op(&f, OP_MKDIR, SIDE_INITIATOR, "a")->phase, PHASE_FOLDER);
	assert_int_equal(op(&f, OP_MKDIR, SIDE_INITIATOR, "a/b")->phase, PHASE_FOLDER);
	assert_int_equal(op(&f, OP_MKDIR, SIDE_INITIATOR, "c")->phase, PHASE_MOVE);
	assert_true(place(&f, OP_MKDIR, SIDE_INITIATOR, "a") <
		    place(&f, OP_MKDIR, SIDE_INITIATOR, "a/b"));
	end(&f);
}

static void test_copy_that_exists_already_is_not_made_again(void **state)
{
	struct fixture f;

	begin(&f);
	file(&f, "a", 1, 2, 3);
	structure_settle(&f.changes, &f.policy);
	plan_build(&f.plan, &f.changes, &f.moves, &f.policy, false);
	assert_int_equal(f.plan.count, 1);
	assert_null(op_after(op(&f, OP_PUT, SIDE_INITIATOR, "a")));
	end(&f);
}

static void test_folder_for_a_rename_is_made_first_and_its_other_contents_after(void **state)
{
	struct fixture f;

	begin(&f);
	/* Initiator: d went to new/e, with an edit in it. */
	folder(&f, "d", 1, 0, 1);
	file(&f, "d/same", 9, 0, 9);
	file(&f, "d/x", 2, 0, 2);
	folder(&f, "new", 0, 3, 0);
	folder(&f, "new/e", 0, 1, 0);
	file(&f, "new/e/same", 0, 9, 0);
	file(&f, "new/e/x", 0, 4, 0);
	folder(&f, "new/e/more", 0, 5, 0);
	build(&f);
	assert_true(place(&f, OP_MKDIR, SIDE_TARGET, "new") <
		    place(&f, OP_MOVE, SIDE_TARGET, "new/e"));
	assert_true(place(&f, OP_MOVE, SIDE_TARGET, "new/e") <
		    place(&f, OP_MKDIR, SIDE_TARGET, "new/e/more"));
	/* The edit of what was carried along is void without the rename. */
	assert_ptr_equal(op_after(op(&f, OP_PUT, SIDE_TARGET, "new/e/x")), f.plan.moves[0]);
	assert_ptr_equal(f.plan.moves[0], op(&f, OP_MOVE, SIDE_TARGET, "new/e"));
	end(&f);
}

static void test_what_two_renames_brought_has_arrived_with_both(void **state)
{
	struct fixture f;
	const struct change *x = NULL;

	begin(&f);
	/* Initiator: x into t. Target: t is called u. */
	folder(&f, "t", 2, 2, 0);
	file(&f, "t/x", 0, 5, 0);
	folder(&f, "u", 0, 0, 2);
	file(&f, "x", 5, 0, 5);
	build(&f);
	x = changes_find(&f.changes, "u/x");
	assert_false(plan_has_arrived(&f.plan, x));
	f.plan.moves[1]->state = OP_DONE;
	f.plan.moves[0]->state = OP_FAILED;
	assert_false(plan_has_arrived(&f.plan, x));
	f.plan.moves[0]->state = OP_DONE;
	assert_true(plan_has_arrived(&f.plan, x));
	/* What one side was only asked to do is done when something is found there. */
	f.plan.moves[1]->state = OP_SENT;
	assert_true(plan_arrives_on(&f.plan, x, (enum side)f.plan.moves[1]->side));
	assert_false(plan_arrives_on(&f.plan, x, side_other((enum side)f.plan.moves[1]->side)));
	f.plan.moves[1]->state = OP_FAILED;
	assert_false(plan_arrives_on(&f.plan, x, (enum side)f.plan.moves[1]->side));
	end(&f);
}

static void test_what_the_first_of_two_renames_brought_is_where_that_has_left_it(void **state)
{
	struct fixture f;
	const struct change *x = NULL;
	char *path = NULL;

	begin(&f);
	/* Initiator: a is called b, and d in it e. */
	folder(&f, "a", 2, 0, 2);
	folder(&f, "a/d", 3, 0, 3);
	file(&f, "a/d/x", 5, 0, 5);
	file(&f, "a/y", 6, 0, 6);
	folder(&f, "b", 0, 2, 0);
	folder(&f, "b/e", 0, 3, 0);
	file(&f, "b/e/x", 0, 5, 0);
	file(&f, "b/y", 0, 6, 0);
	build(&f);
	assert_int_equal(f.moves.count, 2);
	x = changes_find(&f.changes, "b/e/x");
	assert_null(plan_carried_to(&f.plan, x));
	f.plan.moves[0]->state = OP_DONE;
	f.plan.moves[1]->state = OP_FAILED;
	path = plan_carried_to(&f.plan, x);
	assert_string_equal(path, "b/d/x");
	free(path);
	f.plan.moves[0]->state = OP_FAILED;
	assert_null(plan_carried_to(&f.plan, x));
	f.plan.moves[1]->state = OP_DONE;
	assert_null(plan_carried_to(&f.plan, x));
	end(&f);
}

static void test_replacement_of_a_moved_and_kept_version_waits_for_the_copy(void **state)
{
	struct fixture f;
	const struct op *keep = NULL;

	begin(&f);
	/* d became e; x in it was edited on both sides. */
	folder(&f, "d", 1, 0, 1);
	file(&f, "d/same", 9, 0, 9);
	file(&f, "d/x", 2, 0, 4);
	folder(&f, "e", 0, 1, 0);
	file(&f, "e/same", 0, 9, 0);
	file(&f, "e/x", 0, 3, 0);
	build(&f);
	keep = op(&f, OP_COPY, SIDE_INITIATOR, "e/x.copy");
	assert_ptr_equal(op_after(keep), f.plan.moves[0]);
	assert_ptr_equal(op_after(op(&f, OP_PUT, SIDE_INITIATOR, "e/x")), keep);
	end(&f);
}

/* Two new names of one file. */
static void linked(struct fixture *f, const char *one, const char *two, unsigned base)
{
	const char *const paths[] = { one, two };

	for (int i = 0; i < 2; i++)
		file(f, paths[i], base, 7, base)->now[SIDE_INITIATOR]->nlink = 2;
}

static void test_second_name_of_a_file_is_a_link(void **state)
{
	struct fixture f;
	const struct op *link = NULL;

	begin(&f);
	linked(&f, "a", "b", 0);
	build_with(&f, true);
	assert_int_equal(f.plan.count, 2);
	link = op(&f, OP_LINK, SIDE_TARGET, "b");
	assert_string_equal(op_from(link), "a");
	assert_ptr_equal(op_after(link), op(&f, OP_PUT, SIDE_TARGET, "a"));
	assert_int_equal(link->phase, PHASE_LINK);
	end(&f);
}

static void test_links_are_files_where_not_asked_for(void **state)
{
	struct fixture f;

	begin(&f);
	linked(&f, "a", "b", 0);
	build_with(&f, false);
	op(&f, OP_PUT, SIDE_TARGET, "a");
	op(&f, OP_PUT, SIDE_TARGET, "b");
	end(&f);
}

static void test_new_name_of_a_known_file_is_a_link_to_it(void **state)
{
	struct fixture f;

	begin(&f);
	file(&f, "a", 7, 7, 7)->now[SIDE_INITIATOR]->nlink = 2;
	file(&f, "b", 0, 7, 0)->now[SIDE_INITIATOR]->nlink = 2;
	build_with(&f, true);
	assert_int_equal(f.plan.count, 1);
	assert_string_equal(op_from(op(&f, OP_LINK, SIDE_TARGET, "b")), "a");
	end(&f);
}

static void test_i56_links_of_several_files_are_told_apart(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d", "changed" };
	struct fixture f;

	begin(&f);
	for (int i = 0; i < 5; i++)
		file(&f, names[i], 0, i == 1 || i == 3 ? 8 : 7, 0)->now[0]->nlink = 2;
	/* Of the same inode, and written to between the looks at both: not linked to what is older. */
	changes_find(&f.changes, "changed")->now[0]->mtime_ns++;
	build_with(&f, true);
	op(&f, OP_PUT, SIDE_TARGET, "a");
	op(&f, OP_PUT, SIDE_TARGET, "b");
	assert_string_equal(op_from(op(&f, OP_LINK, SIDE_TARGET, "c")), "a");
	assert_string_equal(op_from(op(&f, OP_LINK, SIDE_TARGET, "d")), "b");
	op(&f, OP_PUT, SIDE_TARGET, "changed");
	end(&f);
}

static void test_i56_a_known_file_that_holds_something_else_is_not_linked_to(void **state)
{
	struct fixture f;
	struct change *other = NULL;

	begin(&f);
	file(&f, "a", 7, 7, 7)->now[SIDE_INITIATOR]->nlink = 2;
	/* One name here, and a folder there: no sources. */
	file(&f, "b", 6, 6, 6);
	folder(&f, "d", 5, 5, 5)->now[SIDE_INITIATOR]->nlink = 2;
	other = file(&f, "other", 0, 8, 0);
	other->now[SIDE_INITIATOR]->nlink = 2;
	other->now[SIDE_INITIATOR]->ino = changes_find(&f.changes, "a")->now[SIDE_INITIATOR]->ino;
	build_with(&f, true);
	op(&f, OP_PUT, SIDE_TARGET, "other");
	end(&f);
}

static void test_links_are_files_where_there_can_be_none(void **state)
{
	struct fixture f;

	begin(&f);
	linked(&f, "a", "b", 0);
	f.policy.no_hardlinks[SIDE_TARGET] = true;
	build_with(&f, true);
	op(&f, OP_PUT, SIDE_TARGET, "a");
	op(&f, OP_PUT, SIDE_TARGET, "b");
	end(&f);
}

/* The attributes of a file that becomes `source` where `old` was (0: nothing was). */
static bool puts_attributes(bool synced, unsigned old, uint64_t here, uint64_t there)
{
	struct fixture f;
	struct change *change = NULL;
	bool puts = false;

	begin(&f);
	for (int s = 0; synced && s < SIDES; s++)
		f.policy.fields[s] |= META_XATTR;
	change = file(&f, "a", old, 2, old);
	change->now[SIDE_INITIATOR]->xattr = here;
	if (old)
		change->now[SIDE_TARGET]->xattr = there;
	build(&f);
	puts = (plan_meta(&f.plan, op(&f, OP_PUT, SIDE_TARGET, "a")).mask & META_XATTR) != 0;
	end(&f);
	return puts;
}

static void test_i64_attributes_go_with_the_content_where_there_are_any(void **state)
{
	assert_false(puts_attributes(true, 0, 0, 0));
	assert_true(puts_attributes(true, 0, 5, 0));
	assert_false(puts_attributes(false, 0, 5, 0));
	assert_false(puts_attributes(true, 1, 0, 0));
	assert_true(puts_attributes(true, 1, 5, 5));
}

static void test_conflict_copy_is_no_link_to_its_original(void **state)
{
	struct fixture f;

	begin(&f);
	/* The initiator's newer "a" wins; the target's two names of its version stay files. */
	file(&f, "a", 1, 9, 5)->now[SIDE_TARGET]->nlink = 2;
	file(&f, "b", 0, 0, 5)->now[SIDE_TARGET]->nlink = 2;
	build_with(&f, true);
	op(&f, OP_PUT, SIDE_INITIATOR, "a.copy");
	op(&f, OP_PUT, SIDE_INITIATOR, "b");
	end(&f);
}

static void test_replacement_waits_for_the_copy_even_as_a_link(void **state)
{
	struct fixture f;
	const struct op *b = NULL;

	begin(&f);
	file(&f, "a", 0, 9, 0)->now[SIDE_INITIATOR]->nlink = 2;
	file(&f, "b", 1, 9, 5)->now[SIDE_INITIATOR]->nlink = 2;
	build_with(&f, true);
	b = op(&f, OP_PUT, SIDE_TARGET, "b");
	assert_ptr_equal(op_after(b), op(&f, OP_COPY, SIDE_TARGET, "b.copy"));
	end(&f);
}

static void test_metadata_of_both_sides_merge_beside_the_content(void **state)
{
	struct fixture f;
	struct change *change = NULL;

	begin(&f);
	change = file(&f, "a", 1, 2, 1);
	change->now[SIDE_TARGET]->mode = 0600;
	build(&f);
	/* Content flows there with the target's mode, and the mode flows back, after it was read. */
	assert_int_equal(plan_meta(&f.plan, op(&f, OP_PUT, SIDE_TARGET, "a")).mode, 0600);
	assert_int_equal(plan_meta(&f.plan, op(&f, OP_META, SIDE_INITIATOR, "a")).mode, 0600);
	assert_int_equal(plan_meta(&f.plan, op(&f, OP_META, SIDE_INITIATOR, "a")).mask, META_MODE);
	assert_true(place(&f, OP_PUT, SIDE_TARGET, "a") < place(&f, OP_META, SIDE_INITIATOR, "a"));
	end(&f);
}

static unsigned mode_put(unsigned fields, bool executability, unsigned source, unsigned old)
{
	struct fixture f;
	struct change *change = NULL;
	unsigned mode = 0;

	begin(&f);
	f.policy.fields[SIDE_TARGET] = fields;
	f.policy.executability_only = executability;
	change = file(&f, "a", old ? 1 : 0, 2, old ? 1 : 0);
	change->now[SIDE_INITIATOR]->mode = (uint16_t)source;
	if (old)
		change->now[SIDE_TARGET]->mode = (uint16_t)old;
	if (old) {
		struct base base = *change->base;

		base.side[SIDE_TARGET].mode = (uint16_t)old;
		change->base = changes_copy_base(&f.changes, &base);
	}
	build(&f);
	mode = plan_meta(&f.plan, op(&f, OP_PUT, SIDE_TARGET, "a")).mode;
	end(&f);
	return mode;
}

static void test_mode_of_what_is_put(void **state)
{
	/* As on the other side; setuid is each side's own. */
	assert_int_equal(mode_put(META_MODE, false, 0640, 0), 0640);
	assert_int_equal(mode_put(META_MODE, false, 04755, 0), 0755);
	assert_int_equal(mode_put(META_MODE, false, 0755, 04700), 04755);
	/* Not synced: as it was, or as usual. */
	assert_int_equal(mode_put(0, false, 0600, 0664), 0664);
	assert_int_equal(mode_put(0, false, 0666, 0), 0644);
	/* Executability only: x where r is. */
	assert_int_equal(mode_put(META_MODE, true, 0700, 0640), 0750);
	assert_int_equal(mode_put(META_MODE, true, 0600, 0755), 0644);
}

static void test_owners_are_named_for_the_receiving_side(void **state)
{
	struct fixture f;
	struct owners *owners = owners_new();

	begin(&f);
	owners_set(owners, SIDE_INITIATOR, OWNER_USER, 1000, "ann");
	f.policy.owners = owners;
	f.policy.fields[SIDE_TARGET] = META_MODE | META_UID | META_GID;
	file(&f, "a", 0, 1, 0)->now[SIDE_INITIATOR]->uid = 1000;
	build(&f);
	assert_string_equal(plan_meta(&f.plan, op(&f, OP_PUT, SIDE_TARGET, "a")).user, "ann");
	assert_null(plan_meta(&f.plan, op(&f, OP_PUT, SIDE_TARGET, "a")).group);
	end(&f);
	owners_free(owners);
}

static void test_owners_without_a_list_are_numbers(void **state)
{
	struct fixture f;

	begin(&f);
	f.policy.fields[SIDE_TARGET] = META_UID;
	file(&f, "a", 1, 1, 1)->now[SIDE_INITIATOR]->uid = 1000;
	build(&f);
	assert_int_equal(plan_meta(&f.plan, op(&f, OP_META, SIDE_TARGET, "a")).uid, 1000);
	assert_null(plan_meta(&f.plan, op(&f, OP_META, SIDE_TARGET, "a")).user);
	end(&f);
}

static void test_reports_say_what_happens(void **state)
{
	struct fixture f;

	begin(&f);
	file(&f, "edited", 1, 2, 1);
	file(&f, "gone", 3, 0, 3);
	file(&f, "new", 0, 4, 0);
	file(&f, "moved", 5, 0, 5);
	file(&f, "to", 0, 5, 0);
	build(&f);
	assert_int_equal(op(&f, OP_PUT, SIDE_TARGET, "edited")->report, REPORT_UPDATE);
	assert_int_equal(op(&f, OP_DELETE, SIDE_TARGET, "gone")->report, REPORT_DELETE);
	assert_int_equal(op(&f, OP_PUT, SIDE_TARGET, "new")->report, REPORT_CREATE);
	assert_int_equal(op(&f, OP_MOVE, SIDE_TARGET, "to")->report, REPORT_MOVE);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_to_do_is_an_empty_plan),
		cmocka_unit_test(test_folders_come_before_what_is_in_them_and_their_times_last),
		cmocka_unit_test(test_i68_what_is_new_is_put_as_it_is_without_more),
		cmocka_unit_test(test_deletions_go_from_the_bottom_up),
		cmocka_unit_test(test_file_takes_the_place_of_a_folder_when_that_is_empty),
		cmocka_unit_test(test_losing_version_is_kept_before_it_is_replaced),
		cmocka_unit_test(
			test_folder_takes_the_place_of_a_kept_file_before_its_contents_come),
		cmocka_unit_test(test_copy_that_exists_already_is_not_made_again),
		cmocka_unit_test(
			test_folder_for_a_rename_is_made_first_and_its_other_contents_after),
		cmocka_unit_test(test_what_two_renames_brought_has_arrived_with_both),
		cmocka_unit_test(
			test_what_the_first_of_two_renames_brought_is_where_that_has_left_it),
		cmocka_unit_test(test_replacement_of_a_moved_and_kept_version_waits_for_the_copy),
		cmocka_unit_test(test_second_name_of_a_file_is_a_link),
		cmocka_unit_test(test_links_are_files_where_not_asked_for),
		cmocka_unit_test(test_new_name_of_a_known_file_is_a_link_to_it),
		cmocka_unit_test(test_i56_links_of_several_files_are_told_apart),
		cmocka_unit_test(test_i56_a_known_file_that_holds_something_else_is_not_linked_to),
		cmocka_unit_test(test_links_are_files_where_there_can_be_none),
		cmocka_unit_test(test_i64_attributes_go_with_the_content_where_there_are_any),
		cmocka_unit_test(test_conflict_copy_is_no_link_to_its_original),
		cmocka_unit_test(test_replacement_waits_for_the_copy_even_as_a_link),
		cmocka_unit_test(test_metadata_of_both_sides_merge_beside_the_content),
		cmocka_unit_test(test_mode_of_what_is_put),
		cmocka_unit_test(test_owners_are_named_for_the_receiving_side),
		cmocka_unit_test(test_owners_without_a_list_are_numbers),
		cmocka_unit_test(test_reports_say_what_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
