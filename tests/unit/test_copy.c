/* SPDX-License-Identifier: BSD-2-Clause */
/* Content of a file on this machine, step by step into the stage. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "changer_help.h"
#include "tree/copy.h"
#include "tree/reader.h"
#include "tree/root.h"
#include "tree_help.h"

/* A large file is read in so many steps at least. */
enum { STEP = 256 * 1024, BIG = 4 * STEP + 1 };

struct copying {
	struct bench bench;
	struct reader *source;
	struct staged *staged;
	struct copy copy;
	enum copy_end end;
	unsigned steps;
};

/* t/from, all of it, in steps of `max` bytes. */
static struct copying copy_from(const char *point, const char *command, uint64_t max)
{
	AUTO_FREE unsigned char *room = xmalloc(COPY_ROOM);
	struct copying copying = { .bench = bench_open(CHANGER_SYNC_OFF) };
	struct err *err = &copying.bench.err;
	struct entry entry = help_entry(copying.bench.root, "from");

	copying.source = reader_open(copying.bench.root, "from", &entry, HELP_SEED, err);
	copying.staged = staged_file(copying.bench.changer, 0600, err);
	assert_non_null(copying.source);
	assert_non_null(copying.staged);
	copy_init(&copying.copy, copying.staged, copying.source);
	bench_at(point, command);
	do {
		copying.steps++;
		copying.end = copy_step(&copying.copy, room, max, err);
	} while (copying.end == COPY_MORE);
	bench_at(NULL, NULL);
	return copying;
}

static void end(struct copying *copying)
{
	copy_release(&copying->copy);
	reader_free(copying->source);
	staged_free(copying->staged);
	assert_int_equal(help_count(STAGE), 0);
	bench_close(&copying->bench);
}

/* What is staged has the bytes and the digest of t/from. */
static void expect_copied(struct copying *copying)
{
	const struct meta meta = { .mask = META_MODE, .mode = 0600 };
	const struct entry absent = { .type = ENTRY_ABSENT };
	struct bench *bench = &copying->bench;
	struct entry from = help_entry(bench->root, "from");
	struct digest digest = staged_digest(copying->staged);
	struct entry result = { 0 };

	assert_int_equal(copying->end, COPY_DONE);
	assert_true(digest_same(&digest, &from.digest));
	assert_int_equal(staged_size(copying->staged), from.size);
	assert_int_equal(staged_finish(copying->staged, &meta, &bench->err), 0);
	assert_int_equal(
		changer_place(bench->changer, copying->staged, "to", &absent, &result, &bench->err),
		0);
	help_sh("cmp t/from t/to");
	end(copying);
}

static void test_all_kinds_of_content_are_copied(void **state)
{
	static const char *const contents[] = {
		"true",
		"printf x",
		"head -c 4096 /dev/urandom",
		"head -c 1048577 /dev/urandom",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		struct copying copying = { 0 };

		help_sh("rm -rf t/to; %s > t/from", contents[i]);
		copying = copy_from(NULL, NULL, UINT64_MAX);
		assert_int_equal(copying.steps, 1);
		expect_copied(&copying);
	}
}

static void test_a_large_file_takes_many_steps(void **state)
{
	struct copying copying = { 0 };

	(void)state;
	help_sh("head -c %d /dev/urandom > t/from", BIG);
	copying = copy_from(NULL, NULL, STEP);
	assert_true(copying.steps >= BIG / STEP);
	expect_copied(&copying);
}

static void test_i57_holes_are_copied_as_holes(void **state)
{
	struct copying copying = { 0 };

	(void)state;
	help_sh("truncate -s 8M t/from; printf middle >> t/from; truncate -s 16M t/from");
	copying = copy_from(NULL, NULL, STEP);
	expect_copied(&copying);
	help_sh("test $(stat -c %%b t/to) -le 16");
}

/* In the middle of it, and where a small file is read at once, behind its last byte. */
static void test_i22_a_file_that_is_written_to_meanwhile_is_not_taken(void **state)
{
	static const char *const changes[] = {
		"printf x >> t/from",
		"truncate -s 1 t/from",
		"printf y | dd of=t/from conv=notrunc status=none",
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(changes) / sizeof(changes[0]); i++) {
		struct copying copying = { 0 };

		help_sh("head -c %d /dev/urandom > t/from; sleep 0.02", i % 2 ? BIG : 100);
		copying = copy_from("copying", changes[i / 2], STEP);
		assert_int_equal(copying.end, COPY_UNREADABLE);
		assert_int_equal(copying.bench.err.kind, ERR_CHANGED);
		end(&copying);
	}
}

/* A copy of t/from about which nobody has done anything. */
static struct copying about_to_copy(void)
{
	struct copying copying = { .bench = bench_open(CHANGER_SYNC_OFF) };
	struct err *err = &copying.bench.err;

	copying.source = reader_open(copying.bench.root, "from", NULL, HELP_SEED, err);
	copying.staged = staged_file(copying.bench.changer, 0600, err);
	assert_non_null(copying.source);
	assert_non_null(copying.staged);
	copy_init(&copying.copy, copying.staged, copying.source);
	return copying;
}

static void go_on(struct copying *copying)
{
	AUTO_FREE unsigned char *room = xmalloc(COPY_ROOM);

	do
		copying->end = copy_step(&copying->copy, room, STEP, &copying->bench.err);
	while (copying->end == COPY_MORE);
}

/* Nothing of the bytes that were shared may stay, or the rest would come behind it, or show through holes. */
static void test_what_cannot_be_shared_any_further_is_copied(void **state)
{
	(void)state;
	help_sh("truncate -s 1M t/from; head -c %d /dev/urandom >> t/from", BIG);
	/* As if the first of two steps had been made, or a part of the first one. */
	for (int steps = 0; steps < 2; steps++) {
		struct copying copying = about_to_copy();

		help_sh("rm -f t/to;"
			" for f in t/.osync_workdir/stage/*; do head -c 4M /dev/urandom > $f; done");
		copying.copy.way = COPY_CLONING;
		copying.copy.cloned = steps ? reader_size(copying.source) - 1 : 0;
		go_on(&copying);
		expect_copied(&copying);
	}
}

static void test_what_was_shared_must_be_as_long(void **state)
{
	struct copying copying = { 0 };

	(void)state;
	help_sh("head -c %d /dev/urandom > t/from; head -c %d t/from > t/shorter", BIG, STEP);
	copying = about_to_copy();
	/* As if it were the staged file, and all of it had been shared. */
	copying.copy.way = COPY_READING_BACK;
	copying.copy.clone =
		reader_open(copying.bench.root, "shorter", NULL, HELP_SEED, &copying.bench.err);
	assert_non_null(copying.copy.clone);
	go_on(&copying);
	assert_int_equal(copying.end, COPY_UNWRITABLE);
	end(&copying);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
		TEST(test_all_kinds_of_content_are_copied),
		TEST(test_a_large_file_takes_many_steps),
		TEST(test_i57_holes_are_copied_as_holes),
		TEST(test_i22_a_file_that_is_written_to_meanwhile_is_not_taken),
		TEST(test_what_cannot_be_shared_any_further_is_copied),
		TEST(test_what_was_shared_must_be_as_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
