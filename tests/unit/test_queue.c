/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is next, also after somebody was killed, went away, or came back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "box.h"
#include "store/queue.h"

static struct queue_place *join(const char *who)
{
	struct err err = ERR_INIT;
	struct queue_place *place = queue_join(box_dirfd(), who, &err);

	if (!place)
		fail_msg("%s", err.msg);
	return place;
}

/* Another process that takes a place and is killed. */
static void join_and_die(const char *who)
{
	pid_t pid = fork();

	if (pid == 0) {
		join(who);
		raise(SIGKILL);
	}
	waitpid(pid, NULL, 0);
}

static unsigned files(void)
{
	return queue_sweep(box_dirfd(), INT64_MAX, 0, QUEUE_COUNT) + queue_length(box_dirfd());
}

static void they_stand_in_the_order_in_which_they_came(void **state)
{
	struct queue_place *first = join("z");
	struct queue_place *second = join("a");
	struct queue_place *third = join("m");

	assert_int_equal(queue_ahead(first), 0);
	assert_int_equal(queue_ahead(second), 1);
	assert_int_equal(queue_ahead(third), 2);
	assert_int_equal(queue_length(box_dirfd()), 3);
	queue_leave(first, QUEUE_SERVED);
	assert_int_equal(queue_ahead(second), 0);
	assert_int_equal(queue_ahead(third), 1);
	queue_leave(third, QUEUE_SERVED);
	queue_leave(second, QUEUE_SERVED);
	assert_int_equal(files(), 0);
}

static void the_place_of_one_who_was_killed_is_nobodys(void **state)
{
	struct queue_place *me = NULL;

	join_and_die("dead");
	me = join("me");
	assert_int_equal(files(), 2);
	assert_int_equal(queue_ahead(me), 0);
	assert_int_equal(queue_length(box_dirfd()), 1);
	queue_leave(me, QUEUE_SERVED);
}

static void who_comes_back_finds_his_place_again(void **state)
{
	struct queue_place *other = NULL;
	struct queue_place *me = join("me");

	queue_leave(me, QUEUE_LATER);
	other = join("other");
	/* While I am away nobody waits for me. */
	assert_int_equal(queue_ahead(other), 0);
	me = join("me");
	assert_int_equal(queue_ahead(me), 0);
	assert_int_equal(queue_ahead(other), 1);
	queue_leave(me, QUEUE_SERVED);
	/* Served, I stand behind all others. */
	me = join("me");
	assert_int_equal(queue_ahead(me), 1);
	queue_leave(me, QUEUE_SERVED);
	queue_leave(other, QUEUE_SERVED);
}

static void killed_he_finds_it_too(void **state)
{
	struct queue_place *other = NULL;
	struct queue_place *me = NULL;

	join_and_die("me");
	other = join("other");
	me = join("me");
	assert_int_equal(queue_ahead(other), 1);
	queue_leave(me, QUEUE_SERVED);
	queue_leave(other, QUEUE_SERVED);
	assert_int_equal(files(), 0);
}

static void two_of_one_name_have_two_places(void **state)
{
	struct queue_place *first = join("me");
	struct queue_place *second = join("me");

	assert_int_equal(queue_ahead(second), 1);
	queue_leave(second, QUEUE_LATER);
	queue_leave(first, QUEUE_LATER);
	/* The earlier of both. */
	first = join("me");
	second = join("other");
	assert_int_equal(queue_ahead(first), 0);
	assert_int_equal(files(), 3);
	queue_leave(first, QUEUE_SERVED);
	queue_leave(second, QUEUE_SERVED);
}

static void nobody_waits_where_there_is_no_queue(void **state)
{
	assert_int_equal(queue_length(box_dirfd()), 0);
	assert_int_equal(queue_sweep(box_dirfd(), INT64_MAX, 0, QUEUE_REMOVE), 0);
	assert_false(box_exists("queue"));
	queue_leave(NULL, QUEUE_SERVED);
}

