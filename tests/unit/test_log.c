/* SPDX-License-Identifier: BSD-2-Clause */
/* The log: what stands in its lines, and a file that is renamed, full or no file at all. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/log_file.h"
#include "box.h"

static void assert_file(const char *name, const char *text)
{
	AUTO_BUF found = BUF_INIT;

	assert_true(box_read(name, &found));
	assert_string_equal(buf_cstr(&found), text);
}

static struct log_file *opened(const char *name, size_t max)
{
	struct err err = ERR_INIT;
	struct log_file *file = log_file_open(name, max, &err);

	assert_non_null(file);
	return file;
}

static void append(struct log_file *file, const char *line)
{
	log_file_append(file, line, strlen(line));
}

/* A log that writes to "log", without errors. */
static void begin(void)
{
	struct err err = ERR_INIT;

	setenv("TZ", "UTC", 1);
	log_setup(LOG_QUIET, "test");
	assert_int_equal(log_to_file("log", &err), 0);
}

/* The text behind the time stamp of line `number` (from 0) of "log". */
static char *line_of(int number)
{
	AUTO_BUF found = BUF_INIT;
	const char *line = NULL;

	assert_true(box_read("log", &found));
	line = buf_cstr(&found);
	for (; number > 0; number--) {
		line = strchr(line, '\n');
		assert_non_null(line++);
	}
	line = strchr(line, ' ');
	assert_non_null(line);
	return xstrndup(line + 1, strcspn(line, "\n") - 1);
}

static void assert_line(int number, const char *text)
{
	AUTO_FREE char *line = line_of(number);

	assert_string_equal(line, text);
}

/* Bytes in the log's file. */
static size_t written(void)
{
	AUTO_BUF found = BUF_INIT;

	assert_true(box_read("log", &found));
	return found.len;
}

static void test_calm_lines_are_gathered_up_to_a_warning(void **state)
{
	begin();
	log_gather(true);
	log_event(RANK_INFO, "one");
	assert_int_equal(written(), 0);
	log_event(RANK_WARN, "two");
	assert_line(0, "- info  one");
	assert_line(1, "- warn  two");
	log_event(RANK_INFO, "three");
	log_flush();
	assert_line(2, "- info  three");
	log_event(RANK_INFO, "four");
	log_gather(false);
	assert_line(3, "- info  four");
	log_event(RANK_INFO, "five");
	assert_line(4, "- info  five");
	log_gather(true);
	log_event(RANK_INFO, "six");
	log_close();
	assert_line(5, "- info  six");
}

