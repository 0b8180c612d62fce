/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole configurations: where values come from, what goes together, what is told. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "config/keys.h"
#include "config/locate.h"
#include "config_help.h"
#include "model/entry.h"
#include "model/filter.h"

#define LOAD(...) load_args((const char *const[]){ __VA_ARGS__, NULL })

#define FOLDERS "INSTANCE_ID=t\nINITIATOR_SYNC_DIR=here\nTARGET_SYNC_DIR=there\n"
#define SERVER	"INSTANCE_ID=t\nINITIATOR_SYNC_DIR=here\nTARGET_SYNC_DIR=ssh://h/x\n"

/* Loading this, behind two good folders in lines 1 to 3, gives exactly these messages. */
static void assert_told(const char *keys, int result, const char *messages)
{
	AUTO_LOAD load = load_keys(keys);

	assert_messages(&load, messages);
	assert_int_equal(load.result, result);
	if (result < 0)
		assert_int_equal(load.err.kind, ERR_CONFIG);
}

static void test_the_command_line_beats_the_file_and_the_file_the_environment(void **state)
{
	setenv("LOCK_WAIT", "1", 1);
	setenv("START_JITTER", "1", 1);
	setenv("MAX_DELETE_COUNT", "1", 1);
	setenv("SSH_KEEPALIVE", "", 1);
	config_help_write("t.conf", FOLDERS "LOCK_WAIT=2\nSTART_JITTER=2\n");
	{
		AUTO_LOAD load = LOAD("t.conf", "--lock-wait=3");

		assert_messages(&load, "");
		assert_int_equal(load.config->lock_wait_s, 3);
		assert_int_equal(load.config->start_jitter_s, 2);
		assert_int_equal(load.config->max_delete_count, 1);
		/* An empty variable is none. */
		assert_int_equal(load.config->ssh_keepalive_s, 15);
	}
	unsetenv("LOCK_WAIT");
	unsetenv("START_JITTER");
	unsetenv("MAX_DELETE_COUNT");
	unsetenv("SSH_KEEPALIVE");
}

static void test_only_the_value_that_counts_is_judged(void **state)
{
	config_help_write("t.conf", FOLDERS "DIGEST=sha256\nLOCK_WAIT=soon\n");
	{
		AUTO_LOAD load = LOAD("t.conf", "--set=DIGEST=xxh3", "--lock-wait=1");

		assert_messages(&load, "");
		assert_int_equal(load.config->lock_wait_s, 1);
	}
}

static void test_the_environment_may_name_folders_but_ask_for_nothing_unknown(void **state)
{
	setenv("INITIATOR_SYNC_DIR", "here", 1);
	setenv("TARGET_SYNC_DIR", "there", 1);
	setenv("SOFT_DELETE_DAYS", "365", 1);
	setenv("DIGEST", "md5", 1);
	{
		AUTO_LOAD good = load_args((const char *const[]){ NULL });

		assert_messages(&good, "");
		setenv("LOCK_WAIT", "soon", 1);
	}
	{
		AUTO_LOAD bad = load_args((const char *const[]){ NULL });

		assert_int_equal(bad.err.kind, ERR_CONFIG);
		assert_line(&bad, "environment: LOCK_WAIT is 'soon'");
	}
	unsetenv("INITIATOR_SYNC_DIR");
	unsetenv("TARGET_SYNC_DIR");
	unsetenv("SOFT_DELETE_DAYS");
	unsetenv("DIGEST");
	unsetenv("LOCK_WAIT");
}

static void test_a_value_is_not_longer_from_anywhere(void **state)
{
	AUTO_FREE char *value = xcalloc(1, 64 * 1024 + 2);
	AUTO_FREE char *option = NULL;

	memset(value, 'x', (size_t)64 * 1024 + 1);
	config_help_write("t.conf", FOLDERS);
	option = xasprintf("--set=LOCAL_RUN_BEFORE_CMD=%s", value);
	{
		AUTO_LOAD load = LOAD("t.conf", option);

		assert_int_equal(load.err.kind, ERR_USAGE);
		assert_line(&load, "--set: LOCAL_RUN_BEFORE_CMD is longer than 65536 bytes");
		option[strlen(option) - 1] = '\0';
	}
	setenv("ON_ERROR_CMD", value, 1);
	{
		AUTO_LOAD load = LOAD("t.conf", option);

		assert_int_equal(load.err.kind, ERR_CONFIG);
		assert_messages(&load, "environment: ON_ERROR_CMD is longer than 65536 bytes\n");
	}
	unsetenv("ON_ERROR_CMD");
}

