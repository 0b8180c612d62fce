/* SPDX-License-Identifier: BSD-2-Clause */
/* One piece of work beside the thread that serves. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/worker.h"

/* Work that waits for a byte, and then leaves something behind. */
struct piece {
	int from;
	int done;
	bool blocked; /* signals are not delivered to it */
};

static void do_piece(void *arg)
{
	struct piece *piece = arg;
	sigset_t mask;
	char byte = 0;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	piece->blocked = sigismember(&mask, SIGTERM) == 1;
	if (piece->from >= 0)
		assert_int_equal(read(piece->from, &byte, 1), 1);
	piece->done++;
}

static bool is_readable(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	return poll(&wait, 1, 0) == 1;
}

static void test_work_goes_on_beside_the_one_who_began_it(void **state)
{
	struct worker *worker = worker_new();
	struct piece piece = { .done = 0 };
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	piece.from = ends[0];
	for (int times = 1; times <= 2; times++) {
		worker_begin(worker, do_piece, &piece);
		assert_true(worker_is_busy(worker));
		assert_false(worker_is_done(worker));
		assert_false(is_readable(worker_fd(worker)));
		assert_int_equal(write(ends[1], "x", 1), 1);
		assert_int_equal(poll(&(struct pollfd){ .fd = worker_fd(worker), .events = POLLIN },
				      1, 60000),
				 1);
		assert_true(worker_is_done(worker));
		worker_end(worker);
		assert_false(worker_is_busy(worker));
		assert_false(is_readable(worker_fd(worker)));
		assert_int_equal(piece.done, times);
	}
	assert_true(piece.blocked);
	worker_end(worker);
	worker_free(worker);
	worker_free(NULL);
	close(ends[0]);
	close(ends[1]);
}

static void test_nothing_is_freed_under_the_work(void **state)
{
	struct worker *worker = worker_new();
	struct piece piece = { .from = -1 };

	worker_begin(worker, do_piece, &piece);
	worker_free(worker);
	assert_int_equal(piece.done, 1);
}

/* What a test counts comes in one order. */
static void test_where_a_test_steers_the_work_is_done_at_once(void **state)
{
	struct worker *worker = worker_new();
	struct piece piece = { .from = -1 };

	setenv("OSYNC_POINT", "nowhere=true", 1);
	worker_begin(worker, do_piece, &piece);
	unsetenv("OSYNC_POINT");
	assert_int_equal(piece.done, 1);
	assert_false(piece.blocked);
	assert_true(worker_is_busy(worker));
	assert_true(worker_is_done(worker));
	assert_true(is_readable(worker_fd(worker)));
	worker_free(worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_work_goes_on_beside_the_one_who_began_it),
		cmocka_unit_test(test_nothing_is_freed_under_the_work),
		cmocka_unit_test(test_where_a_test_steers_the_work_is_done_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
