/* SPDX-License-Identifier: BSD-2-Clause */
/* What each key takes, and what becomes of the keys of osync 1.3. */
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

/* osync.conf.example, found before the tests leave the working folder. */
static char *example;

/* Loading this, behind two good folders in lines 1 to 3, gives exactly these messages. */
static void assert_told(const char *keys, int result, const char *messages)
{
	AUTO_LOAD load = load_keys(keys);

	assert_messages(&load, messages);
	assert_int_equal(load.result, result);
	if (result < 0)
		assert_int_equal(load.err.kind, ERR_CONFIG);
}

static void test_defaults_are_those_of_the_example(void **state)
{
	AUTO_LOAD plain = LOAD("--initiator=here", "--target=there");
	AUTO_LOAD load = LOAD("--config", example, "--initiator=here", "--target=there");

	assert_messages(&load, "");
	assert_int_equal(load.result, 0);
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *key = &keys_table[i];
		size_t size = key->type == KEY_BOOL    ? sizeof(bool)
			      : key->type == KEY_INT64 ? sizeof(int64_t)
						       : sizeof(int);

		if (key->treat != KEY_SETS || key->type == KEY_TEXT || key->type == KEY_PATH)
			continue;
		assert_memory_equal((char *)load.config + key->offset,
				    (char *)plain.config + key->offset, size);
	}
	assert_string_equal(load.config->remote_osync_path, plain.config->remote_osync_path);
	assert_null(load.config->ssh_key_file);
	assert_null(load.config->state_dir[SIDE_INITIATOR]);
}

static void test_the_example_shows_every_key_that_works(void **state)
{
	AUTO_BUF text = BUF_INIT;

	assert_int_equal(locate_read(example, 1 << 20, &text, NULL), 0);
	for (size_t i = 0; i < keys_count; i++) {
		AUTO_FREE char *line = xasprintf("\n%s=", keys_table[i].name);
		bool works = keys_table[i].treat == KEY_SETS || keys_table[i].treat == KEY_READ;

		/* A mark of osync's, not a setting. */
		if (strcmp(keys_table[i].name, "CONFIG_FILE_REVISION") == 0)
			works = false;
		if (works != (strstr(buf_cstr(&text), line) != NULL))
			fail_msg("%s: %s", keys_table[i].name, works ? "not shown" : "shown");
	}
}

static void test_every_key_has_one_row_and_a_good_default(void **state)
{
	AUTO_LOAD load = LOAD("--initiator=here", "--target=there");

	assert_int_equal(load.config->max_delete_percent, 50);
	assert_int_equal(load.config->max_delete_count, 10);
	assert_int_equal(load.config->ssh_connect_timeout_s, 30);
	assert_int_equal(load.config->ssh_keepalive_s, 15);
	assert_int_equal(load.config->conflict_policy, CONFLICT_KEEP_BOTH);
	assert_int_equal(load.config->prevalence, SIDE_INITIATOR);
	assert_int_equal(load.config->fsync, FSYNC_BATCH);
	assert_string_equal(load.config->remote_osync_path, "osync");
	assert_true(load.config->preserve_permissions && load.config->preserve_owner &&
		    load.config->preserve_group && load.config->preserve_executability);
	assert_false(load.config->preserve_acl || load.config->preserve_xattr ||
		     load.config->preserve_hardlinks || load.config->checksum ||
		     load.config->create_dirs || load.config->sudo_exec);
	for (size_t i = 0; i < keys_count; i++)
		assert_ptr_equal(keys_find(keys_table[i].name), &keys_table[i]);
}

static void test_empty_values_are_defaults(void **state)
{
	AUTO_LOAD load = load_keys("LOCK_WAIT=\nCHECKSUM=\nCONFLICT_POLICY=\nFSYNC=\"\"\n"
				   "PRESERVE_OWNER=\nSSH_RSA_PRIVATE_KEY=\nBANDWIDTH=\n"
				   "PATH_SEPARATOR_CHAR=\nRSYNC_PATTERN_FIRST=\n");

	assert_messages(&load, "");
	assert_true(load.config->preserve_owner);
	assert_null(load.config->ssh_key_file);
}