static void what_nobody_comes_back_to_goes(void **state)
{
	struct queue_place *here = join("here");
	int64_t now_ns = clock_realtime_ns();

	join_and_die("dead");
	queue_leave(join("gone"), QUEUE_LATER);
	box_write("queue/README", "not ours", 8);
	assert_int_equal(symlink("/etc/passwd", "queue/0000000000000000.link"), 0);
	assert_int_equal(mkdir("queue/0000000000000000.dir", 0700), 0);
	assert_int_equal(queue_sweep(box_dirfd(), now_ns, QUEUE_KEEP_NS, QUEUE_REMOVE), 0);
	now_ns += QUEUE_KEEP_NS + 10 * NS_PER_SEC;
	assert_int_equal(queue_sweep(box_dirfd(), now_ns, QUEUE_KEEP_NS, QUEUE_COUNT), 2);
	assert_int_equal(files(), 3);
	assert_int_equal(queue_sweep(box_dirfd(), now_ns, QUEUE_KEEP_NS, QUEUE_REMOVE), 2);
	/* Who is there is not removed however long he waits, and what is not ours is left alone. */
	assert_int_equal(files(), 1);
	assert_int_equal(queue_length(box_dirfd()), 1);
	assert_true(box_exists("queue/README"));
	assert_true(box_exists("queue/0000000000000000.dir"));
	assert_int_equal(unlink("queue/0000000000000000.link"), 0);
	queue_leave(here, QUEUE_SERVED);
}

static void a_long_name_is_cut(void **state)
{
	char who[600];
	struct queue_place *place = NULL;

	memset(who, 'w', sizeof(who));
	who[sizeof(who) - 1] = '\0';
	place = join(who);
	assert_int_equal(queue_ahead(place), 0);
	queue_leave(place, QUEUE_LATER);
	queue_leave(join(who), QUEUE_SERVED);
	assert_int_equal(files(), 0);
}

static void nobody_comes_before_the_others_by_the_highest_number(void **state)
{
	struct queue_place *first = join("z");
	struct queue_place *second = NULL;

	box_write("queue/ffffffffffffffff.a", "", 0);
	second = join("a");
	assert_int_equal(queue_ahead(first), 0);
	assert_int_equal(queue_ahead(second), 1);
	queue_leave(second, QUEUE_LATER);
	second = join("a");
	queue_leave(first, QUEUE_SERVED);
	first = join("b");
	assert_int_equal(queue_ahead(second), 0);
	assert_int_equal(queue_ahead(first), 1);
	queue_leave(first, QUEUE_SERVED);
	queue_leave(second, QUEUE_SERVED);
	assert_int_equal(queue_sweep(box_dirfd(), INT64_MAX, 0, QUEUE_REMOVE), 1);
}

static void what_is_no_folder_is_no_queue(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(symlink("/tmp", "queue"), 0);
	assert_null(queue_join(box_dirfd(), "me", &err));
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_int_equal(queue_length(box_dirfd()), 0);
}

static void a_full_disk_is_an_error_and_no_hang(void **state)
{
	struct err err = ERR_INIT;

	queue_leave(join("me"), QUEUE_SERVED);
	box_fault("fail:1+:%d", ENOSPC);
	assert_null(queue_join(box_dirfd(), "me", &err));
	box_fault_off();
	assert_int_equal(err.sys, ENOSPC);
}

/* Whatever lies there: what is no place is nobody's, and stays. */
static void what_is_no_place_stands_in_nobodys_way(void **state)
{
	static const char *const names[] = {
		"README",
		"0000000000000001",
		"0000000000000001x",
		"00000000000000001.me",
		"000000000000000G.me",
		"-000000000000001.me",
		"000000000000002.me",
	};
	struct queue_place *place = NULL;

	assert_int_equal(mkdir("queue", 0700), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		AUTO_FREE char *path = xasprintf("queue/%s", names[i]);

		box_write(path, "not ours", 8);
	}
	assert_int_equal(mkfifo("queue/0000000000000002.me", 0600), 0);
	assert_int_equal(mkdir("queue/0000000000000003.me", 0700), 0);
	assert_int_equal(symlink("README", "queue/0000000000000004.me"), 0);
	assert_int_equal(symlink("nowhere", "queue/0000000000000005.me"), 0);
	for (int i = 0; i < 3; i++) {
		place = join("me");
		assert_int_equal(queue_ahead(place), 0);
		assert_int_equal(queue_length(box_dirfd()), 1);
		queue_leave(place, i == 0 ? QUEUE_LATER : QUEUE_SERVED);
	}
	assert_int_equal(queue_sweep(box_dirfd(), INT64_MAX, 0, QUEUE_REMOVE), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		AUTO_FREE char *path = xasprintf("queue/%s", names[i]);

		assert_int_equal(box_size(path), 8);
	}
	assert_false(box_exists("queue/nowhere"));
	for (int i = 2; i <= 5; i++) {
		AUTO_FREE char *path = xasprintf("queue/000000000000000%d.me", i);

		assert_true(box_exists(path));
	}
}