static void test_missing_keys_are_told(void **state)
{
	AUTO_LOAD empty = load_text("# nothing\n");
	AUTO_LOAD broken = load_text("INSTANCE_ID=$(x)\nINITIATOR_SYNC_DIR=here\n"
				     "TARGET_SYNC_DIR=a;b\n");

	assert_messages(&empty, "t.conf: INSTANCE_ID is missing\n"
				"t.conf: INITIATOR_SYNC_DIR is missing\n"
				"t.conf: TARGET_SYNC_DIR is missing\n");
	/* What could not be read is not missing on top. */
	assert_messages(&broken, "t.conf:1: $( is refused: this file is read, never executed\n"
				 "t.conf:3: ';' needs quotes around the value\n");
}

static void test_the_name_of_a_job_can_stand_in_a_file_name(void **state)
{
	static const char *const bad[] = { "a/b", ".a", "..", "\"a b\"", "a\\*", "\xc3\xa4" };
	AUTO_FREE char *name = xmalloc(66);

	assert_told("INSTANCE_ID=A-b_9.x\n", 0,
		    "t.conf:4: warning: INSTANCE_ID is set on line 1 already; this line counts\n");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		AUTO_FREE char *text = xasprintf("INSTANCE_ID=%s\n", bad[i]);
		AUTO_LOAD load = load_keys(text);

		assert_line(&load, "t.conf:4: INSTANCE_ID is '");
	}
	memset(name, 'a', 65);
	name[65] = '\0';
	{
		AUTO_LOAD longer =
			LOAD("--initiator=here", "--target=there", "--instance-id", name);

		assert_line(&longer, "--instance-id: INSTANCE_ID is 'aaa");
		name[64] = '\0';
	}
	{
		AUTO_LOAD longest =
			LOAD("--initiator=here", "--target=there", "--instance-id", name);

		assert_int_equal(longest.result, 0);
	}
}

static void assert_overlap(const char *initiator, const char *target, const char *what)
{
	AUTO_LOAD load = LOAD("--initiator", initiator, "--target", target);

	assert_int_equal(load.err.kind, ERR_CONFIG);
	if (!strstr(load.err.msg, what))
		fail_msg("%s, %s: %s", initiator, target, load.err.msg);
}

static void test_i67_folders_that_overlap_are_refused(void **state)
{
	AUTO_LOAD beside = LOAD("--initiator=here", "--target=here2");

	assert_int_equal(symlink("here", "link"), 0);
	assert_int_equal(mkdir("here/sub", 0700), 0);
	assert_overlap("here", "here", "the same folder");
	assert_overlap("here", "./there/../here/", "the same folder");
	assert_overlap("here", "link", "the same folder");
	assert_overlap("link/sub", "here", "INITIATOR_SYNC_DIR lies inside");
	assert_overlap("here", "link/sub", "TARGET_SYNC_DIR lies inside");
	assert_overlap("here", "here/not/yet", "TARGET_SYNC_DIR lies inside");
	assert_overlap("/", "there", "TARGET_SYNC_DIR lies inside");
	assert_overlap("not/yet", "not/yet/here", "TARGET_SYNC_DIR lies inside");
	assert_overlap("not/yet", "not/./yet", "");
	assert_int_equal(beside.result, 0);
}

