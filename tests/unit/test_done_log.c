/* SPDX-License-Identifier: BSD-2-Clause */
/* What was done and not recorded: read again after a kill, and never more than what is true. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/path.h"
#include "box.h"
#include "store/done_log.h"
#include "store/note.h"

enum { GENERATION = 77, HEADER = 8 + 1 + 16 + 8 /* bytes */ };

static struct uuid boot(void)
{
	struct uuid id = done_log_boot();

	assert_false(uuid_is_none(&id));
	return id;
}

static struct done_log open_log(void)
{
	const struct uuid id = boot();
	struct done_log log;

	done_log_init(&log, box_dirfd(), "p", &id, GENERATION);
	return log;
}

static void note(struct done_log *log, const struct done_record *record)
{
	done_log_put(log, record);
	done_log_write(log);
}

static struct done_record agreed(const char *path)
{
	struct done_record record = { .kind = DONE_AGREED, .path = path };

	record.here = (struct entry){ .type = ENTRY_FILE, .flags = ENTRY_HAS_DIGEST, .size = 5 };
	record.there = record.here;
	record.there.mode = 0640;
	return record;
}

static void agree(struct done_log *log, const char *path)
{
	const struct done_record record = agreed(path);

	note(log, &record);
}

static void move(struct done_log *log, const char *from, const char *to)
{
	note(log, &(struct done_record){ .kind = DONE_MOVED, .path = to, .from = from });
}

/* The paths in the log, each with a blank behind it; "-" where there is none. */
static const char *paths_as(const struct uuid *id)
{
	static char text[4096];
	struct arena arena = ARENA_INIT;
	AUTO_BUF bytes = BUF_INIT;
	struct done_record record;
	uint64_t generation = 0;
	struct dec dec;

	if (done_log_read(box_dirfd(), "p", id, &generation, &bytes) == 0)
		return "-";
	assert_int_equal(generation, GENERATION);
	dec_init(&dec, bytes.data, bytes.len);
	text[0] = '\0';
	while (done_log_next(&dec, &arena, &record) > 0) {
		strncat(text, record.path, 100);
		strcat(text, " ");
		if (record.kind == DONE_AGREED)
			assert_int_equal(record.there.mode, 0640);
	}
	assert_true(dec_done(&dec));
	arena_release(&arena);
	return text;
}

static const char *paths(void)
{
	const struct uuid id = boot();

	return paths_as(&id);
}

static void test_what_was_noted_is_read_after_a_kill(void **state)
{
	struct done_log log = open_log();

	agree(&log, "a");
	move(&log, "b", "c");
	assert_string_equal(paths(), "a c ");
	done_log_release(&log);
	assert_string_equal(paths(), "a c ");
}

/* Those of one operation: all of them are there, or none. */
static void test_notes_of_one_operation_are_written_at_once(void **state)
{
	const struct done_record one = agreed("b");
	const struct done_record two = agreed("b/c");
	struct done_log log = open_log();

	agree(&log, "a");
	done_log_put(&log, &one);
	done_log_put(&log, &two);
	assert_string_equal(paths(), "a ");
	done_log_write(&log);
	assert_string_equal(paths(), "a b b/c ");
	done_log_write(&log);
	assert_string_equal(paths(), "a b b/c ");
	done_log_reported(&log);
	done_log_recorded(&log);
	agree(&log, "d");
	assert_string_equal(paths(), "d ");
	done_log_release(&log);
}

static void test_without_notes_there_is_no_file(void **state)
{
	struct done_log log = open_log();

	done_log_reported(&log);
	done_log_recorded(&log);
	done_log_release(&log);
	assert_int_equal(box_names(), 0);
	assert_string_equal(paths(), "-");
}

static void test_only_what_was_reported_is_dropped(void **state)
{
	struct done_log log = open_log();

	agree(&log, "a");
	done_log_reported(&log);
	agree(&log, "b");
	done_log_recorded(&log);
	assert_string_equal(paths(), "b ");
	agree(&log, "c");
	assert_string_equal(paths(), "b c ");
	done_log_reported(&log);
	done_log_recorded(&log);
	assert_string_equal(paths(), "-");
	assert_int_equal(box_names(), 0);
	agree(&log, "d");
	assert_string_equal(paths(), "d ");
	done_log_release(&log);
}

