/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks where something goes wrong: a disk that is full or fails, files that come and go in between. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "box.h"
#include "store/lock.h"
#include "store/silence.h"

enum { CALLS = 20 /* more than any of these makes */ };

static struct lock *take(enum lock_mode mode, struct err *err)
{
	return lock_take(box_dirfd(), "lock", mode, "1@host me", err);
}

static struct silence_mark mark(void)
{
	struct silence_mark seen = { 0 };

	assert_true(silence_look(box_dirfd(), "lock", &seen));
	return seen;
}

static struct lock *seize(const struct silence_mark *seen, struct err *err)
{
	return lock_seize(box_dirfd(), "lock", seen, "2@host taker", err);
}

/* Seize it while a command runs in the last moment; the holder must be left as he is. */
static void seize_in_vain(const struct silence_mark *seen, const char *command)
{
	AUTO_FREE char *point = xasprintf("before-seize=%s", command);
	struct err err = ERR_INIT;

	setenv("OSYNC_POINT", point, 1);
	assert_null(seize(seen, &err));
	unsetenv("OSYNC_POINT");
	assert_int_equal(err.kind, ERR_LOCKED);
}

static void a_lock_in_a_folder_that_is_gone_is_not_held(void **state)
{
	struct err err = ERR_INIT;
	int dirfd = -1;

	assert_int_equal(mkdir("gone", 0700), 0);
	dirfd = open("gone", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dirfd >= 0);
	assert_int_equal(rmdir("gone"), 0);
	assert_null(lock_take(dirfd, "lock", LOCK_HOLD, "me", &err));
	assert_int_equal(err.sys, ENOENT);
	close(dirfd);
}

/* Another file was put into its place between opening and locking it. */
static void a_lock_file_replaced_meanwhile_is_not_taken_for_it(void **state)
{
	struct lock *lock = NULL;
	struct stat taken;

	box_write("lock", "", 0);
	box_write("other", "", 0);
	assert_int_equal(stat("other", &taken), 0);
	setenv("OSYNC_POINT", "lock-opened=mkdir once 2>/dev/null && mv other lock; true", 1);
	lock = take(LOCK_HOLD, NULL);
	unsetenv("OSYNC_POINT");
	assert_non_null(lock);
	assert_int_equal(lock_check(lock, NULL), 0);
	assert_int_equal(mark().ino, taken.st_ino);
	lock_free(lock);
}

/* Interrupted it tries again; every other failure is said, and nobody is left with half a lock. */
static void whatever_cannot_be_read_a_lock_is_held_or_refused(void **state)
{
	static const int errors[] = { EIO, EINTR, EMFILE };

	for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
		for (unsigned n = 1; n < CALLS; n++) {
			struct err err = ERR_INIT;
			struct lock *lock = NULL;

			box_fault("fail:%u:%d::look", n, errors[e]);
			lock = take(LOCK_HOLD, &err);
			box_fault_off();
			assert_int_equal(lock_is_free(box_dirfd(), "lock"), !lock);
			if (!lock)
				assert_int_equal(err.sys, errors[e]);
			else
				assert_int_equal(lock_check(lock, NULL), 0);
			lock_free(lock);
		}
	}
}

static void a_file_system_without_locks_is_said_so(void **state)
{
	static const int errors[] = { ENOLCK, EOPNOTSUPP, ENOSYS, EINVAL };

	for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
		struct err err = ERR_INIT;

		/* fstat, flock */
		box_fault("fail:2:%d::look", errors[e]);
		assert_null(take(LOCK_HOLD, &err));
		box_fault_off();
		assert_int_equal(err.kind, ERR_SYSTEM);
		assert_non_null(strstr(err.msg, "does not offer locks"));
	}
}

