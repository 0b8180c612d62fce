/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state folder cannot be read, or holds what makes no sense although its checksums are
 * right: it is said as what it is. Damage is only what is really there; a disk that fails for
 * the moment must not have a good list set aside.
 */
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/stop.h"
#include "box.h"
#include "store/atomic.h"
#include "store/journal.h"
#include "store/list.h"
#include "store/lock.h"
#include "store/table_file.h"
#include "table_help.h"
#include "table_states.h"

enum { FEW = 100 /* more calls than any of these makes */ };

static const int errors[] = { EIO, EACCES, EMFILE };
enum { ERRORS = sizeof(errors) / sizeof(errors[0]) };

/* Tables --------------------------------------------------------------------- */

/* Open, fold, close; every call that reads fails once. The number of calls. */
static unsigned fail_reads(const struct files *files, const char *before, int errnum)
{
	for (unsigned n = 1; n < FEW; n++) {
		struct err err = ERR_INIT;
		int status = -1;

		files_restore(files);
		box_fault("fail:%u:%d::look", n, errnum);
		AUTO_TABLE *table = table_open(box_dirfd(), "t", TABLE_WRITE, &err);
		if (table)
			status = help_script(table, "y=1 !", &err);
		box_fault_off();
		if (status == 0)
			return n;
		assert_int_equal(err.kind, ERR_SYSTEM);
		assert_int_equal(err.sys, errnum);
		/* It was flushed, or not even opened. */
		if (!table)
			help_expect(before);
		states_must_go_on();
	}
	return FEW;
}

static void i9_what_cannot_be_read_now_is_not_damaged(void **state)
{
	static const struct {
		void (*start)(void);
		const char *holds;
	} starts[] = {
		{ states_start_journal, NULL },
		{ states_start_base, NULL },
		{ states_start_both, NULL },
		{ states_start_stale, NULL },
	};

	for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++) {
		AUTO_FILES files = FILES_INIT;
		AUTO_BUF holds = BUF_INIT;

		files_restore(&files);
		starts[s].start();
		files_save(&files);
		assert_int_equal(help_dump(&holds, NULL), 0);
		for (size_t e = 0; e < ERRORS; e++)
			assert_in_range(fail_reads(&files, buf_cstr(&holds), errors[e]), 4,
					FEW - 1);
	}
}

/* A base of several blocks does not fit on the disk: the old one stays, whatever block fails. */
static void a_fold_that_runs_out_of_room_changes_nothing(void **state)
{
	AUTO_BUF value = BUF_INIT;
	AUTO_BUF before = BUF_INIT;
	int status = -1;

	memset(buf_extend(&value, 1000), 'v', 1000);
	AUTO_TABLE *table = help_open(TABLE_WRITE);
	for (int i = 0; i < 300; i++) {
		AUTO_FREE char *path = xasprintf("%d", 1000 + i);

		table_put(table, path, value.data, value.len);
	}
	assert_int_equal(table_flush(table, NULL), 0);
	assert_int_equal(help_dump(&before, NULL), 0);
	for (unsigned n = 1; status < 0; n++) {
		struct err err = ERR_INIT;

		assert_true(n < FEW);
		box_fault("fail:%u:%d", n, ENOSPC);
		status = table_fold(table, &err);
		box_fault_off();
		if (status < 0)
			assert_int_equal(err.sys, ENOSPC);
		help_expect(buf_cstr(&before));
	}
}

/* The last step of folding removes the journal: should it be gone, that is as well. */
static void a_journal_that_went_by_itself_is_no_failure(void **state)
{
	help_run("a=1 .");
	AUTO_TABLE *table = help_open(TABLE_WRITE);

	box_fault("fail:10:%d", ENOENT);
	assert_int_equal(table_fold(table, NULL), 0);
	box_fault_off();
	help_expect("a=1");
}

/* After a failed sync of the folder a flush begins with that sync, which may fail once more. */
static void a_new_base_is_synced_before_anything_else(void **state)
{
	help_run("a=1 .");
	AUTO_TABLE *table = help_open(TABLE_WRITE);
	struct err err = ERR_INIT;

	help_script(table, "b=2", NULL);
	box_fault("fail:11:%d", EIO);
	assert_int_equal(table_fold(table, NULL), -1);
	box_fault("fail:1:%d", EIO);
	assert_int_equal(table_flush(table, &err), -1);
	assert_int_equal(err.sys, EIO);
	box_fault_off();
	assert_int_equal(table_flush(table, NULL), 0);
	help_expect("a=1 b=2");
}

