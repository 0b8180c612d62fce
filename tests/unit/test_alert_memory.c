/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of trouble: its file, damaged in any way, and where it lies. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alert/memory.h"
#include "alert/policy.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "box.h"
#include "config/config.h"

static const struct policy_memory sample = {
	.troubles = { { .kind = TROUBLE_GUARD,
			.id = UINT64_MAX,
			.since_s = 1,
			.seen_s = INT64_MAX,
			.told_s = 3,
			.runs = UINT32_MAX,
			.lasts = true },
		      { .kind = TROUBLE_LOOK, .id = 0, .owed = true } },
	.count = 2,
	.look_told_s = 9,
	.looks = UINT64_MAX,
	.mute_s = 11,
};

static void assert_same(const struct policy_memory *a, const struct policy_memory *b)
{
	AUTO_BUF one = BUF_INIT;
	AUTO_BUF two = BUF_INIT;

	memory_encode(a, &one);
	memory_encode(b, &two);
	assert_string_equal(buf_cstr(&one), buf_cstr(&two));
}

static void test_what_is_written_is_read(void **state)
{
	struct policy_memory memory;
	AUTO_BUF text = BUF_INIT;

	memory_encode(&sample, &text);
	assert_int_equal(memory_decode(buf_cstr(&text), &memory), 0);
	assert_same(&memory, &sample);
	assert_int_equal(memory.troubles[0].kind, TROUBLE_GUARD);
	assert_true(memory.troubles[0].lasts && !memory.troubles[0].owed);
	assert_true(memory.troubles[1].owed && !memory.troubles[1].lasts);
}

static void test_any_damage_is_found_or_harmless(void **state)
{
	AUTO_BUF text = BUF_INIT;

	memory_encode(&sample, &text);
	for (size_t cut = 0; cut < text.len; cut++) {
		AUTO_FREE char *part = xstrndup(buf_cstr(&text), cut);
		struct policy_memory memory;

		/* A line that is there as a whole may be the last one. */
		if (memory_decode(part, &memory) == 0)
			assert_true(part[cut - 1] == '\n');
		else
			assert_int_equal(memory.count, 0);
		for (int byte = 1; byte < 256; byte++) {
			AUTO_FREE char *bad = xstrdup(buf_cstr(&text));

			bad[cut] = (char)byte;
			if (memory_decode(bad, &memory) < 0)
				assert_int_equal(memory.count, 0);
			assert_true(memory.count <= POLICY_ENTRIES);
		}
	}
}

static void test_more_than_there_is_room_for_is_refused(void **state)
{
	struct policy_memory memory;
	AUTO_BUF text = BUF_INIT;

	buf_addstr(&text, "osync alerts 1\ntold 0 0 0\n");
	for (int i = 0; i < POLICY_ENTRIES + 1; i++)
		buf_addstr(&text, "trouble 1 1 1 1 1 1 1 1\n");
	assert_int_equal(memory_decode(buf_cstr(&text), &memory), -1);
	assert_int_equal(memory_decode("", &memory), -1);
	assert_int_equal(memory_decode("osync alerts 2\ntold 0 0 0\n", &memory), -1);
	assert_int_equal(
		memory_decode("osync alerts 1\ntold 0 0 0\ntrouble 99 1 1 1 1 1 1 1\n", &memory),
		-1);
}

static struct config config_here(void)
{
	static char id[] = "job";
	static char dir[] = "/no/such/folder";

	return (struct config){ .instance_id = id, .initiator_dir = dir };
}

static void set_home(const char *below)
{
	AUTO_FREE char *cwd = getcwd(NULL, 0);
	AUTO_FREE char *home = xasprintf("%s/%s", cwd, below);

	unsetenv("XDG_STATE_HOME");
	setenv("HOME", home, 1);
}

