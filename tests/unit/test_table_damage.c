/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table after what should not happen: killed at every system call, a full or
 * failing disk at every system call, files cut at every byte, every bit flipped, files
 * that do not belong together.  It reads as one of the states it has been in, or says
 * ERR_CORRUPT.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "box.h"
#include "store/table.h"
#include "table_help.h"

enum { STATES = 8 };

/* The states a table goes through, each as its dump; the first is that before the script. */
struct states {
	char *dump[STATES];
	size_t count;
};

static void states_release(struct states *states)
{
	for (size_t i = 0; i < states->count; i++)
		free(states->dump[i]);
}

static void states_add(struct states *states)
{
	AUTO_BUF dump = BUF_INIT;

	assert_true(states->count < STATES);
	assert_int_equal(help_dump(&dump, NULL), 0);
	states->dump[states->count++] = buf_steal_cstr(&dump);
}

static bool states_have(const struct states *states, const char *dump)
{
	for (size_t i = 0; i < states->count; i++)
		if (strcmp(states->dump[i], dump) == 0)
			return true;
	return false;
}

/* Run the script, noting the state after each flush and fold. */
static void states_of(const char *script, struct states *states)
{
	AUTO_TABLE *table = help_open(TABLE_WRITE);

	states_add(states);
	while (*script) {
		bool durable = *script == '.' || *script == '!';

		assert_int_equal(help_step(table, &script, NULL), 0);
		if (durable)
			states_add(states);
	}
}

/* Both files, kept aside. */
struct files {
	struct buf base;
	struct buf journal;
	bool has_base;
	bool has_journal;
};

#define FILES_INIT                               \
	{                                        \
		BUF_INIT, BUF_INIT, false, false \
	}
#define AUTO_FILES AUTO(files_release) struct files

static void files_release(struct files *files)
{
	buf_release(&files->base);
	buf_release(&files->journal);
}

static void files_save(struct files *files)
{
	buf_reset(&files->base);
	buf_reset(&files->journal);
	files->has_base = box_read("t.base", &files->base);
	files->has_journal = box_read("t.journal", &files->journal);
}

static void files_restore(const struct files *files)
{
	unlink("t.base");
	unlink("t.journal");
	unlink("t.base.new");
	unlink("t.journal.new");
	if (files->has_base)
		box_write("t.base", files->base.data, files->base.len);
	if (files->has_journal)
		box_write("t.journal", files->journal.data, files->journal.len);
}

/* Fails unless the table reads as one of the states, or is refused as damaged. */
static bool reads_as(const struct states *states)
{
	AUTO_BUF dump = BUF_INIT;
	struct err err = ERR_INIT;

	if (help_dump(&dump, &err) < 0) {
		if (err.kind != ERR_CORRUPT)
			fail_msg("not ERR_CORRUPT but %d: %s", (int)err.kind, err.msg);
		return false;
	}
	if (!states_have(states, buf_cstr(&dump)))
		fail_msg("a state that never was: '%s'", buf_cstr(&dump));
	return true;
}

static void must_read_as(const struct states *states, const char *when, unsigned n)
{
	if (!reads_as(states))
		fail_msg("%s at %u: the table is unreadable", when, n);
}

static void must_be_corrupt(void)
{
	AUTO_BUF dump = BUF_INIT;
	struct err err = ERR_INIT;

	if (help_dump(&dump, &err) == 0)
		fail_msg("believed: '%s'", buf_cstr(&dump));
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_true(strlen(err.msg) > 10);
}

/* The states from which scripts are killed and failed ------------------------ */

static void start_empty(void)
{
}

static void start_journal(void)
{
	help_run("a=1 ^H . b=2 .");
}

static void start_base(void)
{
	help_run("a=1 ^H b=2 !");
}

static void start_both(void)
{
	help_run("a=1 ^H b=2 ! c=3 -b . d=4 .");
}

static void start_torn(void)
{
	start_both();
	assert_int_equal(truncate("t.journal", box_size("t.journal") - 1), 0);
}

/* A journal that outlived its folding. */
static void start_stale(void)
{
	AUTO_FILES files = FILES_INIT;

	start_both();
	files_save(&files);
	help_run("!");
	box_write("t.journal", files.journal.data, files.journal.len);
	help_expect("^H a=1 c=3 d=4");
}

static void (*const starts[])(void) = {
	start_empty, start_journal, start_base, start_both, start_torn, start_stale,
};
enum { STARTS = sizeof(starts) / sizeof(starts[0]) };

static const char script[] = "e=5 -a ^I . f=6 . g=7 ! h=8 -c . i=9 !";

