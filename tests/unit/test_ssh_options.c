/* SPDX-License-Identifier: BSD-2-Clause */
/* What `ssh -G` prints, turned into options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "transport/ssh_options.h"

static struct ssh_options parse(const char *text)
{
	struct ssh_options options = SSH_OPTIONS_INIT;

	options.home = "/home/bob";
	options.local_user = "bob";
	options.given_host = "short";
	options.host = arena_strdup(&options.arena, "short");
	options.port = arena_strdup(&options.arena, "22");
	options.user = arena_strdup(&options.arena, "bob");
	ssh_options_parse(&options, text);
	return options;
}

static void values_are_taken(void **state)
{
	AUTO_SSH_OPTIONS options =
		parse("host short\nuser alice\nhostname host.example\nport 2222\n"
		      "hostkeyalias alias\nproxyjump a@b:1,c\n"
		      "proxycommand nc %h %p\nstricthostkeychecking accept-new\n"
		      "identitiesonly yes\nconnecttimeout 7\nunknown words\n");

	(void)state;
	assert_string_equal(options.user, "alice");
	assert_string_equal(options.host, "host.example");
	assert_int_equal(ssh_options_port(&options), 2222);
	assert_string_equal(ssh_options_key_name(&options), "alias");
	assert_string_equal(options.proxy_jump, "a@b:1,c");
	assert_string_equal(options.proxy_command, "nc %h %p");
	assert_string_equal(options.strict_checking, "accept-new");
	assert_true(options.identities_only);
	assert_int_equal(options.connect_timeout_s, 7);
}

static void none_unsets(void **state)
{
	AUTO_SSH_OPTIONS options =
		parse("proxyjump none\nproxycommand none\nhostkeyalias none\nidentityagent none\n"
		      "identityfile none\nglobalknownhostsfile none\nconnecttimeout none\n");

	(void)state;
	assert_null(options.proxy_jump);
	assert_null(options.proxy_command);
	assert_null(options.host_key_alias);
	assert_null(options.identity_agent);
	assert_int_equal(options.identities.count, 0);
	assert_int_equal(options.known_hosts.count, 0);
	assert_int_equal(options.connect_timeout_s, 0);
}

static void identity_files_keep_their_order_and_are_expanded(void **state)
{
	/* The tokens are known only after the last line. */
	AUTO_SSH_OPTIONS options = parse("identityfile ~/.ssh/my key\nidentityfile %d/%r@%h:%p\n"
					 "identityfile /%u/100%%\nidentityfile /odd/%C\n"
					 "user alice\nhostname h.example\nport 3\n");

	(void)state;
	assert_int_equal(options.identities.count, 4);
	assert_string_equal(options.identities.paths[0], "/home/bob/.ssh/my key");
	assert_string_equal(options.identities.paths[1], "/home/bob/alice@h.example:3");
	assert_string_equal(options.identities.paths[2], "/bob/100%");
	assert_string_equal(options.identities.paths[3], "/odd/%C");
}

static void known_hosts_files_come_in_one_line(void **state)
{
	AUTO_SSH_OPTIONS options = parse("userknownhostsfile /a/with blank ~/b /c\n"
					 "globalknownhostsfile /etc/ssh/ssh_known_hosts\n");

	(void)state;
	assert_int_equal(options.known_hosts.count, 4);
	assert_string_equal(options.known_hosts.paths[0], "/a/with blank");
	assert_string_equal(options.known_hosts.paths[1], "/home/bob/b");
	assert_string_equal(options.known_hosts.paths[2], "/c");
	assert_string_equal(options.known_hosts.paths[3], "/etc/ssh/ssh_known_hosts");
	assert_string_equal(options.user_known_hosts, "/a/with blank");
}

static void new_hosts_are_noted_in_the_users_file(void **state)
{
	/* In the order of ssh -G: where only root may write comes first. */
	AUTO_SSH_OPTIONS options = parse("globalknownhostsfile /etc/ssh/ssh_known_hosts\n"
					 "userknownhostsfile ~/.ssh/known_hosts ~/second\n");
	AUTO_SSH_OPTIONS none = parse("globalknownhostsfile /etc/ssh/ssh_known_hosts\n"
				      "userknownhostsfile none\n");

	assert_string_equal(options.user_known_hosts, "/home/bob/.ssh/known_hosts");
	assert_null(none.user_known_hosts);
}

static void more_files_than_there_is_room_for_are_ignored(void **state)
{
	char text[64 * 20 + 1] = "";

	for (int i = 0; i < 64; i++)
		memcpy(text + 20 * i, "identityfile /abcde\n", 20);
	AUTO_SSH_OPTIONS options = parse(text);

	(void)state;
	assert_int_equal(options.identities.count, SSH_FILES_MAX);
}

static void an_agent_may_be_named_by_a_variable(void **state)
{
	setenv("OSYNC_TEST_SOCK", "/run/agent", 1);
	AUTO_SSH_OPTIONS by_name = parse("identityagent $OSYNC_TEST_SOCK\n");
	AUTO_SSH_OPTIONS by_path = parse("identityagent ~/agent\n");
	AUTO_SSH_OPTIONS unset = parse("identityagent $OSYNC_TEST_UNSET\n");

	(void)state;
	assert_string_equal(by_name.identity_agent, "/run/agent");
	assert_string_equal(by_path.identity_agent, "/home/bob/agent");
	assert_null(unset.identity_agent);
}

static void a_port_that_is_none_is_22(void **state)
{
	AUTO_SSH_OPTIONS options = parse("port 70000\n");

	(void)state;
	assert_int_equal(ssh_options_port(&options), 22);
}

static void odd_lines_do_no_harm(void **state)
{
	AUTO_SSH_OPTIONS options = parse("\n\nuser\nuser \nport\n hostname x\nidentityfile \n");

	(void)state;
	assert_string_equal(options.user, "bob");
	assert_string_equal(options.host, "short");
	assert_int_equal(options.identities.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_taken),
		cmocka_unit_test(none_unsets),
		cmocka_unit_test(identity_files_keep_their_order_and_are_expanded),
		cmocka_unit_test(known_hosts_files_come_in_one_line),
		cmocka_unit_test(new_hosts_are_noted_in_the_users_file),
		cmocka_unit_test(more_files_than_there_is_room_for_are_ignored),
		cmocka_unit_test(an_agent_may_be_named_by_a_variable),
		cmocka_unit_test(a_port_that_is_none_is_22),
		cmocka_unit_test(odd_lines_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
