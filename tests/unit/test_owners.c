/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/owners.h"

static struct owners *ann_and_bob(void)
{
	struct owners *owners = owners_new();

	owners_set(owners, SIDE_INITIATOR, OWNER_USER, 1000, "ann");
	owners_set(owners, SIDE_INITIATOR, OWNER_USER, 1001, "bob");
	owners_set(owners, SIDE_TARGET, OWNER_USER, 1000, "bob");
	owners_set(owners, SIDE_TARGET, OWNER_USER, 501, "ann");
	return owners;
}

static void test_same_name_is_the_same_owner(void **state)
{
	struct owners *owners = ann_and_bob();

	assert_true(owners_same_user(owners, 1000, 501));
	assert_true(owners_same_user(owners, 1001, 1000));
	assert_false(owners_same_user(owners, 1000, 1000));
	owners_free(owners);
}

static void test_without_a_name_the_number_counts(void **state)
{
	struct owners *owners = ann_and_bob();

	assert_true(owners_same_user(owners, 7, 7));
	assert_false(owners_same_user(owners, 7, 8));
	/* Only one side has a name for it. */
	assert_true(owners_same_user(owners, 501, 501));
	assert_false(owners_same_user(owners, 1000, 77));
	owners_free(owners);
}

static void test_users_are_no_groups(void **state)
{
	struct owners *owners = ann_and_bob();

	assert_null(owners_name(owners, SIDE_INITIATOR, OWNER_GROUP, 1000));
	assert_true(owners_same_group(owners, 1000, 1000));
	assert_false(owners_same_group(owners, 1000, 501));
	owners_free(owners);
}

static void test_first_name_stays(void **state)
{
	struct owners *owners = ann_and_bob();

	owners_set(owners, SIDE_INITIATOR, OWNER_USER, 1000, "carl");
	assert_string_equal(owners_name(owners, SIDE_INITIATOR, OWNER_USER, 1000), "ann");
	owners_free(owners);
}

static void test_no_owners_know_no_names(void **state)
{
	assert_null(owners_name(NULL, SIDE_TARGET, OWNER_USER, 0));
	assert_true(owners_same_user(NULL, 5, 5));
	assert_false(owners_same_group(NULL, 5, 6));
	owners_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_name_is_the_same_owner),
		cmocka_unit_test(test_without_a_name_the_number_counts),
		cmocka_unit_test(test_users_are_no_groups),
		cmocka_unit_test(test_first_name_stays),
		cmocka_unit_test(test_no_owners_know_no_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