/* It still works, whatever happened: something is added, folded and found. */
static void must_go_on(void)
{
	AUTO_BUF dump = BUF_INIT;

	assert_int_equal(help_dump(&dump, NULL), 0);
	buf_addstr(&dump, dump.len ? " z=26" : "z=26");
	help_run("z=26 .");
	help_expect(buf_cstr(&dump));
	help_run("!");
	help_expect(buf_cstr(&dump));
}

static void work_script(void *arg)
{
	/* Not help_run: in the child nothing may be asserted. */
	struct table *table = table_open(box_dirfd(), "t", TABLE_WRITE, NULL);

	if (!table || help_script(table, script, NULL) < 0)
		_exit(1);
}

static unsigned kill_everywhere(const struct files *files, const struct states *states)
{
	for (unsigned n = 1;; n++) {
		char fault[32];
		int status = 0;

		files_restore(files);
		snprintf(fault, sizeof(fault), "kill:%u", n);
		status = box_fork(fault, work_script, NULL);
		must_read_as(states, "killed", n);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			return n;
		}
		assert_int_equal(WTERMSIG(status), SIGKILL);
		must_go_on();
	}
}

static void killed_anywhere_it_reads_as_before_or_after(void **state)
{
	for (size_t s = 0; s < STARTS; s++) {
		AUTO_FILES files = FILES_INIT;
		AUTO(states_release) struct states states = { .count = 0 };

		files_restore(&files);
		starts[s]();
		files_save(&files);
		states_of(script, &states);
		assert_true(kill_everywhere(&files, &states) > 20);
	}
}

/* Run the script, doing again what failed; the number of failures. */
static unsigned insist(struct table *table, const char *words, int errnum,
		       const struct states *states)
{
	unsigned failures = 0;

	while (*words) {
		const char *word = words;
		struct err err = ERR_INIT;

		if (help_step(table, &words, &err) == 0)
			continue;
		failures++;
		assert_int_equal(err.kind, ERR_SYSTEM);
		assert_int_equal(err.sys, errnum);
		must_read_as(states, "failed", failures);
		words = word;
	}
	return failures;
}

static void fail_everywhere(const struct files *files, const struct states *states, int errnum)
{
	for (unsigned n = 1;; n++) {
		unsigned failures = 0;

		files_restore(files);
		AUTO_TABLE *table = help_open(TABLE_WRITE);
		box_fault("fail:%u:%d", n, errnum);
		failures = insist(table, script, errnum, states);
		box_fault_off();
		help_expect(states->dump[states->count - 1]);
		/* Nothing half done is left lying about. */
		assert_false(box_exists("t.base.new"));
		assert_false(box_exists("t.journal.new"));
		if (failures == 0) {
			assert_true(n > 20);
			return;
		}
		assert_int_equal(failures, 1);
	}
}

static void a_failing_disk_is_reported_and_trying_again_works(void **state)
{
	static const int errors[] = { ENOSPC, EIO };

	for (size_t s = 0; s < STARTS; s++) {
		AUTO_FILES files = FILES_INIT;
		AUTO(states_release) struct states states = { .count = 0 };

		files_restore(&files);
		starts[s]();
		files_save(&files);
		states_of(script, &states);
		for (size_t e = 0; e < 2; e++)
			fail_everywhere(&files, &states, errors[e]);
	}
}

static void after_a_failure_the_next_run_goes_on(void **state)
{
	AUTO_FILES files = FILES_INIT;
	AUTO(states_release) struct states states = { .count = 0 };
	int failed = -1;

	start_both();
	files_save(&files);
	states_of(script, &states);
	for (unsigned n = 1; failed < 0; n++) {
		files_restore(&files);
		AUTO_TABLE *table = help_open(TABLE_WRITE);
		box_fault("fail:%u:%d", n, EIO);
		failed = help_script(table, script, NULL);
		box_fault_off();
		must_read_as(&states, "failed", n);
		must_go_on();
	}
}

static void expect_calls(struct table *table, const char *words, const char *calls)
{
	AUTO_BUF made = BUF_INIT;

	box_fault("count:calls");
	assert_int_equal(help_script(table, words, NULL), 0);
	box_fault_off();
	box_calls(&made);
	assert_string_equal(buf_cstr(&made), calls);
}

