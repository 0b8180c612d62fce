/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose list it is, where it lies, what it records, and when it is not to be believed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/path.h"
#include "config/config.h"
#include "model/change.h"
#include "peer/listing.h"
#include "run/identity.h"
#include "run/record.h"
#include "run/report.h"
#include "run/saved.h"
#include "run/session.h"
#include "tree/root.h"
#include "tree_help.h"

static const struct uuid here = { { 1 } };
static const struct uuid there = { { 2 } };
static const struct uuid elsewhere = { { 3 } };

/* A session without agents: all but the list and what the agents have said is left out. */
struct stage {
	struct config config;
	struct session session;
	char dir[4096];
};

static void stage_set(struct stage *stage)
{
	char cwd[2048];

	assert_non_null(getcwd(cwd, sizeof(cwd)));
	memset(stage, 0, sizeof(*stage));
	snprintf(stage->dir, sizeof(stage->dir), "%s/t", cwd);
	stage->config.instance_id = (char *)(uintptr_t) "home";
	stage->config.initiator_dir = stage->dir;
	stage->config.target.path = (char *)(uintptr_t) "/target\n";
	stage->config.quiet = true;
	stage->session = (struct session){ .config = &stage->config,
					   .saved = SAVED_INIT,
					   .records = LISTING_WRITER_INIT(PEER_RECORD) };
	stage->session.report = report_new(&stage->config, "run");
	stage->session.sides[SIDE_INITIATOR].identity = here;
	stage->session.sides[SIDE_TARGET].identity = there;
}

static void stage_clear(struct stage *stage)
{
	saved_close(&stage->session.saved);
	listing_writer_release(&stage->session.records);
	report_free(stage->session.report);
}

#define AUTO_STAGE AUTO(stage_clear) struct stage

/* A list as a finished run leaves it, with the target's memory to match. */
static void stage_history(struct stage *stage)
{
	struct session *session = &stage->session;

	stage_set(stage);
	session->saved.head.seed = 99;
	session->saved.head.generation = 5;
	assert_int_equal(identity_create_list(session, NULL), 0);
	saved_close(&session->saved);
	assert_int_equal(identity_open_list(session, TABLE_READ, NULL), 0);
	assert_non_null(session->saved.list);
	session->sides[SIDE_TARGET].known = true;
	session->sides[SIDE_TARGET].known_initiator = here;
	session->sides[SIDE_INITIATOR].mark = session->sides[SIDE_TARGET].mark = 5;
}

/* Names ----------------------------------------------------------------------------- */

static void initiator_gets(struct stage *stage, const struct uuid *identity)
{
	struct root *root = root_open(stage->dir, ROOT_CREATE, NULL);

	assert_non_null(root);
	assert_int_equal(root_workdir_create(root, NULL), 0);
	assert_int_equal(root_identity_write(root, identity, NULL), 0);
	root_close(root);
}

static void test_i9_another_first_run_is_noticed_with_the_lock(void **state)
{
	AUTO_STAGE stage = { .dir = "" };
	struct session *session = &stage.session;

	stage_set(&stage);
	session->initiator = here;
	session->sides[SIDE_INITIATOR].identity = (struct uuid){ { 0 } };
	assert_int_equal(identity_is_still_ours(session, NULL), 1);
	initiator_gets(&stage, &elsewhere);
	assert_int_equal(identity_is_still_ours(session, NULL), 0);
	/* What its agent has found there needs no further look. */
	session->sides[SIDE_INITIATOR].identity = here;
	assert_int_equal(identity_is_still_ours(session, NULL), 1);
	session->sides[SIDE_INITIATOR].identity = elsewhere;
	assert_int_equal(identity_is_still_ours(session, NULL), 0);
}