static void test_switches_take_yes_and_no_in_any_case(void **state)
{
	AUTO_LOAD load = load_keys("CHECKSUM=Yes\nPRESERVE_ACL=\"TRUE\"\nPRESERVE_OWNER=No\n"
				   "PRESERVE_GROUP='false'\n");

	assert_messages(&load, "");
	assert_true(load.config->checksum && load.config->preserve_acl);
	assert_false(load.config->preserve_owner || load.config->preserve_group);
	assert_told("CHECKSUM=1\n", -1, "t.conf:4: CHECKSUM is '1'; it takes yes or no\n");
}

static void test_numbers_have_limits(void **state)
{
	AUTO_LOAD load = load_keys("MAX_DELETE_PERCENT=0\nMAX_DELETE_COUNT=007\n");

	assert_int_equal(load.config->max_delete_percent, 0);
	assert_int_equal(load.config->max_delete_count, 7);
	assert_told("MAX_DELETE_PERCENT=101\n", -1,
		    "t.conf:4: MAX_DELETE_PERCENT is '101', not a whole number from 0 to 100\n");
	assert_told("SSH_CONNECT_TIMEOUT=0\n", -1,
		    "t.conf:4: SSH_CONNECT_TIMEOUT is '0', not a whole number from 1 to 3600\n");
	assert_told("LOCK_WAIT=99999999999999999999999\n", -1,
		    "t.conf:4: LOCK_WAIT is '99999999999999999999999', not a whole number from 0 "
		    "to 604800\n");
	assert_told("LOCK_WAIT=5m\n", -1,
		    "t.conf:4: LOCK_WAIT is '5m', not a whole number from 0 to 604800\n");
}

static void test_words_are_listed_when_none_fits(void **state)
{
	AUTO_LOAD load = load_keys("CONFLICT_POLICY=Newer\nCONFLICT_PREVALANCE=target\n"
				   "FSYNC=off\n");

	assert_int_equal(load.config->conflict_policy, CONFLICT_NEWER);
	assert_int_equal(load.config->prevalence, SIDE_TARGET);
	assert_int_equal(load.config->fsync, FSYNC_OFF);
	assert_told("CONFLICT_PREVALANCE=master\n", -1,
		    "t.conf:4: CONFLICT_PREVALANCE is 'master', not one of: initiator target\n");
	assert_told("RSYNC_PATTERN_FIRST=both\n", -1,
		    "t.conf:4: RSYNC_PATTERN_FIRST is 'both', not one of: include exclude\n");
}

static void test_unknown_keys_are_warned_about_with_the_nearest_one(void **state)
{
	assert_told("CHEKSUM=yes\nMY_OWN_THING=1\nSOFTDELETE=no\n", 0,
		    "t.conf:4: warning: CHEKSUM is not a key; did you mean CHECKSUM?\n"
		    "t.conf:5: warning: MY_OWN_THING is not a key\n"
		    "t.conf:6: warning: SOFTDELETE is not a key; did you mean SOFT_DELETE?\n");
	/* The user's own name, and used. */
	assert_told("MY_STATE=/var/x\nINITIATOR_CUSTOM_STATE_DIR=$MY_STATE/s\n", 0, "");
}

static void test_deletions_are_skipped_on_both_sides_in_either_order(void **state)
{
	AUTO_LOAD one = load_keys("SKIP_DELETION=initiator,target\n");
	AUTO_LOAD other = load_keys("SKIP_DELETION=target,initiator\n");

	assert_int_equal(one.config->skip_deletion, SKIP_ON_INITIATOR | SKIP_ON_TARGET);
	assert_int_equal(other.config->skip_deletion, SKIP_ON_INITIATOR | SKIP_ON_TARGET);
}

static void test_what_is_not_done_yet_is_refused_by_name(void **state)
{
	static const char *const asks[] = {
		"DIGEST=sha256",
	};

	for (size_t i = 0; i < sizeof(asks) / sizeof(*asks); i++) {
		AUTO_LOAD load = load_keys(asks[i]);
		AUTO_FREE char *key = xstrndup(asks[i], strcspn(asks[i], "="));
		AUTO_FREE char *start = xasprintf("t.conf:4: %s: this version does not do", key);
		AUTO_FREE char *way_out = xasprintf("; set %s=", key);

		assert_int_equal(load.err.kind, ERR_CONFIG);
		assert_line(&load, start);
		assert_non_null(strstr(load.err.msg, way_out));
	}
}

