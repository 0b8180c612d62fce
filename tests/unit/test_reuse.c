/* SPDX-License-Identifier: BSD-2-Clause */
/* Which files are copied on the side that has their bytes instead of sent to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "model/move.h"
#include "model/plan.h"
#include "model/reuse.h"
#include "model/structure.h"
#include "model_help.h"

enum {
	LARGE = 20000,	 /* worth looking for */
	OFFERS = 100000, /* as many are kept */
};

struct fixture {
	struct changes changes;
	struct moves moves;
	struct plan plan;
	struct policy policy;
	struct reuse *reuse;
};

static void begin(struct fixture *f)
{
	*f = (struct fixture){ .changes = CHANGES_INIT, .moves = MOVES_INIT, .plan = PLAN_INIT };
}

static void end(struct fixture *f)
{
	reuse_free(f->reuse);
	plan_release(&f->plan);
	moves_release(&f->moves);
	changes_release(&f->changes);
}

static void resize(struct change *change, uint64_t size)
{
	for (int s = 0; s < SIDES; s++)
		if (change->now[s])
			change->now[s]->size = size;
}

static struct change *file(struct fixture *f, const char *path, unsigned base, unsigned i,
			   unsigned t)
{
	struct change *change = a_change(&f->changes, path, ENTRY_FILE, base, i, t);

	resize(change, LARGE);
	return change;
}

/* The agreed file of this content. */
static struct base agreed(unsigned content)
{
	struct entry entry = an_entry(ENTRY_FILE, content);

	entry.size = LARGE;
	return (struct base){ .type = ENTRY_FILE,
			      .digest = entry.digest,
			      .side = { entry, entry } };
}

static void offer(struct fixture *f, const char *path, unsigned content)
{
	struct base base = agreed(content);

	reuse_offer(f->reuse, path, &base);
}

static void build(struct fixture *f)
{
	structure_settle(&f->changes, &f->policy);
	plan_build(&f->plan, &f->changes, &f->moves, &f->policy, false);
	reuse_in_plan(f->reuse, &f->changes, &f->moves, &f->plan);
}

static const struct op *op_at(const struct fixture *f, const char *path)
{
	for (size_t i = 0; i < f->plan.count; i++)
		if (strcmp(f->plan.ops[i]->path, path) == 0 && f->plan.ops[i]->kind != OP_META)
			return f->plan.ops[i];
	fail_msg("nothing is done to %s", path);
	return NULL;
}

static void expect_copy(const struct fixture *f, const char *path, const char *from)
{
	const struct op *op = op_at(f, path);

	assert_int_equal(op->kind, OP_COPY);
	assert_string_equal(op_from(op), from);
	assert_true(op->source->flags & ENTRY_HAS_DIGEST);
}

static void expect_put(const struct fixture *f, const char *path)
{
	assert_int_equal(op_at(f, path)->kind, OP_PUT);
}

static void test_a_file_that_is_there_under_another_name_is_copied(void **state)
{
	struct fixture f;

	begin(&f);
	file(&f, "new", 0, 1, 0);
	file(&f, "other", 0, 2, 0);
	f.reuse = reuse_new(&f.changes);
	assert_true(reuse_is_wanted(f.reuse));
	offer(&f, "old", 1);
	offer(&f, "older", 3);
	build(&f);
	expect_copy(&f, "new", "old");
	expect_put(&f, "other");
	end(&f);
}

/* Each of these is of no use to any other path. */
static void test_only_what_is_new_and_large_is_looked_for(void **state)
{
	struct fixture f;
	struct change *change = NULL;

	begin(&f);
	resize(file(&f, "small", 0, 1, 0), 1000);
	a_change(&f.changes, "folder", ENTRY_DIR, 0, 1, 0);
	file(&f, "blocked", 0, 1, 0)->blocked = true;
	file(&f, "failed", 0, 1, 0)->failed = true;
	change = file(&f, "same", 1, 1, 1);
	assert_non_null(change);
	f.reuse = reuse_new(&f.changes);
	assert_false(reuse_is_wanted(f.reuse));
	offer(&f, "old", 1);
	for (size_t i = 0; i < f.changes.count; i++)
		for (int s = 0; s < SIDES; s++)
			assert_false(
				reuse_wants_digest(f.reuse, &f.changes.items[i], (enum side)s));
	end(&f);
}

