/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an agent is told to do to files, by somebody who means no good: nothing outside the root is
 * read or changed, and nothing is placed that is not what was promised.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/codec.h"
#include "model/entry.h"
#include "peer_help.h"
#include "tree/scan.h"
#include "tree_help.h"

static const enum op_kind all_kinds[] = { OP_MKDIR, OP_PUT,  OP_SYMLINK, OP_LINK,
					  OP_COPY,  OP_MOVE, OP_DELETE,	 OP_META };
enum { KINDS = sizeof(all_kinds) / sizeof(all_kinds[0]) };

/* The entry of what is at `path`, as one who knows it would say it. */
static struct entry entry_at(const char *path)
{
	struct entry entry = { .type = ENTRY_ABSENT };
	struct stat st;

	if (lstat(path, &st) == 0)
		scan_entry_from_stat(&entry, &st);
	return entry;
}

/* A folder beside the root that nobody may touch; when it and its file last changed. */
struct outside {
	struct timespec folder;
	struct timespec file;
};

static struct timespec changed_at(const char *path)
{
	struct stat st = { .st_size = 0 };

	assert_int_equal(lstat(path, &st), 0);
	return st.st_ctim;
}

static struct outside outside_make(void)
{
	help_sh("mkdir outside && echo secret > outside/secret && mkdir outside/folder");
	return (struct outside){ changed_at("outside"), changed_at("outside/secret") };
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static void outside_check(const struct outside *before)
{
	assert_true(same_time(changed_at("outside"), before->folder));
	assert_true(same_time(changed_at("outside/secret"), before->file));
	assert_string_equal(help_read("outside/secret"), "secret\n");
	assert_int_equal(help_count("outside"), 2);
	assert_int_equal(help_count("outside/folder"), 0);
	/* What was read must not have come in either. */
	assert_false(help_holds("t", "secret\n"));
	assert_int_equal(help_count("."), 2);
}

/* An operation with all that its kind needs. */
static struct msg_op op_of(enum op_kind kind, const char *path, const char *from, const char *there)
{
	struct msg_op op = { .id = 1, .kind = kind, .path = path, .from = from };

	op.meta = (struct op_meta){ .mask = META_MODE | META_MTIME, .mode = 0777, .mtime_ns = 1 };
	op.expect = entry_at(there);
	if (kind == OP_SYMLINK)
		op.source = (struct entry){ .type = ENTRY_SYMLINK, .link = "anywhere" };
	if (kind == OP_LINK || kind == OP_COPY)
		op.source = op.expect;
	if (kind == OP_LINK || kind == OP_COPY || kind == OP_MKDIR)
		op.expect = (struct entry){ .type = ENTRY_ABSENT };
	return op;
}

/* Do one operation; the kind of its status. */
static enum err_kind do_op(struct far *far, const struct msg_op *op)
{
	enum err_kind kind = ERR_NONE;

