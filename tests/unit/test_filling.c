/* SPDX-License-Identifier: BSD-2-Clause */
/* Which new folders are filled before they are put in place, and what comes between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/filling.h"
#include "model/move.h"
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

static void new_file(struct fixture *f, const char *path)
{
	a_change(&f->changes, path, ENTRY_FILE, 0, 1, 0);
}

static void new_folder(struct fixture *f, const char *path)
{
	a_change(&f->changes, path, ENTRY_DIR, 0, 1, 0);
}

static void build(struct fixture *f)
{
	changes_sort(&f->changes);
	moves_follow(&f->changes, &f->moves, DIRECTION_BOTH);
	structure_settle(&f->changes, &f->policy);
	plan_build(&f->plan, &f->changes, &f->moves, &f->policy, false);
	filling_in_plan(&f->plan);
}

/* The paths of the operations until those that end folders, in their order, each with a blank behind it. */
static const char *order(const struct fixture *f)
{
	static char text[256];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < f->plan.count; i++) {
		const struct op *op = f->plan.ops[i];
		size_t more = strlen(op->path) + 1;

		if (op->phase == PHASE_FINISH)
			continue;
		assert_true(len + more < sizeof(text));
		memcpy(text + len, op->path, more - 1);
		text[len + more - 1] = ' ';
		len += more;
		text[len] = '\0';
	}
	return text;
}

static const struct op *folder_op(const struct fixture *f, const char *path)
{
	for (size_t i = 0; i < f->plan.count; i++)
		if (f->plan.ops[i]->kind == OP_MKDIR && strcmp(f->plan.ops[i]->path, path) == 0)
			return f->plan.ops[i];
	fail_msg("no folder %s is made", path);
	return NULL;
}

static void test_a_new_folder_comes_right_before_what_is_in_it(void **state)
{
	struct fixture f;

	begin(&f);
	new_file(&f, "a");
	new_folder(&f, "b");
	new_file(&f, "b/x");
	new_folder(&f, "b/c");
	new_file(&f, "b/c/x");
	new_file(&f, "b/z");
	new_folder(&f, "d");
	new_file(&f, "e");
	build(&f);
	assert_string_equal(order(&f), "a b b/c b/c/x b/x b/z d e ");
	assert_true(op_is_filled(folder_op(&f, "b")));
	assert_true(op_is_filled(folder_op(&f, "b/c")));
	assert_true(op_is_filled(folder_op(&f, "d")));
	end(&f);
}

static void test_folders_alone_are_made_first(void **state)
{
	struct fixture f;

	begin(&f);
	new_folder(&f, "b");
	new_folder(&f, "b/c");
	build(&f);
	assert_string_equal(order(&f), "b b/c ");
	assert_false(op_is_filled(folder_op(&f, "b")));
	end(&f);
}

static void test_a_folder_that_takes_the_place_of_a_file_is_made_first(void **state)
{
	struct change *change = NULL;
	struct fixture f;

	begin(&f);
	new_file(&f, "a");
	change = a_change(&f.changes, "b", ENTRY_FILE, 1, 1, 1);
	change->now[SIDE_INITIATOR]->type = ENTRY_DIR;
	new_folder(&f, "b/c");
	new_file(&f, "b/c/x");
	build(&f);
	assert_string_equal(order(&f), "b a b/c b/c/x ");
	assert_false(op_is_filled(folder_op(&f, "b")));
	assert_true(op_is_filled(folder_op(&f, "b/c")));
	end(&f);
}

/* What is renamed into it may not wait for its files. */
static void test_with_a_rename_folders_are_made_first(void **state)
{
	struct fixture f;

	begin(&f);
	a_change(&f.changes, "old", ENTRY_FILE, 7, 0, 7);
	a_change(&f.changes, "b/new", ENTRY_FILE, 0, 7, 0);
	new_folder(&f, "b");
	new_file(&f, "b/x");
	build(&f);
	assert_int_equal(f.moves.count, 1);
	assert_false(op_is_filled(folder_op(&f, "b")));
	assert_int_equal(folder_op(&f, "b")->phase, PHASE_MOVE);
	end(&f);
}

/* As after reuse_in_plan(): what is copied is put in its folder before anything is sent. */
static void test_with_a_copy_folders_are_made_first(void **state)
{
	struct fixture f;

	begin(&f);
	new_folder(&f, "b");
	new_file(&f, "b/x");
	new_file(&f, "b/y");
	changes_sort(&f.changes);
	structure_settle(&f.changes, &f.policy);
	plan_build(&f.plan, &f.changes, &f.moves, &f.policy, false);
	for (size_t i = 0; i < f.plan.count; i++)
		if (strcmp(f.plan.ops[i]->path, "b/y") == 0)
			f.plan.ops[i]->phase = PHASE_KEEP;
	plan_sort(&f.plan);
	filling_in_plan(&f.plan);
	assert_string_equal(order(&f), "b b/y b/x ");
	assert_false(op_is_filled(folder_op(&f, "b")));
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_folder_comes_right_before_what_is_in_it),
		cmocka_unit_test(test_folders_alone_are_made_first),
		cmocka_unit_test(test_a_folder_that_takes_the_place_of_a_file_is_made_first),
		cmocka_unit_test(test_with_a_rename_folders_are_made_first),
		cmocka_unit_test(test_with_a_copy_folders_are_made_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
