/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of `osync sync`. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "config/options.h"
#include "config_help.h"

#define LOAD(...) load_args((const char *const[]){ __VA_ARGS__, NULL })
/* A quick sync of two folders that are there, with further options. */
#define QUICK(...) LOAD("--initiator=here", "--target=there", __VA_ARGS__)

static void assert_usage(struct load load, const char *start)
{
	assert_int_equal(load.result, -1);
	assert_int_equal(load.err.kind, ERR_USAGE);
	assert_line(&load, start);
	load_release(&load);
}

/* Accepted without a word. */
static void assert_good(struct load load)
{
	assert_messages(&load, "");
	assert_int_equal(load.result, 0);
	load_release(&load);
}

static void test_a_quick_sync_needs_only_two_folders(void **state)
{
	AUTO_LOAD load = LOAD("--initiator", "here", "--target", "there/");
	AUTO_FREE char *here = xasprintf("%s/here", config_help_dir());
	AUTO_FREE char *there = xasprintf("%s/there", config_help_dir());

	assert_messages(&load, "");
	assert_null(load.config->file);
	assert_string_equal(load.config->instance_id, "quicksync_task");
	assert_string_equal(load.config->initiator_dir, here);
	assert_string_equal(load.config->target.path, there);
	assert_false(load.config->target.remote);
	assert_int_equal(load.config->transport, TRANSPORT_AUTO);
	assert_int_equal(load.config->log_level, LOG_WARN);
	assert_false(load.config->dry_run || load.config->json || load.config->summary ||
		     load.config->quiet || load.config->adopt);
	assert_int_equal(load.config->allow_deletes, 0);
	assert_int_equal(load.config->allow_changes, 0);
}

static void test_values_stand_behind_a_blank_or_the_first_equals_sign(void **state)
{
	AUTO_LOAD equals = LOAD("--initiator=a=b=c", "--target=/tmp/x=y");
	AUTO_LOAD blank = LOAD("--initiator", "a=b=c", "--target", "/tmp/x=y");

	assert_non_null(strstr(equals.config->initiator_dir, "/a=b=c"));
	assert_string_equal(equals.config->target.path, "/tmp/x=y");
	assert_string_equal(blank.config->initiator_dir, equals.config->initiator_dir);
	assert_string_equal(blank.config->target.path, "/tmp/x=y");
}

static void test_confirmations_take_a_number_behind_the_equals_sign_only(void **state)
{
	AUTO_LOAD any = QUICK("--allow-deletes", "--allow-changes");
	AUTO_LOAD some = QUICK("--allow-deletes=20", "--allow-changes=0");
	AUTO_LOAD bad = QUICK("--allow-deletes=all", "--allow-changes=-1", "--allow-deletes=");
	AUTO_LOAD huge = QUICK("--allow-deletes=99999999999999999999");

	assert_true(any.config->allow_deletes == INT64_MAX);
	assert_true(any.config->allow_changes == INT64_MAX);
	assert_int_equal(some.config->allow_deletes, 20);
	assert_int_equal(some.config->allow_changes, 0);
	assert_messages(&bad, "--allow-deletes: 'all' is not a number of files\n"
			      "--allow-changes: '-1' is not a number of files\n"
			      "--allow-deletes: this option takes no value\n");
	assert_int_equal(huge.err.kind, ERR_USAGE);
}

static void test_flags_are_set_one_by_one_and_as_joined_letters(void **state)
{
	AUTO_LOAD joined = QUICK("-nv");
	AUTO_LOAD apart = QUICK("-v", "--verbose", "--dry", "--json", "--summary", "--adopt");
	AUTO_LOAD quiet = QUICK("-q");

	assert_true(joined.config->dry_run);
	assert_int_equal(joined.config->log_level, LOG_INFO);
	assert_true(apart.config->dry_run && apart.config->json && apart.config->summary);
	assert_true(apart.config->adopt);
	assert_int_equal(apart.config->log_level, LOG_DEBUG);
	assert_false(apart.config->quiet);
	assert_true(quiet.config->quiet);
	assert_int_equal(quiet.config->log_level, LOG_QUIET);
	assert_good(QUICK("--dry-run"));
	assert_good(QUICK("--silent"));
	assert_good(QUICK("--errors-only"));
}

