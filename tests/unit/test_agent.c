/* SPDX-License-Identifier: BSD-2-Clause */
/* An agent's session: what it needs to hear before it does anything, and what it does not put up with. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/version.h"
#include "model/entry.h"
#include "peer/agent.h"
#include "peer/listing.h"
#include "peer/packer.h"
#include "peer_help.h"
#include "store/lock.h"
#include "tree_help.h"

/* Hello ----------------------------------------------------------------------- */

static void test_a_hello_is_welcomed(void **state)
{
	AUTO_FAR far = far_welcomed(0);
	struct arena arena = ARENA_INIT;
	struct msg_welcome welcome;

	assert_int_equal(msg_get_welcome(&far.frame, &arena, &welcome, NULL), 0);
	assert_int_equal(welcome.version, PEER_VERSION);
	assert_string_equal(welcome.build, version_build);
	assert_true(uuid_is_none(&welcome.identity));
	assert_false(welcome.known);
	assert_int_equal(welcome.can_chown, geteuid() == 0);
	arena_release(&arena);
	assert_int_equal(far_end(&far), 0);
	assert_int_equal(help_count("t"), 0);
}

static void offer_versions(struct far *far, uint64_t min, uint64_t max, const char *more)
{
	size_t start = frame_begin(&far->out, PEER_HELLO);

	enc_uint(&far->out, min);
	enc_uint(&far->out, max);
	buf_addstr(&far->out, more);
	frame_end(&far->out, start);
}

static void test_a_range_of_versions_with_ours_in_it_is_welcomed(void **state)
{
	const struct msg_hello hello = { .version_min = 0,
					 .version_max = UINT64_MAX,
					 .build = "",
					 .profile = "p",
					 .silence_s = 180,
					 .state_dir = "" };
	AUTO_FAR far = far_start();

	msg_put_hello(&far.out, &hello);
	far_expect(&far, PEER_WELCOME);
	assert_int_equal(far_end(&far), 0);
}

/* Whatever else another version's hello says, it is the version that is complained about. */
static void test_other_versions_are_told_apart(void **state)
{
	static const struct {
		uint64_t min;
		uint64_t max;
	} others[] = { { PEER_VERSION + 1, PEER_VERSION + 1 },
		       { PEER_VERSION + 1, UINT64_MAX },
		       { 0, PEER_VERSION - 1 },
		       { UINT64_MAX, UINT64_MAX } };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		AUTO_FAR far = far_start();
		struct err status = ERR_INIT;

		offer_versions(&far, others[i].min, others[i].max, "whatever comes here one day");
		far_expect(&far, PEER_ERROR);
		assert_int_equal(msg_get_status(&far.frame, &status, NULL), 0);
		assert_int_equal(status.kind, ERR_UNREACHABLE);
		assert_non_null(strstr(status.msg, "install the same osync on both machines"));
		assert_int_equal(far_end(&far), 1);
	}
}

static void test_a_hello_that_makes_no_sense_is_refused(void **state)
{
	AUTO_FAR far = far_start();

	offer_versions(&far, PEER_VERSION, PEER_VERSION, "whatever");
	far_refuses(&far, ERR_PROTOCOL);
}

static void test_one_hello_is_enough(void **state)
{
	AUTO_FAR far = far_welcomed(0);

	far_hello(&far, 0);
	far_refuses(&far, ERR_PROTOCOL);
}

static void test_a_missing_root_is_told_as_such(void **state)
{
	AUTO_FAR far = far_start();
	struct err status = ERR_INIT;

	help_sh("rmdir t");
	far_hello(&far, 0);
	far_expect(&far, PEER_ERROR);
	assert_int_equal(msg_get_status(&far.frame, &status, NULL), 0);
	assert_int_equal(status.kind, ERR_SYSTEM);
	assert_int_equal(status.sys, ENOENT);
	assert_int_equal(far_end(&far), 1);
	assert_false(help_exists("t"));
}

static void test_a_missing_root_is_made_when_asked_for(void **state)
{
	help_sh("rmdir t");
	{
		AUTO_FAR far = far_welcomed(PEER_HELLO_CREATE);

		assert_int_equal(far_end(&far), 0);
	}
	assert_true(help_exists("t"));
}

static void test_a_dry_run_takes_a_root_it_may_not_make_for_empty(void **state)
{
	help_sh("rmdir t");
	{
		AUTO_FAR far = far_welcomed(PEER_HELLO_CREATE | PEER_HELLO_DRY);

		assert_int_equal(far_end(&far), 0);
	}
	assert_false(help_exists("t"));
}