static void test_a_profile_goes_with_the_folder_and_the_job(void **state)
{
	AUTO_STAGE stage = { .dir = "" };
	AUTO_FREE char *first = NULL;
	AUTO_FREE char *moved = NULL;
	AUTO_FREE char *other_folder = NULL;
	AUTO_FREE char *other_instance = NULL;

	stage_set(&stage);
	first = identity_profile(&stage.config, &here);
	stage.config.initiator_dir = (char *)(uintptr_t) "/somewhere/else";
	moved = identity_profile(&stage.config, &here);
	assert_string_equal(first, moved);
	assert_int_equal(strncmp(first, "home-", 5), 0);
	assert_true(path_valid(first, strlen(first)));
	assert_null(strchr(first, '/'));
	other_folder = identity_profile(&stage.config, &elsewhere);
	assert_string_not_equal(first, other_folder);
	stage.config.initiator_dir = stage.dir;
	stage.config.instance_id = (char *)(uintptr_t) "work";
	other_instance = identity_profile(&stage.config, &here);
	assert_string_not_equal(first + 5, other_instance + 5);
}

static void test_a_place_is_where_the_folder_is(void **state)
{
	AUTO_STAGE stage = { .dir = "" };
	AUTO_FREE char *first = NULL;
	AUTO_FREE char *again = NULL;
	AUTO_FREE char *other_dir = NULL;

	stage_set(&stage);
	first = identity_place(&stage.config);
	again = identity_place(&stage.config);
	assert_string_equal(first, again);
	assert_true(path_valid(first, strlen(first)));
	assert_null(strchr(first, '/'));
	stage.config.initiator_dir = (char *)(uintptr_t) "/somewhere/else";
	other_dir = identity_place(&stage.config);
	assert_string_not_equal(first, other_dir);
}

/* The folder counts, not the way to it. */
static void test_a_place_sees_through_links(void **state)
{
	AUTO_STAGE stage = { .dir = "" };
	AUTO_FREE char *direct = NULL;
	AUTO_FREE char *linked = NULL;

	help_sh("ln -s t link");
	stage_set(&stage);
	direct = identity_place(&stage.config);
	stage.config.initiator_dir = xasprintf("%.*slink", (int)strlen(stage.dir) - 1, stage.dir);
	linked = identity_place(&stage.config);
	cleanup_free(&stage.config.initiator_dir);
	assert_string_equal(direct, linked);
}

static void test_folders_and_holders_are_fit_to_print(void **state)
{
	AUTO_STAGE stage = { .dir = "" };
	AUTO_FREE char *folder = NULL;
	AUTO_FREE char *holder = NULL;
	AUTO_FREE char *start = xasprintf("%ld@", (long)getpid());

	stage_set(&stage);
	folder = identity_folder(&stage.config, SIDE_TARGET);
	assert_string_equal(folder, "/target\\n");
	holder = identity_holder(&stage.config);
	assert_int_equal(strncmp(holder, start, strlen(start)), 0);
	assert_string_equal(holder + strlen(holder) - 5, " home");
}

/* The list ---------------------------------------------------------------------------- */

static void test_no_list_is_no_error_and_makes_none(void **state)
{
	AUTO_STAGE stage = { .dir = "" };

	stage_set(&stage);
	assert_int_equal(identity_open_list(&stage.session, TABLE_WRITE, NULL), 0);
	assert_null(stage.session.saved.list);
	assert_int_equal(stage.session.saved.head.generation, 0);
	assert_int_not_equal(stage.session.saved.head.seed, 0);
	assert_int_equal(help_count("t"), 0);
}

static void test_a_list_is_made_and_found_again(void **state)
{
	AUTO_STAGE stage = { .dir = "" };

	stage_history(&stage);
	assert_true(help_exists("t/.osync_workdir/state"));
	assert_int_equal(stage.session.saved.head.generation, 5);
	assert_int_equal(stage.session.saved.head.seed, 99);
	assert_true(uuid_same(&stage.session.saved.head.identity[SIDE_TARGET], &there));
}

