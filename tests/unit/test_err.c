/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors as values: the cause, its context, and never more than there is room for. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"

static void a_cause_is_recorded(void **state)
{
	struct err err = ERR_INIT;

	assert_false(err_is_set(&err));
	assert_int_equal(err_set(&err, ERR_GUARD, "%d of %s", 9, "ten"), -1);
	assert_true(err_is_set(&err));
	assert_int_equal(err.kind, ERR_GUARD);
	assert_int_equal(err.sys, 0);
	assert_string_equal(err.msg, "9 of ten");
	assert_non_null(strstr(err.where, "test_err.c:"));
}

static void a_system_error_explains_itself(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(err_sys(&err, ENOENT, "cannot open '%s'", "x"), -1);
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_int_equal(err.sys, ENOENT);
	assert_string_equal(err.msg, "cannot open 'x': No such file or directory");
	err_sys(&err, 99999, "odd");
	assert_string_equal(err.msg, "odd: unknown error");
}

static void context_goes_in_front_and_changes_nothing_else(void **state)
{
	struct err err = ERR_INIT;
	const char *where = NULL;

	err_sys(&err, EACCES, "cannot open 'x'");
	where = err.where;
	assert_int_equal(err_wrap(&err, "cannot read %s", "the list"), -1);
	assert_int_equal(err_wrap(&err, "run"), -1);
	assert_string_equal(err.msg,
			    "run: cannot read the list: cannot open 'x': Permission denied");
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_int_equal(err.sys, EACCES);
	assert_ptr_equal(err.where, where);
}

static void long_messages_are_cut(void **state)
{
	AUTO_FREE char *longer = xmalloc(2000);
	struct err err = ERR_INIT;

	memset(longer, 'l', 2000);
	longer[1999] = '\0';
	err_set(&err, ERR_USAGE, "%s", longer);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	err_sys(&err, EIO, "%s", longer);
	/* The reason survives. */
	assert_non_null(strstr(err.msg, ": Input/output error"));
	for (int i = 0; i < 5; i++)
		err_wrap(&err, "%s", longer);
	assert_true(strlen(err.msg) < sizeof(err.msg));
}

static void nobody_needs_to_know(void **state)
{
	assert_int_equal(err_set(NULL, ERR_USAGE, "x"), -1);
	assert_int_equal(err_sys(NULL, EIO, "x"), -1);
	assert_int_equal(err_wrap(NULL, "x"), -1);
	err_clear(NULL);
}

static void a_handled_error_is_forgotten(void **state)
{
	struct err err = ERR_INIT;

	err_sys(&err, EIO, "x");
	err_clear(&err);
	assert_false(err_is_set(&err));
	assert_int_equal(err.sys, 0);
	assert_string_equal(err.msg, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cause_is_recorded),
		cmocka_unit_test(a_system_error_explains_itself),
		cmocka_unit_test(context_goes_in_front_and_changes_nothing_else),
		cmocka_unit_test(long_messages_are_cut),
		cmocka_unit_test(nobody_needs_to_know),
		cmocka_unit_test(a_handled_error_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