static void test_i67_state_does_not_lie_among_what_is_synced(void **state)
{
	AUTO_FREE char *inside =
		xasprintf("INITIATOR_CUSTOM_STATE_DIR=%s/here/x\n", config_help_dir());
	AUTO_FREE char *other =
		xasprintf("INITIATOR_CUSTOM_STATE_DIR=%s/there\n", config_help_dir());
	AUTO_FREE char *own = xasprintf("INITIATOR_CUSTOM_STATE_DIR=%s/here/.osync_workdir/s\n",
					config_help_dir());
	AUTO_LOAD first = load_keys(inside);
	AUTO_LOAD second = load_keys(other);

	assert_line(&first, "t.conf:4: INITIATOR_CUSTOM_STATE_DIR lies inside the synced folder");
	assert_line(&second, "t.conf:4: INITIATOR_CUSTOM_STATE_DIR lies inside the synced folder");
	assert_told(own, 0, "");
}

static void test_state_folders_are_absolute(void **state)
{
	AUTO_FREE char *expected = xasprintf("%s/state", config_help_dir());

	assert_told("INITIATOR_CUSTOM_STATE_DIR=state\nTARGET_CUSTOM_STATE_DIR=./state\n", -1,
		    "t.conf:4: INITIATOR_CUSTOM_STATE_DIR is 'state', but has to be absolute\n"
		    "t.conf:5: TARGET_CUSTOM_STATE_DIR is './state', but has to be absolute\n");
	{
		AUTO_LOAD load = load_keys("INITIATOR_CUSTOM_STATE_DIR='~/state'\n"
					   "TARGET_CUSTOM_STATE_DIR=/var/state/\n");

		assert_messages(&load, "");
		assert_string_equal(load.config->state_dir[SIDE_INITIATOR], expected);
		assert_string_equal(load.config->state_dir[SIDE_TARGET], "/var/state");
	}
	{
		/* A folder of the server: our home is not its home. */
		AUTO_LOAD load = load_text(SERVER "TARGET_CUSTOM_STATE_DIR='~/state'\n");

		assert_line(&load, "t.conf:4: TARGET_CUSTOM_STATE_DIR is '~/state', but has");
	}
}

static void test_keys_and_passwords_have_to_be_there_for_a_server_only(void **state)
{
	config_help_write("pw", "secret\n");
	assert_told("SSH_RSA_PRIVATE_KEY=/not/there\nSSH_PASSWORD_FILE=/not/there\n", 0, "");
	{
		AUTO_LOAD load = load_text(SERVER "SSH_RSA_PRIVATE_KEY=/not/there\n");

		assert_messages(&load,
				"t.conf:4: SSH_RSA_PRIVATE_KEY: cannot read '/not/there': No "
				"such file or directory\n");
	}
	{
		AUTO_LOAD load = load_text(SERVER "SSH_RSA_PRIVATE_KEY=/not/there\n"
						  "SSH_PASSWORD_FILE=pw\n");

		assert_messages(&load, "");
		assert_null(load.config->ssh_key_file);
		assert_non_null(strstr(load.config->ssh_password_file, "/pw"));
		assert_int_equal(load.config->transport, TRANSPORT_SSH);
	}
	{
		AUTO_LOAD load = load_text(SERVER "SSH_PASSWORD_FILE=/not/there\n");

		assert_line(&load, "t.conf:4: SSH_PASSWORD_FILE: cannot read '/not/there'");
	}
}

static void test_a_server_that_is_not_checked_is_warned_about(void **state)
{
	AUTO_LOAD load = load_text(SERVER "SSH_IGNORE_KNOWN_HOSTS=yes\n");

	assert_int_equal(load.result, 0);
	assert_true(load.config->ssh_ignore_known_hosts);
	assert_line(&load, "t.conf:4: warning: SSH_IGNORE_KNOWN_HOSTS");
	assert_told("SSH_IGNORE_KNOWN_HOSTS=yes\n", 0, "");
}

static void test_the_transport_fits_the_target(void **state)
{
	assert_told("TRANSPORT=command\n", -1,
		    "t.conf:4: TRANSPORT is command, but TRANSPORT_COMMAND is missing\n");
	assert_told("TRANSPORT=ssh\n", -1,
		    "t.conf:3: TRANSPORT is ssh, but TARGET_SYNC_DIR is not "
		    "ssh://[USER@]HOST[:PORT]/PATH\n");
	{
		AUTO_LOAD load = load_text(SERVER "TRANSPORT=ssh\nTRANSPORT_COMMAND=x\n");

		assert_int_equal(load.config->transport, TRANSPORT_SSH);
	}
}