/* Order ----------------------------------------------------------------------- */

/* A well-formed frame of this type, whatever it may be good for. */
static void add_any(struct far *far, uint8_t type)
{
	static const struct entry nothing = { .type = ENTRY_ABSENT };
	const struct msg_op op = { .id = 1, .kind = OP_MKDIR, .path = "folder" };
	const struct err well = ERR_INIT;

	switch (type) {
	case PEER_HELLO:
		far_hello(far, 0);
		return;
	case PEER_LOCK:
		far_lock(far, LOCK_HOLD, "me");
		return;
	case PEER_PREPARE:
		far_prepare(far, "run");
		return;
	case PEER_SCAN:
		far_scan(far, 0);
		return;
	case PEER_HASH:
		far_hash(far, 1, "x", NULL);
		return;
	case PEER_ATTRS:
		far_attrs(far, 1, "x");
		return;
	case PEER_READ:
		far_read(far, 1, "x", &nothing);
		return;
	case PEER_OP:
		far_op(far, &op);
		return;
	case PEER_DATA:
		far_data(far, 1, "x");
		return;
	case PEER_PUT_END:
		far_put_end(far, 1, 1, "");
		return;
	case PEER_RECORD:
		far_record(far, "x", NULL);
		return;
	case PEER_COMMIT:
		far_commit(far, 1);
		return;
	case PEER_FLUSH:
	case PEER_FINISH:
		far_empty(far, type);
		return;
	default:
		msg_put_status(&far->out, type, &well);
	}
}

static void test_nothing_is_done_before_a_hello(void **state)
{
	for (uint8_t type = 0; type <= PEER_BYE + 1; type++) {
		AUTO_FAR far = far_start();

		if (type == PEER_HELLO || type == PEER_PING || type == PEER_PONG ||
		    type == PEER_CREDIT || type == PEER_BYE)
			continue;
		add_any(&far, type);
		far_refuses(&far, ERR_PROTOCOL);
		assert_int_equal(help_count("t"), 0);
	}
}

static void test_nothing_is_changed_before_a_prepare(void **state)
{
	static const uint8_t changes[] = { PEER_OP,    PEER_DATA,   PEER_HOLE,	 PEER_PUT_END,
					   PEER_FLUSH, PEER_FINISH, PEER_RECORD, PEER_COMMIT };

	for (size_t i = 0; i < sizeof(changes); i++) {
		AUTO_FAR far = far_locked();

		add_any(&far, changes[i]);
		far_refuses(&far, ERR_PROTOCOL);
	}
	assert_int_equal(help_count("t"), 1);
	/* The lock, what was found out about the file system, and the folder where it was tried. */
	assert_int_equal(help_count("t/.osync_workdir"), 3);
	assert_int_equal(help_count("t/.osync_workdir/stage"), 0);
}

static void test_what_only_agents_say_is_refused_from_others(void **state)
{
	static const uint8_t answers[] = { 0,
					   PEER_WELCOME,
					   PEER_ERROR,
					   PEER_LOCKED,
					   PEER_READY,
					   PEER_NAME,
					   PEER_LIST,
					   PEER_LISTED,
					   PEER_HASHED,
					   PEER_ATTRS_IS,
					   PEER_READ_END,
					   PEER_DONE,
					   PEER_FLUSHED,
					   PEER_FINISHED,
					   PEER_COMMITTED,
					   PEER_BYE + 1,
					   UINT8_MAX };

	for (size_t i = 0; i < sizeof(answers); i++) {
		AUTO_FAR far = far_prepared();

		add_any(&far, answers[i]);
		far_refuses(&far, ERR_PROTOCOL);
	}
}

static void test_a_prepare_needs_the_lock(void **state)
{
	AUTO_FAR far = far_welcomed(0);

	far_prepare(&far, "run");
	far_refuses(&far, ERR_PROTOCOL);
	assert_int_equal(help_count("t"), 0);
}

static void test_one_prepare_is_enough(void **state)
{
	AUTO_FAR far = far_prepared();

	far_prepare(&far, "run");
	far_refuses(&far, ERR_PROTOCOL);
}

static void test_a_run_is_the_name_of_one_folder(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/tmp", "../../outside" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		AUTO_FAR far = far_locked();

		far_prepare(&far, bad[i]);
		far_refuses(&far, ERR_PROTOCOL);
	}
}

static void test_a_ping_is_answered_at_any_time(void **state)
{
	AUTO_FAR far = far_start();

	far_empty(&far, PEER_PING);
	far_expect(&far, PEER_PONG);
	far_hello(&far, 0);
	far_empty(&far, PEER_PING);
	far_expect(&far, PEER_WELCOME);
	far_expect(&far, PEER_PONG);
	assert_int_equal(far_end(&far), 0);
}

