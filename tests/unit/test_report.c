/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run says, where it says it, and the exit status that follows. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "box.h"
#include "config/config.h"
#include "run/outcome.h"
#include "run/report.h"

static const struct report_totals totals = { .scanned = { 10, 20 },
					     .sent_bytes = 30,
					     .received_bytes = 40 };

/* Standard output and error, caught in files while a report speaks. */
struct talk {
	struct config config;
	struct report *report;
	int kept[2];
	struct buf said[2]; /* standard output, standard error */
};

enum { OUT, ERR };

static void divert(struct talk *talk, int which, const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	talk->kept[which] = fcntl(which + 1, F_DUPFD_CLOEXEC, 10);
	assert_true(dup2(fd, which + 1) >= 0);
	close(fd);
}

static void talk_begin(struct talk *talk, const struct config *config)
{
	*talk = (struct talk){ .config = *config };
	fflush(stdout);
	talk->report = report_new(&talk->config, "20260101-000000-abcdef");
	divert(talk, OUT, "out");
	divert(talk, ERR, "err");
}

static int talk_end(struct talk *talk, const struct err *err)
{
	int code = report_end(talk->report, &totals, err);

	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		dup2(talk->kept[i], i + 1);
		close(talk->kept[i]);
		assert_true(box_read(i == OUT ? "out" : "err", &talk->said[i]));
		buf_cstr(&talk->said[i]);
	}
	report_free(talk->report);
	return code;
}

static void talk_release(struct talk *talk)
{
	buf_release(&talk->said[OUT]);
	buf_release(&talk->said[ERR]);
}

#define AUTO_TALK AUTO(talk_release) struct talk

static const char *said(const struct talk *talk, int which)
{
	return (const char *)talk->said[which].data;
}

static struct op op_of(enum op_report report, enum side side, const char *path,
		       struct op_detail *detail)
{
	return (struct op){ .kind = OP_PUT,
			    .side = (uint8_t)side,
			    .report = (uint8_t)report,
			    .reason = REASON_EDITED,
			    .path = path,
			    .detail = detail };
}

/* Something of everything. */
static void say_all(struct talk *talk, const char *name)
{
	for (int report = REPORT_CREATE; report <= REPORT_SILENT; report++) {
		const struct op op = op_of((enum op_report)report,
					   report % 2 ? SIDE_INITIATOR : SIDE_TARGET, name, NULL);

		report_change(talk->report, &op);
	}
	report_conflict(talk->report, name, SIDE_TARGET, name, true, REASON_BOTH_CHANGED);
	report_conflict(talk->report, name, SIDE_INITIATOR, NULL, true, REASON_BOTH_CHANGED);
	report_conflict(talk->report, name, SIDE_INITIATOR, NULL, false, REASON_BOTH_CHANGED);
	report_failed(talk->report, name, "cannot \"read\" it");
	report_skipped(talk->report, name, "left alone");
	report_unresolved(talk->report, name, "left alone");
	report_warning(talk->report, "a\twarning\n");
	report_hashed(talk->report, 50);
}

/* JSON ---------------------------------------------------------------------------- */

/* Just enough of a parser: it steps over one value, or stops the test. */
static const char *skip_value(const char *at);

static const char *skip_string(const char *at)
{
	assert_int_equal(*at++, '"');
	while (*at != '"') {
		assert_true((unsigned char)*at >= 0x20);
		if (*at == '\\') {
			at++;
			assert_non_null(strchr("\"\\/bfnrtu", *at));
			if (*at == 'u')
				for (int i = 0; i < 4; i++)
					assert_non_null(strchr("0123456789abcdefABCDEF", *++at));
		}
		assert_int_not_equal(*at, '\0');
		at++;
	}
	return at + 1;
}

static const char *skip_object(const char *at)
{
	assert_int_equal(*at++, '{');
	for (;;) {
		at = skip_string(at);
		assert_int_equal(*at++, ':');
		at = skip_value(at);
		if (*at++ == '}')
			return at;
		assert_int_equal(at[-1], ',');
	}
}

static const char *skip_value(const char *at)
{
	char *end = NULL;

	if (*at == '"')
		return skip_string(at);
	if (*at == '{')
		return skip_object(at);
	if (strncmp(at, "true", 4) == 0)
		return at + 4;
	if (strncmp(at, "false", 5) == 0)
		return at + 5;
	strtoll(at, &end, 10);
	assert_ptr_not_equal(end, at);
	return end;
}