	far_op(far, op);
	if (op->kind == OP_PUT) {
		far_data(far, op->id, "content");
		far_put_end(far, op->id, 1, "content");
	}
	far_empty(far, PEER_FLUSH);
	kind = far_result(far, PEER_DONE, op->id);
	far_expect(far, PEER_FLUSHED);
	return kind;
}

static void must_fail(struct far *far, const struct msg_op *op)
{
	assert_int_not_equal(do_op(far, op), ERR_NONE);
}

/* Paths ----------------------------------------------------------------------- */

static const char *const no_paths[] = {
	"../outside/secret", "/etc/passwd", "folder/../../outside/secret", "..", "", "folder/",
	"folder//x",	     "./folder"
};
enum { NO_PATHS = sizeof(no_paths) / sizeof(no_paths[0]) };

static void test_operations_on_what_is_no_path_end_the_session(void **state)
{
	const struct outside outside = outside_make();

	help_sh("mkdir t/folder");
	for (size_t i = 0; i < NO_PATHS * KINDS; i++) {
		const char *path = no_paths[i % NO_PATHS];
		const struct msg_op op = op_of(all_kinds[i / NO_PATHS], path, "folder", path);
		AUTO_FAR far = far_prepared();

		far_op(&far, &op);
		far_refuses(&far, ERR_PROTOCOL);
	}
	outside_check(&outside);
}

static void test_operations_from_what_is_no_path_end_the_session(void **state)
{
	static const enum op_kind kinds[] = { OP_MOVE, OP_LINK, OP_COPY };
	const struct outside outside = outside_make();

	for (size_t i = 0; i < NO_PATHS * 3; i++) {
		const char *path = no_paths[i % NO_PATHS];
		const struct msg_op op = op_of(kinds[i / NO_PATHS], "new", path, "outside/secret");
		AUTO_FAR far = far_prepared();

		far_op(&far, &op);
		far_refuses(&far, ERR_PROTOCOL);
	}
	outside_check(&outside);
}

static void test_requests_for_what_is_no_path_end_the_session(void **state)
{
	const struct entry secret = { .type = ENTRY_FILE };
	const struct outside outside = outside_make();

	for (size_t i = 0; i < NO_PATHS * 4; i++) {
		const char *path = no_paths[i % NO_PATHS];
		AUTO_FAR far = far_prepared();

		if (i / NO_PATHS == 0)
			far_hash(&far, 1, path, NULL);
		else if (i / NO_PATHS == 1)
			far_attrs(&far, 1, path);
		else if (i / NO_PATHS == 2)
			far_read(&far, 1, path, &secret);
		else
			far_record(&far, path, NULL);
		far_refuses(&far, ERR_PROTOCOL);
	}
	outside_check(&outside);
}

/* Links ------------------------------------------------------------------------- */

static void test_operations_do_not_follow_a_linked_folder(void **state)
{
	const struct outside outside = outside_make();

	help_sh("ln -s \"$PWD/outside\" t/link; ln -s ../outside t/rel; echo mine > t/mine");
	for (size_t i = 0; i < 2 * KINDS; i++) {
		const char *path = i % 2 ? "link/secret" : "rel/secret";
		const char *fresh = i % 2 ? "link/new" : "rel/folder/new";
		enum op_kind kind = all_kinds[i / 2];
		AUTO_FAR far = far_prepared();
		struct msg_op op = op_of(kind, path, "mine", "outside/secret");

		must_fail(&far, &op);
		op = op_of(kind, fresh, "mine", "t/mine");
		if (kind != OP_MOVE)
			op.expect = (struct entry){ .type = ENTRY_ABSENT };
		/* Nothing is to be deleted where nothing is: that may succeed, without doing anything. */
		if (kind == OP_DELETE)
			do_op(&far, &op);
		else
			must_fail(&far, &op);
		assert_int_equal(far_end(&far), 0);
		assert_string_equal(help_read("t/mine"), "mine\n");
	}
	outside_check(&outside);
}

static void test_nothing_is_taken_through_a_linked_folder(void **state)
{
	static const enum op_kind kinds[] = { OP_MOVE, OP_LINK, OP_COPY };
	const struct outside outside = outside_make();

	help_sh("ln -s \"$PWD/outside\" t/link");
	for (size_t i = 0; i < 3; i++) {
		const struct msg_op op = op_of(kinds[i], "new", "link/secret", "outside/secret");
		AUTO_FAR far = far_prepared();

		must_fail(&far, &op);
		assert_int_equal(far_end(&far), 0);
		assert_false(help_exists("t/new"));
	}
	outside_check(&outside);
}

/* The link itself, told to be the file it points to. */
static void test_a_link_is_not_what_it_points_to(void **state)
{
	const struct outside outside = outside_make();

	help_sh("ln -s \"$PWD/outside/secret\" t/link");
	for (size_t i = 0; i < KINDS; i++) {
		const char *path = all_kinds[i] == OP_META || all_kinds[i] == OP_DELETE ||
						   all_kinds[i] == OP_PUT
					   ? "link"
					   : "new";
		const struct msg_op op = op_of(all_kinds[i], path, "link", "outside/secret");
		AUTO_FAR far = far_prepared();

		if (all_kinds[i] == OP_MKDIR || all_kinds[i] == OP_SYMLINK)
			continue;
		must_fail(&far, &op);
		assert_int_equal(far_end(&far), 0);
		assert_false(help_exists("t/new"));
	}
	outside_check(&outside);
}

static void test_nothing_is_read_through_links(void **state)
{
	static const char *const paths[] = { "link/secret", "direct" };
	const struct entry secret = { .type = ENTRY_FILE };
	const struct outside outside = outside_make();

	help_sh("ln -s \"$PWD/outside\" t/link; ln -s \"$PWD/outside/secret\" t/direct");
	for (size_t i = 0; i < 2; i++) {
		struct entry expect = entry_at("outside/secret");
		AUTO_FAR far = far_welcomed(0);

		far_read(&far, 1, paths[i], &expect);
		assert_int_not_equal(far_result(&far, PEER_READ_END, 1), ERR_NONE);
		far_read(&far, 2, paths[i], &secret);
		assert_int_not_equal(far_result(&far, PEER_READ_END, 2), ERR_NONE);
		far_hash(&far, 3, paths[i], &expect);
		assert_int_not_equal(far_result(&far, PEER_HASHED, 3), ERR_NONE);
		assert_int_equal(far_end(&far), 0);
	}
	outside_check(&outside);
}

/* Without anything expected, the link is answered, and its folder is none. */
static void test_a_link_is_hashed_as_a_link(void **state)
{
	AUTO_FAR far = far_start();
	struct arena arena = ARENA_INIT;
	struct msg_result result;

	help_sh("mkdir outside; ln -s ../outside t/link");
	far_hello(&far, 0);
	far_expect(&far, PEER_WELCOME);
	far_hash(&far, 1, "link", NULL);
	far_expect(&far, PEER_HASHED);
	assert_int_equal(msg_get_result(&far.frame, &arena, &result, NULL), 0);
	assert_int_equal(result.status.kind, ERR_NONE);
	assert_int_equal(result.entry.type, ENTRY_SYMLINK);
	assert_string_equal(result.entry.link, "../outside");
	arena_release(&arena);
	assert_int_equal(far_end(&far), 0);
}

/* The folder of osync's own ----------------------------------------------------- */

static void make_workdirs(void)
{
	help_sh("mkdir -p t/.osync_workdir t/a/.osync_workdir t/free; "
		"echo 01234567-89ab-4cde-8f01-23456789abcd > t/.osync_workdir/identity; "
		"echo inner > t/a/.osync_workdir/identity; echo mine > t/mine");
}

static void check_workdirs(void)
{
	assert_string_equal(help_read("t/.osync_workdir/identity"),
			    "01234567-89ab-4cde-8f01-23456789abcd\n");
	assert_string_equal(help_read("t/a/.osync_workdir/identity"), "inner\n");
	assert_string_equal(help_read("t/mine"), "mine\n");
	assert_int_equal(help_count("t/a/.osync_workdir"), 1);
	assert_int_equal(help_count("t/free"), 0);
}

static void test_operations_leave_work_folders_alone(void **state)
{
	static const char *const paths[] = { ".osync_workdir", ".osync_workdir/identity",
					     "a/.osync_workdir", "a/.osync_workdir/identity" };

	make_workdirs();
	for (size_t i = 0; i < 4 * KINDS; i++) {
		AUTO_FREE char *there = xasprintf("t/%s", paths[i % 4]);
		AUTO_FREE char *fresh = xasprintf("%s/new", paths[i % 4]);
		enum op_kind kind = all_kinds[i / 4];
		AUTO_FAR far = far_prepared();
		struct msg_op op = op_of(kind, paths[i % 4], "mine", there);

		must_fail(&far, &op);
		op = op_of(kind, fresh, "mine", "t/mine");
		if (kind != OP_MOVE)
			op.expect = (struct entry){ .type = ENTRY_ABSENT };
		must_fail(&far, &op);
		if (kind == OP_MOVE || kind == OP_LINK || kind == OP_COPY) {
			op = op_of(kind, "free/new", paths[i % 4], there);
			must_fail(&far, &op);
		}
		assert_int_equal(far_end(&far), 0);
		check_workdirs();
	}
}

static void test_work_folders_are_not_read(void **state)
{
	AUTO_FAR far = far_start();
	struct entry expect;

	make_workdirs();
	expect = entry_at("t/.osync_workdir/identity");
	far_hello(&far, 0);
	far_expect(&far, PEER_WELCOME);
	far_read(&far, 1, ".osync_workdir/identity", &expect);
	assert_int_not_equal(far_result(&far, PEER_READ_END, 1), ERR_NONE);
	far_hash(&far, 2, ".osync_workdir/identity", NULL);
	assert_int_not_equal(far_result(&far, PEER_HASHED, 2), ERR_NONE);
	far_attrs(&far, 3, ".osync_workdir");
	assert_int_not_equal(far_result(&far, PEER_ATTRS_IS, 3), ERR_NONE);
	assert_int_equal(far_end(&far), 0);
}

/* A folder is not emptied by deleting it, and one with a work folder in it is not empty. */
static void test_a_folder_with_a_work_folder_stays(void **state)
{
	struct msg_op op;
	AUTO_FAR far = far_start();

	make_workdirs();
	far_close(&far);
	far = far_prepared();
	op = op_of(OP_DELETE, "a", NULL, "t/a");
	must_fail(&far, &op);
	assert_int_equal(far_end(&far), 0);
	check_workdirs();
}

/* Puts ------------------------------------------------------------------------------ */

static struct msg_op put_of(uint64_t id, const char *path)
{
	struct msg_op op = op_of(OP_PUT, path, NULL, "nowhere");