static void test_bye_is_the_end_whatever_follows(void **state)
{
	AUTO_FAR far = far_welcomed(0);

	far_empty(&far, PEER_BYE);
	far_empty(&far, PEER_FLUSH);
	assert_int_equal(far_next(&far), 0);
	assert_int_equal(far_end(&far), 0);
}

static void test_half_a_frame_is_no_request(void **state)
{
	AUTO_FAR far = far_welcomed(0);

	far_lock(&far, LOCK_HOLD, "me");
	far.out.len--;
	assert_int_equal(far_end(&far), 0);
	assert_int_equal(help_count("t"), 0);
}

static void test_a_frame_that_is_too_long_is_refused_at_once(void **state)
{
	AUTO_FAR far = far_welcomed(0);

	enc_le32(&far.out, PEER_FRAME_MAX + 1);
	enc_u8(&far.out, PEER_DATA);
	far_refuses(&far, ERR_PROTOCOL);
}

/* The most memory that the agent has ever had, in KiB. */
static long peak_kib(const struct far *far)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/status", (int)far->pid);
	FILE *file = fopen(path, "re");
	char line[256];
	long kib = -1;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, "VmHWM:", 6) == 0)
			kib = strtol(line + 6, NULL, 10);
	fclose(file);
	assert_true(kib > 0);
	return kib;
}

/* What unpacks is dealt with piece by piece: 100 MiB that come in one packet. */
static void test_what_is_packed_takes_no_room(void **state)
{
	AUTO_FAR far = far_welcomed(PEER_HELLO_PACKED);
	struct packer *packer = packer_new(PACKER_ON);
	long before_kib = peak_kib(&far);

	for (int i = 0; i < 800; i++) {
		AUTO_BUF wire = BUF_INIT;
		AUTO_BUF frames = BUF_INIT;
		size_t start = frame_begin(&frames, PEER_PONG);

		memset(buf_extend(&frames, 128 * 1024), 0, 128 * 1024);
		frame_end(&frames, start);
		packer_take(packer, &frames, &wire);
		buf_add(&far.out, wire.data, wire.len);
	}
	packer_free(packer);
	assert_in_range(far.out.len, 1, 100 * 1024);
	far_empty(&far, PEER_PING);
	far_expect(&far, PEER_PONG);
	assert_in_range(peak_kib(&far), before_kib, before_kib + 16 * 1024);
}

static void test_what_is_packed_without_agreement_is_refused(void **state)
{
	AUTO_FAR far = far_welcomed(0);
	struct packer *packer = packer_new(PACKER_ON);
	AUTO_BUF frames = BUF_INIT;

	for (int i = 0; i < 100; i++)
		msg_put_empty(&frames, PEER_PONG);
	packer_take(packer, &frames, &far.out);
	packer_free(packer);
	far_refuses(&far, ERR_PROTOCOL);
}

static void test_more_credit_than_there_can_be_is_refused(void **state)
{
	static const uint64_t credits[] = { 1, PEER_WINDOW + 1, (uint64_t)INT64_MAX + 1,
					    UINT64_MAX };

	for (size_t i = 0; i < sizeof(credits) / sizeof(credits[0]); i++) {
		AUTO_FAR far = far_start();
		size_t start = frame_begin(&far.out, PEER_CREDIT);

		enc_uint(&far.out, credits[i]);
		frame_end(&far.out, start);
		far_refuses(&far, ERR_PROTOCOL);
	}
}

/* Dry runs ---------------------------------------------------------------------- */

static void test_a_dry_run_takes_no_lock_and_changes_nothing(void **state)
{
	static const uint8_t changes[] = { PEER_PREPARE, PEER_OP,     PEER_DATA,   PEER_PUT_END,
					   PEER_FLUSH,	 PEER_FINISH, PEER_RECORD, PEER_COMMIT };

	for (size_t i = 0; i < sizeof(changes); i++) {
		AUTO_FAR far = far_welcomed(PEER_HELLO_DRY);

		far_lock(&far, LOCK_PEEK, "me");
		assert_int_equal(far_status(&far, PEER_LOCKED), ERR_NONE);
		add_any(&far, changes[i]);
		far_refuses(&far, ERR_PROTOCOL);
		assert_int_equal(help_count("t"), 0);
	}
}