static void test_the_way_out_of_a_refusal_is_accepted(void **state)
{
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *key = &keys_table[i];
		AUTO_FREE char *line =
			xasprintf("%s=\"%s\"", key->name, key->fallback ? key->fallback : "");
		bool refused = key->treat == KEY_LATER || key->treat == KEY_NEVER ||
			       key->treat == KEY_ALWAYS;

		if (refused || key->treat == KEY_NO_EFFECT || key->treat == KEY_ACCEPTED)
			assert_told(line, 0, "");
		if (refused)
			assert_non_null(key->fallback);
	}
	assert_told("BANDWIDTH=0\nSOFT_DELETE_DAYS=0\nLOG_CONFLICTS=No\nDIGEST=xxh3\n", 0, "");
}

static void test_what_is_always_done_cannot_be_switched_off(void **state)
{
	assert_told("SOFT_DELETE=true\nCONFLICT_BACKUP=yes\nRESUME_SYNC=true\nRESUME_TRY=2\n"
		    "CONFLICT_BACKUP_MULTIPLE=no\nKEEP_LOGGING=1801\n",
		    0, "");
	assert_told("SOFT_DELETE=false\nCONFLICT_BACKUP=no\n", -1,
		    "t.conf:4: SOFT_DELETE: what is deleted always goes to the trash; set "
		    "SOFT_DELETE=true to go on\n"
		    "t.conf:5: CONFLICT_BACKUP: what is overwritten always goes to the trash; set "
		    "CONFLICT_BACKUP=true to go on\n");
}

static void test_what_is_not_done_on_purpose_is_refused_with_the_reason(void **state)
{
	AUTO_LOAD load = load_keys("COPY_SYMLINKS=yes\nKEEP_DIRLINKS=true\nKRB5=true\n");

	assert_line(&load, "t.conf:4: COPY_SYMLINKS: symlinks are synced as symlinks");
	assert_line(&load, "t.conf:5: KEEP_DIRLINKS: symlinks are synced as symlinks");
	assert_line(&load, "t.conf:6: KRB5: for Kerberos set TRANSPORT=command");
}

static void test_a_token_takes_what_no_shell_would_change(void **state)
{
	AUTO_LOAD load = load_keys("_REMOTE_TOKEN='two words'\n");

	assert_line(&load, "t.conf:4: _REMOTE_TOKEN takes letters");
	/* A secret is not repeated. */
	assert_null(strstr(buf_cstr(&load.messages), "two words"));
	assert_told("_REMOTE_TOKEN=SomeAlphaNumericToken9\n", 0, "");
}

static enum compression compression_with(const char *keys)
{
	AUTO_LOAD load = load_keys(keys);

	assert_messages(&load, "");
	assert_int_equal(load.result, 0);
	return load.config->compression;
}

static void test_compression_is_what_osync_1_3_was_told_too(void **state)
{
	assert_int_equal(compression_with(""), COMPRESSION_AUTO);
	assert_int_equal(compression_with("RSYNC_COMPRESS=yes\n"), COMPRESSION_AUTO);
	assert_int_equal(compression_with("RSYNC_COMPRESS=no\n"), COMPRESSION_OFF);
	assert_int_equal(compression_with("RSYNC_COMPRESS=no\nCOMPRESSION=on\n"), COMPRESSION_ON);
	assert_int_equal(compression_with("RSYNC_COMPRESS=yes\nCOMPRESSION=off\n"),
			 COMPRESSION_OFF);
}

static void test_what_steers_rsync_is_warned_about_once(void **state)
{
	assert_told("RSYNC_EXECUTABLE=rsync\nDELTA_COPIES=true\nPARTIAL=no\n"
		    "SSH_CONTROLMASTER=false\nRSYNC_REMOTE_PATH=\"\"\n"
		    "RSYNC_OPTIONAL_ARGS=\"\"\n",
		    0, "");
	assert_told("RSYNC_EXECUTABLE=/opt/rsync\nPARTIAL=yes\n", 0,
		    "t.conf:4: warning: RSYNC_EXECUTABLE has no effect: rsync does not run here\n"
		    "t.conf:5: warning: PARTIAL has no effect: rsync does not run here\n");
}

