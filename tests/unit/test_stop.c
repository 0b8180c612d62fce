/* SPDX-License-Identifier: BSD-2-Clause */
/* Being asked to stop: once sets the flag, twice ends the process. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/stop.h"

static int teardown(void **state)
{
	stop_reset();
	return 0;
}

/* What becomes of a child that does this: its wait status. */
static int fate_of(void (*work)(void))
{
	int status = 0;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		work();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void test_nobody_asked(void **state)
{
	stop_install();
	assert_int_equal(stop_signal(), 0);
}

static void test_each_signal_is_remembered(void **state)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

	for (int i = 0; i < 3; i++) {
		stop_install();
		raise(signals[i]);
		assert_int_equal(stop_signal(), signals[i]);
		stop_reset();
		assert_int_equal(stop_signal(), 0);
	}
}

static void ask_twice(void)
{
	stop_install();
	raise(SIGTERM);
	raise(SIGTERM);
}

static void test_the_second_time_ends_the_process(void **state)
{
	int status = fate_of(ask_twice);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
}

static void ask_after_reset(void)
{
	stop_install();
	stop_reset();
	raise(SIGINT);
}

static void test_after_a_reset_signals_do_what_they_always_did(void **state)
{
	int status = fate_of(ask_after_reset);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGINT);
}

static void test_a_broken_pipe_is_an_error_not_a_signal(void **state)
{
	int fds[2] = { -1, -1 };

	stop_install();
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	assert_int_equal(write(fds[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(fds[1]);
	assert_int_equal(stop_signal(), 0);
}

/* Exits with 1 unless the signal made the wait end early, as an error. */
static void wait_for_signal(void)
{
	sigset_t blocked;
	sigset_t before;

	stop_install();
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	raise(SIGTERM);
	/* It comes in the moment of waiting. */
	if (sigsuspend(&before) == 0 || errno != EINTR || stop_signal() != SIGTERM)
		_exit(1);
}

static void test_a_wait_ends(void **state)
{
	int status = fate_of(wait_for_signal);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_a_timer_asks_as_well(void **state)
{
	stop_install();
	stop_after(1);
	/* Whatever it waits for. */
	pause();
	assert_int_equal(stop_signal(), SIGALRM);
}

static void test_the_first_signal_counts(void **state)
{
	stop_install();
	raise(SIGALRM);
	raise(SIGTERM);
	assert_int_equal(stop_signal(), SIGALRM);
}

static void test_who_is_forgiven_is_asked_anew(void **state)
{
	stop_install();
	stop_after(1000);
	raise(SIGTERM);
	assert_int_equal(stop_forgive(), SIGTERM);
	assert_int_equal(stop_signal(), 0);
	/* No limit is left: this would say what is left of it. */
	assert_int_equal(alarm(0), 0);
	raise(SIGHUP);
	assert_int_equal(stop_signal(), SIGHUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
		TEST(test_nobody_asked),
		TEST(test_each_signal_is_remembered),
		TEST(test_the_second_time_ends_the_process),
		TEST(test_after_a_reset_signals_do_what_they_always_did),
		TEST(test_a_broken_pipe_is_an_error_not_a_signal),
		TEST(test_a_wait_ends),
		TEST(test_a_timer_asks_as_well),
		TEST(test_the_first_signal_counts),
		TEST(test_who_is_forgiven_is_asked_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