static void test_a_new_run_begins_with_nothing(void **state)
{
	struct done_log log = open_log();

	agree(&log, "a");
	done_log_release(&log);
	log = open_log();
	assert_string_equal(paths(), "-");
	done_log_release(&log);
}

static void test_notes_of_another_boot_say_nothing(void **state)
{
	struct done_log log = open_log();
	struct uuid other = uuid_new();
	struct uuid none = { { 0 } };

	agree(&log, "a");
	done_log_release(&log);
	assert_string_equal(paths_as(&other), "-");
	assert_string_equal(paths_as(&none), "-");
	assert_string_equal(paths(), "a ");
	done_log_init(&log, box_dirfd(), "p", &none, GENERATION);
	agree(&log, "a");
	done_log_reported(&log);
	done_log_recorded(&log);
	assert_int_equal(box_names(), 0);
	done_log_release(&log);
}

static void test_without_an_id_of_the_boot_nothing_is_believed(void **state)
{
	const char *text = "11111111-2222-4333-8444-555555555555";
	struct uuid given = { { 0 } };
	struct uuid id;

	(void)state;
	assert_int_equal(uuid_parse(text, &given), 0);
	setenv("OSYNC_BOOT", text, 1);
	id = done_log_boot();
	assert_true(uuid_same(&id, &given));
	setenv("OSYNC_BOOT", "none", 1);
	id = done_log_boot();
	assert_true(uuid_is_none(&id));
	unsetenv("OSYNC_BOOT");
}

/* As somebody else's machine could send them: whole records that hold something else. */
static void test_whole_records_of_another_make_are_no_log(void **state)
{
	const struct uuid id = boot();
	struct done_log log = open_log();
	AUTO_BUF file = BUF_INIT;
	AUTO_BUF out = BUF_INIT;
	uint64_t generation = 0;

	(void)state;
	agree(&log, "a");
	done_log_release(&log);
	assert_true(box_read("done-p", &file));
	/* A header with a record behind it, then the header alone, then a record in its place. */
	assert_int_equal(done_log_read(box_dirfd(), "p", &id, &generation, &out), 1);
	box_write("done-p", file.data, HEADER);
	assert_string_equal(paths(), "-");
	box_write("done-p", file.data + HEADER, file.len - HEADER);
	assert_string_equal(paths(), "-");
}

static void test_a_log_cut_anywhere_says_less_never_something_else(void **state)
{
	struct done_log log = open_log();
	AUTO_BUF bytes = BUF_INIT;
	size_t first = 0;

	agree(&log, "a");
	first = (size_t)box_size("done-p");
	agree(&log, "b");
	done_log_release(&log);
	assert_true(box_read("done-p", &bytes));
	for (size_t len = 0; len < bytes.len; len++) {
		box_write("done-p", bytes.data, len);
		assert_string_equal(paths(), len < first ? "-" : "a ");
	}
}

static void test_a_flipped_bit_ends_the_log(void **state)
{
	struct done_log log = open_log();
	AUTO_BUF bytes = BUF_INIT;

	agree(&log, "a");
	done_log_release(&log);
	assert_true(box_read("done-p", &bytes));
	for (size_t at = 0; at < bytes.len; at++) {
		bytes.data[at] ^= 0x10;
		box_write("done-p", bytes.data, bytes.len);
		assert_string_equal(paths(), "-");
		bytes.data[at] ^= 0x10;
	}
}