static void test_the_revision_of_the_file_has_to_be_1_3_or_later(void **state)
{
	assert_told("CONFIG_FILE_REVISION=1.3.0\n", 0, "");
	assert_told("CONFIG_FILE_REVISION=1.3.1-beta2\n", 0, "");
	assert_told("CONFIG_FILE_REVISION=2.0\n", 0, "");
	assert_told("CONFIG_FILE_REVISION=new\n", -1,
		    "t.conf:4: CONFIG_FILE_REVISION is 'new', not a version as in 1.3.0\n");
	{
		AUTO_LOAD load = load_keys("CONFIG_FILE_REVISION=1.2.9\n");

		assert_line(&load, "t.conf:4: CONFIG_FILE_REVISION is '1.2.9', older than 1.3.0");
		assert_non_null(strstr(load.err.msg, "SYNC_ID is INSTANCE_ID"));
	}
}

static void test_names_of_osync_1_0_are_told_with_those_of_today(void **state)
{
	AUTO_LOAD load = load_text("SYNC_ID=t\nMASTER_SYNC_DIR=here\nSLAVE_SYNC_DIR=there\n");

	/* And nothing else: what they stand for is not missing. */
	assert_messages(&load,
			"t.conf:1: SYNC_ID is a name of osync 1.0; it is INSTANCE_ID now\n"
			"t.conf:2: MASTER_SYNC_DIR is a name of osync 1.0; it is "
			"INITIATOR_SYNC_DIR now\n"
			"t.conf:3: SLAVE_SYNC_DIR is a name of osync 1.0; it is TARGET_SYNC_DIR "
			"now\n");
}

/* The sample file of osync 1.3 as it is installed, shortened to its keys. */
static const char osync_sample[] =
	"#!/usr/bin/env bash\n"
	"###### osync - Rsync based two way sync engine with fault tolerance\n"
	"[GENERAL]\n"
	"CONFIG_FILE_REVISION=1.3.0\n"
	"INSTANCE_ID=\"sync_test\"\n"
	"INITIATOR_SYNC_DIR=\"${HOME}/here\"\n"
	"TARGET_SYNC_DIR=\"${HOME}/there\"\n"
	"#TARGET_SYNC_DIR=\"ssh://backupuser@yourhost.old:22//home/git/osync/dir2\"\n"
	"SSH_RSA_PRIVATE_KEY=\"${HOME}/backupuser/.ssh/id_rsa\"\n"
	"SSH_PASSWORD_FILE=\"\"\n"
	"_REMOTE_TOKEN=SomeAlphaNumericToken9\n"
	"CREATE_DIRS=true\n"
	"LOGFILE=\"\"\n"
	"MINIMUM_SPACE=10240\n"
	"BANDWIDTH=0\n"
	"SUDO_EXEC=false\n"
	"RSYNC_EXECUTABLE=rsync\n"
	"RSYNC_REMOTE_PATH=\"\"\n"
	"RSYNC_PATTERN_FIRST=include\n"
	"RSYNC_INCLUDE_PATTERN=\"\"\n"
	"RSYNC_EXCLUDE_PATTERN=\"\"\n"
	"#RSYNC_EXCLUDE_PATTERN=\"tmp;archives\"\n"
	"RSYNC_INCLUDE_FROM=\"\"\n"
	"RSYNC_EXCLUDE_FROM=\"\"\n"
	"PATH_SEPARATOR_CHAR=\";\"\n"
	"INITIATOR_CUSTOM_STATE_DIR=\"\"\n"
	"TARGET_CUSTOM_STATE_DIR=\"\"\n"
	"[REMOTE_OPTIONS]\n"
	"SSH_COMPRESSION=false\n"
	"#SSH_OPTIONAL_ARGS=\"-o 'x y'\"\n"
	"SSH_IGNORE_KNOWN_HOSTS=false\n"
	"SSH_CONTROLMASTER=false\n"
	"REMOTE_HOST_PING=false\n"
	"REMOTE_3RD_PARTY_HOSTS=\"www.kernel.org www.google.com\"\n"
	"[MISC_OPTIONS]\n"
	"RSYNC_OPTIONAL_ARGS=\"\"\n"
	"PRESERVE_PERMISSIONS=true\n"
	"PRESERVE_OWNER=true\n"
	"PRESERVE_GROUP=true\n"
	"PRESERVE_EXECUTABILITY=true\n"
	"PRESERVE_ACL=false\n"
	"PRESERVE_XATTR=false\n"
	"COPY_SYMLINKS=false\n"
	"KEEP_DIRLINKS=false\n"
	"PRESERVE_HARDLINKS=false\n"
	"CHECKSUM=false\n"
	"RSYNC_COMPRESS=true\n"
	"SOFT_MAX_EXEC_TIME=7200\n"
	"HARD_MAX_EXEC_TIME=10600\n"
	"KEEP_LOGGING=1801\n"
	"MIN_WAIT=60\n"
	"MAX_WAIT=7200\n"
	"[BACKUP_DELETE_OPTIONS]\n"
	"LOG_CONFLICTS=false\n"
	"ALERT_CONFLICTS=false\n"
	"CONFLICT_BACKUP=true\n"
	"CONFLICT_BACKUP_MULTIPLE=false\n"
	"CONFLICT_BACKUP_DAYS=30\n"
	"CONFLICT_PREVALANCE=initiator\n"
	"SOFT_DELETE=true\n"
	"SOFT_DELETE_DAYS=30\n"
	"SKIP_DELETION=\n"
	"SYNC_TYPE=\n"
	"[RESUME_OPTIONS]\n"
	"RESUME_SYNC=true\n"
	"RESUME_TRY=2\n"
	"FORCE_STRANGER_LOCK_RESUME=false\n"
	"PARTIAL=false\n"
	"DELTA_COPIES=true\n"
	"[ALERT_OPTIONS]\n"
	"DESTINATION_MAILS=\"your@alert.tld\"\n"
	"ALWAYS_SEND_MAILS=false\n"
	"MAIL_BODY_CHARSET=\"\"\n"
	"SENDER_MAIL=\"alert@your.system.tld\"\n"
	"SMTP_SERVER=smtp.your.isp.tld\n"
	"SMTP_PORT=25\n"
	"# encryption can be tls, ssl or none\n"
	"SMTP_ENCRYPTION=none\n"
	"SMTP_USER=\n"
	"SMTP_PASSWORD=\n"
	"[EXECUTION_HOOKS]\n"
	"LOCAL_RUN_BEFORE_CMD=\"\"\n"
	"LOCAL_RUN_AFTER_CMD=\"\"\n"
	"REMOTE_RUN_BEFORE_CMD=\"\"\n"
	"REMOTE_RUN_AFTER_CMD=\"\"\n"
	"MAX_EXEC_TIME_PER_CMD_BEFORE=0\n"
	"MAX_EXEC_TIME_PER_CMD_AFTER=0\n"
	"STOP_ON_CMD_ERROR=true\n"
	"RUN_AFTER_CMD_ON_ERROR=false\n";