static void put_aside_with(const char *start, unsigned n, int errnum, int expected)
{
	struct err err = ERR_INIT;

	unlink("t.base");
	unlink("t.journal");
	help_run(start);
	box_fault("fail:%u:%d", n, errnum);
	assert_int_equal(table_set_aside(box_dirfd(), "t", &err), expected);
	box_fault_off();
	if (expected < 0)
		assert_int_equal(err.sys, errnum);
}

static void what_cannot_be_set_aside_is_said(void **state)
{
	put_aside_with("a=1 !", 1, EACCES, -1);
	put_aside_with("a=1 ! b=2 .", 2, EACCES, -1);
	/* There was none, or it is gone by itself. */
	put_aside_with("a=1 ! b=2 .", 2, ENOENT, 0);
	put_aside_with("a=1 !", 2, ENOENT, 0);
}

static void read_while_damaged(void *arg)
{
	struct table *table = table_open(box_dirfd(), "t", TABLE_WRITE, NULL);
	struct table_cursor *cursor = table_cursor_new(table);
	const char *path = NULL;
	const void *value = NULL;
	size_t len = 0;

	AUTO_CLOSE int fd = open("t.base", O_WRONLY | O_CLOEXEC);

	/* Into the last record, right before the end that was looked at already. */
	if (pwrite(fd, "!", 1, box_size("t.base") - TABLE_FILE_FOOTER - 1) != 1)
		_exit(2);
	while (table_next(cursor, &path, &value, &len) > 0)
		continue;
	_exit(arg ? 3 : 0);
}

/* To go on with half a list would be to forget the other half. */
static void a_list_damaged_under_our_hands_ends_the_program(void **state)
{
	int status = 0;

	help_run("a=1 b=2 !");
	status = box_fork("", read_while_damaged, NULL);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* Journals ------------------------------------------------------------------- */

/* A journal with this frame and a right checksum. */
static void write_journal(struct buf *frame)
{
	struct journal_log log = JOURNAL_LOG_INIT;
	const struct uuid none = { { 0 } };

	assert_int_equal(journal_create(box_dirfd(), "t.journal", &none, frame, &log, NULL), 0);
	journal_log_close(&log);
}

static void i9_changes_that_make_no_sense_are_damage(void **state)
{
	static const char *const paths[] = { "..", "a/../b", "/a", "a//b", "" };
	AUTO_BUF frame = BUF_INIT;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		journal_frame_init(&frame);
		journal_frame_put(&frame, "good", "1", 1);
		journal_frame_put(&frame, paths[i], "1", 1);
		write_journal(&frame);
		states_must_refuse();
		journal_frame_init(&frame);
		journal_frame_remove(&frame, paths[i]);
		write_journal(&frame);
		states_must_refuse();
	}
	/* A kind that is none; a path without its NUL, and without a byte. */
	for (unsigned kind = 0; kind < 6; kind++) {
		journal_frame_init(&frame);
		enc_u8(&frame, kind == 4 || kind == 5 ? 1 : kind * 4);
		enc_bytes(&frame, "a", kind == 5 ? 0 : 1);
		enc_bytes(&frame, "1", 1);
		write_journal(&frame);
		states_must_refuse();
	}
}

/* What looks like the mark of a frame in the torn end is none. */
static void a_mark_in_the_torn_end_is_no_frame(void **state)
{
	AUTO_BUF bytes = BUF_INIT;
	AUTO_BUF mark = BUF_INIT;

	help_run("a=1 .");
	assert_true(box_read("t.journal", &bytes));
	/* The id of the journal begins behind magic, version and byte order. */
	buf_add(&mark, bytes.data + JOURNAL_MAGIC + 8, JOURNAL_MARK);
	buf_addstr(&bytes, "torn");
	buf_add(&bytes, mark.data, mark.len);
	buf_addstr(&bytes, "and more that is no frame at all");
	buf_add(&bytes, mark.data, mark.len);
	box_write("t.journal", bytes.data, bytes.len);
	help_expect("a=1");
	help_run("b=2 .");
	help_expect("a=1 b=2");
}

static void a_journal_that_others_wrote_to_is_not_appended_to(void **state)
{
	struct journal journal = JOURNAL_INIT;
	struct journal_log log = JOURNAL_LOG_INIT;
	struct err err = ERR_INIT;

	help_run("a=1 .");
	assert_int_equal(journal_open(box_dirfd(), "t.journal", &journal, NULL), 1);
	assert_int_equal(journal_replay(&journal, "t.journal", NULL), 0);
	help_run("b=2 .");
	assert_int_equal(journal_log_open(box_dirfd(), "t.journal", &journal, &log, &err), -1);
	assert_int_equal(err.kind, ERR_SYSTEM);
	journal_log_close(&log);
	unlink("t.journal");
	assert_int_equal(journal_log_open(box_dirfd(), "t.journal", &journal, &log, &err), -1);
	assert_int_equal(err.kind, ERR_SYSTEM);
	journal_close(&journal);
}