/* Each line is one object; how many there are. */
static size_t count_objects(const char *text)
{
	size_t lines = 0;

	for (; *text; lines++) {
		text = skip_object(text);
		assert_int_equal(*text++, '\n');
	}
	return lines;
}

static void test_json_is_json_whatever_the_names(void **state)
{
	static const char *const names[] = { "plain",
					     "with \"quotes\" and \\",
					     "new\nline\t\x01",
					     "\xff\xfe",
					     "\xc3\xa4\xe2\x82\xac",
					     "\x7f\xc2\x9b",
					     "', {}[]:,",
					     "\xed\xa0\x80" };
	const struct config config = { .json = true, .summary = true };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		AUTO_TALK talk = { .kept = { -1, -1 } };

		talk_begin(&talk, &config);
		say_all(&talk, names[i]);
		assert_int_equal(talk_end(&talk, NULL), EXIT_FAILED);
		assert_int_equal(count_objects(said(&talk, OUT)), 5 + 3 + 3 + 1 + 1);
		assert_string_equal(said(&talk, ERR), "");
	}
}

static void test_json_lines_say_what_they_are(void **state)
{
	const struct config config = { .json = true, .dry_run = true };
	struct op_detail from_old = { .from = "old" };
	const struct op move = op_of(REPORT_MOVE, SIDE_TARGET, "new", &from_old);
	const struct op edit = op_of(REPORT_UPDATE, SIDE_INITIATOR, "file", NULL);
	AUTO_TALK talk = { .kept = { -1, -1 } };

	talk_begin(&talk, &config);
	report_change(talk.report, &move);
	report_change(talk.report, &edit);
	report_conflict(talk.report, "x", SIDE_TARGET, "x.conflict", true, REASON_BOTH_CHANGED);
	report_failed(talk.report, "y", "why");
	report_hashed(talk.report, 50);
	assert_int_equal(talk_end(&talk, NULL), EXIT_FAILED);
	assert_ptr_equal(
		strstr(said(&talk, OUT),
		       "{\"event\":\"change\",\"op\":\"move\",\"to\":\"target\",\"path\":\"new\","
		       "\"from\":\"old\",\"reason\":\"edited\"}\n"
		       "{\"event\":\"change\",\"op\":\"update\",\"to\":\"initiator\",\"path\":\"file\","
		       "\"reason\":\"edited\"}\n"
		       "{\"event\":\"change\",\"op\":\"conflict\",\"to\":\"target\",\"path\":\"x\","
		       "\"kept\":\"x.conflict\",\"reason\":\"changed on both sides\"}\n"
		       "{\"event\":\"problem\",\"path\":\"y\",\"message\":\"why\"}\n"
		       "{\"event\":\"summary\",\"exit\":1,\"run\":\"20260101-000000-abcdef\","
		       "\"dry_run\":true,"
		       "\"to_target\":{\"create\":0,\"update\":0,\"delete\":0,\"move\":1,\"metadata\":0},"
		       "\"to_initiator\":{\"create\":0,\"update\":1,\"delete\":0,\"move\":0,\"metadata\":0},"
		       "\"conflicts\":1,\"failed\":1,\"skipped\":0,"
		       "\"scanned\":{\"initiator\":10,\"target\":20},\"hashed_bytes\":50,"
		       "\"sent_bytes\":30,\"received_bytes\":40,\"duration_ms\":"),
		said(&talk, OUT));
}

/* Cron mails standard error; a program reads the JSON. Both must hear of a failure. */
static void test_a_failed_run_is_said_to_both(void **state)
{
	const struct config config = { .json = true, .quiet = true };
	const struct err err = { .kind = ERR_GUARD, .msg = "the folder is \"gone\"" };
	AUTO_TALK talk = { .kept = { -1, -1 } };

	talk_begin(&talk, &config);
	assert_int_equal(talk_end(&talk, &err), EXIT_GUARD);
	assert_string_equal(said(&talk, ERR), "osync: the folder is \"gone\"\n");
	assert_int_equal(count_objects(said(&talk, OUT)), 1);
	assert_non_null(strstr(said(&talk, OUT), "\"exit\":3"));
	assert_non_null(strstr(said(&talk, OUT), "\"error\":\"the folder is \\\"gone\\\"\""));
}

/* People -------------------------------------------------------------------------- */