/* A number behind which there is none, and a fifo in the place that is next: no hang. */
static void where_there_is_no_next_place_it_is_an_error(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(mkdir("queue", 0700), 0);
	assert_int_equal(mkdir("queue/7fffffffffffffff.x", 0700), 0);
	assert_int_equal(mkfifo("queue/8000000000000000.me", 0600), 0);
	assert_null(queue_join(box_dirfd(), "me", &err));
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_int_equal(err.sys, EAGAIN);
	queue_leave(join("you"), QUEUE_SERVED);
}

/* Left by runs that were killed, say, and found in whatever order the folder gives them. */
static void of_many_places_that_were_left_the_first_is_taken(void **state)
{
	enum { MANY = 40, STEP = 17 /* no factor in common: each number once, shuffled */ };

	assert_int_equal(mkdir("queue", 0700), 0);
	for (unsigned i = 0; i < MANY; i++) {
		AUTO_FREE char *path = xasprintf("queue/%016x.me", 1 + i * STEP % MANY);

		box_write(path, "junk", 4);
	}
	for (unsigned i = 1; i <= MANY; i++) {
		AUTO_FREE char *path = xasprintf("queue/%016x.me", i);
		struct queue_place *place = join("me");

		assert_true(box_exists(path));
		queue_leave(place, QUEUE_SERVED);
		assert_false(box_exists(path));
		assert_int_equal(files(), MANY - i);
	}
}

static void a_queue_that_is_removed_begins_anew(void **state)
{
	struct queue_place *old = join("old");
	struct queue_place *me = NULL;

	assert_int_equal(unlink("queue/0000000000000001.old"), 0);
	assert_int_equal(rmdir("queue"), 0);
	assert_int_equal(queue_ahead(old), 0);
	me = join("me");
	assert_int_equal(queue_ahead(me), 0);
	queue_leave(old, QUEUE_SERVED);
	assert_int_equal(queue_length(box_dirfd()), 1);
	queue_leave(me, QUEUE_SERVED);
}

/* Others take the file, or sweep it, between any two calls: he tries again and has a place. */
static void one_who_is_overtaken_tries_again(void **state)
{
	static const int errors[] = { EAGAIN, EACCES, ENOENT };

	queue_leave(join("me"), QUEUE_LATER);
	for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
		struct queue_place *place = NULL;

		box_fault("fail:1:%d", errors[e]);
		place = join("me");
		box_fault_off();
		assert_int_equal(queue_length(box_dirfd()), 1);
		queue_leave(place, QUEUE_LATER);
		assert_int_equal(files(), 1);
	}
}

static void one_who_is_always_overtaken_does_not_hang(void **state)
{
	struct err err = ERR_INIT;

	queue_leave(join("me"), QUEUE_LATER);
	box_fault("fail:1+:%d", EAGAIN);
	assert_null(queue_join(box_dirfd(), "me", &err));
	box_fault_off();
	assert_int_equal(err.sys, EAGAIN);
	assert_int_equal(files(), 1);
}

/* Whatever cannot be read: a place or an error, and the others keep theirs. */
static void who_joins_while_the_disk_fails_takes_no_place_from_others(void **state)
{
	enum { CALLS = 40 /* more than there are */ };
	struct queue_place *first = join("first");
	unsigned refused = 0;

	queue_leave(join("me"), QUEUE_LATER);
	for (unsigned n = 1; n < CALLS; n++) {
		struct err err = ERR_INIT;
		struct queue_place *me = NULL;

		box_fault("fail:%u:%d::look", n, EIO);
		me = queue_join(box_dirfd(), "me", &err);
		box_fault_off();
		assert_int_equal(queue_length(box_dirfd()), me ? 2 : 1);
		assert_int_equal(queue_ahead(first), 0);
		if (!me) {
			assert_int_equal(err.sys, EIO);
			refused++;
		}
		queue_leave(me, QUEUE_LATER);
	}
	assert_in_range(refused, 2, CALLS / 2);
	queue_leave(first, QUEUE_SERVED);
}