static bool excluded(const struct load *load, const char *path)
{
	return filter_excludes(load->config->filter, path, false);
}

static void test_patterns_stand_in_the_order_asked_for(void **state)
{
	static const char keys[] = "RSYNC_INCLUDE_PATTERN=\"keep.tmp\"\n"
				   "RSYNC_EXCLUDE_PATTERN=\"*.tmp;old\"\n"
				   "RSYNC_EXCLUDE_FROM=exclude.list\n"
				   "RSYNC_INCLUDE_FROM=./include.list\n";
	AUTO_FREE char *exclude_first = xasprintf("%sRSYNC_PATTERN_FIRST=exclude\n", keys);

	config_help_write("exclude.list", "# comment\n*.bak\nkeep.bak\n");
	config_help_write("include.list", "keep.bak\nkeep.tmp\n");
	{
		AUTO_LOAD load = load_keys(keys);

		assert_messages(&load, "");
		assert_true(excluded(&load, "a.tmp") && excluded(&load, "old"));
		assert_true(excluded(&load, "a.bak"));
		assert_false(excluded(&load, "keep.tmp") || excluded(&load, "keep.bak"));
		assert_false(excluded(&load, "a"));
	}
	{
		AUTO_LOAD load = load_keys(exclude_first);

		assert_true(excluded(&load, "keep.tmp") && excluded(&load, "keep.bak"));
	}
}

static void test_patterns_are_separated_as_asked_for(void **state)
{
	AUTO_LOAD load = load_keys("PATH_SEPARATOR_CHAR=:\nRSYNC_EXCLUDE_PATTERN=a:b\n");

	assert_true(excluded(&load, "a") && excluded(&load, "b"));
	assert_told("PATH_SEPARATOR_CHAR='::'\n", -1,
		    "t.conf:4: PATH_SEPARATOR_CHAR is '::'; it takes a single character\n");
}

static void test_pattern_files_lie_beside_the_configuration(void **state)
{
	config_help_write("there/x.list", "*.bak\n");
	config_help_write("there/x.conf", "INSTANCE_ID=t\nINITIATOR_SYNC_DIR=here\n"
					  "TARGET_SYNC_DIR=ssh://h/x\nRSYNC_EXCLUDE_FROM=x.list\n");
	{
		AUTO_LOAD load = LOAD("there/x.conf");

		assert_messages(&load, "");
		assert_true(excluded(&load, "a.bak"));
	}
	{
		AUTO_FREE char *told =
			xasprintf("t.conf:4: RSYNC_EXCLUDE_FROM: cannot read '%s/no.list': No such "
				  "file or directory\n",
				  config_help_dir());

		assert_told("RSYNC_EXCLUDE_FROM=no.list\n", -1, told);
	}
}

static void test_bad_patterns_are_told_with_their_line(void **state)
{
	config_help_write("bad.list", "good\n- \n");
	{
		AUTO_LOAD load = load_keys("RSYNC_EXCLUDE_FROM=bad.list\n");
		AUTO_FREE char *start = xasprintf("t.conf:4: RSYNC_EXCLUDE_FROM: %s/bad.list:2: ",
						  config_help_dir());

		assert_int_equal(load.err.kind, ERR_CONFIG);
		assert_line(&load, start);
	}
}