static void test_names_cannot_command_the_terminal(void **state)
{
	const struct config config = { .summary = true };
	AUTO_TALK talk = { .kept = { -1, -1 } };

	talk_begin(&talk, &config);
	say_all(&talk, "\033]0;evil\a\r\n\x7f\xc2\x9b\xff name");
	talk_end(&talk, NULL);
	for (int which = OUT; which <= ERR; which++) {
		for (const char *at = said(&talk, which); *at; at++) {
			/* The warning's own text is osync's. */
			if (which == ERR && *at == '\t')
				continue;
			assert_true(*at == '\n' || ((unsigned char)*at >= 0x20 && *at != 0x7f));
			assert_int_not_equal((unsigned char)*at, 0xff);
			assert_int_not_equal((unsigned char)*at, 0x9b);
		}
		assert_non_null(strstr(said(&talk, which), "\\x1b]0;evil"));
	}
}

static void test_problems_go_to_standard_error(void **state)
{
	const struct config config = { .summary = false };
	AUTO_TALK talk = { .kept = { -1, -1 } };

	talk_begin(&talk, &config);
	report_failed(talk.report, "a", "why");
	report_skipped(talk.report, "b", "left alone");
	report_warning(talk.report, "look");
	assert_int_equal(talk_end(&talk, NULL), EXIT_FAILED);
	assert_string_equal(said(&talk, ERR),
			    "osync: 'a': why\nosync: 'b': left alone\nosync: look\n");
	assert_string_equal(said(&talk, OUT),
			    "done: target: nothing to do; initiator: nothing to do; "
			    "0 conflicts, 1 failed, 1 left alone\n");
}

/* Who lets the same be run again must not forget it over the second run's success. */
static void test_what_only_this_run_says_is_marked_as_such(void **state)
{
	const struct config config = { .summary = false };
	const struct err err = { .kind = ERR_UNREACHABLE, .msg = "gone" };

	for (int what = 0; what < 5; what++) {
		AUTO_OUTCOME outcome = OUTCOME_INIT;
		AUTO_TALK talk = { .kept = { -1, -1 } };

		talk_begin(&talk, &config);
		report_into(talk.report, &outcome);
		report_failed(talk.report, "a", "why");
		if (what == 1)
			report_failed_once(talk.report, "b", "rotten");
		if (what == 2)
			report_skipped(talk.report, "b", "left alone");
		if (what == 3)
			report_look(talk.report, "a command failed");
		if (what == 4)
			report_conflict(talk.report, "b", SIDE_TARGET, "b.conflict", true,
					REASON_BOTH_CHANGED);
		assert_int_equal(talk_end(&talk, what % 2 ? &err : NULL),
				 what % 2 ? EXIT_UNREACHABLE : EXIT_FAILED);
		assert_int_equal(outcome.look, what > 0);
		assert_int_equal(outcome.failed, what == 1 ? 2 : 1);
	}
}

static void test_quiet_is_quiet_about_what_went_well(void **state)
{
	const struct config config = { .quiet = true, .summary = true };
	const struct op op = op_of(REPORT_CREATE, SIDE_TARGET, "new", NULL);
	AUTO_TALK talk = { .kept = { -1, -1 } };

	talk_begin(&talk, &config);
	report_change(talk.report, &op);
	assert_int_equal(talk_end(&talk, NULL), EXIT_IN_SYNC);
	assert_string_equal(said(&talk, OUT), "");
	assert_string_equal(said(&talk, ERR), "");
}

/* What wants a person's look is said to cron as well. */
static void test_quiet_is_not_quiet_about_the_rest(void **state)
{
	const struct config config = { .quiet = true };
	const struct err err = { .kind = ERR_SYSTEM, .msg = "it broke" };
	AUTO_TALK talk = { .kept = { -1, -1 } };

	talk_begin(&talk, &config);
	report_conflict(talk.report, "x", SIDE_TARGET, "x.conflict", true, REASON_BOTH_CHANGED);
	report_failed(talk.report, "a", "why");
	assert_int_equal(talk_end(&talk, &err), EXIT_FAILED);
	assert_string_equal(said(&talk, OUT), "");
	assert_non_null(strstr(said(&talk, ERR), "x.conflict"));
	assert_non_null(strstr(said(&talk, ERR), "osync: 'a': why\n"));
	assert_non_null(strstr(said(&talk, ERR), "osync: it broke\n"));
}

