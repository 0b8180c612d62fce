/* SPDX-License-Identifier: BSD-2-Clause */
/* For how long a holder was silent, and what of that the next run knows. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/codec.h"
#include "box.h"
#include "store/note.h"
#include "store/silence.h"

static const struct uuid this_boot = { { 1, 2, 3 } };

/* The monotonic clock begins anew with every boot. */
static void i42_silence_of_another_boot_is_forgotten(void **state)
{
	const struct silence_mark mark = { 1, 2, 3 };
	const struct uuid other = { { 4 } };
	const struct uuid none = { { 0 } };
	struct silence silence = { .known = false };

	assert_int_equal(silence_seen(&silence, &mark, 1000), 0);
	silence_save(box_dirfd(), &this_boot, &silence);
	silence_load(box_dirfd(), &other, &silence);
	assert_false(silence.known);
	silence_load(box_dirfd(), &none, &silence);
	assert_false(silence.known);
	silence_load(box_dirfd(), &this_boot, &silence);
	assert_true(silence.known);
	assert_int_equal(silence_seen(&silence, &mark, 5000), 4000);
	/* A clock that went back has forgotten it too. */
	assert_int_equal(silence_seen(&silence, &mark, 500), 0);
	assert_int_equal(silence_seen(&silence, &mark, 700), 200);
	assert_int_equal(truncate("lock.silent", 30), 0);
	silence_load(box_dirfd(), &this_boot, &silence);
	assert_false(silence.known);
	silence_remove(box_dirfd());
	assert_false(box_exists("lock.silent"));
}

static void save(const struct uuid *boot, bool known)
{
	struct silence silence = { .mark = { 1, 2, 3 }, .since_ms = 7, .known = known };

	silence_save(box_dirfd(), boot, &silence);
	/* Once is enough: the second time nothing is written. */
	box_fault("fail:1+:%d", EIO);
	if (silence.saved)
		silence_save(box_dirfd(), boot, &silence);
	box_fault_off();
}

static bool is_remembered(void)
{
	struct silence silence = { .known = true };

	silence_load(box_dirfd(), &this_boot, &silence);
	if (silence.known)
		assert_int_equal(silence.since_ms, 7);
	return silence.known;
}

static void nothing_is_kept_of_what_is_not_known(void **state)
{
	const struct uuid none = { { 0 } };

	save(&this_boot, false);
	save(&none, true);
	assert_int_equal(box_names(), 0);
	assert_false(is_remembered());
	save(&this_boot, true);
	assert_true(is_remembered());
}

static void what_could_not_be_kept_is_kept_the_next_time(void **state)
{
	struct silence silence = { .mark = { 1, 2, 3 }, .since_ms = 7, .known = true };

	for (unsigned n = 1; n <= 4; n++) {
		box_fault("fail:%u:%d", n, ENOSPC);
		silence_save(box_dirfd(), &this_boot, &silence);
		box_fault_off();
		assert_false(silence.saved);
		assert_false(is_remembered());
	}
	silence_save(box_dirfd(), &this_boot, &silence);
	assert_true(silence.saved);
	assert_true(is_remembered());
}

/* Damaged, cut, or with the right checksum around something else: nothing is remembered. */
static void a_damaged_memory_is_none(void **state)
{
	AUTO_BUF good = BUF_INIT;
	AUTO_BUF longer = BUF_INIT;
	AUTO_BUF file = BUF_INIT;
	struct dec whole;
	struct dec payload;

	save(&this_boot, true);
	assert_true(box_read("lock.silent", &good));
	for (size_t at = 0; at < good.len; at++) {
		box_write("lock.silent", good.data, at);
		assert_false(is_remembered());
		good.data[at] ^= 0x10;
		box_write("lock.silent", good.data, good.len);
		assert_false(is_remembered());
		good.data[at] ^= 0x10;
	}
	dec_init(&whole, good.data, good.len);
	assert_true(note_next(&whole, good.len, &payload));
	buf_add(&longer, payload.pos, dec_left(&payload));
	buf_addch(&longer, 'x');
	note_put(&file, &longer);
	box_write("lock.silent", file.data, file.len);
	assert_false(is_remembered());
	box_write("lock.silent", good.data, good.len);
	assert_true(is_remembered());
	assert_int_equal(unlink("lock.silent"), 0);
	assert_int_equal(mkfifo("lock.silent", 0600), 0);
	assert_false(is_remembered());
}

static void the_mark_of_nothing_cannot_be_had(void **state)
{
	struct silence_mark mark = { 1, 2, 3 };

	assert_false(silence_look(box_dirfd(), "lock", &mark));
	box_write("lock", "", 0);
	assert_true(silence_look(box_dirfd(), "lock", &mark));
}

static void another_holder_is_another_silence(void **state)
{
	struct silence silence = { .known = false };
	struct silence_mark mark = { 1, 2, 3 };

	silence_seen(&silence, &mark, 1000);
	assert_int_equal(silence_seen(&silence, &mark, 2000), 1000);
	mark.mtime_ns++;
	assert_int_equal(silence_seen(&silence, &mark, 3000), 0);
	mark.ino++;
	assert_int_equal(silence_seen(&silence, &mark, 4000), 0);
	mark.dev++;
	assert_int_equal(silence_seen(&silence, &mark, 5000), 0);
}

#define BOXED(test) cmocka_unit_test_setup_teardown(test, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(i42_silence_of_another_boot_is_forgotten),
		BOXED(nothing_is_kept_of_what_is_not_known),
		BOXED(what_could_not_be_kept_is_kept_the_next_time),
		BOXED(a_damaged_memory_is_none),
		BOXED(the_mark_of_nothing_cannot_be_had),
		BOXED(another_holder_is_another_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