/* What cannot be asked is not free: somebody may be at work there. */
static void a_lock_that_cannot_be_asked_is_not_free(void **state)
{
	AUTO_BUF who = BUF_INIT;

	box_write("lock", "9@h dead since then\n", 20);
	assert_true(lock_is_free(box_dirfd(), "lock"));
	for (unsigned n = 1; n <= 2; n++) {
		box_fault("fail:%u:%d::look", n, EIO);
		assert_false(lock_is_free(box_dirfd(), "lock"));
		box_fault("fail:%u:%d::look", n, EIO);
		lock_describe(box_dirfd(), "lock", &who);
		assert_string_equal(buf_cstr(&who), "another run");
		buf_reset(&who);
	}
	box_fault_off();
	assert_int_equal(unlink("lock"), 0);
	assert_int_equal(symlink("nowhere", "lock"), 0);
	assert_false(lock_is_free(box_dirfd(), "lock"));
}

/* The disk was full when it was taken: it is a lock all the same, until it is another file. */
static void a_lock_without_a_line_is_checked_by_its_file(void **state)
{
	struct lock *lock = NULL;
	struct err err = ERR_INIT;

	/* open, ftruncate, pwrite */
	box_fault("fail:3:%d", ENOSPC);
	lock = take(LOCK_HOLD, NULL);
	box_fault_off();
	assert_non_null(lock);
	assert_int_equal(lock_check(lock, NULL), 0);
	box_write("other", "", 0);
	assert_int_equal(rename("other", "lock"), 0);
	assert_int_equal(lock_check(lock, &err), -1);
	assert_int_equal(err.kind, ERR_LOCKED);
	assert_non_null(strstr(err.msg, "another run"));
	lock_free(lock);
}

/* A line of the same length is not ours, nor is the beginning of ours, or more than it. */
static void a_line_that_differs_anywhere_is_another_ones(void **state)
{
	struct lock *lock = take(LOCK_HOLD, NULL);
	AUTO_BUF line = BUF_INIT;

	assert_true(box_read("lock", &line));
	for (size_t at = 0; at < line.len; at++) {
		line.data[at] ^= 1;
		box_write("lock", line.data, line.len);
		assert_int_equal(lock_check(lock, NULL), -1);
		line.data[at] ^= 1;
	}
	box_write("lock", line.data, line.len - 1);
	assert_int_equal(lock_check(lock, NULL), -1);
	box_write("lock", line.data, line.len);
	assert_int_equal(lock_check(lock, NULL), 0);
	buf_addch(&line, '\n');
	box_write("lock", line.data, line.len);
	assert_int_equal(lock_check(lock, NULL), -1);
	lock_free(lock);
}

static void the_time_of_a_lock_is_that_of_its_file(void **state)
{
	struct lock *lock = take(LOCK_PEEK, NULL);
	struct stat st;

	/* A dry run has none, be there a file or not. */
	assert_int_equal(lock_ctime_ns(lock), 0);
	assert_int_equal(lock_check(lock, NULL), 0);
	lock_beat(lock);
	lock_free(lock);
	assert_int_equal(box_names(), 0);
	box_write("lock", "", 0);
	lock = take(LOCK_PEEK, NULL);
	assert_int_equal(lock_ctime_ns(lock), 0);
	lock_free(lock);
	lock = take(LOCK_HOLD, NULL);
	assert_int_equal(stat("lock", &st), 0);
	assert_int_equal(lock_ctime_ns(lock), clock_from_timespec(st.st_ctim));
	lock_free(lock);
}

static void i42_a_lock_that_is_gone_or_another_is_not_taken_over(void **state)
{
	struct lock *old = take(LOCK_HOLD, NULL);
	const struct silence_mark seen = mark();
	struct lock *lock = NULL;

	seize_in_vain(&seen, "sleep 0.02; touch lock");
	assert_int_equal(lock_check(old, NULL), 0);
	seize_in_vain(&seen, "cp lock other && mv other lock");
	assert_int_equal(box_names(), 1);
	seize_in_vain(&seen, "rm lock");
	assert_int_equal(box_names(), 0);
	lock = take(LOCK_HOLD, NULL);
	assert_non_null(lock);
	lock_free(lock);
	lock_free(old);
}