static void test_a_child_does_not_write_what_its_parent_gathered(void **state)
{
	pid_t child = 0;
	int status = 0;

	begin();
	log_gather(true);
	log_event(RANK_INFO, "once");
	child = fork();
	if (child == 0) {
		log_flush();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(written(), 0);
	log_close();
	assert_line(0, "- info  once");
}

static void test_many_calm_lines_are_not_held_back(void **state)
{
	begin();
	log_gather(true);
	for (int i = 0; i < 5000; i++)
		log_event(RANK_INFO, "one of many");
	assert_in_range(written(), 1, 5000 * 64);
	log_close();
	assert_line(4999, "- info  one of many");
}

static void test_a_line_has_time_run_rank_and_text(void **state)
{
	AUTO_BUF found = BUF_INIT;
	int year = 0;

	begin();
	log_event(RANK_INFO, "before");
	log_name_run("20260101-000000-abcdef");
	log_event(RANK_ERROR, "worst");
	log_warn("number %d", 7);
	log_info("step");
	log_debug("detail");
	log_close();
	assert_true(box_read("log", &found));
	assert_int_equal(sscanf(buf_cstr(&found), "%d-%*2d-%*2dT%*2d:%*2d:%*2d+0000 ", &year), 1);
	assert_true(year > 2000);
	assert_line(0, "- info  before");
	assert_line(1, "20260101-000000-abcdef error worst");
	assert_line(2, "20260101-000000-abcdef warn  number 7");
	assert_line(3, "20260101-000000-abcdef info  step");
	/* And no details: nobody asked for them. */
	assert_null(strstr(buf_cstr(&found), "detail"));
}

static void test_details_are_logged_where_they_are_asked_for(void **state)
{
	begin();
	log_setup(LOG_DEBUG, "test");
	log_debug("detail");
	log_setup(LOG_WARN, "osync");
	log_close();
	assert_line(0, "- debug detail");
}

static void test_nothing_can_forge_a_line(void **state)
{
	begin();
	log_event(RANK_INFO, "a\nb\rc\033[31m\x7f \\n \xc3\xa4");
	log_close();
	assert_line(0, "- info  a\\x0ab\\x0dc\\x1b[31m\\x7f \\n \xc3\xa4");
}

static void test_a_closed_log_takes_no_more(void **state)
{
	begin();
	log_event(RANK_INFO, "one");
	assert_true(log_is_on());
	log_close();
	assert_false(log_is_on());
	log_event(RANK_INFO, "two");
	log_warn("three");
	AUTO_FREE char *line = line_of(0);

	assert_string_equal(line, "- info  one");
	assert_int_equal(box_size("log"), strlen("2026-01-01T00:00:00+0000 - info  one\n"));
}

static void test_an_existing_log_is_continued_as_it_is(void **state)
{
	struct stat st;

	box_write("log", "old\n", 4);
	assert_int_equal(chmod("log", 0640), 0);
	struct log_file *file = opened("log", 100);

	append(file, "new\n");
	log_file_close(file);
	assert_file("log", "old\nnew\n");
	assert_int_equal(stat("log", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	file = opened("fresh", 100);
	log_file_close(file);
	assert_int_equal(stat("fresh", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_a_link_is_not_followed(void **state)
{
	struct err err = ERR_INIT;

	box_write("precious", "x", 1);
	assert_int_equal(symlink("precious", "log"), 0);
	assert_null(log_file_open("log", 100, &err));
	assert_non_null(strstr(err.msg, "cannot write the log 'log'"));
	assert_file("precious", "x");
}

static void test_a_log_that_has_grown_is_begun_anew(void **state)
{
	struct log_file *file = opened("log", 10);

	append(file, "12345678\n");
	append(file, "abc\n");
	append(file, "fresh\n");
	log_file_close(file);
	assert_file("log.old", "12345678\nabc\n");
	assert_file("log", "fresh\n");
	/* And where it had grown before: in the place of the older one. */
	box_write("log", "much too long\n", 14);
	log_file_close(opened("log", 10));
	assert_file("log.old", "much too long\n");
	assert_file("log", "");
	assert_int_equal(box_names(), 2);
}

static void test_a_log_rotated_by_somebody_else_is_not_renamed(void **state)
{
	struct log_file *file = opened("log", 10);

	append(file, "1234567890\n");
	assert_int_equal(rename("log", "log.1"), 0);
	box_write("log", "other\n", 6);
	append(file, "mine\n");
	log_file_close(file);
	assert_file("log.1", "1234567890\n");
	assert_file("log", "other\nmine\n");
	assert_false(box_exists("log.old"));
}

static void test_a_child_leaves_the_size_to_its_parent(void **state)
{
	struct log_file *file = opened("log", 10);

	append(file, "1234567890\n");
	log_file_share(file);
	append(file, "child\n");
	log_file_close(file);
	assert_file("log", "1234567890\nchild\n");
}

static void test_what_cannot_be_written_is_told_and_lost(void **state)
{
	struct err err = ERR_INIT;
	struct log_file *file = opened("/dev/full", 10);

	assert_null(log_file_failure(file));
	append(file, "line\n");
	assert_string_equal(log_file_failure(file),
			    "cannot write the log '/dev/full': No space left on device");
	append(file, "line\n");
	log_file_close(file);
	/* A pipe that nobody reads does not make a run wait. */
	assert_int_equal(mkfifo("pipe", 0600), 0);
	assert_null(log_file_open("pipe", 10, &err));
	assert_null(log_file_open("no/such/folder", 10, &err));
}

/* A process that was started without standard descriptors. */
static void test_a_log_is_never_a_standard_descriptor(void **state)
{
	struct err err = ERR_INIT;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		close(0);
		close(1);
		close(2);
		if (log_to_file("log", &err) < 0 || log_keep_copy(&err) < 0)
			_exit(1);
		int fds[LOG_FDS] = { -1, -1 };

		if (log_descriptors(fds) != 2)
			_exit(2);
		_exit(fds[0] > 2 && fds[1] > 2 ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void log_many(enum log_rank rank, const char *word, int count)
{
	char text[1025] = { 0 };

	memset(text, '.', 1024);
	memcpy(text, word, strlen(word));
	for (int i = 0; i < count; i++)
		log_event(rank, text);
}

static void test_the_copy_is_bounded_and_keeps_room_for_what_matters(void **state)
{
	struct err err = ERR_INIT;
	AUTO_BUF copy = BUF_INIT;

	assert_int_equal(log_keep_copy(&err), 0);
	log_many(RANK_INFO, "calm", 2000);
	log_event(RANK_ERROR, "the reason");
	log_many(RANK_WARN, "warning", 2000);
	log_event(RANK_INFO, "the end");
	log_copy(&copy);
	log_close();
	assert_non_null(strstr(buf_cstr(&copy), "- info  calm"));
	assert_non_null(strstr(buf_cstr(&copy), "- error the reason\n"));
	assert_non_null(strstr(buf_cstr(&copy), "- warn  warning"));
	assert_null(strstr(buf_cstr(&copy), "the end"));
	assert_in_range(copy.len, 500 * 1024, 512 * 1024);
	buf_reset(&copy);
	log_copy(&copy);
	assert_int_equal(copy.len, 0);
}

static void test_children_write_to_the_same_log(void **state)
{
	struct err err = ERR_INIT;
	AUTO_BUF copy = BUF_INIT;
	int status = 0;

	begin();
	assert_int_equal(log_keep_copy(&err), 0);
	log_event(RANK_INFO, "parent");
	pid_t pid = fork();

	if (pid == 0) {
		log_enter_child();
		log_event(RANK_WARN, "child");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	log_event(RANK_INFO, "parent again");
	log_copy(&copy);
	log_close();
	assert_line(0, "- info  parent");
	assert_line(1, "- warn  child");
	assert_line(2, "- info  parent again");
	assert_int_equal(copy.len, box_size("log"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_line_has_time_run_rank_and_text),
		TEST(test_calm_lines_are_gathered_up_to_a_warning),
		TEST(test_a_child_does_not_write_what_its_parent_gathered),
		TEST(test_many_calm_lines_are_not_held_back),
		TEST(test_details_are_logged_where_they_are_asked_for),
		TEST(test_nothing_can_forge_a_line),
		TEST(test_a_closed_log_takes_no_more),
		TEST(test_an_existing_log_is_continued_as_it_is),
		TEST(test_a_link_is_not_followed),
		TEST(test_a_log_that_has_grown_is_begun_anew),
		TEST(test_a_log_rotated_by_somebody_else_is_not_renamed),
		TEST(test_a_child_leaves_the_size_to_its_parent),
		TEST(test_what_cannot_be_written_is_told_and_lost),
		TEST(test_a_log_is_never_a_standard_descriptor),
		TEST(test_the_copy_is_bounded_and_keeps_room_for_what_matters),
		TEST(test_children_write_to_the_same_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