/* Not even with a lock of its own kind, which it has once there is a file to lock. */
static void test_i45_a_dry_run_prepares_nothing(void **state)
{
	AUTO_FAR real = far_locked();
	AUTO_FAR dry = { .fd = -1 };

	assert_int_equal(far_end(&real), 0);
	dry = far_welcomed(PEER_HELLO_DRY);
	far_lock(&dry, LOCK_PEEK, "dry");
	assert_int_equal(far_status(&dry, PEER_LOCKED), ERR_NONE);
	far_prepare(&dry, "run");
	far_refuses(&dry, ERR_PROTOCOL);
}

/* Agents that may only read -------------------------------------------------------- */

static struct far far_reading(unsigned flags)
{
	const struct agent_options options = { .dir = "t",
					       .role = "target agent",
					       .read_only = true };
	struct far far = far_start_as(&options);

	far_hello(&far, flags);
	return far;
}

static void test_who_may_only_read_is_asked_for_changes_in_vain(void **state)
{
	static const uint8_t changes[] = { PEER_OP,	PEER_DATA,   PEER_PUT_END, PEER_FLUSH,
					   PEER_FINISH, PEER_RECORD, PEER_COMMIT,  PEER_FORGET,
					   PEER_TIDY,	PEER_LOCK };

	help_write("t/old", "x");
	for (size_t i = 0; i < sizeof(changes); i++) {
		AUTO_FAR far = far_reading(PEER_HELLO_CREATE | PEER_HELLO_HOOKS);
		struct arena arena = ARENA_INIT;
		struct msg_welcome welcome;
		struct msg_ready ready;

		far_expect(&far, PEER_WELCOME);
		assert_int_equal(msg_get_welcome(&far.frame, &arena, &welcome, NULL), 0);
		assert_int_equal(welcome.flags, PEER_WELCOME_READ_ONLY);
		arena_release(&arena);
		far_lock(&far, LOCK_PEEK, "me");
		assert_int_equal(far_status(&far, PEER_LOCKED), ERR_NONE);
		far_prepare(&far, "run");
		far_expect(&far, PEER_READY);
		assert_int_equal(msg_get_ready(&far.frame, &ready, NULL), 0);
		assert_int_equal(ready.status.kind, ERR_NONE);
		assert_true(uuid_is_none(&ready.identity));
		if (changes[i] == PEER_FORGET || changes[i] == PEER_TIDY)
			far_empty(&far, changes[i]);
		else
			add_any(&far, changes[i]);
		far_refuses(&far, ERR_PROTOCOL);
		assert_int_equal(help_count("t"), 1);
	}
}

static void test_who_may_only_read_makes_no_root_and_takes_none_for_empty(void **state)
{
	static const unsigned flags[] = { PEER_HELLO_CREATE, PEER_HELLO_CREATE | PEER_HELLO_DRY };

	help_sh("rmdir t");
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		AUTO_FAR far = far_reading(flags[i]);

		far_refuses(&far, ERR_SYSTEM);
		assert_false(help_exists("t"));
	}
}

/* With the lock of a dry run, which dry runs share, two runs could work side by side. */
static void test_each_kind_of_run_takes_its_own_kind_of_lock(void **state)
{
	static const struct {
		unsigned flags;
		unsigned mode;
	} wrong[] = { { 0, LOCK_PEEK }, { PEER_HELLO_DRY, LOCK_HOLD }, { 0, LOCK_PEEK + 1 } };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		AUTO_FAR far = far_welcomed(wrong[i].flags);

		far_lock(&far, wrong[i].mode, "me");
		far_refuses(&far, ERR_PROTOCOL);
		assert_int_equal(help_count("t"), 0);
	}
}

/* Locks --------------------------------------------------------------------------- */

static void test_a_lock_is_one_agents_until_its_input_ends(void **state)
{
	AUTO_FAR first = far_locked();
	AUTO_FAR second = far_welcomed(0);
	struct msg_locked locked = { .status = ERR_INIT };

	far_lock(&second, LOCK_HOLD, "second");
	far_expect(&second, PEER_LOCKED);
	assert_int_equal(msg_get_locked(&second.frame, &locked, NULL), 0);
	assert_int_equal(locked.status.kind, ERR_LOCKED);
	assert_non_null(strstr(locked.status.msg, "test"));
	assert_int_equal(far_end(&first), 0);
	far_lock(&second, LOCK_HOLD, "second");
	assert_int_equal(far_status(&second, PEER_LOCKED), ERR_NONE);
	assert_int_equal(far_end(&second), 0);
}

static void test_an_agent_that_is_killed_lets_go(void **state)
{
	AUTO_FAR first = far_prepared();

	far_close(&first);
	{
		AUTO_FAR second = far_prepared();

		assert_int_equal(far_end(&second), 0);
	}
}