static void test_profiles_are_looked_up_by_name(void **state)
{
	AUTO_FREE char *xdg = xasprintf("%s/xdg", config_help_dir());

	assert_int_equal(mkdir(".config", 0700) | mkdir(".config/osync", 0700), 0);
	assert_int_equal(mkdir("xdg", 0700) | mkdir("xdg/osync", 0700), 0);
	/* A folder of that name is not meant. */
	assert_int_equal(mkdir("work", 0700), 0);
	config_help_write(".config/osync/work.conf", FOLDERS "LOCK_WAIT=1\n");
	config_help_write("xdg/osync/work.conf", FOLDERS "LOCK_WAIT=2\n");
	config_help_write("plain", FOLDERS "LOCK_WAIT=3\n");
	{
		AUTO_LOAD load = LOAD("work");

		assert_int_equal(load.config->lock_wait_s, 1);
	}
	setenv("XDG_CONFIG_HOME", xdg, 1);
	{
		AUTO_LOAD load = LOAD("work");
		AUTO_LOAD file = LOAD("plain");

		assert_int_equal(load.config->lock_wait_s, 2);
		assert_int_equal(file.config->lock_wait_s, 3);
	}
	{
		AUTO_LOAD load = LOAD("play");

		assert_int_equal(load.err.kind, ERR_CONFIG);
		assert_non_null(strstr(load.err.msg, "/xdg/osync/play.conf'"));
		assert_non_null(strstr(load.err.msg, "'/etc/osync/play.conf'"));
	}
	unsetenv("XDG_CONFIG_HOME");
}

static void test_files_that_cannot_be_read_are_told(void **state)
{
	AUTO_LOAD missing = LOAD("no.conf");
	AUTO_LOAD folder = LOAD("./here");
	AUTO_LOAD option = LOAD("--config", "here");

	assert_int_equal(missing.err.kind, ERR_CONFIG);
	assert_messages(&missing, "cannot read 'no.conf': No such file or directory\n");
	assert_messages(&folder, "cannot read './here': Is a directory\n");
	assert_messages(&option, "cannot read 'here': Is a directory\n");
}

static void test_a_tilde_needs_a_home(void **state)
{
	AUTO_FREE char *below = xasprintf("%s/below", config_help_dir());

	{
		AUTO_LOAD load = LOAD("--initiator=~/below", "--target=there");

		assert_string_equal(load.config->initiator_dir, below);
	}
	unsetenv("HOME");
	{
		AUTO_LOAD option = LOAD("--initiator=~/below", "--target=there");
		AUTO_LOAD file = load_text("INSTANCE_ID=t\nINITIATOR_SYNC_DIR=~/x\n"
					   "TARGET_SYNC_DIR=\"$HOME/y\"\n");

		assert_line(&option, "--initiator: INITIATOR_SYNC_DIR: '~' has no meaning");
		assert_messages(
			&file, "t.conf:2: HOME is not set, neither above nor in the environment\n"
			       "t.conf:3: HOME is not set, neither above nor in the environment\n");
	}
}

static void test_i69_messages_escape_control_characters(void **state)
{
	AUTO_LOAD load = LOAD("--initiator=here", "--target=there", "--lock-wait=\033]0;x\007\n");

	assert_line(&load, "--lock-wait: LOCK_WAIT is '\\x1b]0;x\\x07\\n', not");
	assert_null(strchr(load.err.msg, '\033'));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, config_help_setup, config_help_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_command_line_beats_the_file_and_the_file_the_environment),
		TEST(test_only_the_value_that_counts_is_judged),
		TEST(test_the_environment_may_name_folders_but_ask_for_nothing_unknown),
		TEST(test_a_value_is_not_longer_from_anywhere),
		TEST(test_missing_keys_are_told),
		TEST(test_the_name_of_a_job_can_stand_in_a_file_name),
		TEST(test_i67_folders_that_overlap_are_refused),
		TEST(test_i67_state_does_not_lie_among_what_is_synced),
		TEST(test_state_folders_are_absolute),
		TEST(test_keys_and_passwords_have_to_be_there_for_a_server_only),
		TEST(test_a_server_that_is_not_checked_is_warned_about),
		TEST(test_the_transport_fits_the_target),
		TEST(test_patterns_stand_in_the_order_asked_for),
		TEST(test_patterns_are_separated_as_asked_for),
		TEST(test_pattern_files_lie_beside_the_configuration),
		TEST(test_bad_patterns_are_told_with_their_line),
		TEST(test_profiles_are_looked_up_by_name),
		TEST(test_files_that_cannot_be_read_are_told),
		TEST(test_a_tilde_needs_a_home),
		TEST(test_i69_messages_escape_control_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