static void test_what_is_part_of_something_else_is_not_said(void **state)
{
	const struct config config = { .summary = false };
	const struct op op = op_of(REPORT_SILENT, SIDE_TARGET, "part", NULL);
	AUTO_TALK talk = { .kept = { -1, -1 } };

	talk_begin(&talk, &config);
	report_change(talk.report, &op);
	assert_int_equal(talk_end(&talk, NULL), EXIT_IN_SYNC);
	assert_null(strstr(said(&talk, OUT), "part"));
	assert_non_null(strstr(said(&talk, OUT), "target: nothing to do"));
}

static void test_a_dry_run_says_that_it_would(void **state)
{
	const struct config config = { .dry_run = true };
	const struct op op = op_of(REPORT_DELETE, SIDE_INITIATOR, "old", NULL);
	AUTO_TALK talk = { .kept = { -1, -1 } };

	talk_begin(&talk, &config);
	report_change(talk.report, &op);
	report_change(talk.report, &op);
	assert_int_equal(talk_end(&talk, NULL), EXIT_IN_SYNC);
	assert_non_null(strstr(said(&talk, OUT),
			       "would do: target: nothing to do; initiator: 2 delete; "
			       "0 conflicts, 0 failed, 0 left alone\n"));
}

/* Exit status --------------------------------------------------------------------- */

enum trouble { NONE, CONFLICT, SKIPPED, UNRESOLVED, FAILED };

static int code_after(enum trouble trouble, const struct err *err)
{
	const struct config config = { .quiet = true };
	AUTO_TALK talk = { .kept = { -1, -1 } };

	talk_begin(&talk, &config);
	if (trouble == CONFLICT)
		report_conflict(talk.report, "x", SIDE_TARGET, NULL, true, REASON_BOTH_CHANGED);
	if (trouble == SKIPPED)
		report_skipped(talk.report, "x", "why");
	if (trouble == UNRESOLVED)
		report_unresolved(talk.report, "x", "why");
	if (trouble == FAILED)
		report_failed(talk.report, "x", "why");
	return talk_end(&talk, err);
}

static void test_the_exit_status_says_how_it_went(void **state)
{
	const struct err well = ERR_INIT;
	const struct err locked = { .kind = ERR_LOCKED };

	assert_int_equal(code_after(NONE, NULL), 0);
	assert_int_equal(code_after(NONE, &well), 0);
	assert_int_equal(code_after(CONFLICT, NULL), 2);
	assert_int_equal(code_after(SKIPPED, NULL), 2);
	assert_int_equal(code_after(UNRESOLVED, NULL), 2);
	assert_int_equal(code_after(FAILED, NULL), 1);
	assert_int_equal(code_after(FAILED, &locked), 75);
	assert_int_equal(code_after(CONFLICT, &locked), 75);
}

static void test_each_kind_of_error_has_its_status(void **state)
{
	static const struct {
		enum err_kind kind;
		int code;
	} kinds[] = { { ERR_NONE, 0 },	  { ERR_SYSTEM, 1 },	   { ERR_CHANGED, 1 },
		      { ERR_CORRUPT, 1 }, { ERR_PROTOCOL, 1 },	   { ERR_GUARD, 3 },
		      { ERR_USAGE, 64 },  { ERR_UNREACHABLE, 69 }, { ERR_LOCKED, 75 },
		      { ERR_DENIED, 77 }, { ERR_CONFIG, 78 } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct err err = { .kind = kinds[i].kind };

		assert_int_equal(report_exit_code(&err), kinds[i].code);
	}
}

static void test_a_signal_gives_the_status_a_shell_would(void **state)
{
	const struct err err = { .kind = ERR_SIGNAL, .sys = 15 };

	assert_int_equal(report_exit_code(&err), 143);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, box_setup, box_teardown)
		TEST(test_json_is_json_whatever_the_names),
		TEST(test_json_lines_say_what_they_are),
		TEST(test_a_failed_run_is_said_to_both),
		TEST(test_names_cannot_command_the_terminal),
		TEST(test_problems_go_to_standard_error),
		TEST(test_what_only_this_run_says_is_marked_as_such),
		TEST(test_quiet_is_quiet_about_what_went_well),
		TEST(test_quiet_is_not_quiet_about_the_rest),
		TEST(test_what_is_part_of_something_else_is_not_said),
		TEST(test_a_dry_run_says_that_it_would),
		TEST(test_the_exit_status_says_how_it_went),
		TEST(test_each_kind_of_error_has_its_status),
		TEST(test_a_signal_gives_the_status_a_shell_would),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
