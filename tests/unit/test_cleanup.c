/* SPDX-License-Identifier: BSD-2-Clause */
/* Scope guards: they release, once, keep errno, and let go of what was taken out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int open_something(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void a_descriptor_is_closed_at_the_end_of_its_scope(void **state)
{
	int seen = -1;
	{
		AUTO_CLOSE int fd = open_something();

		seen = fd;
		assert_true(is_open(seen));
	}
	assert_false(is_open(seen));
}

static void a_stolen_descriptor_stays_open(void **state)
{
	int kept = -1;
	{
		AUTO_CLOSE int fd = open_something();

		kept = steal_fd(&fd);
		assert_int_equal(fd, -1);
	}
	assert_true(is_open(kept));
	cleanup_close(&kept);
	assert_int_equal(kept, -1);
	cleanup_close(&kept);
}

static void guards_keep_errno(void **state)
{
	int fd = open_something();
	AUTO_FREE char *copy = xstrdup("x");

	/* A close that fails sets errno. */
	close(fd);
	errno = ENOSPC;
	cleanup_close(&fd);
	assert_int_equal(errno, ENOSPC);
	cleanup_free(&copy);
	assert_int_equal(errno, ENOSPC);
	copy = NULL;
}

/* That what is guarded is freed, and what is stolen is not, the leak checker sees. */
static void memory_is_freed_unless_stolen(void **state)
{
	char *kept = NULL;
	{
		AUTO_FREE char *freed = xstrdup("freed");
		AUTO_FREE char *stolen = xstrdup("stolen");
		AUTO_FREE char *nothing = NULL;

		assert_string_equal(freed, "freed");
		assert_null(nothing);
		kept = steal_ptr(&stolen);
		assert_null(stolen);
	}
	assert_string_equal(kept, "stolen");
	free(kept);
}

struct thing {
	int releases;
};

static void thing_release(struct thing *thing)
{
	thing->releases++;
	errno = thing->releases;
}

static int early(struct thing *outer, bool leave)
{
	AUTO_FREE char *copy = xstrdup("copy");

	if (leave)
		return (int)strlen(copy);
	outer->releases = 100;
	return 0;
}

static void guards_run_on_every_way_out(void **state)
{
	struct thing outer = { 0 };
	int count = 0;

	for (int i = 0; i < 3; i++) {
		AUTO(thing_release) struct thing thing = { 0 };

		count += thing.releases;
		if (i == 1)
			continue;
	}
	assert_int_equal(errno, 1);
	assert_int_equal(count, 0);
	assert_int_equal(early(&outer, true), 4);
	assert_int_equal(outer.releases, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_descriptor_is_closed_at_the_end_of_its_scope),
		cmocka_unit_test(a_stolen_descriptor_stays_open),
		cmocka_unit_test(guards_keep_errno),
		cmocka_unit_test(memory_is_freed_unless_stolen),
		cmocka_unit_test(guards_run_on_every_way_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
