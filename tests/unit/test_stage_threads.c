/* SPDX-License-Identifier: BSD-2-Clause */
/* One thread stages while another one makes durable what was staged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "changer_help.h"
#include "model/entry.h"
#include "tree_help.h"

/* More than are kept open for one common sync (tree/changer_internal.h). */
enum { MANY = 300 };

static _Atomic(struct changer *) syncs_next; /* in the next close(2), by another thread */
static pthread_t syncer;
static int synced;

static void *sync_staged(void *arg)
{
	synced = changer_sync_staged(arg, NULL);
	return NULL;
}

/* The one of this program: a moment inside staged_finish() at which another thread gets the processor. */
int close(int fd)
{
	struct changer *changer = atomic_exchange(&syncs_next, NULL);

	if (changer) {
		assert_int_equal(pthread_create(&syncer, NULL, sync_staged, changer), 0);
		usleep(200000);
	}
	return (int)syscall(SYS_close, fd);
}

static struct staged *stage(struct bench *bench, const char *text)
{
	const struct meta meta = { .mask = META_MTIME, .mtime_ns = 1 };
	struct staged *staged = staged_file(bench->changer, 0644, &bench->err);

	assert_non_null(staged);
	assert_int_equal(staged_write(staged, text, 1, &bench->err), 0);
	assert_int_equal(staged_finish(staged, &meta, &bench->err), 0);
	return staged;
}

/* The last one is closed early because of all the others; the sync that takes it must be one that may. */
static void test_a_file_closed_early_is_synced_with_those_it_was_closed_for(void **state)
{
	struct bench bench = bench_open(CHANGER_SYNC_BATCH);
	struct staged *staged[MANY] = { NULL };
	const struct entry absent = { .type = ENTRY_ABSENT };
	struct entry result = { 0 };

	for (int i = 0; i < MANY - 1; i++)
		staged[i] = stage(&bench, "x");
	atomic_store(&syncs_next, bench.changer);
	staged[MANY - 1] = stage(&bench, "y");
	assert_null(atomic_load(&syncs_next));
	pthread_join(syncer, NULL);
	assert_int_equal(synced, 0);
	assert_int_equal(changer_sync_staged(bench.changer, &bench.err), 0);
	assert_int_equal(changer_place(bench.changer, staged[MANY - 1], "last", &absent, &result,
				       &bench.err),
			 0);
	assert_string_equal(help_read("t/last"), "y");
	for (int i = 0; i < MANY; i++)
		staged_free(staged[i]);
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_a_file_closed_early_is_synced_with_those_it_was_closed_for, help_setup,
			help_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