static void test_a_digest_is_wanted_where_the_size_was_offered(void **state)
{
	struct fixture f;

	begin(&f);
	file(&f, "a", 0, 1, 0)->now[0]->flags = 0;
	file(&f, "b", 0, 2, 0);
	resize(file(&f, "c", 0, 3, 0), LARGE + 1);
	f.changes.items[2].now[0]->flags = 0;
	f.reuse = reuse_new(&f.changes);
	assert_false(reuse_wants_digest(f.reuse, &f.changes.items[0], SIDE_INITIATOR));
	offer(&f, "old", 1);
	assert_true(reuse_wants_digest(f.reuse, &f.changes.items[0], SIDE_INITIATOR));
	/* Known already; of another size. */
	assert_false(reuse_wants_digest(f.reuse, &f.changes.items[1], SIDE_INITIATOR));
	assert_false(reuse_wants_digest(f.reuse, &f.changes.items[2], SIDE_INITIATOR));
	/* What comes later counts as well. */
	offer(&f, "older", 2);
	assert_true(reuse_wants_digest(f.reuse, &f.changes.items[0], SIDE_INITIATOR));
	end(&f);
}

/* What is not known for sure on both sides is not offered. */
static void test_only_what_is_certain_is_offered(void **state)
{
	struct fixture f;
	struct base racy = agreed(1);
	struct base folder = agreed(1);
	struct base special = agreed(1);
	struct base sized = agreed(1);

	begin(&f);
	file(&f, "new", 0, 1, 0);
	f.reuse = reuse_new(&f.changes);
	racy.side[SIDE_INITIATOR].flags |= ENTRY_RACY;
	reuse_offer(f.reuse, "racy", &racy);
	folder.type = ENTRY_DIR;
	reuse_offer(f.reuse, "folder", &folder);
	special.side[SIDE_INITIATOR].type = ENTRY_SPECIAL;
	reuse_offer(f.reuse, "special", &special);
	sized.side[SIDE_TARGET].size++;
	reuse_offer(f.reuse, "sized", &sized);
	build(&f);
	expect_put(&f, "new");
	end(&f);
}

static void test_what_has_changed_since_is_no_source(void **state)
{
	struct fixture f;

	begin(&f);
	file(&f, "edited", 1, 1, 9);
	file(&f, "gone", 1, 1, 0);
	file(&f, "new", 0, 1, 0);
	file(&f, "same", 1, 1, 1);
	f.reuse = reuse_new(&f.changes);
	offer(&f, "edited", 1);
	offer(&f, "gone", 1);
	offer(&f, "same", 1);
	build(&f);
	expect_copy(&f, "new", "same");
	end(&f);
}

/* A folder that takes the place of a file is made before copies are read. */
static void test_what_makes_way_for_a_folder_is_no_source(void **state)
{
	struct fixture f;
	struct entry folder = an_entry(ENTRY_DIR, 5);
	struct change *name = NULL;

	begin(&f);
	name = file(&f, "name", 1, 1, 1);
	name->now[SIDE_INITIATOR] = changes_copy_entry(&f.changes, &folder);
	file(&f, "name/inside", 0, 1, 0);
	f.reuse = reuse_new(&f.changes);
	offer(&f, "name", 1);
	build(&f);
	expect_put(&f, "name/inside");
	end(&f);
}

/* One that stays a file while the other side deletes it is a source like any other. */
static void test_what_is_deleted_last_is_a_source(void **state)
{
	struct fixture f;

	begin(&f);
	file(&f, "goes", 1, 0, 1);
	file(&f, "new", 0, 1, 0);
	f.reuse = reuse_new(&f.changes);
	offer(&f, "goes", 1);
	build(&f);
	expect_copy(&f, "new", "goes");
	end(&f);
}