static void test_options_set_their_keys(void **state)
{
	AUTO_LOAD load =
		LOAD("--initiator", "here", "--target", "ssh://h/x", "--ssh-key", "t.key",
		     "--known-hosts=/k", "--remote-osync", "/opt/osync", "--instance-id=id1",
		     "--create-dirs", "--conflict-policy", "skip", "--lock-wait", "7", "--set",
		     "START_JITTER=8", "--set=RSYNC_EXCLUDE_PATTERN=a=b", "--password-file",
		     "t.key", "--initiator-state-dir=/s1", "--target-state-dir", "/s2");

	assert_messages(&load, "");
	assert_non_null(strstr(load.config->ssh_key_file, "/t.key"));
	assert_string_equal(load.config->ssh_known_hosts_file, "/k");
	assert_string_equal(load.config->remote_osync_path, "/opt/osync");
	assert_string_equal(load.config->instance_id, "id1");
	assert_true(load.config->create_dirs);
	assert_int_equal(load.config->conflict_policy, CONFLICT_SKIP);
	assert_int_equal(load.config->lock_wait_s, 7);
	assert_int_equal(load.config->start_jitter_s, 8);
	assert_string_equal(load.config->state_dir[0], "/s1");
	assert_string_equal(load.config->state_dir[1], "/s2");
}

static void test_a_command_makes_any_path_remote(void **state)
{
	AUTO_LOAD load = LOAD("--initiator", "here", "--target", "~/dir", "--transport-command",
			      "ssh h osync agent");

	assert_messages(&load, "");
	assert_true(load.config->target.remote);
	assert_int_equal(load.config->transport, TRANSPORT_COMMAND);
	assert_string_equal(load.config->target.path, "dir");
	assert_string_equal(load.config->transport_command, "ssh h osync agent");
}

static void test_harmless_options_of_osync_1_3_are_accepted(void **state)
{
	assert_good(QUICK("--no-prefix", "--non-interactive", "--stats", "--partial", "--no-resume",
			  "--no-maxtime", "--log-conflicts", "--alert-conflicts",
			  "--destination-mails=a@b"));
	assert_good(QUICK("--force-unlock"));
	assert_good(
		QUICK("--remote-token=x", "--rsakey=t.key", "--skip-deletion=", "--sync-type="));
}

static void test_silent_is_quieter_than_quiet(void **state)
{
	AUTO_LOAD silent = QUICK("--silent", "--verbose");
	AUTO_LOAD quiet = QUICK("--quiet", "--verbose");

	assert_true(silent.config->silent && silent.config->quiet);
	assert_int_equal(silent.config->log_level, LOG_QUIET);
	assert_false(quiet.config->silent);
	assert_int_equal(quiet.config->log_level, LOG_INFO);
}

static void test_what_osync_1_3_needed_an_option_for_is_warned_about(void **state)
{
	AUTO_LOAD load = QUICK("--ssh-controlmaster");

	assert_int_equal(load.result, 0);
	assert_line(&load, "--ssh-controlmaster: warning: SSH_CONTROLMASTER has no effect");
}

static void test_other_options_of_osync_1_3_are_refused_by_name(void **state)
{
	static const char *const options[] = {
		"--no-locks",
		"--on-changes",
		"--on-changes-target",
		"--krb5",
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		AUTO_FREE char *name = xstrndup(options[i], strcspn(options[i], "="));
		AUTO_FREE char *start = xasprintf("%s: ", name);

		assert_usage(QUICK(options[i]), start);
	}
}

static void test_unknown_options_are_told_with_the_nearest_one(void **state)
{
	AUTO_LOAD load = LOAD("--intiator", "x", "--dry-rum", "--frobnicate", "-z", "-nx");

	assert_int_equal(load.err.kind, ERR_USAGE);
	assert_line(&load, "--intiator: this option is not known; did you mean --initiator?\n");
	assert_line(&load, "--dry-rum: this option is not known; did you mean --dry-run?\n");
	assert_line(&load, "--frobnicate: this option is not known\n");
	assert_line(&load, "-z: the option '-z' is not known\n");
	assert_line(&load, "-nx: the option '-x' is not known\n");
}

static void test_misused_options_are_told_all_at_once(void **state)
{
	AUTO_LOAD load = QUICK("--lock-wait", "--dry-run=yes", "--set", "NONSENSE",
			       "--set=LOCK_WIAT=1", "--set", "MAX_DELETE_PERCENT=200");

	assert_int_equal(load.err.kind, ERR_USAGE);
	assert_messages(&load, "--lock-wait: a value is missing: --lock-wait SECONDS\n"
			       "--dry-run: this option takes no value\n"
			       "--set: expected KEY=VALUE, not 'NONSENSE'\n"
			       "--set: LOCK_WIAT is not a key; did you mean LOCK_WAIT?\n"
			       "--set: MAX_DELETE_PERCENT is '200', not a whole number from 0 to "
			       "100\n");
	assert_non_null(strstr(load.err.msg, "(and 4 more problems)"));
}