/* A count that fails says less, not more; nothing that is held is ever swept. */
static void a_queue_that_cannot_be_read_is_shorter_and_keeps_its_files(void **state)
{
	enum { CALLS = 40 };
	struct queue_place *first = join("first");
	struct queue_place *me = join("me");

	queue_leave(join("left"), QUEUE_LATER);
	for (unsigned n = 1; n < CALLS; n++) {
		box_fault("fail:%u:%d::look", n, EIO);
		assert_in_range(queue_ahead(me), 0, 1);
		box_fault("fail:%u:%d::look", n, EIO);
		assert_in_range(queue_length(box_dirfd()), 0, 2);
		box_fault("fail:%u:%d::look", n, EIO);
		assert_in_range(queue_sweep(box_dirfd(), INT64_MAX, 0, QUEUE_REMOVE), 0, 1);
		box_fault_off();
		assert_int_equal(queue_ahead(me), 1);
		assert_int_equal(queue_length(box_dirfd()), 2);
		if (files() == 2)
			queue_leave(join("left"), QUEUE_LATER);
		assert_int_equal(files(), 3);
	}
	queue_leave(me, QUEUE_SERVED);
	queue_leave(first, QUEUE_SERVED);
}

static void what_cannot_be_removed_is_not_counted_as_removed(void **state)
{
	queue_leave(join("left"), QUEUE_LATER);
	/* open to hold it, unlink */
	for (unsigned n = 1; n <= 2; n++) {
		box_fault("fail:%u:%d", n, EROFS);
		assert_int_equal(queue_sweep(box_dirfd(), INT64_MAX, 0, QUEUE_REMOVE), 0);
		box_fault_off();
		assert_int_equal(files(), 1);
	}
	assert_int_equal(queue_sweep(box_dirfd(), INT64_MAX, 0, QUEUE_REMOVE), 1);
}

/* Many at once, each a process: every one has a place, and they are all different. */
static void five_at_once_stand_one_behind_the_other(void **state)
{
	int ready[2] = { -1, -1 };
	int go[2] = { -1, -1 };
	unsigned seen = 0;

	assert_int_equal(pipe2(ready, O_CLOEXEC) | pipe2(go, O_CLOEXEC), 0);
	for (int i = 0; i < 5; i++) {
		char who[16];

		snprintf(who, sizeof(who), "p%d", i);
		if (fork() > 0)
			continue;
		struct queue_place *place = join(who);
		char byte = 0;

		if (write(ready[1], "r", 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(99);
		_exit((int)queue_ahead(place));
	}
	for (int i = 0; i < 5; i++) {
		char byte = 0;

		assert_int_equal(read(ready[0], &byte, 1), 1);
	}
	/* One after the other, the last first: nobody who looks may miss one who has gone. */
	for (int i = 0; i < 5; i++) {
		int status = -1;

		assert_int_equal(write(go[1], "g", 1), 1);
		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 5);
		seen++;
	}
	assert_int_equal(seen, 5);
	assert_int_equal(queue_length(box_dirfd()), 0);
}

#define BOXED(test) cmocka_unit_test_setup_teardown(test, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(they_stand_in_the_order_in_which_they_came),
		BOXED(the_place_of_one_who_was_killed_is_nobodys),
		BOXED(who_comes_back_finds_his_place_again),
		BOXED(killed_he_finds_it_too),
		BOXED(two_of_one_name_have_two_places),
		BOXED(nobody_waits_where_there_is_no_queue),
		BOXED(what_nobody_comes_back_to_goes),
		BOXED(a_long_name_is_cut),
		BOXED(nobody_comes_before_the_others_by_the_highest_number),
		BOXED(what_is_no_folder_is_no_queue),
		BOXED(a_full_disk_is_an_error_and_no_hang),
		BOXED(what_is_no_place_stands_in_nobodys_way),
		BOXED(where_there_is_no_next_place_it_is_an_error),
		BOXED(of_many_places_that_were_left_the_first_is_taken),
		BOXED(a_queue_that_is_removed_begins_anew),
		BOXED(one_who_is_overtaken_tries_again),
		BOXED(one_who_is_always_overtaken_does_not_hang),
		BOXED(who_joins_while_the_disk_fails_takes_no_place_from_others),
		BOXED(a_queue_that_cannot_be_read_is_shorter_and_keeps_its_files),
		BOXED(what_cannot_be_removed_is_not_counted_as_removed),
		BOXED(five_at_once_stand_one_behind_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