	op.id = id;
	return op;
}

static void test_a_put_is_placed_by_the_flush(void **state)
{
	const struct msg_op op = put_of(7, "file");
	AUTO_FAR far = far_prepared();
	struct stat st;

	far_op(&far, &op);
	far_data(&far, 7, "con");
	far_data(&far, 7, "tent");
	far_put_end(&far, 7, 1, "content");
	far_empty(&far, PEER_PING);
	far_expect(&far, PEER_PONG);
	assert_false(help_exists("t/file"));
	far_empty(&far, PEER_FLUSH);
	assert_int_equal(far_result(&far, PEER_DONE, 7), ERR_NONE);
	far_expect(&far, PEER_FLUSHED);
	assert_string_equal(help_read("t/file"), "content");
	assert_int_equal(stat("t/file", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0777);
	assert_int_equal(st.st_mtim.tv_sec, 0);
	assert_int_equal(st.st_mtim.tv_nsec, 1);
	assert_int_equal(far_end(&far), 0);
}

/* All calls that changed something until now. */
static void calls_until_now(struct buf *out)
{
	FILE *lines = fopen("calls", "re");
	char call[32] = "";

	assert_non_null(lines);
	while (fscanf(lines, "%*[^0-9]%*u %31s ", call) == 1)
		buf_addf(out, "%s ", call);
	fclose(lines);
}

/* A power cut may come between any two: bytes, then the name, then the answer. */
static void test_i32_bytes_are_durable_before_names_and_names_before_the_answer(void **state)
{
	const struct msg_op op = put_of(7, "file");
	AUTO_BUF before = BUF_INIT;
	AUTO_BUF after = BUF_INIT;
	AUTO_FAR far = { .fd = -1 };

	setenv("OSYNC_FAULT", "count:calls", 1);
	far = far_prepared();
	unsetenv("OSYNC_FAULT");
	far_op(&far, &op);
	far_data(&far, 7, "content");
	far_put_end(&far, 7, 1, "content");
	far_empty(&far, PEER_PING);
	far_expect(&far, PEER_PONG);
	calls_until_now(&before);
	far_empty(&far, PEER_FLUSH);
	assert_int_equal(far_result(&far, PEER_DONE, 7), ERR_NONE);
	calls_until_now(&after);
	/* The staged file and its folder; a note of its folder's time; its name, and that folder. */
	assert_true(after.len > before.len);
	assert_string_equal(buf_cstr(&after) + before.len,
			    "fsync close fsync openat write renameat2 fsync ");
	assert_int_equal(far_end(&far), 0);
}

/* Nothing of it is left, neither in its place nor staged. */
static void expect_no_file(struct far *far, uint64_t id)
{
	far_empty(far, PEER_FLUSH);
	assert_int_equal(far_result(far, PEER_DONE, id), ERR_CHANGED);
	far_expect(far, PEER_FLUSHED);
	assert_false(help_exists("t/file"));
	assert_int_equal(help_count("t/.osync_workdir/stage"), 0);
	assert_int_equal(far_end(far), 0);
	assert_int_equal(help_count("t"), 1);
}

static void test_what_is_not_what_was_promised_is_not_placed(void **state)
{
	const struct msg_op op = put_of(7, "file");
	AUTO_FAR far = far_prepared();

	far_op(&far, &op);
	far_data(&far, 7, "content");
	far_put_end(&far, 7, 1, "CONTENT");
	expect_no_file(&far, 7);
}

static void test_bytes_that_did_not_come_are_missed(void **state)
{
	const struct msg_op op = put_of(7, "file");
	AUTO_FAR far = far_prepared();

	far_op(&far, &op);
	far_put_end(&far, 7, 1, "content");
	expect_no_file(&far, 7);
}

static void test_a_put_that_is_called_off_is_not_placed(void **state)
{
	const struct msg_op op = put_of(7, "file");
	AUTO_FAR far = far_prepared();

	far_op(&far, &op);
	far_data(&far, 7, "content");
	far_put_end(&far, 7, 0, "content");
	expect_no_file(&far, 7);
}

static void test_a_flush_leaves_what_is_still_coming(void **state)
{
	const struct msg_op op = put_of(7, "file");
	AUTO_FAR far = far_prepared();

	far_op(&far, &op);
	far_data(&far, 7, "con");
	far_empty(&far, PEER_FLUSH);
	far_expect(&far, PEER_FLUSHED);
	assert_false(help_exists("t/file"));
	far_data(&far, 7, "tent");
	far_put_end(&far, 7, 1, "content");
	far_empty(&far, PEER_FLUSH);
	assert_int_equal(far_result(&far, PEER_DONE, 7), ERR_NONE);
	far_expect(&far, PEER_FLUSHED);
	assert_string_equal(help_read("t/file"), "content");
	assert_int_equal(far_end(&far), 0);
}

static void test_a_put_without_an_end_leaves_nothing_behind(void **state)
{
	const struct msg_op op = put_of(7, "file");
	AUTO_FAR far = far_prepared();

	far_op(&far, &op);
	far_data(&far, 7, "content");
	assert_int_equal(far_end(&far), 0);
	assert_int_equal(help_count("t"), 1);
	assert_int_equal(help_count("t/.osync_workdir/stage"), 0);
}

/* A size that no file can have is refused with the first byte, and the session goes on. */
static void test_a_put_beyond_any_file_fails_alone(void **state)
{
	struct msg_op op = put_of(7, "file");
	AUTO_FAR far = far_prepared();

	op.source = (struct entry){ .type = ENTRY_FILE, .size = UINT64_MAX };
	far_op(&far, &op);
	far_data(&far, 7, "x");
	far_hole(&far, 7, PEER_HOLE_MAX);
	far_put_end(&far, 7, 1, "x");
	far_empty(&far, PEER_FLUSH);
	assert_int_equal(far_result(&far, PEER_DONE, 7), ERR_SYSTEM);
	far_expect(&far, PEER_FLUSHED);
	assert_int_equal(far_end(&far), 0);
	assert_false(help_exists("t/file"));
}

/* The zeros of a hole are hashed: a few bytes must not keep the agent busy for years. */
static void test_a_hole_without_end_ends_the_session(void **state)
{
	static const uint64_t holes[] = { PEER_HOLE_MAX + 1ULL, 1ULL << 62, UINT64_MAX };

	for (size_t i = 0; i < sizeof(holes) / sizeof(holes[0]); i++) {
		const struct msg_op op = put_of(7, "file");
		AUTO_FAR far = far_prepared();

		far_op(&far, &op);
		far_hole(&far, 7, holes[i]);
		far_refuses(&far, ERR_PROTOCOL);
		assert_false(help_exists("t/file"));
	}
}

/* Many more holes than could be hashed while somebody waits for the answer. */
static void test_nobody_is_served_who_has_gone(void **state)
{
	const struct msg_op op = put_of(7, "file");
	AUTO_FAR far = far_prepared();
	int status = 0;

	far_op(&far, &op);
	for (int i = 0; i < 20000; i++)
		far_hole(&far, 7, PEER_HOLE_MAX);
	far_empty(&far, PEER_FLUSH);
	assert_true(send(far.fd, far.out.data, far.out.len, MSG_NOSIGNAL) > 0);
	close(far.fd);
	far.fd = -1;
	assert_int_equal(waitpid(far.pid, &status, 0), far.pid);
	far.pid = -1;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	assert_int_equal(help_count("t/.osync_workdir/stage"), 0);
}

/* What is said before COMMIT is not kept in memory for it. */
static void test_records_without_a_commit_do_not_fill_the_memory(void **state)
{
	const struct entry entry = { .type = ENTRY_FILE, .nlink = 1, .ino = 1, .size = 1 };
	AUTO_FAR far = far_prepared();
	char path[300];
	struct stat st;

	for (int i = 0; i < 20000; i++) {
		snprintf(path, sizeof(path), "%0250d", i);
		far_record(&far, path, &entry);
	}
	far_empty(&far, PEER_PING);
	far_expect(&far, PEER_PONG);
	assert_int_equal(stat("t/.osync_workdir/state/profile.cache.journal", &st), 0);
	assert_true(st.st_size >= 4 * 1024 * 1024);
	assert_int_equal(far_end(&far), 0);
}

static void test_one_listing_at_a_time(void **state)
{
	AUTO_FAR far = far_prepared();

	far_scan(&far, 0);
	far_scan(&far, 0);
	far_refuses(&far, ERR_PROTOCOL);
}

static void test_bytes_for_nothing_known_end_the_session(void **state)
{
	const struct msg_op folder = op_of(OP_MKDIR, "folder", NULL, "nowhere");
	const struct msg_op put = put_of(7, "file");

	for (int way = 0; way < 5; way++) {
		AUTO_FAR far = far_prepared();

		far_op(&far, &folder);
		far_op(&far, &put);
		if (way == 0)
			far_data(&far, 8, "x");
		if (way == 1)
			far_data(&far, folder.id, "x");
		if (way == 2)
			far_put_end(&far, 8, 1, "x");
		if (way > 2)
			far_put_end(&far, 7, way == 3, "");
		if (way == 3)
			far_data(&far, 7, "x");
		if (way == 4)
			far_put_end(&far, 7, 1, "");
		far_refuses(&far, ERR_PROTOCOL);
		assert_false(help_exists("t/file"));
	}
}

static void test_operations_that_are_never_flushed_are_bounded(void **state)
{
	const struct msg_op op = put_of(7, "file");
	AUTO_FAR far = far_prepared();

	for (int i = 0; i <= PEER_REQUESTS_MAX; i++)
		far_op(&far, &op);
	far_refuses(&far, ERR_PROTOCOL);
}

static void test_a_failed_operation_does_not_keep_others(void **state)
{
	const struct msg_op wrong = op_of(OP_DELETE, "gone", NULL, "t");
	const struct msg_op right = op_of(OP_MKDIR, "folder", NULL, "nowhere");
	AUTO_FAR far = far_prepared();

	must_fail(&far, &wrong);
	assert_int_equal(do_op(&far, &right), ERR_NONE);
	assert_true(help_exists("t/folder"));
	far_empty(&far, PEER_FINISH);
	assert_int_equal(far_status(&far, PEER_FINISHED), ERR_NONE);
	assert_int_equal(far_end(&far), 0);
}

/* Attributes that make no sense fail their operation; nothing half done is placed. */
static void test_attributes_that_are_none_are_refused(void **state)
{
	struct msg_op op = op_of(OP_MKDIR, "folder", NULL, "nowhere");
	AUTO_FAR far = far_prepared();

	op.meta.mask |= META_XATTR;
	op.attrs = (const unsigned char *)"\xff\xff\xff nonsense";
	op.attrs_len = 12;
	must_fail(&far, &op);
	assert_int_equal(far_end(&far), 0);
	assert_false(help_exists("t/folder"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
		TEST(test_operations_on_what_is_no_path_end_the_session),
		TEST(test_operations_from_what_is_no_path_end_the_session),
		TEST(test_requests_for_what_is_no_path_end_the_session),
		TEST(test_operations_do_not_follow_a_linked_folder),
		TEST(test_nothing_is_taken_through_a_linked_folder),
		TEST(test_a_link_is_not_what_it_points_to),
		TEST(test_nothing_is_read_through_links),
		TEST(test_a_link_is_hashed_as_a_link),
		TEST(test_operations_leave_work_folders_alone),
		TEST(test_work_folders_are_not_read),
		TEST(test_a_folder_with_a_work_folder_stays),
		TEST(test_a_put_is_placed_by_the_flush),
		TEST(test_i32_bytes_are_durable_before_names_and_names_before_the_answer),
		TEST(test_what_is_not_what_was_promised_is_not_placed),
		TEST(test_bytes_that_did_not_come_are_missed),
		TEST(test_a_put_that_is_called_off_is_not_placed),
		TEST(test_a_flush_leaves_what_is_still_coming),
		TEST(test_a_put_without_an_end_leaves_nothing_behind),
		TEST(test_a_put_beyond_any_file_fails_alone),
		TEST(test_a_hole_without_end_ends_the_session),
		TEST(test_nobody_is_served_who_has_gone),
		TEST(test_records_without_a_commit_do_not_fill_the_memory),
		TEST(test_one_listing_at_a_time),
		TEST(test_bytes_for_nothing_known_end_the_session),
		TEST(test_operations_that_are_never_flushed_are_bounded),
		TEST(test_a_failed_operation_does_not_keep_others),
		TEST(test_attributes_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
