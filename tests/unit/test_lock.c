/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks between processes: who waits, who is named, and what a killed holder leaves. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "box.h"
#include "store/lock.h"
#include "store/silence.h"

/* Milliseconds nobody waits in vain: a test that needs them all has failed. */
enum { LONG_MS = 60000 };

/* As one who waits for it. */
static struct lock *take_as(enum lock_mode mode, const char *holder, int64_t wait_ms,
			    struct err *err)
{
	const int64_t start = clock_monotonic_ms();
	struct err why = ERR_INIT;
	struct lock *lock = NULL;

	while (!(lock = lock_take(box_dirfd(), "lock", mode, holder, &why)) &&
	       why.kind == ERR_LOCKED && clock_monotonic_ms() - start < wait_ms) {
		err_clear(&why);
		clock_sleep_ms(1);
	}
	if (err)
		*err = why;
	return lock;
}

static struct lock *take(enum lock_mode mode, int64_t wait_ms, struct err *err)
{
	return take_as(mode, "1@host me", wait_ms, err);
}

/* Another process that holds the lock until it is told to let go, or is killed. */
struct holder {
	pid_t pid;
	int go; /* a byte in here: let go */
};

static void hold(enum lock_mode mode, const char *name, int ready, int go)
{
	struct lock *lock = take_as(mode, name, LONG_MS, NULL);
	char byte = 0;

	if (!lock || write(ready, "r", 1) != 1)
		_exit(1);
	while (read(go, &byte, 1) < 0)
		continue;
	lock_free(lock);
	_exit(0);
}

static struct holder holder_start(enum lock_mode mode, const char *name)
{
	int ready[2] = { -1, -1 };
	int go[2] = { -1, -1 };
	char byte = 0;
	pid_t pid = -1;