static void test_values_of_options_are_judged_as_usage(void **state)
{
	assert_usage(QUICK("--lock-wait=soon"), "--lock-wait: LOCK_WAIT is 'soon'");
	assert_usage(QUICK("--lock-wait", "-1"), "--lock-wait: LOCK_WAIT is '-1'");
	assert_usage(QUICK("--conflict-policy=best"), "--conflict-policy: CONFLICT_POLICY is");
	assert_usage(QUICK("--instance-id=a/b"), "--instance-id: INSTANCE_ID is 'a/b'");
	assert_usage(LOAD("--initiator=here", "--target=ssh://h"), "--target: TARGET_SYNC_DIR: ");
	assert_usage(LOAD("--initiator=ssh://h/x", "--target=there"), "--initiator: ");
}

static void test_the_last_of_two_values_counts(void **state)
{
	AUTO_LOAD load = QUICK("--lock-wait=1", "--set", "LOCK_WAIT=2", "--lock-wait", "3");

	assert_int_equal(load.config->lock_wait_s, 3);
}

static void test_two_dashes_end_the_options(void **state)
{
	config_help_write("--x.conf",
			  "INSTANCE_ID=t\nINITIATOR_SYNC_DIR=here\nTARGET_SYNC_DIR=there\n");
	assert_good(LOAD("--dry-run", "--", "--x.conf"));
	assert_usage(LOAD("--", "a.conf", "b.conf"), "b.conf: there is a configuration already");
	assert_usage(LOAD("a.conf", "--config=b.conf"), "--config: there is a configuration");
	unlink("--x.conf");
}

static void test_nothing_to_sync_is_told(void **state)
{
	AUTO_LOAD half = LOAD("--initiator=here");

	AUTO_FREE char *nowhere =
		xasprintf("'%s' is in no folder that a profile syncs", config_help_dir());

	assert_usage(load_args((const char *const[]){ NULL }), nowhere);
	assert_int_equal(half.err.kind, ERR_CONFIG);
	assert_messages(&half, "--target is missing\n");
}

static void test_the_help_shows_every_option_of_ours(void **state)
{
	static const char *const names[] = {
		"-n, --dry-run",   "-q, --quiet",      "-v, --verbose",	  "--json",
		"--initiator DIR", "--target DIR|URL", "--set KEY=VALUE", "--allow-deletes",
		"--adopt",	   "--ssh-key FILE",   "--config FILE",	  "--lock-wait SECONDS"
	};
	AUTO_BUF help = BUF_INIT;

	options_add_help(&help);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strstr(buf_cstr(&help), names[i]))
			fail_msg("no '%s' in the help", names[i]);
	assert_null(strstr(buf_cstr(&help), "krb5"));
	assert_null(strstr(buf_cstr(&help), "null"));
	for (char *line = buf_cstr(&help); line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strcspn(line, "\n") > 80)
			fail_msg("more than 80 columns: %.90s", line);
	}
}

static int setup(void **state)
{
	int result = config_help_setup(state);

	config_help_write("t.key", "key\n");
	return result;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, config_help_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_quick_sync_needs_only_two_folders),
		TEST(test_values_stand_behind_a_blank_or_the_first_equals_sign),
		TEST(test_confirmations_take_a_number_behind_the_equals_sign_only),
		TEST(test_flags_are_set_one_by_one_and_as_joined_letters),
		TEST(test_options_set_their_keys),
		TEST(test_a_command_makes_any_path_remote),
		TEST(test_harmless_options_of_osync_1_3_are_accepted),
		TEST(test_silent_is_quieter_than_quiet),
		TEST(test_what_osync_1_3_needed_an_option_for_is_warned_about),
		TEST(test_other_options_of_osync_1_3_are_refused_by_name),
		TEST(test_unknown_options_are_told_with_the_nearest_one),
		TEST(test_misused_options_are_told_all_at_once),
		TEST(test_values_of_options_are_judged_as_usage),
		TEST(test_the_last_of_two_values_counts),
		TEST(test_two_dashes_end_the_options),
		TEST(test_nothing_to_sync_is_told),
		TEST(test_the_help_shows_every_option_of_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
