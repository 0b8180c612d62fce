/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether two profiles have a folder in common. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch/places.h"
#include "batch/profiles.h"
#include "config_help.h"

/* The places of a profile with this target; its initiator is a folder that no other has. */
static struct places at(const char *target, const char *more)
{
	static unsigned number;
	AUTO_FREE char *here = xasprintf("own%u", ++number);
	AUTO_FREE char *text = NULL;

	mkdir(here, 0755);
	text = xasprintf("INSTANCE_ID=t\nINITIATOR_SYNC_DIR=%s\nTARGET_SYNC_DIR=\"%s\"\n"
			 "CREATE_DIRS=yes\n%s\n",
			 here, target, more);
	AUTO_LOAD load = load_text(text);

	if (load.result < 0)
		fail_msg("%s: %s", target, buf_cstr(&load.messages));
	return places_of(load.config);
}

/* Whether these two targets are one, asked both ways. */
static bool meet_with(const char *one, const char *other, const char *more)
{
	AUTO_PLACES a = at(one, "");
	AUTO_PLACES b = at(other, more);
	bool clash = places_clash(&a, &b);

	assert_int_equal(places_clash(&b, &a), clash);
	return clash;
}

static bool meet(const char *one, const char *other)
{
	return meet_with(one, other, "");
}

static void folders_of_this_machine(void **state)
{
	assert_true(meet("there", "there"));
	assert_true(meet("there", "./there/"));
	assert_true(meet("there", "there/below"));
	assert_false(meet("there", "there2"));
	assert_int_equal(symlink("there", "link"), 0);
	assert_true(meet("there", "link"));
	assert_true(meet("there", "link/not/yet/there"));
}

static void one_profile_s_initiator_may_be_the_other_s_target(void **state)
{
	AUTO_PLACES first = at("one", "INITIATOR_SYNC_DIR=here");
	AUTO_PLACES second = at("here", "");
	AUTO_PLACES third = at("two", "INITIATOR_SYNC_DIR=here");
	AUTO_PLACES fourth = at("ssh://host//far", "INITIATOR_SYNC_DIR=here");

	assert_true(places_clash(&first, &second) && places_clash(&second, &first));
	assert_true(places_clash(&first, &third) && places_clash(&third, &first));
	assert_true(places_clash(&first, &fourth) && places_clash(&fourth, &second));
}

static void folders_of_servers(void **state)
{
	assert_true(meet("ssh://host//srv/a", "ssh://host//srv/a"));
	assert_true(meet("ssh://host//srv/a", "ssh://alice@HOST//srv/a/"));
	assert_true(meet("ssh://host//srv/a", "ssh://host//srv/a/b"));
	assert_true(meet("ssh://host//srv/a", "ssh://host//"));
	assert_false(meet("ssh://host//srv/a", "ssh://host//srv/ab"));
	assert_false(meet("ssh://host//srv/a", "ssh://host//srv/b"));
	assert_false(meet("ssh://host//srv/a", "ssh://other//srv/a"));
	assert_false(meet("ssh://host//srv/a", "there"));
}

static void ports_that_are_not_given_may_be_any(void **state)
{
	assert_true(meet("ssh://host:22//srv/a", "ssh://host//srv/a"));
	assert_true(meet("ssh://host:2222//srv/a", "ssh://host//srv/a"));
	assert_false(meet("ssh://host:2222//srv/a", "ssh://host:22//srv/a"));
}

static void login_folders_are_the_user_s(void **state)
{
	assert_true(meet("ssh://bob@host/work", "ssh://bob@host/work"));
	assert_true(meet("ssh://bob@host/work", "ssh://host/work"));
	assert_false(meet("ssh://bob@host/work", "ssh://alice@host/work"));
	assert_false(meet("ssh://bob@host/work", "ssh://bob@host/play"));
	assert_true(meet("ssh://bob@host/work", "ssh://alice@host//home/bob/work"));
}

static void a_command_may_lead_anywhere(void **state)
{
	static const char command[] = "TRANSPORT_COMMAND=\"ssh somewhere\"";

	assert_true(meet_with("ssh://host//srv/a", "/srv/a", command));
	assert_false(meet_with("ssh://host//srv/a", "/srv/b", command));
	assert_true(meet_with("there", "../there", command));
	/* Where the host is named, that counts. */
	assert_false(meet_with("ssh://host//srv/a", "ssh://other//srv/a", command));
	assert_true(meet_with("ssh://host//srv/a", "ssh://host//srv/a", command));
}

static void a_profile_that_is_not_known_has_nothing_in_common(void **state)
{
	AUTO_PLACES known = at("there", "");
	AUTO_PLACES unknown = PLACES_INIT;

	assert_false(places_clash(&known, &unknown) || places_clash(&unknown, &known));
	assert_false(places_hold(&unknown, "there/log"));
	assert_true(places_hold(&known, "there/log"));
	assert_false(places_hold(&known, "log"));
}

