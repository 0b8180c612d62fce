/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table killed at every system call, and with a full or failing disk at every system
 * call: it reads as a state it has been in, and goes on.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "box.h"
#include "store/table.h"
#include "table_help.h"
#include "table_states.h"

static void (*const starts[])(void) = {
	states_start_empty, states_start_journal, states_start_base,
	states_start_both,  states_start_torn,	  states_start_stale,
};
enum { STARTS = sizeof(starts) / sizeof(starts[0]) };

static const char script[] = "e=5 -a ^I . f=6 . g=7 ! h=8 -c . i=9 !";

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
		states_must_read(states, "killed", n);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			return n;
		}
		assert_int_equal(WTERMSIG(status), SIGKILL);
		states_must_go_on();
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
		states_must_read(states, "failed", failures);
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

	states_start_both();
	files_save(&files);
	states_of(script, &states);
	for (unsigned n = 1; failed < 0; n++) {
		files_restore(&files);
		AUTO_TABLE *table = help_open(TABLE_WRITE);
		box_fault("fail:%u:%d", n, EIO);
		failed = help_script(table, script, NULL);
		box_fault_off();
		states_must_read(&states, "failed", n);
		states_must_go_on();
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
	/* The write is a short one, the rest of it really fails, and then comes the cut. */
	box_fault("fail:3:%d", EIO);
	assert_int_equal(flush_with_room(table, size + 7, NULL), -1);
	box_fault_off();
	assert_int_equal(box_size("t.journal"), size + 7);
	help_expect("a=1");
	assert_int_equal(table_flush(table, NULL), 0);
	help_expect("a=1 b=2 c=3");
}

/* Setting aside ------------------------------------------------------------ */

static void setting_aside_keeps_both_files_every_time(void **state)
{
	assert_int_equal(table_set_aside(box_dirfd(), "t", NULL), 0);
	assert_int_equal(box_names(), 0);
	for (size_t i = 1; i <= 3; i++) {
		states_start_both();
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

	states_start_both();
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
		BOXED(setting_aside_keeps_both_files_every_time),
		BOXED(killed_while_setting_aside_nothing_old_is_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