static void test_a_list_may_lie_elsewhere(void **state)
{
	AUTO_STAGE stage = { .dir = "" };
	AUTO_FREE char *dir = NULL;

	stage_set(&stage);
	dir = xasprintf("%s/../elsewhere/deep", stage.dir);
	stage.config.state_dir[SIDE_INITIATOR] = dir;
	assert_int_equal(identity_create_list(&stage.session, NULL), 0);
	assert_true(help_count("elsewhere/deep") > 0);
	assert_int_equal(help_count("t"), 0);
}

static void damage_list(void)
{
	help_sh("for f in t/.osync_workdir/state/*; do echo nonsense > $f; done");
}

static void test_a_damaged_list_is_set_aside_by_the_one_who_may_write(void **state)
{
	AUTO_STAGE stage = { .dir = "" };

	stage_history(&stage);
	damage_list();
	/* Not by one that only looks. */
	assert_int_equal(identity_open_list(&stage.session, TABLE_READ, NULL), 0);
	assert_null(stage.session.saved.list);
	help_sh("! ls t/.osync_workdir/state | grep -q bad");
	assert_int_equal(identity_open_list(&stage.session, TABLE_WRITE, NULL), 0);
	assert_null(stage.session.saved.list);
	assert_int_equal(stage.session.saved.head.generation, 0);
	help_sh("ls t/.osync_workdir/state | grep -q bad");
	assert_int_equal(identity_create_list(&stage.session, NULL), 0);
}

static void test_a_list_that_is_not_believed_is_kept_for_a_person(void **state)
{
	AUTO_STAGE stage = { .dir = "" };

	stage_history(&stage);
	stage.session.sides[SIDE_TARGET].mark = 4;
	assert_int_equal(identity_check(&stage.session, NULL), 0);
	assert_true(stage.session.no_history);
	assert_null(stage.session.saved.list);
	assert_int_equal(stage.session.saved.head.generation, 0);
	assert_int_not_equal(stage.session.saved.head.seed, 99);
	assert_int_equal(identity_create_list(&stage.session, NULL), 0);
	help_sh("ls t/.osync_workdir/state | grep -q bad");
	assert_int_equal(list_count(stage.session.saved.list), 0);
}

/* Guards ---------------------------------------------------------------------------- */

static void expect_guard(struct stage *stage, const char *who, const char *why)
{
	struct err err = ERR_INIT;

	assert_int_equal(identity_check(&stage->session, &err), -1);
	assert_int_equal(err.kind, ERR_GUARD);
	assert_non_null(strstr(err.msg, who));
	assert_non_null(strstr(err.msg, why));
	assert_non_null(strstr(err.msg, "--adopt"));
	assert_false(stage->session.no_history);
	/* A person says that it is right: then nothing that was agreed counts. */
	stage->config.adopt = true;
	err_clear(&err);
	assert_int_equal(identity_check(&stage->session, &err), 0);
	assert_true(stage->session.no_history);
	assert_null(stage->session.saved.list);
}

static void test_roots_that_were_synced_are_welcome(void **state)
{
	AUTO_STAGE stage = { .dir = "" };

	stage_history(&stage);
	assert_int_equal(identity_check(&stage.session, NULL), 0);
	assert_false(stage.session.no_history);
	assert_non_null(stage.session.saved.list);
}

static void test_roots_that_were_never_synced_are_welcome(void **state)
{
	AUTO_STAGE stage = { .dir = "" };

	stage_set(&stage);
	stage.session.sides[SIDE_INITIATOR].identity = (struct uuid){ { 0 } };
	stage.session.sides[SIDE_TARGET].identity = elsewhere;
	assert_int_equal(identity_check(&stage.session, NULL), 0);
	assert_false(stage.session.no_history);
}

static void test_i2_another_folder_in_a_roots_place_stops_the_run(void **state)
{
	for (int s = 0; s < SIDES; s++) {
		AUTO_STAGE stage = { .dir = "" };

		stage_history(&stage);
		stage.session.sides[s].identity = elsewhere;
		expect_guard(&stage, side_name((enum side)s), "another disk or folder");
	}
}