/* What a kill cannot show, and a power cut would: that every step is durable before the next. */
static void every_step_is_durable_before_the_next(void **state)
{
	AUTO_TABLE *table = help_open(TABLE_WRITE);

	expect_calls(table, "a=1 .", "openat write write fsync renameat2 fsync");
	expect_calls(table, "b=2 .", "pwrite fdatasync");
	expect_calls(table, "c=3 !",
		     "pwrite fdatasync openat write write write write fsync close renameat2 fsync "
		     "unlinkat");
	/* The new base's name could not be made durable: first of all that is done again. */
	help_script(table, "d=4 .", NULL);
	box_fault("fail:9:%d", EIO);
	assert_int_equal(table_fold(table, NULL), -1);
	expect_calls(table, "e=5 .", "fsync openat write write fsync renameat2 fsync");
	help_expect("a=1 b=2 c=3 d=4 e=5");
}

/* A disk that has room for `room` more bytes, for real. */
static int flush_with_room(struct table *table, off_t room, struct err *err)
{
	struct rlimit limit = { 0, 0 };
	struct rlimit old = { 0, 0 };
	int result = 0;

	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = (rlim_t)room;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	result = table_flush(table, err);
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_DFL);
	return result;
}

static void a_partial_append_is_cut_off_and_done_again(void **state)
{
	help_run("a=1 .");
	AUTO_TABLE *table = help_open(TABLE_WRITE);
	struct err err = ERR_INIT;
	off_t size = box_size("t.journal");

	help_script(table, "b=2 c=3", NULL);
	assert_int_equal(flush_with_room(table, size + 7, &err), -1);
	assert_int_equal(err.sys, EFBIG);
	assert_int_equal(box_size("t.journal"), size);
	help_expect("a=1");
	help_script(table, "d=4", NULL);
	assert_int_equal(table_flush(table, NULL), 0);
	help_expect("a=1 b=2 c=3 d=4");
}

static void a_partial_append_that_cannot_be_cut_is_cut_later(void **state)
{
	help_run("a=1 .");
	AUTO_TABLE *table = help_open(TABLE_WRITE);
	off_t size = box_size("t.journal");

	help_script(table, "b=2 c=3", NULL);
	/* The first passage is the write, which really fails; the second is the cut. */
	box_fault("fail:2:%d", EIO);
	assert_int_equal(flush_with_room(table, size + 7, NULL), -1);
	box_fault_off();
	assert_int_equal(box_size("t.journal"), size + 7);
	help_expect("a=1");
	assert_int_equal(table_flush(table, NULL), 0);
	help_expect("a=1 b=2 c=3");
}

/* Damage ------------------------------------------------------------------- */

static void a_base_cut_anywhere_is_refused(void **state)
{
	start_both();
	for (off_t len = box_size("t.base") - 1; len >= 0; len--) {
		assert_int_equal(truncate("t.base", len), 0);
		must_be_corrupt();
	}
}