/* Profiles ------------------------------------------------------------------------ */

static void profile(const char *path)
{
	config_help_write(path, "INSTANCE_ID=t\nINITIATOR_SYNC_DIR=here\nTARGET_SYNC_DIR=there\n");
}

static void assert_names(struct profiles *profiles, const char *expected)
{
	AUTO_BUF names = BUF_INIT;

	profiles_settle(profiles, 0, NULL);
	for (size_t i = 0; i < profiles->count; i++)
		buf_addf(&names, "%s%s", profiles->items[i].name,
			 profiles->items[i].config ? " " : "! ");
	assert_string_equal(buf_cstr(&names), expected);
}

static void a_folder_stands_for_the_profiles_in_it(void **state)
{
	AUTO_PROFILES profiles = PROFILES_INIT;

	mkdir("set", 0755);
	mkdir("set/folder.conf", 0755);
	for (const char *const *path =
		     (const char *const[]){ "set/b.conf", "set/a.conf", "set/c.conf.example",
					    "set/.hidden.conf", "set/list.exclude", NULL };
	     *path; path++)
		profile(*path);
	profiles_add(&profiles, "set");
	assert_names(&profiles, "a b ");
	assert_string_equal(profiles.items[0].config, "set/a.conf");
}

static void a_name_is_a_profile_before_it_is_a_folder(void **state)
{
	AUTO_PROFILES profiles = PROFILES_INIT;

	mkdir(".config", 0755);
	mkdir(".config/osync", 0755);
	mkdir("work", 0755);
	profile(".config/osync/work.conf");
	profile("work/inside.conf");
	profiles_add(&profiles, "work");
	profiles_add(&profiles, "./work");
	profiles_add_path(&profiles, "work");
	assert_names(&profiles, "work inside ");
}

static void the_same_profile_runs_once_and_namesakes_are_told_apart(void **state)
{
	AUTO_PROFILES profiles = PROFILES_INIT;

	mkdir("x", 0755);
	mkdir("y", 0755);
	profile("x/home.conf");
	profile("y/home.conf");
	profile("y/other.conf");
	profiles_add_path(&profiles, "x/");
	profiles_add_path(&profiles, "y");
	profiles_add(&profiles, "y/../y/other.conf");
	assert_names(&profiles, "x/home.conf y/home.conf other ");
}

static void the_user_s_profiles_come_before_the_system_s(void **state)
{
	AUTO_PROFILES profiles = PROFILES_INIT;
	struct err err = ERR_INIT;

	mkdir(".config", 0755);
	mkdir(".config/osync", 0755);
	profile(".config/osync/b.conf");
	profile(".config/osync/a.conf");
	assert_int_equal(profiles_add_all(&profiles, &err), 0);
	assert_names(&profiles, "a b ");
}

static void a_folder_that_cannot_be_read_is_not_an_empty_one(void **state)
{
	AUTO_PROFILES profiles = PROFILES_INIT;
	struct err err = ERR_INIT;

	mkdir(".config", 0755);
	config_help_write(".config/osync", "no folder at all");
	assert_int_equal(profiles_add_all(&profiles, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_non_null(strstr(err.msg, "cannot read the folder"));
}

static void what_stands_for_nothing_is_said(void **state)
{
	AUTO_PROFILES profiles = PROFILES_INIT;

	mkdir("empty", 0755);
	profiles_add(&profiles, "empty");
	profiles_add(&profiles, "nowhere");
	profiles_add_path(&profiles, "not/there");
	assert_names(&profiles, "empty! nowhere! not/there! ");
	assert_non_null(strstr(profiles.items[0].wrong, "no configuration file"));
	assert_non_null(strstr(profiles.items[1].wrong, "no profile of that name"));
	assert_non_null(strstr(profiles.items[2].wrong, "No such file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define IN_A_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, config_help_setup, config_help_teardown)
		IN_A_FOLDER(folders_of_this_machine),
		IN_A_FOLDER(one_profile_s_initiator_may_be_the_other_s_target),
		IN_A_FOLDER(folders_of_servers),
		IN_A_FOLDER(ports_that_are_not_given_may_be_any),
		IN_A_FOLDER(login_folders_are_the_user_s),
		IN_A_FOLDER(a_command_may_lead_anywhere),
		IN_A_FOLDER(a_profile_that_is_not_known_has_nothing_in_common),
		IN_A_FOLDER(a_folder_stands_for_the_profiles_in_it),
		IN_A_FOLDER(a_name_is_a_profile_before_it_is_a_folder),
		IN_A_FOLDER(the_same_profile_runs_once_and_namesakes_are_told_apart),
		IN_A_FOLDER(the_user_s_profiles_come_before_the_system_s),
		IN_A_FOLDER(a_folder_that_cannot_be_read_is_not_an_empty_one),
		IN_A_FOLDER(what_stands_for_nothing_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