static void test_the_sample_file_of_osync_1_3_loads_as_it_is(void **state)
{
	AUTO_LOAD load = load_text(osync_sample);

	assert_messages(&load, "");
	/* What the sample only shows is nobody's address. */
	assert_null(load.config->mail.recipients);
	assert_string_equal(load.config->instance_id, "sync_test");
	assert_string_equal(load.config->remote_token, "SomeAlphaNumericToken9");
	assert_true(load.config->create_dirs);
	assert_true(load.config->target.path[0] == '/');
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, config_help_setup, config_help_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_defaults_are_those_of_the_example),
		TEST(test_the_example_shows_every_key_that_works),
		TEST(test_every_key_has_one_row_and_a_good_default),
		TEST(test_empty_values_are_defaults),
		TEST(test_switches_take_yes_and_no_in_any_case),
		TEST(test_numbers_have_limits),
		TEST(test_words_are_listed_when_none_fits),
		TEST(test_unknown_keys_are_warned_about_with_the_nearest_one),
		TEST(test_deletions_are_skipped_on_both_sides_in_either_order),
		TEST(test_what_is_not_done_yet_is_refused_by_name),
		TEST(test_the_way_out_of_a_refusal_is_accepted),
		TEST(test_what_is_always_done_cannot_be_switched_off),
		TEST(test_what_is_not_done_on_purpose_is_refused_with_the_reason),
		TEST(test_a_token_takes_what_no_shell_would_change),
		TEST(test_compression_is_what_osync_1_3_was_told_too),
		TEST(test_what_steers_rsync_is_warned_about_once),
		TEST(test_the_revision_of_the_file_has_to_be_1_3_or_later),
		TEST(test_names_of_osync_1_0_are_told_with_those_of_today),
		TEST(test_the_sample_file_of_osync_1_3_loads_as_it_is),
	};
	int failed = 0;

	example = realpath("osync.conf.example", NULL);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(example);
	return failed;
}
