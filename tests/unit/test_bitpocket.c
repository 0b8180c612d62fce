/* SPDX-License-Identifier: BSD-2-Clause */
/* What bitpocket's files become: keys of ours, one file of patterns, and names for the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "config/parse.h"
#include "config/problems.h"
#include "setup/bitpocket.h"

#define HEAD "REMOTE_HOST=me@host\nREMOTE_PATH=far\n"

struct taken {
	struct bitpocket pocket;
	struct buf messages;
	bool bad;
};

static void taken_release(struct taken *taken)
{
	bitpocket_release(&taken->pocket);
	buf_release(&taken->messages);
}
#define AUTO_TAKEN AUTO(taken_release) struct taken

static const char *get(void *context, const char *name)
{
	return strcmp(name, "HOME") == 0 ? "/home/me" : NULL;
}

static const struct parse_lookup lookup = { get, NULL };

static struct taken take(const char *config, const char *filter, const char *include,
			 const char *exclude)
{
	const char *texts[] = { config, exclude, include, filter };
	struct taken taken = { 0 };
	AUTO_PROBLEMS problems = PROBLEMS_INIT;

	for (int i = 0; i < BITPOCKET_FILES; i++)
		if (texts[i])
			buf_addstr(&taken.pocket.texts[i], texts[i]);
	bitpocket_read(&taken.pocket, "/home/me/it's", false, &lookup, &problems);
	taken.bad = problems_stop(&problems);
	problems_report(&problems, &taken.messages);
	return taken;
}

static struct taken take_config(const char *config)
{
	return take(config, NULL, NULL, NULL);
}

/* The last value of one of our keys, or NULL. */
static const char *set_to(const struct taken *taken, const char *key)
{
	for (size_t i = taken->pocket.count; i > 0; i--) {
		const char *set = taken->pocket.sets[i - 1];

		if (strncmp(set, key, strlen(key)) == 0 && set[strlen(key)] == '=')
			return set + strlen(key) + 1;
	}
	return NULL;
}

static void assert_target(const char *config, const char *expected)
{
	AUTO_TAKEN taken = take_config(config);

	assert_string_equal(buf_cstr(&taken.messages), "");
	assert_string_equal(taken.pocket.target, expected);
}

static void where_to_is_understood(void **state)
{
	assert_target(HEAD, "ssh://me@host/far");
	assert_target("REMOTE_HOST=host\nREMOTE_PATH=\"/srv/a b\"\n", "ssh://host//srv/a b");
	assert_target("REMOTE_HOST=host\nREMOTE_PATH=~/x # mine\n", "ssh://host//home/me/x");
	assert_target("REMOTE_HOST=host\nREMOTE_PATH='~/x'\n", "ssh://host/~/x");
	assert_target("REMOTE_HOST=\nREMOTE_PATH=/media/disk\n", "/media/disk");
	assert_target("REMOTE_PATH=../disk\n", "/home/me/it's/../disk");
	assert_target(HEAD "REMOTE_PORT=2222\n", "ssh://me@host:2222/far");
	assert_target(HEAD "RSYNC_RSH='ssh -p 22 -q'\nREMOTE_PORT=2222\n", "ssh://me@host:22/far");
	assert_target("REMOTE_HOST=host\nREMOTE_PATH=x\nRSYNC_RSH='ssh -l you -p2'\n",
		      "ssh://you@host:2/x");
	assert_target(HEAD "RSYNC_RSH='ssh -o User=you -oPort=7'\n", "ssh://me@host:7/far");
}

static void options_of_ssh_become_keys(void **state)
{
	AUTO_TAKEN taken = take_config(
		HEAD
		"RSYNC_RSH=\"ssh -C -i $DOT_DIR/id_rsa -F /etc/x -o UserKnownHostsFile=~/k\"\n");

	assert_false(taken.bad);
	assert_string_equal(set_to(&taken, "SSH_RSA_PRIVATE_KEY"),
			    "/home/me/it's/.bitpocket/id_rsa");
	assert_string_equal(set_to(&taken, "SSH_CONFIG_FILE"), "/etc/x");
	assert_string_equal(set_to(&taken, "SSH_KNOWN_HOSTS_FILE"), "~/k");
	assert_string_equal(set_to(&taken, "SSH_COMPRESSION"), "yes");
	assert_null(set_to(&taken, "TRANSPORT_COMMAND"));
}

static void an_ssh_that_is_not_understood_is_called_as_it_is(void **state)
{
	static const char *const shells[] = { "ssh -J jump",  "ssh -i k -o Foo=1", "autossh",
					      "ssh -o Port=", "ssh -i 'a b'",	   "/usr/bin/ssh",
					      "ssh -i",	      "ssh word" };

	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		AUTO_FREE char *text = xasprintf(HEAD "RSYNC_RSH=\"%s\"\n", shells[i]);
		AUTO_FREE char *command =
			xasprintf("cd '/home/me/it'\\''s' && exec %s me@host", shells[i]);
		AUTO_TAKEN taken = take_config(text);

		assert_string_equal(set_to(&taken, "TRANSPORT_COMMAND"), command);
		assert_string_equal(taken.pocket.target, "far");
		assert_null(set_to(&taken, "SSH_RSA_PRIVATE_KEY"));
	}
}