/* The mark of the same number on another device, say of a server that was mounted anew. */
static void i42_a_mark_that_differs_in_anything_is_another_holders(void **state)
{
	struct lock *old = take(LOCK_HOLD, NULL);
	const struct silence_mark seen = mark();
	const struct silence_mark others[] = {
		{ seen.dev + 1, seen.ino, seen.mtime_ns },
		{ seen.dev, seen.ino + 1, seen.mtime_ns },
		{ seen.dev, seen.ino, seen.mtime_ns + 1 },
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_null(seize(&others[i], NULL));
		assert_int_equal(lock_check(old, NULL), 0);
		assert_int_equal(box_names(), 1);
	}
	lock_free(old);
}

/* Each way in which a file system says that it cannot exchange; a rename does it then. */
static void i42_where_nothing_can_be_exchanged_it_is_renamed(void **state)
{
	static const int errors[] = { EINVAL, ENOSYS, EOPNOTSUPP };

	for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
		struct lock *old = take(LOCK_HOLD, NULL);
		const struct silence_mark seen = mark();
		struct lock *lock = NULL;

		/* open, ftruncate, pwrite, rename */
		box_fault("fail:4:%d", errors[e]);
		lock = seize(&seen, NULL);
		box_fault_off();
		assert_non_null(lock);
		assert_int_equal(lock_check(lock, NULL), 0);
		assert_int_equal(lock_check(old, NULL), -1);
		/* And not where it is gone. */
		box_fault("fail:4:%d", errors[e]);
		seize_in_vain(&seen, "rm lock");
		box_fault_off();
		assert_int_equal(box_names(), 0);
		lock_free(old);
		lock_free(lock);
	}
}

/* A try to take over of which a call fails; whether it came to something. */
static bool seize_under(const char *fault)
{
	struct lock *old = take(LOCK_HOLD, NULL);
	const struct silence_mark seen = mark();
	struct err err = ERR_INIT;
	struct lock *lock = NULL;
	bool seized = false;

	box_fault("%s", fault);
	lock = seize(&seen, &err);
	box_fault_off();
	seized = lock != NULL;
	assert_int_equal(err_is_set(&err), !seized);
	assert_int_equal(lock_check(old, NULL), seized ? -1 : 0);
	assert_int_equal(seized ? lock_check(lock, NULL) : 0, 0);
	lock_free(lock);
	lock_free(old);
	assert_int_equal(unlink("lock"), 0);
	return seized;
}

/* Whatever call fails: either the old holder has his lock, or the new one does. */
static void i42_whatever_fails_one_of_both_has_the_lock(void **state)
{
	static const char *const doors[] = { "change", "look" };

	for (size_t d = 0; d < 2; d++) {
		unsigned failed = 0;

		for (unsigned n = 1; n < CALLS; n++) {
			AUTO_FREE char *fault = xasprintf("fail:%u:%d::%s", n, EIO, doors[d]);

			failed += !seize_under(fault);
		}
		assert_in_range(failed, 2, CALLS / 2);
	}
}

#define BOXED(test) cmocka_unit_test_setup_teardown(test, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(a_lock_in_a_folder_that_is_gone_is_not_held),
		BOXED(a_lock_file_replaced_meanwhile_is_not_taken_for_it),
		BOXED(whatever_cannot_be_read_a_lock_is_held_or_refused),
		BOXED(a_file_system_without_locks_is_said_so),
		BOXED(a_lock_that_cannot_be_asked_is_not_free),
		BOXED(a_lock_without_a_line_is_checked_by_its_file),
		BOXED(a_line_that_differs_anywhere_is_another_ones),
		BOXED(the_time_of_a_lock_is_that_of_its_file),
		BOXED(i42_a_lock_that_is_gone_or_another_is_not_taken_over),
		BOXED(i42_a_mark_that_differs_in_anything_is_another_holders),
		BOXED(i42_where_nothing_can_be_exchanged_it_is_renamed),
		BOXED(i42_whatever_fails_one_of_both_has_the_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
