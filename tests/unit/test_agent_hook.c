/* SPDX-License-Identifier: BSD-2-Clause */
/* What an agent makes of HOOK, and the process that runs hooks for it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "peer/hook_runner.h"
#include "peer_help.h"
#include "store/lock.h"
#include "tree_help.h"

enum { HANG_MS = 60000 };

static void add_hook(struct far *far, const char *command, const char *variable)
{
	const char *const environment[] = { "OSYNC_A=1", variable, NULL };
	const struct msg_hook hook = { .command = command, .environment = environment };

	msg_put_hook(&far->out, &hook);
}

static void test_an_agent_that_may_not_says_so_and_goes_on(void **state)
{
	AUTO_FAR far = far_locked();

	add_hook(&far, "true", NULL);
	assert_int_equal(far_status(&far, PEER_HOOKED), ERR_DENIED);
	far_empty(&far, PEER_PING);
	far_expect(&far, PEER_PONG);
	far_empty(&far, PEER_BYE);
	assert_int_equal(far_end(&far), 0);
}

static void test_hooks_need_the_lock(void **state)
{
	AUTO_FAR far = far_welcomed(0);

	add_hook(&far, "true", NULL);
	far_refuses(&far, ERR_PROTOCOL);
}

static void test_i42_who_was_overtaken_runs_no_hook(void **state)
{
	AUTO_FAR far = far_locked();

	help_write("t/.osync_workdir/other", "");
	assert_int_equal(rename("t/.osync_workdir/other", "t/.osync_workdir/lock"), 0);
	add_hook(&far, "true", NULL);
	far_refuses(&far, ERR_LOCKED);
}

static void test_a_hook_sets_no_variables_but_its_own(void **state)
{
	static const char *const bad[] = { "PATH=/tmp", "OSYNC_B", "", "XOSYNC_A=1" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		AUTO_FAR far = far_locked();

		add_hook(&far, "true", bad[i]);
		far_refuses(&far, ERR_PROTOCOL);
	}
}

static void ask(struct hook_runner *runner, const char *command)
{
	const struct msg_hook hook = { .command = command };
	AUTO_BUF out = BUF_INIT;
	struct err err = ERR_INIT;
	struct frame frame;
	size_t size = 0;

	msg_put_hook(&out, &hook);
	assert_int_equal(frame_parse(out.data, out.len, &frame, &size, &err), 1);
	assert_int_equal(hook_runner_ask(runner, &frame, &err), 0);
}

/* Until the one that runs has ended; how. Its OUTPUT frames are in out. */
static struct err end_of(struct hook_runner *runner, struct buf *out)
{
	struct pollfd fd = { .fd = hook_runner_fd(runner), .events = POLLIN };
	struct err status = ERR_INIT;

	while (!hook_runner_take(runner, out, &status))
		assert_int_equal(poll(&fd, 1, HANG_MS), 1);
	return status;
}

/* The first OUTPUT frame. */
static void assert_output(const struct buf *out, const char *text)
{
	struct frame frame;
	size_t size = 0;

	assert_int_equal(frame_parse(out->data, out->len, &frame, &size, NULL), 1);
	assert_int_equal(frame.type, PEER_OUTPUT);
	assert_int_equal(frame.len, strlen(text));
	assert_memory_equal(frame.data, text, frame.len);
}

static void test_a_runner_serves_one_after_the_other(void **state)
{
	struct err err = ERR_INIT;
	struct hook_runner *runner = hook_runner_start("runner", &err);
	AUTO_BUF first = BUF_INIT;
	AUTO_BUF second = BUF_INIT;
	struct err status = ERR_INIT;

	ask(runner, "echo one");
	status = end_of(runner, &first);
	assert_false(err_is_set(&status));
	assert_output(&first, "one\n");
	ask(runner, "echo two; exit 2");
	status = end_of(runner, &second);
	assert_string_equal(status.msg, "ended with status 2");
	assert_output(&second, "two\n");
	hook_runner_stop(runner);
}

static void test_a_hook_ends_when_the_next_is_asked_for(void **state)
{
	struct err err = ERR_INIT;
	struct hook_runner *runner = hook_runner_start("runner", &err);
	AUTO_BUF out = BUF_INIT;
	AUTO_BUF next = BUF_INIT;
	struct err status = ERR_INIT;

	ask(runner, "sleep 1000");
	ask(runner, "echo next");
	status = end_of(runner, &out);
	assert_string_equal(status.msg, "was asked to end");
	status = end_of(runner, &next);
	assert_false(err_is_set(&status));
	assert_output(&next, "next\n");
	hook_runner_stop(runner);
}

static void test_stopping_a_runner_ends_its_hook(void **state)
{
	struct err err = ERR_INIT;
	struct hook_runner *runner = hook_runner_start("runner", &err);

	/* It would be waited for in vain. */
	ask(runner, "sleep 1000");
	hook_runner_stop(runner);
	hook_runner_stop(NULL);
}

static void test_a_runner_that_is_killed_counts_as_a_hook_that_failed(void **state)
{
	struct err err = ERR_INIT;
	struct hook_runner *runner = hook_runner_start("runner", &err);
	AUTO_BUF out = BUF_INIT;
	struct err status = ERR_INIT;

	/* Its parent is the keeper, that one's is the guard, and that one's the runner. */
	ask(runner, "up() { ps -o ppid= -p $1; }; kill -9 $(up $(up $PPID)); sleep 1000");
	status = end_of(runner, &out);
	assert_string_equal(status.msg, "killed the process that runs hooks");
	hook_runner_stop(runner);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_agent_that_may_not_says_so_and_goes_on),
		TEST(test_hooks_need_the_lock),
		TEST(test_i42_who_was_overtaken_runs_no_hook),
		TEST(test_a_hook_sets_no_variables_but_its_own),
		cmocka_unit_test(test_a_runner_serves_one_after_the_other),
		cmocka_unit_test(test_a_hook_ends_when_the_next_is_asked_for),
		cmocka_unit_test(test_stopping_a_runner_ends_its_hook),
		cmocka_unit_test(test_a_runner_that_is_killed_counts_as_a_hook_that_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
