/* SPDX-License-Identifier: BSD-2-Clause */
/* A record is whole or not there; so is a file that is one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "box.h"
#include "store/note.h"

static int save(const char *text)
{
	AUTO_BUF payload = BUF_INIT;

	enc_str(&payload, text);
	return note_save(box_dirfd(), "note", &payload, NULL);
}

/* Whether the file holds exactly this. */
static bool holds(const char *text)
{
	AUTO_BUF bytes = BUF_INIT;
	AUTO_BUF expected = BUF_INIT;
	struct dec payload;

	enc_str(&expected, text);
	return note_load(box_dirfd(), "note", &bytes, &payload) &&
	       dec_left(&payload) == expected.len &&
	       memcmp(payload.pos, expected.data, expected.len) == 0;
}

static void a_file_that_is_one_record_comes_back(void **state)
{
	assert_false(holds("first"));
	assert_int_equal(save("first"), 0);
	assert_true(holds("first"));
	assert_int_equal(save("second"), 0);
	assert_true(holds("second"));
}

static void a_damaged_file_holds_nothing(void **state)
{
	AUTO_BUF whole = BUF_INIT;

	assert_int_equal(save("text"), 0);
	assert_true(box_read("note", &whole));
	for (size_t i = 0; i < whole.len; i++) {
		whole.data[i] ^= 1;
		box_write("note", whole.data, whole.len);
		assert_false(holds("text"));
		whole.data[i] ^= 1;
		box_write("note", whole.data, i);
		assert_false(holds("text"));
	}
	box_write("note", whole.data, whole.len);
	assert_true(holds("text"));
}

static void what_is_no_small_file_is_not_read(void **state)
{
	char text[2 * NOTE_FILE_MAX];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(save(text), 0);
	assert_false(holds(text));
}

#define BOXED(test) cmocka_unit_test_setup_teardown(test, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(a_file_that_is_one_record_comes_back),
		BOXED(a_damaged_file_holds_nothing),
		BOXED(what_is_no_small_file_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