static void options_of_rsync_become_keys_and_patterns(void **state)
{
	AUTO_TAKEN taken = take(HEAD "RSYNC_OPTS=\"-AXvP --no-owner --checksum --exclude a "
				     "--include=b\"\n",
				"- c\n", NULL, NULL);

	assert_string_equal(buf_cstr(&taken.messages), "");
	assert_string_equal(set_to(&taken, "PRESERVE_ACL"), "yes");
	assert_string_equal(set_to(&taken, "PRESERVE_XATTR"), "yes");
	assert_string_equal(set_to(&taken, "PRESERVE_OWNER"), "no");
	assert_string_equal(set_to(&taken, "CHECKSUM"), "yes");
	assert_null(set_to(&taken, "PRESERVE_GROUP"));
	assert_string_equal(buf_cstr(&taken.pocket.rules.text), "- a\n+ b\n- c\n");
}

static void what_is_unknown_is_named_or_refused(void **state)
{
	static const char *const refused[] = {
		"--existing",	    "-Ae", "word",	   "--exclude",
		"--exclude-from=x", "-",   "--excluded=x", "-\"v"
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		AUTO_FREE char *text = xasprintf(HEAD "RSYNC_OPTS='-v %s'\n", refused[i]);
		AUTO_TAKEN taken = take_config(text);

		assert_true(taken.bad);
		assert_non_null(strstr(buf_cstr(&taken.messages), refused[i]));
	}
	AUTO_TAKEN named = take_config(HEAD "RSYNC_OPTS=-L\nX=1\nBACKUPS=false\nMINE=$X\n");

	assert_false(named.bad);
	assert_string_equal(
		buf_cstr(&named.messages),
		".bitpocket/config:3: warning: RSYNC_OPTS: -L has no counterpart: symlinks are synced "
		"as symlinks and never followed\n"
		".bitpocket/config:5: warning: BACKUPS=false: osync always keeps what it replaces, in "
		"the trash\n"
		".bitpocket/config:6: warning: MINE is not known to osync, and left out\n");
}

static void commands_run_in_the_folder_and_mounts_are_looked_at(void **state)
{
	AUTO_TAKEN taken = take_config(HEAD "SLOW_SYNC_START_CMD='a & b'\nSLOW_SYNC_STOP_CMD=c\n");
	AUTO_TAKEN mounted = take_config(HEAD "REMOTE_MOUNTPOINT=/srv\n");
	AUTO_TAKEN never = take_config(HEAD "SLOW_SYNC_TIME=5\nSLOW_SYNC_STOP_CMD=c\n");

	assert_string_equal(set_to(&taken, "SLOW_SYNC_TIME"), "10");
	assert_string_equal(set_to(&taken, "SLOW_SYNC_START_CMD"),
			    "cd '/home/me/it'\\''s' || exit; a & b");
	assert_string_equal(set_to(&taken, "SLOW_SYNC_STOP_CMD"),
			    "cd '/home/me/it'\\''s' || exit; c");
	assert_int_equal(never.pocket.count, 0);
	assert_string_equal(set_to(&mounted, "REMOTE_MOUNTPOINT"), "/srv");
}

static void rules_come_in_the_order_of_bitpocket(void **state)
{
	AUTO_TAKEN taken = take(HEAD, "# c\n+ f1\r\nexclude_f2\n\ninclude f 3\n-_f4\n",
				"i1\n- i2\n;c\n", "e1\n+ e2\r- /e 3/");
	AUTO_BUF file = BUF_INIT;

	assert_string_equal(buf_cstr(&taken.messages), "");
	assert_string_equal(buf_cstr(&taken.pocket.rules.text),
			    "+ f1\n- f2\n+ f 3\n- f4\n+ i1\n- i2\n- e1\n+ e2\n- /e 3/\n");
	rules_finish(&taken.pocket.rules, &file);
	assert_non_null(strstr(buf_cstr(&file), "\n- /.bitpocket\n+ f1\n"));
}

static void what_is_forgotten_is_forgotten_but_for_the_first(void **state)
{
	AUTO_TAKEN taken = take(HEAD, "- a\nclear\n- b\n", "!\nc\n", "d\n!\ne\n");
	AUTO_BUF file = BUF_INIT;

	assert_string_equal(buf_cstr(&taken.pocket.rules.text), "- e\n");
	rules_finish(&taken.pocket.rules, &file);
	assert_non_null(strstr(buf_cstr(&file), "\n- /.bitpocket\n- e\n"));
}

static void rules_that_are_more_are_refused_by_line(void **state)
{
	static const char *const rules[] = { "P a",	    "-s a",   "-, a",	    "-a",
					     ". f",	    "hide a", "excluded a", "exclude",
					     "exclude,s a", "- ",     " - a",	    "a",
					     "-",	    "+_" };

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		AUTO_FREE char *text = xasprintf("\n%s\n", rules[i]);
		AUTO_TAKEN taken = take(HEAD, text, NULL, NULL);

		assert_true(taken.bad);
		assert_memory_equal(buf_cstr(&taken.messages), ".bitpocket/filter:2: ", 21);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_to_is_understood),
		cmocka_unit_test(options_of_ssh_become_keys),
		cmocka_unit_test(an_ssh_that_is_not_understood_is_called_as_it_is),
		cmocka_unit_test(options_of_rsync_become_keys_and_patterns),
		cmocka_unit_test(what_is_unknown_is_named_or_refused),
		cmocka_unit_test(commands_run_in_the_folder_and_mounts_are_looked_at),
		cmocka_unit_test(rules_come_in_the_order_of_bitpocket),
		cmocka_unit_test(what_is_forgotten_is_forgotten_but_for_the_first),
		cmocka_unit_test(rules_that_are_more_are_refused_by_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