static void test_a_refused_session_lets_go(void **state)
{
	AUTO_FAR first = far_prepared();

	far_hello(&first, 0);
	far_refuses(&first, ERR_PROTOCOL);
	{
		AUTO_FAR second = far_prepared();

		assert_int_equal(far_end(&second), 0);
	}
}

/* The cache would be opened anew under a listing that walks it. */
static void test_one_lock_is_enough(void **state)
{
	AUTO_FAR far = far_locked();

	far_lock(&far, LOCK_HOLD, "me again");
	far_refuses(&far, ERR_PROTOCOL);
}

static void test_a_lock_comes_before_listings(void **state)
{
	AUTO_FAR far = far_welcomed(PEER_HELLO_DRY);

	far_scan(&far, 1);
	far_lock(&far, LOCK_PEEK, "me");
	far_refuses(&far, ERR_PROTOCOL);
}

static void test_a_problem_is_nothing_to_record(void **state)
{
	struct listing_writer writer = LISTING_WRITER_INIT(PEER_RECORD);
	const struct listing_item item = { .path = "x",
					   .kind = PEER_ITEM_PROBLEM,
					   .entry = { .type = ENTRY_SPECIAL,
						      .flags = ENTRY_OPAQUE },
					   .problem = "why" };
	AUTO_FAR far = far_prepared();

	listing_add(&writer, &item);
	listing_take(&writer, &far.out);
	listing_writer_release(&writer);
	far_refuses(&far, ERR_PROTOCOL);
}

/* The initiator waits for the lock before it lets its own side be listed. */
static void test_a_listing_does_not_keep_back_the_answer_about_the_lock(void **state)
{
	AUTO_FAR far = far_start_in_records();

	far_hello(&far, 0);
	far_expect(&far, PEER_WELCOME);
	far_lock(&far, LOCK_HOLD, "somebody");
	far_scan(&far, PEER_SCAN_ALL);
	far_expect(&far, PEER_LOCKED);
	assert_int_equal(far.in.len, far.used);
	far_expect(&far, PEER_LISTED);
	assert_int_equal(far_end(&far), 0);
}

/* Signals --------------------------------------------------------------------------- */

static void test_a_signal_ends_the_session(void **state)
{
	AUTO_FAR far = far_locked();

	kill(far.pid, SIGTERM);
	far_refuses(&far, ERR_UNREACHABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
		TEST(test_a_hello_is_welcomed),
		TEST(test_a_range_of_versions_with_ours_in_it_is_welcomed),
		TEST(test_other_versions_are_told_apart),
		TEST(test_a_hello_that_makes_no_sense_is_refused),
		TEST(test_one_hello_is_enough),
		TEST(test_a_missing_root_is_told_as_such),
		TEST(test_a_missing_root_is_made_when_asked_for),
		TEST(test_a_dry_run_takes_a_root_it_may_not_make_for_empty),
		TEST(test_nothing_is_done_before_a_hello),
		TEST(test_nothing_is_changed_before_a_prepare),
		TEST(test_what_only_agents_say_is_refused_from_others),
		TEST(test_a_prepare_needs_the_lock),
		TEST(test_one_prepare_is_enough),
		TEST(test_a_run_is_the_name_of_one_folder),
		TEST(test_a_ping_is_answered_at_any_time),
		TEST(test_bye_is_the_end_whatever_follows),
		TEST(test_half_a_frame_is_no_request),
		TEST(test_a_frame_that_is_too_long_is_refused_at_once),
		TEST(test_what_is_packed_takes_no_room),
		TEST(test_what_is_packed_without_agreement_is_refused),
		TEST(test_more_credit_than_there_can_be_is_refused),
		TEST(test_a_dry_run_takes_no_lock_and_changes_nothing),
		TEST(test_i45_a_dry_run_prepares_nothing),
		TEST(test_who_may_only_read_is_asked_for_changes_in_vain),
		TEST(test_who_may_only_read_makes_no_root_and_takes_none_for_empty),
		TEST(test_each_kind_of_run_takes_its_own_kind_of_lock),
		TEST(test_a_lock_is_one_agents_until_its_input_ends),
		TEST(test_an_agent_that_is_killed_lets_go),
		TEST(test_a_refused_session_lets_go),
		TEST(test_one_lock_is_enough),
		TEST(test_a_lock_comes_before_listings),
		TEST(test_a_listing_does_not_keep_back_the_answer_about_the_lock),
		TEST(test_a_problem_is_nothing_to_record),
		TEST(test_a_signal_ends_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