static void test_i1_a_root_without_its_identity_stops_the_run(void **state)
{
	for (int s = 0; s < SIDES; s++) {
		AUTO_STAGE stage = { .dir = "" };

		stage_history(&stage);
		stage.session.sides[s].identity = (struct uuid){ { 0 } };
		expect_guard(&stage, side_name((enum side)s), "lost its identity");
	}
}

/* The whole folder is gone, the list with it: the target remembers. */
static void test_i1_the_target_remembers_the_initiator(void **state)
{
	AUTO_STAGE stage = { .dir = "" };

	stage_set(&stage);
	stage.session.sides[SIDE_INITIATOR].identity = (struct uuid){ { 0 } };
	stage.session.sides[SIDE_TARGET].known = true;
	stage.session.sides[SIDE_TARGET].known_initiator = here;
	expect_guard(&stage, "initiator", "the target was synced with");
}

static void test_i9_states_that_differ_are_no_history(void **state)
{
	static const struct {
		uint64_t generation; /* of the list */
		uint64_t next;
		uint64_t complete;
		uint64_t marks[SIDES];
		bool believed;
	} cases[] = {
		{ 4, 0, 4, { 5, 5 }, true },  /* as after every run */
		{ 4, 6, 4, { 5, 5 }, true },  /* killed before a root was told */
		{ 4, 6, 4, { 6, 5 }, true },  /* killed in between */
		{ 4, 6, 4, { 6, 6 }, true },  /* killed after */
		{ 4, 0, 2, { 4, 4 }, true },  /* killed in its midst */
		{ 4, 0, 2, { 5, 4 }, true },  /* killed when one side had come to its end */
		{ 4, 0, 2, { 5, 5 }, true },  /* when both had */
		{ 4, 0, 4, { 4, 5 }, false }, /* the initiator is of the midst of the run */
		{ 4, 0, 4, { 5, 4 }, false }, /* the target is */
		{ 4, 0, 4, { 7, 7 }, false }, /* the list is older */
		{ 4, 0, 4, { 3, 5 }, false }, /* the initiator is */
		{ 4, 0, 4, { 5, 3 }, false }, /* the target is */
		{ 4, 6, 4, { 5, 9 }, false }, /* of another time altogether */
		{ 4, 0, 4, { 0, 5 }, false }, /* before the first run */
		{ 4, 0, 4, { 5, 0 }, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO_STAGE stage = { .dir = "" };

		help_sh("rm -rf t/.osync_workdir");
		stage_set(&stage);
		stage.session.saved.head.generation = cases[i].generation;
		stage.session.saved.head.next = cases[i].next;
		stage.session.saved.head.complete = cases[i].complete;
		assert_int_equal(identity_create_list(&stage.session, NULL), 0);
		saved_close(&stage.session.saved);
		assert_int_equal(identity_open_list(&stage.session, TABLE_READ, NULL), 0);
		for (int s = 0; s < SIDES; s++)
			stage.session.sides[s].mark = cases[i].marks[s];
		assert_int_equal(identity_check(&stage.session, NULL), 0);
		assert_int_equal(stage.session.no_history, !cases[i].believed);
		assert_int_equal(stage.session.saved.list != NULL, cases[i].believed);
	}
}

/* Records ------------------------------------------------------------------------------ */

static struct entry file_entry(uint64_t ino)
{
	struct entry entry = {
		.type = ENTRY_FILE, .flags = ENTRY_HAS_DIGEST | ENTRY_RACY, .ino = ino, .size = 3
	};

	memset(entry.digest.bytes, 7, DIGEST_LEN);
	return entry;
}

/* What the list says of a path after all was written: false for nothing. */
static bool recorded(struct stage *stage, const char *path, struct base *base)
{
	struct list_cursor *cursor = NULL;
	const char *found = NULL;
	bool is_there = false;

	assert_int_equal(list_flush(stage->session.saved.list, NULL), 0);
	assert_int_equal(identity_open_list(&stage->session, TABLE_WRITE, NULL), 0);
	cursor = list_cursor_new(stage->session.saved.list);
	while (!is_there && list_next(cursor, &found, base, NULL) == 1)
		is_there = strcmp(found, path) == 0;
	list_cursor_free(cursor);
	return is_there;
}

static void stage_writable(struct stage *stage)
{
	stage_history(stage);
	assert_int_equal(identity_open_list(&stage->session, TABLE_WRITE, NULL), 0);
}

static void test_what_both_sides_show_is_recorded(void **state)
{
	struct changes changes = CHANGES_INIT;
	struct entry now[SIDES] = { file_entry(1), file_entry(2) };
	struct change *change = NULL;
	struct base base;
	AUTO_STAGE stage = { .dir = "" };

	stage_writable(&stage);
	change = changes_add(&changes, "file");
	change->now[0] = &now[0];
	change->now[1] = &now[1];
	record_agreed(&stage.session, &changes, change);
	assert_true(recorded(&stage, "file", &base));
	assert_int_equal(base.type, ENTRY_FILE);
	assert_int_equal(base.digest.bytes[0], 7);
	for (int s = 0; s < SIDES; s++) {
		assert_int_equal(base.side[s].ino, 1 + s);
		assert_true(base.side[s].flags & ENTRY_RACY);
	}
	changes_release(&changes);
}

static void test_what_is_gone_on_both_sides_is_forgotten(void **state)
{
	struct changes changes = CHANGES_INIT;
	struct entry now[SIDES] = { file_entry(1), file_entry(2) };
	struct change *change = NULL;
	struct base base;
	AUTO_STAGE stage = { .dir = "" };

	stage_writable(&stage);
	change = changes_add(&changes, "file");
	change->now[0] = &now[0];
	change->now[1] = &now[1];
	record_agreed(&stage.session, &changes, change);
	change->now[0] = change->now[1] = NULL;
	record_agreed(&stage.session, &changes, change);
	assert_false(recorded(&stage, "file", &base));
	changes_release(&changes);
}

static void test_a_move_forgets_the_old_name_unless_it_is_taken(void **state)
{
	for (int taken = 0; taken < 2; taken++) {
		struct changes changes = CHANGES_INIT;
		struct entry now = file_entry(1);
		struct change *change = NULL;
		struct base base = { .type = ENTRY_FILE };
		AUTO_STAGE stage = { .dir = "" };

		help_sh("rm -rf t/.osync_workdir");
		stage_writable(&stage);
		session_record(&stage.session, "old", &base);
		change = changes_add(&changes, "new");
		changes_rare(&changes, change)->moved_from = "old";
		change->now[0] = change->now[1] = &now;
		if (taken)
			changes_add(&changes, "old");
		record_agreed(&stage.session, &changes, &changes.items[0]);
		assert_int_equal(recorded(&stage, "old", &base), taken);
		assert_true(recorded(&stage, "new", &base));
		changes_release(&changes);
	}
}

/* The target's cache is told the target's stat key, without what only the list needs. */
static void test_the_target_is_told_its_own_side(void **state)
{
	struct frame frame = { 0 };
	struct arena arena = ARENA_INIT;
	struct listing_reader reader;
	struct listing_item item;
	struct base base = { .type = ENTRY_FILE };
	AUTO_BUF out = BUF_INIT;
	size_t size = 0;
	AUTO_STAGE stage = { .dir = "" };

	stage_writable(&stage);
	base.side[SIDE_INITIATOR] = file_entry(1);
	base.side[SIDE_TARGET] = file_entry(2);
	session_record(&stage.session, "a", &base);
	session_record(&stage.session, "b", NULL);
	base.side[SIDE_TARGET] = (struct entry){ .type = ENTRY_ABSENT };
	session_record(&stage.session, "c", &base);
	listing_take(&stage.session.records, &out);
	assert_int_equal(frame_parse(out.data, out.len, &frame, &size, NULL), 1);
	assert_int_equal(frame.type, PEER_RECORD);
	listing_reader_init(&reader, &frame);
	assert_int_equal(listing_read(&reader, &arena, &item, NULL), 1);
	assert_int_equal(item.kind, PEER_ITEM_ENTRY);
	assert_int_equal(item.entry.ino, 2);
	assert_int_equal(item.entry.flags, 0);
	assert_int_equal(listing_read(&reader, &arena, &item, NULL), 1);
	assert_int_equal(item.kind, PEER_ITEM_GONE);
	assert_int_equal(listing_read(&reader, &arena, &item, NULL), 1);
	assert_string_equal(item.path, "c");
	assert_int_equal(item.kind, PEER_ITEM_GONE);
	listing_reader_release(&reader);
	arena_release(&arena);
}

static void test_a_record_is_due_only_when_nothing_is_left_to_do(void **state)
{
	struct change_rare moved = { .moved_from = "y" };
	struct change change = { .path = "x", .verdict = { .kind = VERDICT_RECORD } };

	assert_true(record_is_due(&change));
	change.pending = 1;
	assert_false(record_is_due(&change));
	change.pending = 0;
	change.failed = true;
	assert_false(record_is_due(&change));
	change = (struct change){ .path = "x", .verdict = { .kind = VERDICT_KEEP } };
	assert_false(record_is_due(&change));
	change.rare = &moved;
	assert_true(record_is_due(&change));
	change.verdict.reason = REASON_NEWER_THERE;
	assert_false(record_is_due(&change));
}

static void test_a_special_file_is_remembered_as_seen(void **state)
{
	struct entry fifo = { .type = ENTRY_SPECIAL, .ino = 9 };
	struct change change = { .path = "fifo", .now = { &fifo, NULL } };
	struct base base;
	AUTO_STAGE stage = { .dir = "" };

	stage_writable(&stage);
	record_seen(&stage.session, &change);
	assert_true(recorded(&stage, "fifo", &base));
	assert_int_equal(base.type, ENTRY_ABSENT);
	assert_int_equal(base.side[SIDE_INITIATOR].type, ENTRY_SPECIAL);
	assert_int_equal(base.side[SIDE_INITIATOR].ino, 9);
	assert_int_equal(base.side[SIDE_TARGET].type, ENTRY_ABSENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
		TEST(test_i9_another_first_run_is_noticed_with_the_lock),
		TEST(test_a_profile_goes_with_the_folder_and_the_job),
		TEST(test_a_place_is_where_the_folder_is),
		TEST(test_a_place_sees_through_links),
		TEST(test_folders_and_holders_are_fit_to_print),
		TEST(test_no_list_is_no_error_and_makes_none),
		TEST(test_a_list_is_made_and_found_again),
		TEST(test_a_list_may_lie_elsewhere),
		TEST(test_a_damaged_list_is_set_aside_by_the_one_who_may_write),
		TEST(test_a_list_that_is_not_believed_is_kept_for_a_person),
		TEST(test_roots_that_were_synced_are_welcome),
		TEST(test_roots_that_were_never_synced_are_welcome),
		TEST(test_i2_another_folder_in_a_roots_place_stops_the_run),
		TEST(test_i1_a_root_without_its_identity_stops_the_run),
		TEST(test_i1_the_target_remembers_the_initiator),
		TEST(test_i9_states_that_differ_are_no_history),
		TEST(test_what_both_sides_show_is_recorded),
		TEST(test_what_is_gone_on_both_sides_is_forgotten),
		TEST(test_a_move_forgets_the_old_name_unless_it_is_taken),
		TEST(test_the_target_is_told_its_own_side),
		TEST(test_a_record_is_due_only_when_nothing_is_left_to_do),
		TEST(test_a_special_file_is_remembered_as_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
