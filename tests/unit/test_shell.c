/* SPDX-License-Identifier: BSD-2-Clause */
/* A shell command, its output, and the end of everything that it started. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/process.h"
#include "base/shell.h"

enum { HANG_MS = 60000, STEP_MS = 1000 };

/* Notes its number in the file $LIST and stays, whatever it is asked. */
#define STUBBORN "trap '' TERM HUP INT; echo $$ >> $LIST; while :; do sleep 1000; done"
/* In a session of its own, by a process that has ended: nothing but its user ties it to the others. */
#define DAEMON "(setsid sh -c 'sh -c \"$STUBBORN\" & exit' &);"
/* Wait until so many have noted their number. */
#define UNTIL(count) "while [ $(wc -l < $LIST) -lt " count " ]; do sleep 0.02; done;"

static char list[] = "/tmp/osync-test-shell-XXXXXX";

static int make_list(void **state)
{
	int fd = mkstemp(list);

	setenv("LIST", list, 1);
	setenv("STUBBORN", STUBBORN, 1);
	return fd < 0 ? -1 : close(fd);
}

static int remove_list(void **state)
{
	return unlink(list);
}

static int empty_list(void **state)
{
	return truncate(list, 0);
}

static void end_of(struct shell *shell, struct buf *out)
{
	int64_t deadline_ms = clock_monotonic_ms() + HANG_MS;

	while (shell_step(shell, -1, STEP_MS, out))
		assert_true(clock_monotonic_ms() < deadline_ms);
}

/* Run to the end; what shell_result() says is in err. */
static int run(const struct shell_job *job, struct buf *out, struct err *err)
{
	struct shell *shell = shell_start(job, err);
	int result = 0;

	assert_non_null(shell);
	end_of(shell, out);
	result = shell_result(shell, err);
	shell_free(shell);
	return result;
}

static int run_command(const char *command, struct buf *out, struct err *err)
{
	struct shell_job job = { .command = command, .input = -1 };

	return run(&job, out, err);
}

