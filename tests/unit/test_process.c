/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"

enum { LONG_MS = 60000, MOMENT_MS = 30 };

/* A child that ends with this status once `fd` is closed at the other end. */
static pid_t start(int pair[2], int status)
{
	char byte = 0;

	assert_int_equal(process_socketpair(pair, NULL), 0);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		close(pair[0]);
		(void)!read(pair[1], &byte, 1);
		_exit(status);
	}
	close(pair[1]);
	return pid;
}

static int64_t in_ms(int64_t ms)
{
	return clock_monotonic_ms() + ms;
}

static void test_the_status_of_a_child_that_ends_meanwhile(void **state)
{
	int pair[2];
	pid_t pid = start(pair, 7);

	(void)state;
	close(pair[0]);
	int status = process_wait(pid, in_ms(LONG_MS));

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

static void test_a_child_that_lives_is_waited_for_until_the_deadline(void **state)
{
	int pair[2];
	pid_t pid = start(pair, 0);
	int64_t begin = clock_monotonic_ms();

	(void)state;
	assert_int_equal(process_wait(pid, begin + MOMENT_MS), -1);
	assert_true(clock_monotonic_ms() >= begin + MOMENT_MS);
	/* It is still there to be waited for. */
	kill(pid, SIGKILL);
	int status = process_wait(pid, in_ms(LONG_MS));

	assert_true(WIFSIGNALED(status));
	close(pair[0]);
}

static void test_who_is_no_child_is_not_waited_for(void **state)
{
	(void)state;
	assert_int_equal(process_wait(getpid(), in_ms(LONG_MS)), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_status_of_a_child_that_ends_meanwhile),
		cmocka_unit_test(test_a_child_that_lives_is_waited_for_until_the_deadline),
		cmocka_unit_test(test_who_is_no_child_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