static void a_base_with_any_bit_flipped_is_refused(void **state)
{
	AUTO_FILES files = FILES_INIT;

	start_both();
	files_save(&files);
	for (size_t bit = 0; bit < 8 * files.base.len; bit++) {
		files.base.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		box_write("t.base", files.base.data, files.base.len);
		must_be_corrupt();
		files.base.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

static void a_base_with_something_behind_it_is_refused(void **state)
{
	AUTO_FILES files = FILES_INIT;

	start_base();
	files_save(&files);
	buf_addch(&files.base, 0);
	files_restore(&files);
	must_be_corrupt();
}

static const char four_flushes[] = "c=3 -b . d=4 ^I . -a .";

static void a_journal_cut_anywhere_is_a_prefix_or_refused(void **state)
{
	AUTO(states_release) struct states states = { .count = 0 };
	AUTO_FILES files = FILES_INIT;
	size_t refused = 0;
	size_t len = 0;

	start_base();
	states_of(four_flushes, &states);
	files_save(&files);
	len = files.journal.len;
	for (size_t cut = len; cut-- > 0;) {
		files.journal.len = cut;
		files_restore(&files);
		if (!reads_as(&states))
			refused++;
		else
			must_go_on();
	}
	/* Header and first frame, no more. */
	assert_true(refused > 56 && refused < len / 2 + 56);
}

static void a_journal_with_any_bit_flipped_is_a_prefix_or_refused(void **state)
{
	AUTO(states_release) struct states states = { .count = 0 };
	AUTO_FILES files = FILES_INIT;
	size_t last = 0;

	start_base();
	states_of("c=3 -b . d=4 ^I .", &states);
	last = (size_t)box_size("t.journal");
	help_run("-a .");
	states_add(&states);
	files_save(&files);
	for (size_t bit = 0; bit < 8 * files.journal.len; bit++) {
		files.journal.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		box_write("t.journal", files.journal.data, files.journal.len);
		/* Only the last frame can be torn: before it, any flip is damage. */
		assert_int_equal(reads_as(&states), bit / 8 >= last);
		files.journal.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

static void a_frame_whose_first_page_is_lost_is_torn(void **state)
{
	AUTO_FILES files = FILES_INIT;
	size_t last = 0;

	start_both();
	last = (size_t)box_size("t.journal");
	help_run("e=5 f=6 g=7 .");
	files_save(&files);
	/* The disk had written the frame's end and not its beginning. */
	memset(files.journal.data + last, 0, 30);
	files_restore(&files);
	help_expect("^H a=1 c=3 d=4");
	must_go_on();
}

static void reading_does_not_cut_a_torn_journal(void **state)
{
	off_t torn = 0;

	start_torn();
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

	start_both();
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

	help_run("a=1 . b=2 .");
	files_save(&old);
	help_run("!");
	unlink("t.base");
	help_run("a=1 .");
	files_save(&new);
	assert_true(new.journal.len < old.journal.len);
	buf_add(&new.journal, old.journal.data + new.journal.len,
		old.journal.len - new.journal.len);
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

	start_both();
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

	start_both();
	files_save(&older);
	help_run("! e=5 . ! f=6 .");
	files_save(&newer);

	/* An older base was restored, or an older journal, or the base was lost. */
	box_write("t.base", older.base.data, older.base.len);
	must_be_corrupt();
	files_restore(&newer);
	box_write("t.journal", older.journal.data, older.journal.len);
	must_be_corrupt();
	unlink("t.base");
	must_be_corrupt();
	files_restore(&newer);
	help_expect("^H a=1 c=3 d=4 e=5 f=6");
}

static void what_is_no_file_is_refused(void **state)
{
	static const char *const names[] = { "t.base", "t.journal" };

	start_both();
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(rename(names[i], "real"), 0);
		assert_int_equal(symlink("real", names[i]), 0);
		must_be_corrupt();
		unlink(names[i]);
		assert_int_equal(mkfifo(names[i], 0600), 0);
		must_be_corrupt();
		unlink(names[i]);
		assert_int_equal(mkdir(names[i], 0700), 0);
		must_be_corrupt();
		rmdir(names[i]);
		box_write(names[i], "", 0);
		must_be_corrupt();
		unlink(names[i]);
		assert_int_equal(rename("real", names[i]), 0);
	}
	help_expect("^H a=1 c=3 d=4");
}

/* Setting aside ------------------------------------------------------------ */

static void setting_aside_keeps_both_files_every_time(void **state)
{
	assert_int_equal(table_set_aside(box_dirfd(), "t", NULL), 0);
	assert_int_equal(box_names(), 0);
	for (size_t i = 1; i <= 3; i++) {
		start_both();
		assert_int_equal(table_set_aside(box_dirfd(), "t", NULL), 0);
		assert_int_equal(box_names(), 2 * i);
		help_expect("");
	}
}

static void work_set_aside(void *arg)
{
	if (table_set_aside(box_dirfd(), "t", NULL) < 0)
		_exit(1);
}

/* Half set aside, the files must not be believed to be an older state. */
static void killed_while_setting_aside_nothing_old_is_believed(void **state)
{
	AUTO_FILES files = FILES_INIT;
	int status = -1;

	start_both();
	files_save(&files);
	for (unsigned n = 1; status != 0; n++) {
		AUTO_BUF dump = BUF_INIT;
		struct err err = ERR_INIT;
		char fault[32];

		files_restore(&files);
		snprintf(fault, sizeof(fault), "kill:%u", n);
		status = box_fork(fault, work_set_aside, NULL);
		if (help_dump(&dump, &err) < 0)
			assert_int_equal(err.kind, ERR_CORRUPT);
		else
			assert_string_equal(buf_cstr(&dump), n == 1 ? "^H a=1 c=3 d=4" : "");
	}
}

#define BOXED(test) cmocka_unit_test_setup_teardown(test, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(killed_anywhere_it_reads_as_before_or_after),
		BOXED(a_failing_disk_is_reported_and_trying_again_works),
		BOXED(after_a_failure_the_next_run_goes_on),
		BOXED(every_step_is_durable_before_the_next),
		BOXED(a_partial_append_is_cut_off_and_done_again),
		BOXED(a_partial_append_that_cannot_be_cut_is_cut_later),
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
		BOXED(setting_aside_keeps_both_files_every_time),
		BOXED(killed_while_setting_aside_nothing_old_is_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