static void test_notes_that_are_no_notes_are_refused(void **state)
{
	static const struct done_record wrong[] = {
		{ .kind = DONE_MOVED, .path = "a\n/../b", .from = "a" },
		{ .kind = (enum done_kind)9, .path = "a" },
		{ .kind = (enum done_kind)0, .path = "a" },
		{ .kind = DONE_AGREED, .path = "../a" },
		{ .kind = DONE_MOVED, .path = "a", .from = "/etc" },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct done_log log = open_log();
		struct arena arena = ARENA_INIT;
		struct done_record record;
		struct dec dec;

		note(&log, &wrong[i]);
		dec_init(&dec, log.tail.data, log.tail.len);
		assert_int_equal(done_log_next(&dec, &arena, &record), 0);
		assert_true(dec.bad);
		arena_release(&arena);
		done_log_release(&log);
	}
}

static void test_a_log_that_is_full_stops_and_can_begin_again(void **state)
{
	struct done_log log = open_log();
	char path[PATH_BYTES_MAX];
	size_t noted = 0;

	memset(path, 'x', sizeof(path));
	for (size_t i = 200; i < sizeof(path); i += 200)
		path[i] = '/';
	path[4000] = '\0';
	while (!log.useless && noted < DONE_LOG_MAX) {
		agree(&log, path);
		noted++;
	}
	assert_in_range(noted, 100, 1000);
	assert_in_range(box_size("done-p"), 1, HEADER + DONE_LOG_MAX);
	agree(&log, "more");
	done_log_reported(&log);
	done_log_recorded(&log);
	assert_string_equal(paths(), "-");
	agree(&log, "again");
	assert_string_equal(paths(), "again ");
	done_log_release(&log);
}

/* A file with the right checksums around whatever is given. */
static void write_log(const struct buf *header, const struct buf *records)
{
	AUTO_BUF file = BUF_INIT;

	note_put(&file, header);
	buf_add(&file, records->data, records->len);
	box_write("done-p", file.data, file.len);
}

static void test_a_log_of_another_shape_is_none(void **state)
{
	const struct uuid id = boot();
	const struct uuid none = { { 0 } };
	struct done_log log = open_log();
	AUTO_BUF header = BUF_INIT;
	AUTO_BUF records = BUF_INIT;
	uint64_t generation = 0;

	agree(&log, "a");
	buf_add(&records, log.tail.data, log.tail.len);
	done_log_release(&log);
	enc_raw(&header, id.bytes, sizeof(id.bytes));
	enc_le64(&header, GENERATION);
	write_log(&header, &records);
	assert_string_equal(paths(), "a ");
	/* More in the header than there should be. */
	buf_addch(&header, 'x');
	write_log(&header, &records);
	assert_string_equal(paths(), "-");
	/* Of no boot, asked for by one that has none either. */
	buf_reset(&header);
	enc_raw(&header, none.bytes, sizeof(none.bytes));
	enc_le64(&header, GENERATION);
	write_log(&header, &records);
	buf_reset(&records);
	assert_int_equal(done_log_read(box_dirfd(), "p", &none, &generation, &records), 0);
	assert_int_equal(records.len, 0);
}

/* It has to fit into one frame: all of it, or nothing. */
static void test_more_than_can_have_been_noted_is_not_read(void **state)
{
	const struct uuid id = boot();
	struct done_log log = open_log();
	AUTO_BUF header = BUF_INIT;
	AUTO_BUF records = BUF_INIT;
	AUTO_BUF out = BUF_INIT;
	uint64_t generation = 0;
	size_t one = 0;

	agree(&log, "a");
	one = log.tail.len;
	while (records.len + one <= DONE_LOG_MAX)
		buf_add(&records, log.tail.data, one);
	enc_raw(&header, id.bytes, sizeof(id.bytes));
	enc_le64(&header, GENERATION);
	write_log(&header, &records);
	assert_int_equal(done_log_read(box_dirfd(), "p", &id, &generation, &out), 1);
	assert_int_equal(out.len, records.len);
	buf_add(&records, log.tail.data, one);
	write_log(&header, &records);
	assert_int_equal(done_log_read(box_dirfd(), "p", &id, &generation, &out), 0);
	done_log_release(&log);
}