/* Lists ---------------------------------------------------------------------- */

/* Enough for the journal to be folded, and too little beside a base that has grown. */
static void a_list_is_folded_when_its_journal_has_grown(void **state)
{
	struct list_head head = { .seed = 1 };
	const struct base base = { .type = ENTRY_DIR };
	bool exists = false;
	struct list *list = list_open(box_dirfd(), "l", TABLE_WRITE, &head, &exists, NULL);

	for (int i = 0; i < 20000; i++) {
		AUTO_FREE char *path = xasprintf("a path of a certain length, %d", i);

		list_put(list, path, &base);
	}
	assert_int_equal(list_flush(list, NULL), 0);
	assert_true(box_exists("l.journal"));
	assert_int_equal(list_tidy(list, NULL), 0);
	assert_false(box_exists("l.journal"));
	list_put(list, "one more", &base);
	assert_int_equal(list_flush(list, NULL), 0);
	assert_int_equal(list_tidy(list, NULL), 0);
	assert_true(box_exists("l.journal"));
	list_close(list);
}

/* Files and folders ---------------------------------------------------------- */

static void what_is_no_file_is_damage_and_what_cannot_be_read_is_not(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
	AUTO_CLOSE int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	AUTO_CLOSE int fd = -1;
	struct err err = ERR_INIT;
	size_t size = 0;

	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(atomic_open(box_dirfd(), "socket", O_RDONLY, &fd, &size, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_int_equal(mkdir("folder", 0700), 0);
	assert_int_equal(atomic_open(box_dirfd(), "folder", O_RDWR, &fd, &size, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
	box_write("file", "text", 4);
	for (unsigned n = 1; n <= 3; n++) {
		AUTO_BUF text = BUF_INIT;

		err_clear(&err);
		buf_addstr(&text, "before");
		box_fault("fail:%u:%d::look", n, EIO);
		assert_int_equal(atomic_read(box_dirfd(), "file", 100, &text, &err), -1);
		box_fault_off();
		assert_int_equal(err.kind, ERR_SYSTEM);
		assert_string_equal(buf_cstr(&text), "before");
	}
}

static void an_interrupted_or_short_read_goes_on(void **state)
{
	box_write("file", "all of this text", 16);
	for (unsigned n = 3; n <= 5; n++) {
		AUTO_BUF text = BUF_INIT;
		AUTO_BUF other = BUF_INIT;

		box_fault("fail:%u:%d::look", n, EINTR);
		assert_int_equal(atomic_read(box_dirfd(), "file", 100, &text, NULL), 1);
		box_fault("short:%u::look", n);
		assert_int_equal(atomic_read(box_dirfd(), "file", 100, &other, NULL), 1);
		box_fault_off();
		assert_string_equal(buf_cstr(&text), "all of this text");
		assert_string_equal(buf_cstr(&other), "all of this text");
	}
}

/* Some files do not tell their size: no more is read than is allowed. */
static void a_file_that_hides_its_size_is_bounded(void **state)
{
	AUTO_CLOSE int proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_BUF text = BUF_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(atomic_read(proc, "status", 10, &text, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_int_equal(text.len, 0);
	assert_int_equal(atomic_read(proc, "comm", 100, &text, NULL), 1);
	assert_true(text.len > 0);
}

static int make_folder(const char *name, struct err *err)
{
	AUTO_CLOSE int fd = atomic_mkdir_open(box_dirfd(), name, err);

	return fd < 0 ? -1 : 0;
}

static int make_path(const char *name, struct err *err)
{
	AUTO_FREE char *path = xasprintf("/proc/self/cwd/%s/b/c", name);
	AUTO_CLOSE int fd = atomic_mkdir_path_open(path, err);

	return fd < 0 ? -1 : 0;
}

/* Each call of either door fails once: that is told, and then it works. */
static void folders_that_cannot_be_made_are_told(void **state)
{
	static const char *const doors[] = { "change", "look" };
	static int (*const makers[])(const char *name, struct err *err) = { make_folder,
									    make_path };

	for (unsigned i = 0; i < 4; i++) {
		for (unsigned n = 1;; n++) {
			char name[] = { (char)('a' + i), (char)('a' + n % 26), '\0' };
			struct err err = ERR_INIT;
			int status = 0;

			box_fault("fail:%u:%d::%s", n, ENOSPC, doors[i / 2]);
			status = makers[i % 2](name, &err);
			box_fault_off();
			if (status == 0)
				break;
			assert_true(n < 20);
			assert_int_equal(err.sys, ENOSPC);
			assert_int_equal(makers[i % 2](name, NULL), 0);
		}
	}
}

static void a_folder_that_somebody_else_makes_will_do(void **state)
{
	struct err err = ERR_INIT;

	box_fault("fail:1:%d", EEXIST);
	/* It is said to be there and is not: nothing is believed. */
	assert_int_equal(make_folder("missing", &err), -1);
	assert_int_equal(err.sys, ENOENT);
	box_fault_off();
	assert_int_equal(mkdir("there", 0700), 0);
	box_fault("fail:1:%d::look", ENOENT);
	assert_int_equal(make_folder("there", NULL), 0);
	box_fault_off();
}

static void a_folder_of_the_root_is_made_there(void **state)
{
	struct err err = ERR_INIT;

	/* Not really: the parent is "/". */
	box_fault("fail:1:%d", EROFS);
	assert_int_equal(atomic_mkdir_path_open("/osync-test-that-is-not-there", &err), -1);
	box_fault_off();
	assert_int_equal(err.sys, EROFS);
}

/* Locks ---------------------------------------------------------------------- */

static void i42_without_an_answer_there_is_no_lock(void **state)
{
	static const struct {
		int errnum;
		const char *says;
	} answers[] = {
		{ ENOLCK, "does not offer locks" },
		{ EOPNOTSUPP, "does not offer locks" },
		{ ENOSYS, "does not offer locks" },
		{ EINVAL, "does not offer locks" },
		{ EIO, "cannot lock" },
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct err err = ERR_INIT;

		box_fault("fail:2:%d::look", answers[i].errnum);
		assert_null(lock_take(box_dirfd(), "lock", LOCK_HOLD, "me", &err));
		box_fault_off();
		assert_int_equal(err.kind, ERR_SYSTEM);
		assert_int_equal(err.sys, answers[i].errnum);
		assert_non_null(strstr(err.msg, answers[i].says));
	}
}

static void an_interrupted_lock_is_tried_again(void **state)
{
	struct lock *lock = NULL;

	box_fault("fail:2:%d::look", EINTR);
	lock = lock_take(box_dirfd(), "lock", LOCK_HOLD, "me", NULL);
	box_fault_off();
	assert_non_null(lock);
	lock_free(lock);
}

static void i42_what_cannot_be_looked_at_is_not_locked(void **state)
{
	struct err err = ERR_INIT;

	box_fault("fail:1:%d::look", EIO);
	assert_null(lock_take(box_dirfd(), "lock", LOCK_HOLD, "me", &err));
	assert_int_equal(err.sys, EIO);
	/* The name is not that of the locked file any more, as far as can be told: once more. */
	box_fault("fail:3:%d::look", EIO);
	err_clear(&err);
	struct lock *lock = lock_take(box_dirfd(), "lock", LOCK_HOLD, "me", &err);
	box_fault_off();
	assert_non_null(lock);
	lock_free(lock);
	box_fault("fail:1:%d::look", EACCES);
	assert_null(lock_take(box_dirfd(), "lock", LOCK_PEEK, "me", &err));
	box_fault_off();
	assert_int_equal(err.sys, EACCES);
}

/* Nothing was there to be locked, and nothing is let go. */
static void a_dry_run_without_a_lock_file_holds_nothing(void **state)
{
	struct lock *lock = lock_take(box_dirfd(), "none", LOCK_PEEK, "me", NULL);

	assert_non_null(lock);
	lock_beat(lock);
	lock_free(lock);
	assert_false(box_exists("none"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(i9_what_cannot_be_read_now_is_not_damaged),
		TEST(a_fold_that_runs_out_of_room_changes_nothing),
		TEST(a_journal_that_went_by_itself_is_no_failure),
		TEST(a_new_base_is_synced_before_anything_else),
		TEST(what_cannot_be_set_aside_is_said),
		TEST(a_list_damaged_under_our_hands_ends_the_program),
		TEST(i9_changes_that_make_no_sense_are_damage),
		TEST(a_mark_in_the_torn_end_is_no_frame),
		TEST(a_journal_that_others_wrote_to_is_not_appended_to),
		TEST(a_list_is_folded_when_its_journal_has_grown),
		TEST(what_is_no_file_is_damage_and_what_cannot_be_read_is_not),
		TEST(an_interrupted_or_short_read_goes_on),
		TEST(a_file_that_hides_its_size_is_bounded),
		TEST(folders_that_cannot_be_made_are_told),
		TEST(a_folder_that_somebody_else_makes_will_do),
		TEST(a_folder_of_the_root_is_made_there),
		TEST(i42_without_an_answer_there_is_no_lock),
		TEST(an_interrupted_lock_is_tried_again),
		TEST(i42_what_cannot_be_looked_at_is_not_locked),
		TEST(a_dry_run_without_a_lock_file_holds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
