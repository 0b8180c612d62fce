/* SPDX-License-Identifier: BSD-2-Clause */
/* Many files are made durable and placed beside the loop, while more of them come. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/buf.h"
#include "model/entry.h"
#include "peer_help.h"
#include "tree/scan.h"
#include "tree_help.h"

/* More than are worth a thread, in one FLUSH. */
enum { MANY = 300 };

#define STAGE "t/.osync_workdir/stage"

static struct msg_op op_of(enum op_kind kind, uint64_t id, const char *path)
{
	return (struct msg_op){
		.id = id,
		.kind = kind,
		.path = path,
		.from = path,
		.meta = { .mask = META_MODE | META_MTIME, .mode = 0755, .mtime_ns = 1 },
		.expect = { .type = ENTRY_ABSENT },
	};
}

static void put(struct far *far, uint64_t id, const char *path, const char *text)
{
	const struct msg_op op = op_of(OP_PUT, id, path);

	far_op(far, &op);
	far_data(far, id, text);
	far_put_end(far, id, 1, text);
}

/* From `first` on: file 8 is FOLDER/f8 and holds "content of 8". */
static void put_many(struct far *far, const char *folder, uint64_t first, uint64_t count)
{
	for (uint64_t id = first; id < first + count; id++) {
		AUTO_FREE char *path = xasprintf("%s/f%d", folder, (int)id);
		AUTO_FREE char *text = xasprintf("content of %d", (int)id);

		put(far, id, path, text);
	}
}

/* What DONE says of it is what is there, and proves it: nothing can be written to it unseen. */
static void expect_placed(struct far *far, const char *folder, uint64_t id)
{
	AUTO_FREE char *path = xasprintf("t/%s/f%d", folder, (int)id);
	AUTO_FREE char *text = xasprintf("content of %d", (int)id);
	struct arena arena = ARENA_INIT;
	struct msg_result result;
	struct stat st;

	far_expect(far, PEER_DONE);
	assert_int_equal(msg_get_result(&far->frame, &arena, &result, NULL), 0);
	assert_int_equal(result.id, id);
	assert_int_equal(result.status.kind, ERR_NONE);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(result.entry.ino, st.st_ino);
	assert_int_equal(result.entry.flags & (ENTRY_RACY | ENTRY_HAS_DIGEST), ENTRY_HAS_DIGEST);
	assert_string_equal(help_read(path), text);
	arena_release(&arena);
}

static void expect_many(struct far *far, const char *folder, uint64_t first, uint64_t count)
{
	for (uint64_t id = first; id < first + count; id++)
		expect_placed(far, folder, id);
}

static void test_more_comes_while_many_are_placed(void **state)
{
	const struct msg_op half = op_of(OP_PUT, 1, "half");
	const struct msg_op folder = op_of(OP_MKDIR, 2, "new");
	AUTO_FAR far = far_prepared();

	help_sh("mkdir t/a t/b");
	far_op(&far, &half);
	far_data(&far, 1, "con");
	put_many(&far, "a", 1000, MANY);
	far_empty(&far, PEER_FLUSH);
	/* All at once: the agent has it before it can have placed anything. */
	put_many(&far, "b", 2000, MANY);
	far_data(&far, 1, "tent");
	far_op(&far, &folder);
	put_many(&far, "new", 3000, 1);
	expect_many(&far, "a", 1000, MANY);
	far_expect(&far, PEER_FLUSHED);
	assert_int_equal(help_count("t/b"), 0);
	assert_false(help_exists("t/half"));
	far_put_end(&far, 1, 1, "content");
	far_empty(&far, PEER_FLUSH);
	assert_int_equal(far_result(&far, PEER_DONE, 1), ERR_NONE);
	expect_many(&far, "b", 2000, MANY);
	assert_int_equal(far_result(&far, PEER_DONE, 2), ERR_NONE);
	expect_many(&far, "new", 3000, 1);
	far_expect(&far, PEER_FLUSHED);
	assert_string_equal(help_read("t/half"), "content");
	assert_int_equal(help_count(STAGE), 0);
	assert_int_equal(far_end(&far), 0);
}

/* The one that failed is told in its place, and nobody else's business. */
static void test_one_of_many_that_fails_fails_alone(void **state)
{
	AUTO_FAR far = far_prepared();

	help_sh("mkdir t/a; echo mine > t/a/f1100");
	put_many(&far, "a", 1000, MANY);
	far_empty(&far, PEER_FLUSH);
	expect_many(&far, "a", 1000, 100);
	assert_int_equal(far_result(&far, PEER_DONE, 1100), ERR_CHANGED);
	expect_many(&far, "a", 1101, MANY - 101);
	far_expect(&far, PEER_FLUSHED);
	assert_string_equal(help_read("t/a/f1100"), "mine\n");
	assert_int_equal(help_count(STAGE), 0);
	assert_int_equal(far_end(&far), 0);
}

/* Whoever goes away meanwhile finds whole files, or none; nothing is left in the stage. */
static void test_the_end_waits_for_what_is_being_placed(void **state)
{
	AUTO_FAR far = far_prepared();

	help_sh("mkdir t/a t/b");
	put_many(&far, "a", 1000, MANY);
	far_empty(&far, PEER_FLUSH);
	put_many(&far, "b", 2000, 1);
	assert_int_equal(far_end(&far), 0);
	assert_int_equal(help_count("t/a"), MANY);
	assert_int_equal(help_count("t/b"), 0);
	assert_int_equal(help_count(STAGE), 0);
	help_sh("for f in t/a/f*; do test \"$(cat $f)\" = \"content of ${f#t/a/f}\" || exit 1; done");
}

/* Whatever reads the tree waits. */
static void test_what_is_read_behind_a_flush_is_read_after_it(void **state)
{
	struct entry other = { .type = ENTRY_FILE };
	struct stat st;
	AUTO_FAR far = far_prepared();

	help_sh("mkdir t/a; echo other > t/other");
	assert_int_equal(stat("t/other", &st), 0);
	scan_entry_from_stat(&other, &st);
	put_many(&far, "a", 1000, MANY);
	far_empty(&far, PEER_FLUSH);
	far_read(&far, 7, "other", &other);
	while (far_next(&far) == PEER_DONE || far.frame.type == PEER_FLUSHED)
		continue;
	assert_int_equal(far.frame.type, PEER_DATA);
	assert_int_equal(help_count("t/a"), MANY);
	far_close(&far);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
		TEST(test_more_comes_while_many_are_placed),
		TEST(test_one_of_many_that_fails_fails_alone),
		TEST(test_the_end_waits_for_what_is_being_placed),
		TEST(test_what_is_read_behind_a_flush_is_read_after_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