static void test_a_record_with_something_behind_it_is_bad(void **state)
{
	struct done_log log = open_log();
	struct arena arena = ARENA_INIT;
	AUTO_BUF payload = BUF_INIT;
	AUTO_BUF bytes = BUF_INIT;
	struct done_record record;
	struct dec whole;
	struct dec dec;

	move(&log, "b", "c");
	dec_init(&whole, log.tail.data, log.tail.len);
	assert_true(note_next(&whole, DONE_LOG_MAX, &dec));
	buf_add(&payload, dec.pos, dec_left(&dec));
	buf_addch(&payload, 'x');
	note_put(&bytes, &payload);
	dec_init(&dec, bytes.data, bytes.len);
	assert_int_equal(done_log_next(&dec, &arena, &record), 0);
	assert_true(dec.bad);
	arena_release(&arena);
	done_log_release(&log);
}

/* What came from the other side: reading ends where a record is not whole, and says so. */
static void test_records_that_are_not_whole_are_bad(void **state)
{
	struct done_log log = open_log();
	struct arena arena = ARENA_INIT;
	size_t first = 0;

	agree(&log, "a");
	first = log.tail.len;
	move(&log, "b", "c");
	for (size_t len = 0; len <= log.tail.len; len++) {
		struct done_record record;
		struct dec dec;
		int seen = 0;

		dec_init(&dec, log.tail.data, len);
		while (done_log_next(&dec, &arena, &record) > 0)
			seen++;
		assert_int_equal(seen, (len >= first) + (len == log.tail.len));
		assert_int_equal(dec.bad, len != 0 && len != first && len != log.tail.len);
	}
	for (size_t at = 0; at < log.tail.len; at++) {
		struct done_record record;
		struct dec dec;
		int seen = 0;

		log.tail.data[at] ^= 0x10;
		dec_init(&dec, log.tail.data, log.tail.len);
		while (done_log_next(&dec, &arena, &record) > 0)
			seen++;
		assert_int_equal(seen, at >= first);
		assert_true(dec.bad);
		log.tail.data[at] ^= 0x10;
	}
	arena_release(&arena);
	done_log_release(&log);
}

/* Whatever call fails: what can be read was noted, in that order. */
static void test_a_failing_disk_costs_notes_and_nothing_else(void **state)
{
	static const char *const possible[] = { "-", "a ", "a b ", "b ", "b c ", "c " };

	for (unsigned n = 1; n < 20; n++) {
		struct done_log log;
		const char *left = NULL;
		bool known = false;

		box_fault("fail:%u:%d", n, ENOSPC);
		log = open_log();
		agree(&log, "a");
		done_log_reported(&log);
		agree(&log, "b");
		done_log_recorded(&log);
		agree(&log, "c");
		box_fault_off();
		left = paths();
		known = false;
		for (size_t i = 0; i < sizeof(possible) / sizeof(possible[0]); i++)
			known = known || strcmp(left, possible[i]) == 0;
		if (!known)
			fail_msg("call %u failed: %s", n, left);
		done_log_release(&log);
		unlink("done-p");
		unlink("done-p.new");
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_noted_is_read_after_a_kill),
		TEST(test_notes_of_one_operation_are_written_at_once),
		TEST(test_without_notes_there_is_no_file),
		TEST(test_only_what_was_reported_is_dropped),
		TEST(test_a_new_run_begins_with_nothing),
		TEST(test_notes_of_another_boot_say_nothing),
		TEST(test_without_an_id_of_the_boot_nothing_is_believed),
		TEST(test_whole_records_of_another_make_are_no_log),
		TEST(test_a_log_cut_anywhere_says_less_never_something_else),
		TEST(test_a_flipped_bit_ends_the_log),
		TEST(test_notes_that_are_no_notes_are_refused),
		TEST(test_a_log_that_is_full_stops_and_can_begin_again),
		TEST(test_a_log_of_another_shape_is_none),
		TEST(test_more_than_can_have_been_noted_is_not_read),
		TEST(test_a_record_with_something_behind_it_is_bad),
		TEST(test_records_that_are_not_whole_are_bad),
		TEST(test_a_failing_disk_costs_notes_and_nothing_else),
	};

	return cmocka_run_group_tests_name("done_log", tests, NULL, NULL);
}
