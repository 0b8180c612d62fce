/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table's files cut at every byte, flipped at every bit, or not belonging together:
 * it reads as a state it has been in, or is ERR_CORRUPT.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "box.h"
#include "store/table.h"
#include "table_help.h"
#include "table_states.h"

static void a_base_cut_anywhere_is_refused(void **state)
{
	states_start_both();
	for (off_t len = box_size("t.base") - 1; len >= 0; len--) {
		assert_int_equal(truncate("t.base", len), 0);
		states_must_refuse();
	}
}

static void a_base_with_any_bit_flipped_is_refused(void **state)
{
	AUTO_FILES files = FILES_INIT;

	states_start_both();
	files_save(&files);
	for (size_t bit = 0; bit < 8 * files.base.len; bit++) {
		files.base.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		box_write("t.base", files.base.data, files.base.len);
		states_must_refuse();
		files.base.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

static void a_base_with_something_behind_it_is_refused(void **state)
{
	AUTO_FILES files = FILES_INIT;

	states_start_base();
	files_save(&files);
	buf_addch(&files.base, 0);
	files_restore(&files);
	states_must_refuse();
}

static const char four_flushes[] = "c=3 -b . d=4 ^I . -a .";

static void a_journal_cut_anywhere_is_a_prefix_or_refused(void **state)
{
	AUTO(states_release) struct states states = { .count = 0 };
	AUTO_FILES files = FILES_INIT;
	size_t refused = 0;
	size_t len = 0;

	states_start_base();
	states_of(four_flushes, &states);
	files_save(&files);
	len = files.journal.len;
	for (size_t cut = len; cut-- > 0;) {
		files.journal.len = cut;
		files_restore(&files);
		if (!states_reads(&states))
			refused++;
		else
			states_must_go_on();
	}
	/* Header and first frame, no more. */
	assert_true(refused > 56 && refused < len / 2 + 56);
}

static void a_journal_with_any_bit_flipped_is_a_prefix_or_refused(void **state)
{
	AUTO(states_release) struct states states = { .count = 0 };
	AUTO_FILES files = FILES_INIT;
	size_t last = 0;

	states_start_base();
	states_of("c=3 -b . d=4 ^I .", &states);
	last = (size_t)box_size("t.journal");
	help_run("-a .");
	states_add(&states);
	files_save(&files);
	for (size_t bit = 0; bit < 8 * files.journal.len; bit++) {
		files.journal.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		box_write("t.journal", files.journal.data, files.journal.len);
		/* Only the last frame can be torn: before it, any flip is damage. */
		assert_int_equal(states_reads(&states), bit / 8 >= last);
		files.journal.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

static void a_frame_whose_first_page_is_lost_is_torn(void **state)
{
	AUTO_FILES files = FILES_INIT;
	size_t last = 0;

	states_start_both();
	last = (size_t)box_size("t.journal");
	help_run("e=5 f=6 g=7 .");
	files_save(&files);
	/* The disk had written the frame's end and not its beginning. */
	memset(files.journal.data + last, 0, 30);
	files_restore(&files);
	help_expect("^H a=1 c=3 d=4");
	states_must_go_on();
}

static void reading_does_not_cut_a_torn_journal(void **state)
{
	off_t torn = 0;

	states_start_torn();
	torn = box_size("t.journal");
	help_expect("^H a=1 c=3");
	assert_int_equal(box_size("t.journal"), torn);
	/* Nor does opening for writing and leaving it at that. */
	help_run(".");
	assert_int_equal(box_size("t.journal"), torn);
}

static void a_torn_tail_longer_than_the_next_frame_leaves_nothing(void **state)
{
	AUTO_FILES files = FILES_INIT;

	states_start_both();
	files_save(&files);
	for (int i = 0; i < 1000; i++)
		buf_addch(&files.journal, i);
	files_restore(&files);
	help_run("e=5 .");
	assert_true(box_size("t.journal") < (off_t)files.journal.len - 900);
	help_expect("^H a=1 c=3 d=4 e=5");
}

/* The disk gives a new journal the blocks of an old one. */
static void the_tail_of_an_earlier_journal_is_not_replayed(void **state)
{
	AUTO_FILES old = FILES_INIT;
	AUTO_FILES new = FILES_INIT;
	size_t end = 0;

	help_run("a=1 . b=2 .");
	files_save(&old);
	help_run("!");
	unlink("t.base");
	help_run("a=1 .");
	files_save(&new);
	end = new.journal.len;
	assert_true(end < old.journal.len);
	buf_add(&new.journal, old.journal.data + new.journal.len,
		old.journal.len - new.journal.len);
	files_restore(&new);
	help_expect("a=1");
	/* Nor if by chance both have the same mark, which are the id's first bytes. */
	memcpy(new.journal.data + end, new.journal.data + 16, 4);
	files_restore(&new);
	help_expect("a=1");
}

/* A frame that was copied further on is not replayed there. */
static void a_frame_at_another_place_is_not_replayed(void **state)
{
	AUTO_FILES files = FILES_INIT;
	size_t first = 0;
	size_t second = 0;

	help_run("a=1 .");
	first = (size_t)box_size("t.journal");
	help_run("a=2 .");
	second = (size_t)box_size("t.journal");
	help_run("a=3 .");
	files_save(&files);
	buf_reserve(&files.journal, second - first);
	buf_add(&files.journal, files.journal.data + first, second - first);
	files_restore(&files);
	help_expect("a=3");
}

static void an_unknown_version_is_refused_by_name(void **state)
{
	AUTO_FILES files = FILES_INIT;
	struct err err = ERR_INIT;

	states_start_both();
	files_save(&files);
	files.base.data[8]++;
	files_restore(&files);
	assert_null(table_open(box_dirfd(), "t", TABLE_READ, &err));
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_non_null(strstr(err.msg, "'t.base'"));
	assert_non_null(strstr(err.msg, "version"));
	files.base.data[8]--;
	files.journal.data[8]++;
	files_restore(&files);
	assert_null(table_open(box_dirfd(), "t", TABLE_READ, &err));
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_non_null(strstr(err.msg, "'t.journal'"));
	assert_non_null(strstr(err.msg, "version"));
}

static void files_that_do_not_belong_together_are_refused(void **state)
{
	AUTO_FILES older = FILES_INIT;
	AUTO_FILES newer = FILES_INIT;

	states_start_both();
	files_save(&older);
	help_run("! e=5 . ! f=6 .");
	files_save(&newer);

	/* An older base was restored, or an older journal, or the base was lost. */
	box_write("t.base", older.base.data, older.base.len);
	states_must_refuse();
	files_restore(&newer);
	box_write("t.journal", older.journal.data, older.journal.len);
	states_must_refuse();
	unlink("t.base");
	states_must_refuse();
	files_restore(&newer);
	help_expect("^H a=1 c=3 d=4 e=5 f=6");
}

static void what_is_no_file_is_refused(void **state)
{
	static const char *const names[] = { "t.base", "t.journal" };

	states_start_both();
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(rename(names[i], "real"), 0);
		assert_int_equal(symlink("real", names[i]), 0);
		states_must_refuse();
		unlink(names[i]);
		assert_int_equal(mkfifo(names[i], 0600), 0);
		states_must_refuse();
		unlink(names[i]);
		assert_int_equal(mkdir(names[i], 0700), 0);
		states_must_refuse();
		rmdir(names[i]);
		box_write(names[i], "", 0);
		states_must_refuse();
		unlink(names[i]);
		assert_int_equal(rename("real", names[i]), 0);
	}
	help_expect("^H a=1 c=3 d=4");
}

#define BOXED(test) cmocka_unit_test_setup_teardown(test, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(a_base_cut_anywhere_is_refused),
		BOXED(a_base_with_any_bit_flipped_is_refused),
		BOXED(a_base_with_something_behind_it_is_refused),
		BOXED(a_journal_cut_anywhere_is_a_prefix_or_refused),
		BOXED(a_journal_with_any_bit_flipped_is_a_prefix_or_refused),
		BOXED(a_frame_whose_first_page_is_lost_is_torn),
		BOXED(reading_does_not_cut_a_torn_journal),
		BOXED(a_torn_tail_longer_than_the_next_frame_leaves_nothing),
		BOXED(the_tail_of_an_earlier_journal_is_not_replayed),
		BOXED(a_frame_at_another_place_is_not_replayed),
		BOXED(an_unknown_version_is_refused_by_name),
		BOXED(files_that_do_not_belong_together_are_refused),
		BOXED(what_is_no_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