	assert_int_equal(pipe2(ready, O_CLOEXEC) | pipe2(go, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		hold(mode, name, ready[1], go[0]);
	}
	close(ready[1]);
	close(go[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return (struct holder){ pid, go[1] };
}

static void holder_end(struct holder *holder)
{
	int status = -1;

	/* A byte, since closing would not show while another child has a copy. */
	assert_int_equal(write(holder->go, "g", 1), 1);
	close(holder->go);
	assert_int_equal(waitpid(holder->pid, &status, 0), holder->pid);
	assert_int_equal(status, 0);
}

static void content(struct buf *out)
{
	buf_reset(out);
	assert_true(box_read("lock", out));
}

static void the_holder_is_written_and_wiped(void **state)
{
	AUTO_BUF text = BUF_INIT;
	struct stat st;
	struct lock *lock = take(LOCK_HOLD, 0, NULL);

	assert_non_null(lock);
	content(&text);
	assert_int_equal(strncmp(buf_cstr(&text), "1@host me since 2", 17), 0);
	assert_int_equal(text.data[text.len - 1], '\n');
	assert_int_equal(stat("lock", &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	lock_beat(lock);
	lock_free(lock);
	content(&text);
	assert_int_equal(text.len, 0);
	/* The file stays: removing it would be a race. */
	assert_true(box_exists("lock"));
}

static void a_second_process_is_told_who_holds_it(void **state)
{
	struct holder holder = holder_start(LOCK_HOLD, "77@elsewhere laptop");
	struct err err = ERR_INIT;
	struct lock *lock = NULL;

	assert_null(take(LOCK_HOLD, 0, &err));
	assert_int_equal(err.kind, ERR_LOCKED);
	assert_non_null(strstr(err.msg, "77@elsewhere laptop since "));
	assert_null(strchr(err.msg, '\n'));
	err_clear(&err);
	assert_null(take(LOCK_PEEK, 0, &err));
	assert_int_equal(err.kind, ERR_LOCKED);
	holder_end(&holder);
	err_clear(&err);
	lock = take(LOCK_HOLD, 0, &err);
	assert_non_null(lock);
	assert_false(err_is_set(&err));
	lock_free(lock);
}

static void one_who_waits_gets_it_when_it_is_let_go(void **state)
{
	struct holder first = holder_start(LOCK_HOLD, "first");
	pid_t waiter = fork();
	struct err err = ERR_INIT;
	int status = -1;

	if (waiter == 0) {
		close(first.go);
		_exit(take(LOCK_HOLD, LONG_MS, NULL) ? 0 : 1);
	}
	holder_end(&first);
	assert_int_equal(waitpid(waiter, &status, 0), waiter);
	assert_int_equal(status, 0);
	lock_free(take(LOCK_HOLD, 0, &err));
	assert_false(err_is_set(&err));
}

static void a_killed_holder_leaves_no_lock(void **state)
{
	struct holder holder = holder_start(LOCK_HOLD, "9@gone dead");
	AUTO_BUF text = BUF_INIT;
	struct err err = ERR_INIT;
	struct lock *lock = NULL;

	kill(holder.pid, SIGKILL);
	waitpid(holder.pid, NULL, 0);
	close(holder.go);
	content(&text);
	assert_true(text.len > 0);
	lock = take(LOCK_HOLD, 0, &err);
	assert_non_null(lock);
	content(&text);
	assert_null(strstr(buf_cstr(&text), "gone"));
	lock_free(lock);
}

static void a_dry_run_changes_nothing(void **state)
{
	AUTO_BUF calls = BUF_INIT;
	AUTO_BUF text = BUF_INIT;
	struct lock *lock = NULL;

	box_fault("count:calls");
	box_write("calls", "", 0);
	lock = take(LOCK_PEEK, 0, NULL);
	assert_non_null(lock);
	assert_false(box_exists("lock"));
	lock_free(lock);

	/* A dead holder's line is not wiped either. */
	box_write("lock", "5@h dead since then\n", 20);
	lock = take(LOCK_PEEK, 0, NULL);
	assert_non_null(lock);
	lock_beat(lock);
	lock_free(lock);
	box_fault_off();
	content(&text);
	assert_int_equal(text.len, 20);
	box_calls(&calls);
	assert_int_equal(calls.len, 0);
}

static void a_dry_run_keeps_writers_out_but_not_dry_runs(void **state)
{
	struct err err = ERR_INIT;

	box_write("lock", "", 0);
	struct holder holder = holder_start(LOCK_PEEK, "ignored");
	struct lock *peek = take(LOCK_PEEK, 0, NULL);

	assert_non_null(peek);
	assert_null(take(LOCK_HOLD, 0, &err));
	assert_int_equal(err.kind, ERR_LOCKED);
	assert_non_null(strstr(err.msg, "no name"));
	lock_free(peek);
	holder_end(&holder);
	lock_free(take(LOCK_HOLD, 0, &err));
}

/* Whatever somebody has written into the file, the message is one printable line. */
static void a_hostile_holder_line_is_tamed(void **state)
{
	struct holder holder = holder_start(LOCK_HOLD, "x");
	AUTO_BUF junk = BUF_INIT;
	struct err err = ERR_INIT;

	buf_addstr(&junk, "\x1b[2Jboo\x07\xff");
	for (int i = 0; i < 100000; i++)
		buf_addch(&junk, 'A' + i % 26);
	box_write("lock", junk.data, junk.len);
	assert_null(take(LOCK_HOLD, 0, &err));
	assert_int_equal(err.kind, ERR_LOCKED);
	assert_non_null(strstr(err.msg, "\\x1b[2Jboo\\x07\\xff"));
	for (const char *c = err.msg; *c; c++)
		assert_true(*c >= ' ' && *c <= '~');
	holder_end(&holder);
}

static void a_holder_is_one_short_line(void **state)
{
	char name[2000];
	AUTO_BUF text = BUF_INIT;
	struct lock *lock = NULL;

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	name[5] = '\n';
	lock = lock_take(box_dirfd(), "lock", LOCK_HOLD, name, NULL);
	assert_non_null(lock);
	content(&text);
	assert_int_equal(text.len, LOCK_HOLDER_MAX);
	assert_ptr_equal(strchr(buf_cstr(&text), '\n'), text.data + text.len - 1);
	assert_non_null(strstr(buf_cstr(&text), " since 2"));
	lock_free(lock);
}

/* Locked, but no longer the file by that name: whoever looks there takes another lock. */
static void a_removed_lock_file_is_made_anew(void **state)
{
	struct holder holder = holder_start(LOCK_HOLD, "old");
	struct holder next = { -1, -1 };
	struct err err = ERR_INIT;

	assert_int_equal(unlink("lock"), 0);
	next = holder_start(LOCK_HOLD, "new");
	assert_null(take(LOCK_HOLD, 0, &err));
	assert_non_null(strstr(err.msg, "new since"));
	holder_end(&holder);
	assert_null(take(LOCK_HOLD, 0, NULL));
	holder_end(&next);
	lock_free(take(LOCK_HOLD, 0, &err));
}

/* Removed between opening and locking it: what is locked then has no name. */
static void a_lock_file_removed_meanwhile_is_not_taken_for_one(void **state)
{
	struct err err = ERR_INIT;
	struct lock *lock = NULL;

	setenv("OSYNC_POINT", "lock-opened=mkdir once 2>/dev/null && rm lock; true", 1);
	lock = take(LOCK_HOLD, 0, NULL);
	unsetenv("OSYNC_POINT");
	assert_non_null(lock);
	assert_true(box_exists("once"));
	assert_null(take(LOCK_HOLD, 0, &err));
	assert_int_equal(err.kind, ERR_LOCKED);
	lock_free(lock);
}

static void what_is_no_file_is_refused(void **state)
{
	struct err err = ERR_INIT;

	box_write("real", "x", 1);
	assert_int_equal(symlink("real", "lock"), 0);
	assert_null(take(LOCK_HOLD, 0, &err));
	assert_int_equal(err.kind, ERR_SYSTEM);
	unlink("lock");
	assert_int_equal(mkfifo("lock", 0600), 0);
	assert_null(take(LOCK_HOLD, LONG_MS, &err));
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_null(take(LOCK_PEEK, LONG_MS, &err));
}

static void a_failing_disk_fails_the_lock_only_where_it_must(void **state)
{
	struct err err = ERR_INIT;

	box_fault("fail:1:%d", ENOSPC);
	assert_null(take(LOCK_HOLD, 0, &err));
	assert_int_equal(err.sys, ENOSPC);
	for (unsigned n = 2; n <= 3; n++) {
		struct lock *lock = NULL;

		box_fault("fail:%u:%d", n, ENOSPC);
		lock = take(LOCK_HOLD, 0, NULL);
		assert_non_null(lock);
		box_fault_off();
		assert_null(take(LOCK_HOLD, 0, NULL));
		lock_free(lock);
	}
}

/* A forked child that forgets to close it, or frees it, does not take or keep the lock. */
static void a_child_has_no_say(void **state)
{
	struct lock *lock = take(LOCK_HOLD, 0, NULL);
	AUTO_BUF text = BUF_INIT;
	struct lock *again = NULL;
	int wait_here[2] = { -1, -1 };
	pid_t freeing = -1;
	pid_t sleeping = -1;
	char byte = 0;

	assert_int_equal(pipe2(wait_here, O_CLOEXEC), 0);
	freeing = fork();
	if (freeing == 0) {
		lock_free(lock);
		_exit(0);
	}
	waitpid(freeing, NULL, 0);
	content(&text);
	assert_true(text.len > 0);
	assert_null(take(LOCK_HOLD, 0, NULL));

	sleeping = fork();
	if (sleeping == 0) {
		close(wait_here[1]);
		_exit(read(wait_here[0], &byte, 1) == 0 ? 0 : 1);
	}
	lock_free(lock);
	again = take(LOCK_HOLD, 0, NULL);
	assert_non_null(again);
	lock_free(again);
	close(wait_here[0]);
	close(wait_here[1]);
	waitpid(sleeping, NULL, 0);
}

/* Each adds one to a number, reading and writing it in two steps. */
static void work_count(void)
{
	for (int i = 0; i < 10; i++) {
		struct lock *lock = take(LOCK_HOLD, LONG_MS, NULL);
		AUTO_BUF number = BUF_INIT;
		char text[24];

		if (!lock || !box_read("number", &number))
			_exit(1);
		snprintf(text, sizeof(text), "%ld", strtol(buf_cstr(&number), NULL, 10) + 1);
		box_write("number", text, strlen(text));
		lock_free(lock);
	}
	_exit(0);
}

static void five_at_once_take_turns(void **state)
{
	AUTO_BUF number = BUF_INIT;
	int status = -1;

	box_write("number", "0", 1);
	for (int i = 0; i < 5; i++)
		if (fork() == 0)
			work_count();
	for (int i = 0; i < 5; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_true(box_read("number", &number));
	assert_string_equal(buf_cstr(&number), "50");
}

static struct silence_mark mark_of(const char *name)
{
	struct silence_mark mark = { 0 };

	assert_true(silence_look(box_dirfd(), name, &mark));
	return mark;
}

static struct lock *seize(const struct silence_mark *mark, struct err *err)
{
	return lock_seize(box_dirfd(), "lock", mark, "2@host taker", err);
}

static void i42_a_silent_holders_lock_is_taken_over(void **state)
{
	struct lock *old = take(LOCK_HOLD, 0, NULL);
	struct silence_mark mark = mark_of("lock");
	struct lock *lock = seize(&mark, NULL);
	AUTO_BUF who = BUF_INIT;
	struct err err = ERR_INIT;

	assert_non_null(lock);
	assert_int_equal(lock_check(lock, &err), 0);
	assert_null(take(LOCK_HOLD, 0, &err));
	assert_non_null(strstr(err.msg, "2@host taker since "));
	/* The old one learns who it was, and does no harm when it lets go. */
	err_clear(&err);
	assert_int_equal(lock_check(old, &err), -1);
	assert_int_equal(err.kind, ERR_LOCKED);
	assert_non_null(strstr(err.msg, "2@host taker since "));
	lock_beat(old);
	lock_free(old);
	assert_int_equal(lock_check(lock, NULL), 0);
	lock_describe(box_dirfd(), "lock", &who);
	assert_int_equal(strncmp(buf_cstr(&who), "2@host taker since ", 19), 0);
	assert_int_equal(box_names(), 1);
	lock_free(lock);
	lock_free(take(LOCK_HOLD, 0, NULL));
}

static void i42_a_holder_that_shows_life_keeps_its_lock(void **state)
{
	struct lock *old = take(LOCK_HOLD, 0, NULL);
	struct silence_mark mark = mark_of("lock");
	struct err err = ERR_INIT;

	clock_sleep_ms(20);
	lock_beat(old);
	assert_null(seize(&mark, &err));
	assert_int_equal(err.kind, ERR_LOCKED);
	assert_non_null(strstr(err.msg, "1@host me since "));
	assert_int_equal(lock_check(old, NULL), 0);
	assert_int_equal(box_names(), 1);
	lock_free(old);
}

/* Two have seen the same silence: the second finds that the lock is another one by now. */
static void i42_of_two_who_take_over_one_goes_on(void **state)
{
	struct lock *old = take(LOCK_HOLD, 0, NULL);
	struct silence_mark mark = mark_of("lock");
	struct lock *first = seize(&mark, NULL);
	struct err err = ERR_INIT;

	assert_non_null(first);
	assert_null(seize(&mark, &err));
	assert_int_equal(err.kind, ERR_LOCKED);
	assert_int_equal(lock_check(first, NULL), 0);
	assert_int_equal(box_names(), 1);
	lock_free(first);
	lock_free(old);
}

/* Without RENAME_EXCHANGE the look stands in front of the rename. */
static void i42_a_lock_is_taken_over_where_nothing_can_be_exchanged(void **state)
{
	struct lock *old = take(LOCK_HOLD, 0, NULL);
	struct silence_mark mark = mark_of("lock");
	struct silence_mark wrong = { mark.dev, mark.ino, mark.mtime_ns + 1 };
	struct lock *lock = NULL;

	/* open, ftruncate, pwrite, rename */
	box_fault("fail:4:%d", EINVAL);
	assert_null(seize(&wrong, NULL));
	box_fault("fail:4:%d", EINVAL);
	lock = seize(&mark, NULL);
	box_fault_off();
	assert_non_null(lock);
	assert_int_equal(lock_check(lock, NULL), 0);
	assert_int_equal(lock_check(old, NULL), -1);
	assert_int_equal(box_names(), 1);
	lock_free(old);
	lock_free(lock);
}

static void i42_whoever_kills_the_taker_leaves_a_lock_that_can_be_had(void **state)
{
	struct lock *old = take(LOCK_HOLD, 0, NULL);
	struct silence_mark mark = mark_of("lock");

	for (unsigned n = 1; n <= 6; n++) {
		pid_t pid = fork();

		if (pid == 0) {
			box_fault("kill:%u", n);
			seize(&mark, NULL);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		/* Dead: either the old holder has its lock still, or nobody. */
		struct lock *lock = take(LOCK_HOLD, 0, NULL);

		assert_int_equal(lock != NULL, lock_check(old, NULL) < 0);
		lock_free(lock);
		if (lock)
			break;
	}
	lock_free(old);
}

static void a_lock_is_lost_with_its_file_or_its_line(void **state)
{
	struct lock *lock = take(LOCK_HOLD, 0, NULL);
	struct lock *peek = NULL;

	assert_int_equal(lock_check(lock, NULL), 0);
	assert_int_equal(unlink("lock"), 0);
	assert_int_equal(lock_check(lock, NULL), -1);
	lock_free(lock);
	/* A file server that was restarted has given it to somebody else. */
	lock = take(LOCK_HOLD, 0, NULL);
	box_write("lock", "3@other they\n", 13);
	assert_int_equal(lock_check(lock, NULL), -1);
	lock_free(lock);
	peek = take(LOCK_PEEK, 0, NULL);
	assert_int_equal(lock_check(peek, NULL), 0);
	lock_free(peek);
}

static void a_fence_sees_another_file_at_once_and_another_line_soon(void **state)
{
	struct lock *lock = take(LOCK_HOLD, 0, NULL);
	struct err err = ERR_INIT;
	int64_t until_ms = 0;

	assert_int_equal(lock_fence(lock, NULL), 0);
	assert_int_equal(rename("lock", "elsewhere"), 0);
	assert_int_equal(lock_fence(lock, &err), -1);
	assert_int_equal(err.kind, ERR_LOCKED);
	assert_int_equal(rename("elsewhere", "lock"), 0);
	assert_int_equal(lock_fence(lock, NULL), 0);
	box_write("lock", "3@other they\n", 13);
	until_ms = clock_monotonic_ms() + 10000;
	while (lock_fence(lock, NULL) == 0 && clock_monotonic_ms() < until_ms)
		clock_sleep_ms(1);
	assert_int_equal(lock_fence(lock, NULL), -1);
	lock_free(lock);
}

/* Many changes fall into one millisecond; where the lock has gone, none of them is let through for that. */
static void a_fence_behind_a_heartbeat_looks_every_millisecond(void **state)
{
	struct lock *lock = take(LOCK_HOLD, 0, NULL);
	int64_t until_ms = clock_monotonic_ms() + 10000;

	lock_beat(lock);
	assert_int_equal(lock_fence(lock, NULL), 0);
	assert_int_equal(rename("lock", "elsewhere"), 0);
	while (lock_fence(lock, NULL) == 0 && clock_monotonic_ms() < until_ms)
		clock_sleep_ms(1);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(lock_fence(lock, NULL), -1);
	lock_free(lock);
}

static void whether_it_is_free_can_be_asked(void **state)
{
	struct lock *lock = NULL;

	assert_true(lock_is_free(box_dirfd(), "lock"));
	lock = take(LOCK_HOLD, 0, NULL);
	assert_false(lock_is_free(box_dirfd(), "lock"));
	lock_free(lock);
	assert_true(lock_is_free(box_dirfd(), "lock"));
}

static void freeing_nothing_is_fine(void **state)
{
	lock_free(NULL);
}

#define BOXED(test) cmocka_unit_test_setup_teardown(test, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(the_holder_is_written_and_wiped),
		BOXED(a_second_process_is_told_who_holds_it),
		BOXED(one_who_waits_gets_it_when_it_is_let_go),
		BOXED(a_killed_holder_leaves_no_lock),
		BOXED(a_dry_run_changes_nothing),
		BOXED(a_dry_run_keeps_writers_out_but_not_dry_runs),
		BOXED(a_hostile_holder_line_is_tamed),
		BOXED(a_holder_is_one_short_line),
		BOXED(a_removed_lock_file_is_made_anew),
		BOXED(a_lock_file_removed_meanwhile_is_not_taken_for_one),
		BOXED(what_is_no_file_is_refused),
		BOXED(a_failing_disk_fails_the_lock_only_where_it_must),
		BOXED(a_child_has_no_say),
		BOXED(five_at_once_take_turns),
		BOXED(i42_a_silent_holders_lock_is_taken_over),
		BOXED(i42_a_holder_that_shows_life_keeps_its_lock),
		BOXED(i42_of_two_who_take_over_one_goes_on),
		BOXED(i42_a_lock_is_taken_over_where_nothing_can_be_exchanged),
		BOXED(i42_whoever_kills_the_taker_leaves_a_lock_that_can_be_had),
		BOXED(a_lock_is_lost_with_its_file_or_its_line),
		BOXED(a_fence_sees_another_file_at_once_and_another_line_soon),
		BOXED(a_fence_behind_a_heartbeat_looks_every_millisecond),
		BOXED(whether_it_is_free_can_be_asked),
		BOXED(freeing_nothing_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
