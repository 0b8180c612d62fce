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

static const struct guard_limits limits = { .max_delete_percent = 50, .max_delete_count = 10 };

/* A run over `files` agreed files, all in folder "d" (or at the top), both sides not empty. */
struct fixture {
	struct changes changes;
	struct census census;
	struct err err;
};

static void begin(struct fixture *f, unsigned files, const char *prefix)
{
	*f = (struct fixture){ CHANGES_INIT, CENSUS_INIT, ERR_INIT };
	f->census.present[0] = f->census.present[1] = 1;
	for (unsigned i = 0; i < files; i++) {
		struct base base = { .type = ENTRY_FILE };
		char path[32] = "";

		snprintf(path, sizeof(path), "%s%03u", prefix, i);
		census_add(&f->census, path, &base);
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
	int status = guard_check(&f->changes, &f->census, &limits, &f->err);

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
	struct base base = { .type = ENTRY_FILE };

	begin(&f, 20, "d/f");
	for (int i = 0; i < 1000; i++)
		census_add(&f.census, "e/x", &base);
	delete (&f, 15, "d/f", SIDE_INITIATOR);
	assert_int_equal(finish(&f), -1);
	assert_non_null(strstr(f.err.msg, "15 of 20 files in 'd'"));
	assert_non_null(strstr(f.err.msg, "--allow-deletes"));
}

static void test_name_that_begins_like_the_folder_is_not_in_it(void **state)
{
	struct fixture f;
	struct base base = { .type = ENTRY_FILE };

	begin(&f, 12, "d/f");
	for (int i = 0; i < 1000; i++)
		census_add(&f.census, "d.old/x", &base);
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
	assert_non_null(strstr(f.err.msg, "the target is empty"));
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
		struct base base = { .type = ENTRY_FILE };

		snprintf(path, sizeof(path), "%s%03u", prefix, i);
		census_add(&f.census, path, &base);
		a_change(&f.changes, path, ENTRY_FILE, 1, 0, 1)->verdict.kind = VERDICT_DELETE;
	}
	f.census.files = 1000;
	assert_int_equal(finish(&f), -1);
	assert_non_null(strstr(f.err.msg, "nnn"));
	assert_non_null(strstr(f.err.msg, "--allow-deletes"));
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