static void test_it_lies_in_the_home_folder(void **state)
{
	struct config config = config_here();
	struct policy_memory memory;
	struct err err = ERR_INIT;
	struct stat st;

	set_home("home");
	memory_load(&config, &memory);
	assert_int_equal(memory.count, 0);
	/* Who has nothing to remember makes no folders. */
	assert_false(box_exists("home"));
	assert_int_equal(memory_save(&config, &sample, &err), 0);
	memory_load(&config, &memory);
	assert_same(&memory, &sample);
	assert_int_equal(stat("home/.local/state/osync", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	/* Another job has another. */
	char other[] = "/no/such/other";

	config.initiator_dir = other;
	memory_load(&config, &memory);
	assert_int_equal(memory.count, 0);
}

static void test_without_a_home_it_lies_with_the_state(void **state)
{
	struct config config = config_here();
	AUTO_FREE char *cwd = getcwd(NULL, 0);
	struct policy_memory memory;
	struct err err = ERR_INIT;

	setenv("XDG_STATE_HOME", "/dev/null/none", 1);
	log_setup(LOG_QUIET, "test");
	config.initiator_dir = cwd;
	/* A folder that is not there is not made. */
	assert_int_equal(memory_save(&config, &sample, &err), -1);
	assert_false(box_exists(".osync_workdir"));
	assert_int_equal(mkdir(".osync_workdir", 0700), 0);
	assert_int_equal(mkdir(".osync_workdir/state", 0700), 0);
	assert_int_equal(memory_save(&config, &sample, &err), 0);
	memory_load(&config, &memory);
	assert_same(&memory, &sample);
}

static size_t names_in(const char *dir)
{
	AUTO_FREE char *cwd = getcwd(NULL, 0);
	size_t names = 0;

	assert_int_equal(chdir(dir), 0);
	names = box_names();
	assert_int_equal(chdir(cwd), 0);
	return names;
}

static void save_it(void *arg)
{
	struct config config = config_here();
	struct err err = ERR_INIT;

	if (memory_save(&config, arg, &err) < 0)
		abort();
}

/* Killed at each call: the old or the new, and in the end nothing but that. */
static void test_a_kill_leaves_the_old_or_the_new(void **state)
{
	struct config config = config_here();
	struct policy_memory other = { .look_told_s = 5 };
	int killed = 0;

	set_home("home");
	save_it(&other);
	for (int n = 1; n < 40; n++) {
		AUTO_FREE char *fault = xasprintf("kill:%d", n);
		struct policy_memory memory;
		struct policy_memory next = sample;

		killed += box_fork(fault, save_it, &next) != 0;
		memory_load(&config, &memory);
		assert_true(memory.look_told_s == 5 || memory.look_told_s == 9);
		save_it(&other);
	}
	assert_in_range(killed, 3, 39);
}

static void test_what_killed_runs_have_left_is_swept(void **state)
{
	struct policy_memory memory = sample;
	size_t before = 0;

	set_home("home");
	setenv("XDG_STATE_HOME", "", 1);
	save_it(&memory);
	before = names_in("home/.local/state/osync");
	assert_int_equal(
		system("cd home/.local/state/osync && for f in *.alerts; do "
		       "echo x > $f.tmp-0123456789abcdef; echo x > $f.tmp-0123456789abcdee; "
		       "echo x > other.tmp-0123456789abcdef; echo x > mine.tmp; "
		       "touch -d 2001-01-01 $f.tmp-0123456789abcdef other.tmp-* mine.tmp; "
		       "done"),
		0);
	save_it(&memory);
	/* The young one may be somebody's, and "mine.tmp" is nobody's of ours. */
	assert_int_equal(names_in("home/.local/state/osync"), before + 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(test_any_damage_is_found_or_harmless),
		cmocka_unit_test(test_more_than_there_is_room_for_is_refused),
		TEST(test_it_lies_in_the_home_folder),
		TEST(test_without_a_home_it_lies_with_the_state),
		TEST(test_a_kill_leaves_the_old_or_the_new),
		TEST(test_what_killed_runs_have_left_is_swept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
