/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A base file whose checksums are right and whose contents are not: what no flipped bit
 * gets to, and a program of another version, or somebody who means it, does.
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
#include <unistd.h>

#include "base/codec.h"
#include "base/digest.h"
#include "base/err.h"
#include "box.h"
#include "store/journal.h"
#include "store/table_file.h"
#include "table_help.h"
#include "table_states.h"

static void put_le64(unsigned char *at, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

static uint32_t get_le32(const unsigned char *at)
{
	struct dec dec;

	dec_init(&dec, at, 4);
	return dec_le32(&dec);
}

static unsigned char *footer_of(struct buf *base)
{
	return base->data + base->len - TABLE_FILE_FOOTER;
}

static void repair_footer(struct buf *base)
{
	unsigned char *footer = footer_of(base);

	put_le64(footer + 8, base->len);
	put_le64(footer + 32, digest_checksum(footer, 32));
}

/* Put all checksums right, and the length. */
static void repair(struct buf *base)
{
	uint64_t chain = digest_checksum(base->data, TABLE_FILE_HEADER - 8);
	size_t at = TABLE_FILE_HEADER;

	put_le64(base->data + TABLE_FILE_HEADER - 8, chain);
	while (at < base->len - TABLE_FILE_FOOTER) {
		size_t len = TABLE_FILE_BLOCK + get_le32(base->data + at + 8);
		uint64_t checksum = digest_checksum(base->data + at + 8, len - 8);

		put_le64(base->data + at, checksum);
		chain = table_file_chain(chain, checksum);
		at += len;
	}
	put_le64(footer_of(base) + 24, chain);
	repair_footer(base);
}

/* The payload of the only block with records; the head's is one byte. */
enum { RECORDS_AT = TABLE_FILE_HEADER + TABLE_FILE_BLOCK + 1 + TABLE_FILE_BLOCK };

static unsigned char *payload_of(struct files *files)
{
	return files->base.data + RECORDS_AT;
}

static void start(const char *script, struct files *files)
{
	AUTO_FREE char *folded = xasprintf("%s !", script);

	help_run(folded);
	files_save(files);
}

static void must_refuse(struct files *files, const char *why)
{
	struct err err = ERR_INIT;

	files_restore(files);
	states_must_refuse();
	assert_null(table_open(box_dirfd(), "t", TABLE_READ, &err));
	if (!strstr(err.msg, why))
		fail_msg("'%s' does not say '%s'", err.msg, why);
}

static void repairing_what_is_right_changes_nothing(void **state)
{
	AUTO_FILES files = FILES_INIT;
	AUTO_BUF before = BUF_INIT;

	start("a=1 ab=2 b=3", &files);
	buf_add(&before, files.base.data, files.base.len);
	repair(&files.base);
	assert_int_equal(files.base.len, before.len);
	assert_memory_equal(files.base.data, before.data, before.len);
	/* "a=1": nothing shared, "a", "1". */
	assert_memory_equal(payload_of(&files),
			    "\0\1a\1"
			    "1",
			    5);
}

static void the_bytes_are_what_they_always_were(void **state)
{
	AUTO_FILES files = FILES_INIT;

	start("a=1 ab=2", &files);
	assert_memory_equal(files.base.data, "\x89osyncb\n\1\0\0\0\4\3\2\1", 16);
	assert_memory_equal(payload_of(&files),
			    "\0\1a\1"
			    "1"
			    "\1\1b\1"
			    "2"
			    "\x89osyncf\n",
			    18);
}

static void records_out_of_order_are_refused(void **state)
{
	AUTO_FILES files = FILES_INIT;

	start("a=1 b=2", &files);
	/* The first path becomes greater than the second, then equal. */
	payload_of(&files)[2] = 'c';
	repair(&files.base);
	must_refuse(&files, "out of order");
	payload_of(&files)[2] = 'b';
	repair(&files.base);
	must_refuse(&files, "out of order");
}

static void invalid_paths_are_refused(void **state)
{
	static const char bad[][4] = { "/", "a/", "a//", ".", "..", "a/.", "\0", "a\0b" };
	static const size_t len[] = { 1, 2, 3, 1, 2, 3, 1, 3 };

	for (size_t i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
		char script[] = "xyz=1";
		AUTO_FILES files = FILES_INIT;

		start(script + 3 - len[i], &files);
		memcpy(payload_of(&files) + 2, bad[i], len[i]);
		repair(&files.base);
		must_refuse(&files, "invalid");
		unlink("t.base");
	}
}

static void a_name_is_checked_across_what_paths_share(void **state)
{
	AUTO_FILES files = FILES_INIT;

	/* "a/b" and, sharing "a/", then one byte. */
	start("a/b=1 a/c=2", &files);
	assert_int_equal(payload_of(&files)[7], 2);
	payload_of(&files)[9] = '/';
	repair(&files.base);
	must_refuse(&files, "out of order");
	/* Sharing more than there was. */
	payload_of(&files)[9] = 'c';
	payload_of(&files)[7] = 4;
	repair(&files.base);
	must_refuse(&files, "out of order");
}

static void a_first_record_that_shares_is_refused(void **state)
{
	AUTO_FILES files = FILES_INIT;

	start("a=1", &files);
	payload_of(&files)[0] = 1;
	repair(&files.base);
	must_refuse(&files, "malformed");
}

static void a_wrong_number_of_records_is_refused(void **state)
{
	AUTO_FILES files = FILES_INIT;

	start("a=1 b=2", &files);
	footer_of(&files.base)[16]++;
	repair(&files.base);
	must_refuse(&files, "number of records");
	footer_of(&files.base)[16]--;
	/* And in the block: more than there are, fewer, none. */
	files.base.data[RECORDS_AT - 4] = 3;
	repair(&files.base);
	must_refuse(&files, "malformed");
	files.base.data[RECORDS_AT - 4] = 1;
	repair(&files.base);
	must_refuse(&files, "longer than its records");
	files.base.data[RECORDS_AT - 4] = 0;
	repair(&files.base);
	must_refuse(&files, "empty");
}

/* Sound in itself, and of the same length. */
static void a_block_of_another_file_is_refused(void **state)
{
	AUTO_FILES files = FILES_INIT;
	AUTO_FILES other = FILES_INIT;

	start("a=1", &files);
	help_run("a=2 !");
	files_save(&other);
	assert_int_equal(files.base.len, other.base.len);
	memcpy(payload_of(&files) - TABLE_FILE_BLOCK, payload_of(&other) - TABLE_FILE_BLOCK,
	       TABLE_FILE_BLOCK + 5);
	must_refuse(&files, "whole file");
}

static void a_missing_block_is_refused(void **state)
{
	AUTO_FILES files = FILES_INIT;

	start("a=1", &files);
	memmove(payload_of(&files) - TABLE_FILE_BLOCK, footer_of(&files.base), TABLE_FILE_FOOTER);
	files.base.len -= TABLE_FILE_BLOCK + 5;
	must_refuse(&files, "length");
	repair_footer(&files.base);
	must_refuse(&files, "whole file");
}

static void a_malformed_head_is_refused(void **state)
{
	AUTO_FILES files = FILES_INIT;

	start("a=1", &files);
	/* One byte, which is 0 or 1, and nothing behind a 0. */
	files.base.data[TABLE_FILE_HEADER + TABLE_FILE_BLOCK] = 2;
	repair(&files.base);
	must_refuse(&files, "head");
	unlink("t.base");
	start("a=1 ^head", &files);
	files.base.data[TABLE_FILE_HEADER + TABLE_FILE_BLOCK] = 0;
	repair(&files.base);
	must_refuse(&files, "head");
}

/* Of the mapping that begins at map: KiB in memory. */
static long resident_kib(const void *map)
{
	AUTO_FREE char *begin = xasprintf("%lx-", (unsigned long)(uintptr_t)map);
	FILE *maps = fopen("/proc/self/smaps", "re");
	char line[512];
	bool ours = false;
	long kib = -1;

	assert_non_null(maps);
	while (kib < 0 && fgets(line, sizeof(line), maps)) {
		ours = ours || strncmp(line, begin, strlen(begin)) == 0;
		if (ours && strncmp(line, "Rss:", 4) == 0)
			kib = strtol(line + 4, NULL, 10);
	}
	fclose(maps);
	return kib;
}

static void a_walk_keeps_little_of_a_large_file_in_memory(void **state)
{
	struct table *table = table_open(box_dirfd(), "t", TABLE_WRITE, NULL);
	struct table_walk *walk = xcalloc(1, sizeof(*walk));
	struct table_file file = TABLE_FILE_INIT;
	char value[400];
	char path[16];

	for (int i = 0; i < 20000; i++) {
		memset(value, i, sizeof(value));
		snprintf(path, sizeof(path), "%06d", i);
		table_put(table, path, value, sizeof(value));
	}
	assert_int_equal(table_fold(table, NULL), 0);
	table_close(table);
	assert_int_equal(table_file_open(box_dirfd(), "t.base", &file, NULL), 1);
	for (int round = 0; round < 2; round++) {
		int count = 0;

		table_walk_init(walk, &file);
		for (; table_walk_next(walk) > 0; count++) {
			memset(value, count, sizeof(value));
			assert_memory_equal(walk->value, value, sizeof(value));
		}
		assert_int_equal(count, 20000);
		assert_in_range(resident_kib(file.map), 1, 2048);
	}
	table_file_close(&file);
	free(walk);
}

/* A journal of 40,000 changes in frames of 1,000: first the odd ones, then the even ones. */
static void write_large_journal(void)
{
	struct table *table = table_open(box_dirfd(), "t", TABLE_WRITE, NULL);
	char value[400];
	char path[16];

	for (int i = 0; i < 40000; i++) {
		int number = i < 20000 ? 2 * i + 1 : 2 * (i - 20000);

		memset(value, number, sizeof(value));
		snprintf(path, sizeof(path), "%06d", number);
		if (number % 100 == 0)
			table_remove(table, path);
		else
			table_put(table, path, value, sizeof(value));
		if (i % 1000 == 999)
			assert_int_equal(table_flush(table, NULL), 0);
	}
	table_close(table);
}

static void a_large_journal_keeps_little_of_itself_in_memory(void **state)
{
	struct journal journal = JOURNAL_INIT;
	char value[400];
	char path[16];

	write_large_journal();
	assert_int_equal(journal_open(box_dirfd(), "t.journal", &journal, NULL), 1);
	assert_int_equal(journal_replay(&journal, "t.journal", NULL), 0);
	assert_int_equal(journal.count, 40000);
	assert_in_range(resident_kib(journal.map), 0, 4096);
	for (int i = 0; i < 40000; i++) {
		struct journal_change change = journal_change(&journal, (size_t)i);

		snprintf(path, sizeof(path), "%06d", i);
		assert_string_equal(change.path, path);
		assert_int_equal(change.value == NULL, i % 100 == 0);
		memset(value, i, sizeof(value));
		assert_int_equal(change.len, change.value ? sizeof(value) : 0);
		assert_memory_equal(change.value ? change.value : (unsigned char *)value, value,
				    change.len);
	}
	assert_in_range(resident_kib(journal.map), 0, 8192);
	journal_close(&journal);
}

#define BOXED(test) cmocka_unit_test_setup_teardown(test, box_setup, box_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(repairing_what_is_right_changes_nothing),
		BOXED(the_bytes_are_what_they_always_were),
		BOXED(records_out_of_order_are_refused),
		BOXED(invalid_paths_are_refused),
		BOXED(a_name_is_checked_across_what_paths_share),
		BOXED(a_first_record_that_shares_is_refused),
		BOXED(a_wrong_number_of_records_is_refused),
		BOXED(a_block_of_another_file_is_refused),
		BOXED(a_missing_block_is_refused),
		BOXED(a_malformed_head_is_refused),
		BOXED(a_walk_keeps_little_of_a_large_file_in_memory),
		BOXED(a_large_journal_keeps_little_of_itself_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