/* The number that a line of output holds is nobody's any more. */
static bool is_gone(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

/* A process that nobody of us has for a child is waited for by whoever adopts it. */
static void assert_gone_soon(pid_t pid)
{
	int64_t deadline_ms = clock_monotonic_ms() + HANG_MS;

	assert_true(pid > 1);
	while (!is_gone(pid)) {
		assert_true(clock_monotonic_ms() < deadline_ms);
		clock_sleep_ms(10);
	}
}

/* Wait until there is some output. */
static void wait_output(struct shell *shell, struct buf *out)
{
	while (out->len == 0)
		assert_int_equal(shell_step(shell, -1, HANG_MS, out), 1);
}

static void read_list(struct buf *numbers)
{
	AUTO_CLOSE int fd = open(list, O_RDONLY);
	char text[1024] = { 0 };

	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	buf_addstr(numbers, text);
}

/* Every process that has noted its number is gone; there are `count`. */
static void assert_all_gone(int count)
{
	AUTO_BUF numbers = BUF_INIT;
	char *rest = NULL;

	read_list(&numbers);
	rest = buf_cstr(&numbers);
	for (char *line = NULL; (line = strsep(&rest, "\n")) && *line; count--)
		assert_true(is_gone((pid_t)strtol(line, NULL, 10)));
	assert_int_equal(count, 0);
}

static void test_both_streams_come_and_success_is_none(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(run_command("echo one; echo two >&2; echo three", &out, &err), 0);
	assert_string_equal(buf_cstr(&out), "one\ntwo\nthree\n");
}

static void test_nothing_is_inherited_but_the_environment(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct err err = ERR_INIT;
	AUTO_CLOSE int secret = open("/dev/zero", O_RDONLY);
	const char *const more[] = { "OSYNC_A=a b\n'c'", "OSYNC_B=", NULL };
	struct shell_job job = {
		.command = "readlink /proc/self/fd/0; cat; ls -l /proc/$$/fd | grep -c zero;"
			   "echo \"$OSYNC_A|${OSYNC_B-unset}|$PATH\"",
		.environment = more,
		.input = -1
	};
	AUTO_BUF wanted = BUF_INIT;

	assert_true(secret > STDERR_FILENO);
	buf_addf(&wanted, "/dev/null\n0\na b\n'c'||%s\n", getenv("PATH"));
	assert_int_equal(run(&job, &out, &err), 0);
	assert_string_equal(buf_cstr(&out), buf_cstr(&wanted));
}

static void test_input_is_what_it_is_given(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct err err = ERR_INIT;
	AUTO_CLOSE int memory = memfd_create("list", MFD_CLOEXEC);
	struct shell_job job = { .command = "tr '\\0' '\\n'", .input = memory };

	assert_int_equal(pwrite(memory, "a\0b\0", 4, 0), 4);
	assert_int_equal(run(&job, &out, &err), 0);
	assert_string_equal(buf_cstr(&out), "a\nb\n");
}

static void test_how_it_ended_is_said(void **state)
{
	static const struct {
		const char *command;
		const char *said;
	} cases[] = {
		{ "exit 3", "ended with status 3" },
		{ "kill -6 $$", "was ended by signal 6" },
		{ "/nonexistent/program", "ended with status 127" },
		{ "if", "ended with status 2" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO_BUF out = BUF_INIT;
		struct err err = ERR_INIT;

		assert_int_equal(run_command(cases[i].command, &out, &err), -1);
		assert_string_equal(err.msg, cases[i].said);
	}
}

static void test_what_is_left_in_the_background_ends_with_it(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(
		run_command(
			"sleep 1000 & echo $! >> $LIST;"
			"(setsid sh -c 'echo $$ >> $LIST; exec sleep 1000' &);" DAEMON UNTIL("3"),
			&out, &err),
		0);
	assert_all_gone(3);
}

static void test_time_ends_it_with_all_its_children(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct err err = ERR_INIT;
	struct shell_job job = { .command = DAEMON
				 "sleep 1000 & echo $! >> $LIST; echo $$ >> $LIST;" UNTIL(
					 "3") "echo up; wait",
				 .input = -1,
				 .limit_ms = 8000 };

	assert_int_equal(run(&job, &out, &err), -1);
	assert_string_equal(err.msg, "did not end within 8 s and was ended");
	assert_string_equal(buf_cstr(&out), "up\n");
	assert_all_gone(3);
}

static void test_it_may_put_things_right_when_asked_to_end(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct err err = ERR_INIT;
	struct shell_job job = {
		.command =
			"trap 'echo put right; exit 1' TERM; echo up; while :; do sleep 0.1; done",
		.input = -1,
	};
	struct shell *shell = shell_start(&job, &err);

	wait_output(shell, &out);
	shell_stop(shell);
	end_of(shell, &out);
	assert_int_equal(shell_result(shell, &err), -1);
	assert_string_equal(err.msg, "was asked to end");
	assert_non_null(strstr(buf_cstr(&out), "put right\n"));
	shell_free(shell);
}

static void test_freeing_ends_it(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct err err = ERR_INIT;
	struct shell_job job = { .command = DAEMON UNTIL("1") "echo up; sleep 1000", .input = -1 };
	struct shell *shell = shell_start(&job, &err);

	wait_output(shell, &out);
	shell_free(shell);
	assert_all_gone(1);
}

static void test_killing_its_parent_does_not_set_it_free(void **state)
{
	static const char *const commands[] = {
		"kill -9 $PPID",
		"kill -STOP $PPID",
		"kill -TERM $PPID",
		"kill -9 -$(ps -o pgid= -p $PPID | tr -d ' ')",
		"kill -9 $(ps -o ppid= -p $PPID)",
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		AUTO_BUF out = BUF_INIT;
		struct err err = ERR_INIT;
		AUTO_FREE char *command = xasprintf(
			"echo $$ >> $LIST;" DAEMON UNTIL("2") "%s; sleep 1000", commands[i]);

		empty_list(state);
		assert_int_equal(run_command(command, &out, &err), -1);
		assert_all_gone(2);
	}
}

static void test_much_output_is_cut(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(run_command("head -c 3000000 /dev/zero; echo end >&2", &out, &err), 0);
	assert_true(out.len < SHELL_OUTPUT_MAX + 100);
	assert_non_null(
		strstr(buf_cstr(&out) + SHELL_OUTPUT_MAX, "[2934468 more bytes of output]"));
}

static void test_other_descriptors_end_the_wait(void **state)
{
	AUTO_BUF out = BUF_INIT;
	struct err err = ERR_INIT;
	int ends[2] = { -1, -1 };
	struct shell_job job = { .command = "sleep 1000", .input = -1 };
	struct shell *shell = shell_start(&job, &err);

	assert_int_equal(process_pipe(ends, &err), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	/* It would hang for that long. */
	assert_int_equal(shell_step(shell, ends[0], 10 * HANG_MS, &out), 1);
	shell_free(shell);
	close(ends[0]);
	close(ends[1]);
}

/* Start something stubborn and be killed. */
static void be_killed(void)
{
	AUTO_BUF out = BUF_INIT;
	struct err err = ERR_INIT;
	struct shell_job job = { .command = DAEMON UNTIL("1") "echo up; sleep 1000", .input = -1 };
	struct shell *shell = shell_start(&job, &err);

	while (out.len == 0)
		if (!shell_step(shell, -1, HANG_MS, &out))
			_exit(1);
	raise(SIGKILL);
}

static void test_it_ends_when_this_process_is_killed(void **state)
{
	AUTO_BUF numbers = BUF_INIT;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		be_killed();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	read_list(&numbers);
	assert_gone_soon((pid_t)strtol(buf_cstr(&numbers), NULL, 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_both_streams_come_and_success_is_none, empty_list),
		cmocka_unit_test_setup(test_nothing_is_inherited_but_the_environment, empty_list),
		cmocka_unit_test_setup(test_input_is_what_it_is_given, empty_list),
		cmocka_unit_test_setup(test_how_it_ended_is_said, empty_list),
		cmocka_unit_test_setup(test_what_is_left_in_the_background_ends_with_it,
				       empty_list),
		cmocka_unit_test_setup(test_time_ends_it_with_all_its_children, empty_list),
		cmocka_unit_test_setup(test_it_may_put_things_right_when_asked_to_end, empty_list),
		cmocka_unit_test_setup(test_freeing_ends_it, empty_list),
		cmocka_unit_test_setup(test_killing_its_parent_does_not_set_it_free, empty_list),
		cmocka_unit_test_setup(test_much_output_is_cut, empty_list),
		cmocka_unit_test_setup(test_other_descriptors_end_the_wait, empty_list),
		cmocka_unit_test_setup(test_it_ends_when_this_process_is_killed, empty_list),
	};

	return cmocka_run_group_tests(tests, make_list, remove_list);
}
