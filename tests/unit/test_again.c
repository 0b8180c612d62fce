/* SPDX-License-Identifier: BSD-2-Clause */
/* Which run that has broken off tries again, and how often. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/stop.h"
#include "config/config.h"
#include "model/plan.h"
#include "run/again.h"
#include "run/limits.h"
#include "run/outcome.h"
#include "run/report.h"
#include "run/session.h"

/* A run over a line that breaks. */
struct life {
	struct config config;
	struct limits limits;
	struct outcome outcome;
	struct session session;
	struct again again;
};

static void life_start(struct life *life)
{
	*life = (struct life){ .config = { .target = { .remote = true },
					   .quiet = true,
					   .resume_sync = true,
					   .resume_tries = 2,
					   .log_level = LOG_QUIET },
			       .outcome = OUTCOME_INIT };
	life->session.config = &life->config;
	life->session.limits = &life->limits;
	life->session.report = report_new(&life->config, "run");
	life->session.welcomed = life->session.cut = true;
	report_into(life->session.report, &life->outcome);
	limits_start(&life->limits, &life->config, life->session.report, "run");
	again_start(&life->again);
}

static void life_end(struct life *life)
{
	limits_end(&life->limits);
	report_free(life->session.report);
	outcome_release(&life->outcome);
}
#define AUTO_LIFE AUTO(life_end) struct life

/* The line breaks; whether there is another try. */
static bool breaks(struct life *life)
{
	struct err err = ERR_INIT;
	bool due = false;

	err_set(&err, ERR_UNREACHABLE, "the line broke");
	due = again_is_due(&life->again, &life->session, &err);
	assert_int_equal(err_is_set(&err), !due);
	return due;
}

static void makes_progress(struct life *life)
{
	const struct op op = {
		.kind = OP_MKDIR, .side = SIDE_TARGET, .report = REPORT_CREATE, .path = "x"
	};

	report_change(life->session.report, &op);
}

static void test_so_many_tries_in_vain(void **state)
{
	AUTO_LIFE life;

	life_start(&life);
	assert_true(breaks(&life));
	assert_true(breaks(&life));
	assert_false(breaks(&life));
}

static void test_progress_begins_the_count_anew_but_not_for_ever(void **state)
{
	AUTO_LIFE life;

	life_start(&life);
	for (int i = 0; i < AGAIN_MAX; i++) {
		if (i % 2 == 0)
			makes_progress(&life);
		assert_true(breaks(&life));
	}
	makes_progress(&life);
	assert_false(breaks(&life));
}

static void test_only_a_line_that_broke_is_tried_again(void **state)
{
	for (int kind = ERR_SYSTEM; kind <= ERR_SIGNAL; kind++) {
		struct err err = ERR_INIT;
		AUTO_LIFE life;

		life_start(&life);
		err_set(&err, (enum err_kind)kind, "it");
		assert_int_equal(again_is_due(&life.again, &life.session, &err),
				 kind == ERR_UNREACHABLE);
	}
}

static void test_a_target_is_called_again_only_once_it_was_reached(void **state)
{
	AUTO_LIFE life;

	life_start(&life);
	life.session.welcomed = life.session.cut = false;
	assert_false(breaks(&life));
	life.session.welcomed = life.session.cut = true;
	assert_true(breaks(&life));
	life.session.welcomed = life.session.cut = false;
	assert_true(breaks(&life));
	/* It was there, and something else has ended the try. */
	life.session.welcomed = true;
	assert_false(breaks(&life));
}

static void test_who_does_not_want_it_or_has_commands_has_one_try(void **state)
{
	static char command[] = "true";

	for (int i = 0; i < 4; i++) {
		AUTO_LIFE life;

		life_start(&life);
		life.config.resume_sync = i != 0;
		life.config.resume_tries = i != 1 ? 2 : 0;
		life.config.target.remote = i != 2;
		life.config.after_cmd[SIDE_TARGET] = i == 3 ? command : NULL;
		assert_false(breaks(&life));
	}
}

static void test_a_run_that_is_told_to_stop_stops(void **state)
{
	struct err err = ERR_INIT;
	AUTO_LIFE life;

	life_start(&life);
	stop_install();
	raise(SIGTERM);
	err_set(&err, ERR_UNREACHABLE, "the line broke");
	assert_false(again_is_due(&life.again, &life.session, &err));
	assert_int_equal(err.kind, ERR_SIGNAL);
	stop_forgive();
	stop_reset();
}

static void test_what_a_try_has_said_the_next_one_does_not_say_again(void **state)
{
	AUTO_LIFE life;
	struct report *report = NULL;

	life_start(&life);
	report = life.session.report;
	for (int try = 0; try < 3; try++) {
		if (try > 0)
			report_again(report);
		report_conflict(report, "c", SIDE_TARGET, "c.conflict", true, REASON_BOTH_CHANGED);
		report_failed(report, "f", "it cannot be read");
		report_skipped(report, "s", "a socket");
		report_look(report, "little room");
		/* New in this try. */
		report_failed(report, "n", try == 0 ? "one" : try == 1 ? "two" : "three");
	}
	assert_int_equal(report_tally(report).conflicts, 1);
	assert_int_equal(report_tally(report).skipped, 1);
	assert_int_equal(report_tally(report).failed, 2);
	assert_int_equal(life.outcome.conflicts.count, 1);
	assert_int_equal(life.outcome.problems.count, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_so_many_tries_in_vain),
		cmocka_unit_test(test_progress_begins_the_count_anew_but_not_for_ever),
		cmocka_unit_test(test_only_a_line_that_broke_is_tried_again),
		cmocka_unit_test(test_a_target_is_called_again_only_once_it_was_reached),
		cmocka_unit_test(test_who_does_not_want_it_or_has_commands_has_one_try),
		cmocka_unit_test(test_a_run_that_is_told_to_stop_stops),
		cmocka_unit_test(test_what_a_try_has_said_the_next_one_does_not_say_again),
	};

	/* Waits are not what is tested. */
	setenv("OSYNC_HURRY", "1000000", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