/* Renames come first: neither the name on this side, nor one below a folder, is there by then. */
static void test_what_is_renamed_is_no_source_under_its_old_name(void **state)
{
	struct move moves[] = { { .side = SIDE_TARGET, .from = "old", .to = "x" },
				{ .side = SIDE_TARGET, .from = "dir", .to = "y", .folder = true },
				{ .side = SIDE_INITIATOR, .from = "here", .to = "z" } };
	static const char *const names[] = { "old", "dir/inside", "dir", "here" };

	for (size_t n = 0; n < 4; n++) {
		struct fixture f;

		begin(&f);
		file(&f, "new", 0, 1, 0);
		f.reuse = reuse_new(&f.changes);
		offer(&f, names[n], 1);
		f.moves.items = xcalloc(3, sizeof(moves[0]));
		f.moves.count = 3;
		structure_settle(&f.changes, &f.policy);
		plan_build(&f.plan, &f.changes, &(struct moves)MOVES_INIT, &f.policy, false);
		memcpy(f.moves.items, moves, sizeof(moves));
		reuse_in_plan(f.reuse, &f.changes, &f.moves, &f.plan);
		if (n < 3)
			expect_put(&f, "new");
		else
			expect_copy(&f, "new", "here");
		end(&f);
	}
}

/* Where both sides have renamed it, its history stands under the new name. */
static void test_what_both_have_renamed_is_no_source_under_its_old_name(void **state)
{
	struct fixture f;

	begin(&f);
	changes_rare(&f.changes, file(&f, "a", 1, 1, 1))->moved_from = "old";
	changes_rare(&f.changes, file(&f, "b", 2, 2, 2))->moved_from = "older";
	file(&f, "new", 0, 1, 0);
	f.reuse = reuse_new(&f.changes);
	offer(&f, "old", 1);
	build(&f);
	expect_put(&f, "new");
	end(&f);
}

/* A file must be kept aside for a folder: copies would come too early for what is in it. */
static void test_nothing_is_copied_where_folders_are_made_late(void **state)
{
	struct fixture f;
	struct entry folder = an_entry(ENTRY_DIR, 5);
	struct change *both = NULL;

	begin(&f);
	both = file(&f, "both", 0, 3, 4);
	both->now[SIDE_INITIATOR] = changes_copy_entry(&f.changes, &folder);
	file(&f, "both/inside", 0, 1, 0);
	changes_rare(&f.changes, &f.changes.items[0])->copy =
		changes_add(&f.changes, "both.copy")->path;
	f.reuse = reuse_new(&f.changes);
	offer(&f, "old", 1);
	build(&f);
	expect_put(&f, "both/inside");
	end(&f);
}

static void test_very_many_equal_files_do_not_fill_the_memory(void **state)
{
	struct fixture f;

	begin(&f);
	file(&f, "new", 0, 1, 0);
	f.reuse = reuse_new(&f.changes);
	for (int i = 0; i < OFFERS; i++) {
		char path[16];

		snprintf(path, sizeof(path), "%d", i);
		offer(&f, path, 2);
	}
	offer(&f, "one too many", 1);
	build(&f);
	expect_put(&f, "new");
	end(&f);
}

static void test_no_changes_want_nothing(void **state)
{
	struct fixture f;

	begin(&f);
	f.reuse = reuse_new(&f.changes);
	assert_false(reuse_is_wanted(f.reuse));
	build(&f);
	assert_int_equal(f.plan.count, 0);
	end(&f);
	reuse_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_that_is_there_under_another_name_is_copied),
		cmocka_unit_test(test_only_what_is_new_and_large_is_looked_for),
		cmocka_unit_test(test_a_digest_is_wanted_where_the_size_was_offered),
		cmocka_unit_test(test_only_what_is_certain_is_offered),
		cmocka_unit_test(test_what_has_changed_since_is_no_source),
		cmocka_unit_test(test_what_makes_way_for_a_folder_is_no_source),
		cmocka_unit_test(test_what_is_deleted_last_is_a_source),
		cmocka_unit_test(test_what_is_renamed_is_no_source_under_its_old_name),
		cmocka_unit_test(test_what_both_have_renamed_is_no_source_under_its_old_name),
		cmocka_unit_test(test_nothing_is_copied_where_folders_are_made_late),
		cmocka_unit_test(test_very_many_equal_files_do_not_fill_the_memory),
		cmocka_unit_test(test_no_changes_want_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
