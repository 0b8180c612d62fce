/* SPDX-License-Identifier: BSD-2-Clause */
/* Files as differences: what an agent does with sums and copies, whoever sends them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/blocks.h"
#include "base/codec.h"
#include "model/entry.h"
#include "peer_help.h"
#include "store/atomic.h"
#include "tree/partial.h"
#include "tree_help.h"

enum { SIZE = 3 * BLOCK_MIN + 100, ID = 7 };

static void put_uints(struct far *far, uint8_t type, const uint64_t *values, size_t count)
{
	size_t start = frame_begin(&far->out, type);

	for (size_t i = 0; i < count; i++)
		enc_uint(&far->out, values[i]);
	frame_end(&far->out, start);
}

static void far_basis(struct far *far, uint64_t block)
{
	put_uints(far, PEER_BASIS, (const uint64_t[]){ ID, block, 0 }, 3);
}

static void far_copy(struct far *far, uint64_t offset, uint64_t len)
{
	put_uints(far, PEER_COPY, (const uint64_t[]){ ID, offset, len }, 3);
}

static void far_read_changes(struct far *far, const char *path, uint64_t block, uint64_t size)
{
	const struct entry expect = help_stat("t/file");
	size_t start = frame_begin(&far->out, PEER_READ_CHANGES);

	enc_uint(&far->out, ID);
	enc_str(&far->out, path);
	entry_encode(&far->out, &expect);
	enc_u8(&far->out, 0);
	enc_uint(&far->out, block);
	enc_uint(&far->out, size);
	frame_end(&far->out, start);
}

/* Four runs of letters, the last one short. */
static const char *letters(const char *which)
{
	static char text[SIZE + 1];

	for (size_t i = 0; i < SIZE; i++)
		text[i] = which[i / BLOCK_MIN];
	text[SIZE] = '\0';
	return text;
}

/* The agent has this file, and was told that another one will take its place. */
static struct far replacing_file(void)
{
	struct msg_op op = { .id = ID, .kind = OP_PUT, .path = "file" };
	struct far far = far_prepared();

	op.expect = help_stat("t/file");
	op.source = op.expect;
	op.source.link = NULL;
	far_op(&far, &op);
	return far;
}

/* The same of the file "abcd". */
static struct far replacing(void)
{
	help_write("t/file", letters("abcd"));
	return replacing_file();
}

static struct far summed(void)
{
	struct far far = replacing();
	struct dec dec;

	far_basis(&far, BLOCK_MIN);
	far_expect(&far, PEER_SUMS);
	dec_init(&dec, far.frame.data, far.frame.len);
	assert_int_equal(dec_uint(&dec), ID);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(dec_le32(&dec),
				 block_add(0, letters("abcd") + i * BLOCK_MIN, BLOCK_MIN));
	assert_true(dec_done(&dec));
	far_expect(&far, PEER_SUMS_END);
	return far;
}

/* All that was said so far is done; what became of it. */
static enum err_kind flushed(struct far *far)
{
	enum err_kind kind = ERR_NONE;

	far_empty(far, PEER_FLUSH);
	kind = far_result(far, PEER_DONE, ID);
	far_expect(far, PEER_FLUSHED);
	assert_int_equal(far_end(far), 0);
	return kind;
}

static void a_file_is_put_together_from_its_old_version(void **state)
{
	AUTO_FAR far = summed();

	(void)state;
	far_copy(&far, 2 * BLOCK_MIN, BLOCK_MIN);
	far_data(&far, ID, letters("xyyy") + 3 * BLOCK_MIN);
	far_copy(&far, 0, BLOCK_MIN);
	far_copy(&far, 0, BLOCK_MIN);
	{
		AUTO_BUF want = BUF_INIT;

		buf_add(&want, letters("cccc"), BLOCK_MIN);
		buf_add(&want, letters("yyyy"), 100);
		buf_add(&want, letters("aaaa"), BLOCK_MIN * 2);
		far_put_end(&far, ID, 1, buf_cstr(&want));
		assert_int_equal(flushed(&far), ERR_NONE);
		assert_string_equal(help_read("t/file"), buf_cstr(&want));
	}
}

static void what_does_not_fit_is_asked_for_again(void **state)
{
	AUTO_FAR far = summed();
	struct dec dec;

	(void)state;
	far_copy(&far, 0, BLOCK_MIN);
	far_put_end(&far, ID, 1, "something else");
	far_expect(&far, PEER_AGAIN);
	dec_init(&dec, far.frame.data, far.frame.len);
	assert_int_equal(dec_uint(&dec), ID);
	assert_int_equal(help_count("t/.osync_workdir/stage"), 0);
	far_data(&far, ID, "something else");
	far_put_end(&far, ID, 1, "something else");
	assert_int_equal(flushed(&far), ERR_NONE);
	assert_string_equal(help_read("t/file"), "something else");
}

static void the_second_time_there_is_no_version_to_copy_from(void **state)
{
	AUTO_FAR far = summed();

	(void)state;
	far_put_end(&far, ID, 1, "something else");
	far_expect(&far, PEER_AGAIN);
	far_copy(&far, 0, 1);
	far_refuses(&far, ERR_PROTOCOL);
	assert_string_equal(help_read("t/file"), letters("abcd"));
}

static void a_version_that_was_edited_meanwhile_is_not_asked_for_again(void **state)
{
	AUTO_FAR far = summed();

	(void)state;
	help_write("t/file", "an edit");
	far_copy(&far, 0, BLOCK_MIN);
	far_put_end(&far, ID, 1, letters("aaaa"));
	assert_int_equal(flushed(&far), ERR_CHANGED);
	assert_string_equal(help_read("t/file"), "an edit");
	assert_int_equal(help_count("t/.osync_workdir/stage"), 0);
}

static void sums_of_what_is_not_there_any_more_fail_alone(void **state)
{
	AUTO_FAR far = replacing();
	struct err status = ERR_INIT;
	struct dec dec;

	(void)state;
	help_write("t/file", "an edit");
	far_basis(&far, BLOCK_MIN);
	far_expect(&far, PEER_SUMS_END);
	dec_init(&dec, far.frame.data, far.frame.len);
	assert_int_equal(dec_uint(&dec), ID);
	assert_int_equal(dec_uint(&dec), 0);
	msg_dec_status(&dec, &status);
	assert_int_equal(status.kind, ERR_CHANGED);
	/* It can still be sent whole, and is refused as ever. */
	far_data(&far, ID, "new");
	far_put_end(&far, ID, 1, "new");
	assert_int_equal(flushed(&far), ERR_CHANGED);
	assert_string_equal(help_read("t/file"), "an edit");
}

static void a_copy_of_what_is_not_in_it_ends_the_session(void **state)
{
	static const uint64_t copies[][2] = {
		{ 0, SIZE + 1 },	  { SIZE, 1 },	     { SIZE + 1, 0 },
		{ UINT64_MAX, 1 },	  { 1, UINT64_MAX }, { UINT64_MAX, UINT64_MAX },
		{ 0, PEER_COPY_MAX + 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++) {
		AUTO_FAR far = summed();

		far_copy(&far, copies[i][0], copies[i][1]);
		far_refuses(&far, ERR_PROTOCOL);
	}
}

static void without_sums_there_is_nothing_to_copy_from(void **state)
{
	AUTO_FAR far = replacing();

	(void)state;
	far_copy(&far, 0, 1);
	far_refuses(&far, ERR_PROTOCOL);
}

static void a_basis_is_asked_for_once_and_in_blocks_that_make_sense(void **state)
{
	static const uint64_t blocks[] = { 0, 1, 512, BLOCK_MIN + 1, 2 * BLOCK_MAX, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		AUTO_FAR far = replacing();

		far_basis(&far, blocks[i]);
		far_refuses(&far, ERR_PROTOCOL);
	}
	{
		AUTO_FAR far = summed();

		far_basis(&far, BLOCK_MIN);
		far_refuses(&far, ERR_PROTOCOL);
	}
}

static void nobody_is_given_more_sums_than_a_file_of_that_size_needs(void **state)
{
	const off_t size = (off_t)1 << 40;
	AUTO_FAR far = { .fd = -1 };

	(void)state;
	help_write("t/file", "and a hole");
	assert_int_equal(truncate("t/file", size), 0);
	far = replacing_file();
	far_basis(&far, block_size((uint64_t)size) / 2);
	far_refuses(&far, ERR_PROTOCOL);
}

enum { MEBIBYTE = 1024 * 1024 };

/* What the agent says of its file, up to the end; that is well, or not. */
static enum err_kind sums_told(struct far *far, struct buf *sums)
{
	struct err status = ERR_INIT;
	struct dec dec;

	for (far_next(far); far->frame.type == PEER_SUMS; far_next(far)) {
		dec_init(&dec, far->frame.data, far->frame.len);
		assert_int_equal(dec_uint(&dec), ID);
		buf_add(sums, dec.pos, dec_left(&dec));
	}
	assert_int_equal(far->frame.type, PEER_SUMS_END);
	dec_init(&dec, far->frame.data, far->frame.len);
	assert_int_equal(dec_uint(&dec), ID);
	dec_uint(&dec);
	msg_dec_status(&dec, &status);
	return status.kind;
}

static void assert_sums_of_file(void)
{
	AUTO_BUF file = BUF_INIT;
	AUTO_BUF wanted = BUF_INIT;
	AUTO_BUF found = BUF_INIT;
	AUTO_FAR far = replacing_file();
	size_t block = 0;

	assert_int_equal(atomic_read(AT_FDCWD, "t/file", 32 * MEBIBYTE, &file, NULL), 1);
	block = block_size(file.len);
	for (size_t at = 0; at + block <= file.len; at += block)
		enc_le32(&wanted, block_add(0, file.data + at, block));
	far_basis(&far, block);
	assert_int_equal(sums_told(&far, &found), ERR_NONE);
	assert_int_equal(found.len, wanted.len);
	assert_memory_equal(found.data, wanted.data, wanted.len);
}

static void sums_of_a_large_file_come_in_order(void **state)
{
	/* In front of, between and behind what two processors take; and in the midst of it. */
	static const unsigned holes_mib[] = { 0, 3, 6, 8, 12, 17 };

	(void)state;
	help_sh("head -c %d /dev/urandom > t/file", 19 * MEBIBYTE + 12345);
	assert_sums_of_file();
	for (size_t i = 0; i < sizeof(holes_mib) / sizeof(holes_mib[0]); i++) {
		help_sh("fallocate -p -o %u -l 70000 t/file", holes_mib[i] * MEBIBYTE + 4096);
		assert_sums_of_file();
	}
}

/*
 * Which look of the agent's was its last one into a file, as noted in "looks" ("ROLE N CALL"); *reads: how many of
 * them there were.
 */
static unsigned last_read(unsigned *reads)
{
	const char *last = NULL;

	*reads = 0;
	for (const char *at = strstr(help_read("looks"), "pread"); at;
	     at = strstr(at + 1, "pread")) {
		last = at;
		++*reads;
	}
	assert_non_null(last);
	for (last--; last[-1] != ' ';)
		last--;
	return (unsigned)strtoul(last, NULL, 10);
}

static void a_large_file_that_cannot_be_read_has_no_sums(void **state)
{
	AUTO_BUF sums = BUF_INIT;
	AUTO_FAR counted = { .fd = -1 };
	unsigned last = 0;
	unsigned reads = 0;

	(void)state;
	help_sh("head -c %d /dev/urandom > t/file", 8 * MEBIBYTE);
	setenv("OSYNC_FAULT", "count:looks::look", 1);
	counted = replacing_file();
	far_basis(&counted, block_size(8 * MEBIBYTE));
	assert_int_equal(sums_told(&counted, &sums), ERR_NONE);
	assert_int_equal(far_end(&counted), 0);
	last = last_read(&reads);
	/* On either processor: one has done its half before the other where faults are counted. */
	for (unsigned back = 0; back < reads; back += reads / 2 + reads % 2) {
		char fault[64];
		AUTO_FAR far = { .fd = -1 };

		snprintf(fault, sizeof(fault), "fail:%u:%d::look", last - back, EIO);
		setenv("OSYNC_FAULT", fault, 1);
		far = replacing_file();
		far_basis(&far, block_size(8 * MEBIBYTE));
		assert_int_equal(sums_told(&far, &sums), ERR_SYSTEM);
	}
}

/* Bytes of a large file, in as many frames as it takes. */
static void far_large(struct far *far, size_t len)
{
	AUTO_BUF data = BUF_INIT;

	memset(buf_extend(&data, 65536), 'x', 65536);
	data.data[0] = 'y';
	for (size_t done = 0; done < len; done += data.len) {
		size_t start = frame_begin(&far->out, PEER_DATA);

		enc_uint(&far->out, ID);
		enc_raw(&far->out, data.data, data.len);
		frame_end(&far->out, start);
	}
}

static void far_put_large(struct far *far)
{
	struct msg_op op = { .id = ID, .kind = OP_PUT, .path = "large" };

	op.source = (struct entry){ .type = ENTRY_FILE, .size = 4 * PARTIAL_MIN };
	far_op(far, &op);
}

/* An agent is told of a file, and of so many bytes of it, and nothing more. */
static void cut_after(size_t len)
{
	AUTO_FAR far = far_prepared();

	far_put_large(&far);
	far_large(&far, len);
	assert_int_equal(far_end(&far), 0);
	assert_int_equal(help_count("t/.osync_workdir/stage"), 0);
}

static uint64_t size_of_part(struct far *far)
{
	struct err status = ERR_INIT;
	uint64_t size = 0;
	struct dec dec;

	put_uints(far, PEER_BASIS, (const uint64_t[]){ ID, block_size(4 * PARTIAL_MIN), 1 }, 3);
	for (far_next(far); far->frame.type == PEER_SUMS; far_next(far))
		;
	assert_int_equal(far->frame.type, PEER_SUMS_END);
	dec_init(&dec, far->frame.data, far->frame.len);
	assert_int_equal(dec_uint(&dec), ID);
	size = dec_uint(&dec);
	msg_dec_status(&dec, &status);
	assert_int_equal(err_is_set(&status), size == 0);
	return size;
}

static uint64_t part_there(void)
{
	AUTO_FAR far = far_prepared();
	uint64_t size = 0;

	far_put_large(&far);
	size = size_of_part(&far);
	assert_int_equal(far_end(&far), 0);
	return size;
}

static void the_longest_part_of_a_file_stays(void **state)
{
	(void)state;
	assert_int_equal(part_there(), 0);
	cut_after(PARTIAL_MIN - 65536);
	assert_int_equal(part_there(), 0);
	cut_after(2 * PARTIAL_MIN);
	assert_int_equal(part_there(), 2 * PARTIAL_MIN);
	cut_after(PARTIAL_MIN);
	assert_int_equal(part_there(), 2 * PARTIAL_MIN);
	cut_after(3 * PARTIAL_MIN);
	assert_int_equal(part_there(), 3 * PARTIAL_MIN);
}

static void a_part_longer_than_the_file_is_of_no_use(void **state)
{
	struct msg_op op = { .id = ID, .kind = OP_PUT, .path = "large" };
	AUTO_FAR far = (cut_after(2 * PARTIAL_MIN), far_prepared());

	(void)state;
	op.source = (struct entry){ .type = ENTRY_FILE, .size = 2 * PARTIAL_MIN - 1 };
	far_op(&far, &op);
	assert_int_equal(size_of_part(&far), 0);
	assert_int_equal(far_end(&far), 0);
	assert_int_equal(help_count("t/.osync_workdir/partial"), 0);
}

static void a_part_that_is_no_file_is_not_opened(void **state)
{
	(void)state;
	cut_after(2 * PARTIAL_MIN);
	assert_int_equal(
		system("cd t/.osync_workdir/partial && for f in *; do rm $f; mkfifo $f; done"), 0);
	assert_int_equal(part_there(), 0);
}

static void parts_go_when_a_run_has_come_to_its_end(void **state)
{
	AUTO_FAR far = (cut_after(PARTIAL_MIN), far_prepared());

	(void)state;
	assert_int_equal(help_count("t/.osync_workdir/partial"), 1);
	far_empty(&far, PEER_FINISH);
	far_expect(&far, PEER_FINISHED);
	assert_int_equal(far_end(&far), 0);
	assert_int_equal(access("t/.osync_workdir/partial", F_OK), -1);
}

static void a_file_is_put_together_from_its_part(void **state)
{
	AUTO_FAR far = (cut_after(PARTIAL_MIN), far_prepared());
	AUTO_BUF want = BUF_INIT;

	(void)state;
	far_put_large(&far);
	assert_int_equal(size_of_part(&far), PARTIAL_MIN);
	far_copy(&far, 0, 65536);
	far_data(&far, ID, "and more");
	memset(buf_extend(&want, 65536), 'x', 65536);
	want.data[0] = 'y';
	buf_addstr(&want, "and more");
	far_put_end(&far, ID, 1, buf_cstr(&want));
	assert_int_equal(flushed(&far), ERR_NONE);
	assert_string_equal(help_read("t/large"), buf_cstr(&want));
	assert_int_equal(help_count("t/.osync_workdir/partial"), 0);
}

/* Sums of `text`, as of an old version. */
static void far_sums(struct far *far, uint64_t id, const char *text, size_t count)
{
	size_t start = frame_begin(&far->out, PEER_SUMS);

	enc_uint(&far->out, id);
	for (size_t i = 0; i < count; i++)
		enc_le32(&far->out, block_add(0, text + i * BLOCK_MIN, BLOCK_MIN));
	frame_end(&far->out, start);
}

static void only_what_is_new_is_sent(void **state)
{
	AUTO_FAR far = far_welcomed(0);
	struct dec dec;

	(void)state;
	help_write("t/file", letters("abxd"));
	far_sums(&far, ID, letters("abcd"), 3);
	far_read_changes(&far, "file", BLOCK_MIN, SIZE);
	far_expect(&far, PEER_COPY);
	dec_init(&dec, far.frame.data, far.frame.len);
	assert_int_equal(dec_uint(&dec), ID);
	assert_int_equal(dec_uint(&dec), 0);
	assert_int_equal(dec_uint(&dec), 2 * BLOCK_MIN);
	far_expect(&far, PEER_DATA);
	dec_init(&dec, far.frame.data, far.frame.len);
	assert_int_equal(dec_uint(&dec), ID);
	assert_int_equal(dec_left(&dec), SIZE - 2 * BLOCK_MIN);
	assert_memory_equal(dec.pos, letters("abxd") + 2 * BLOCK_MIN, dec_left(&dec));
	assert_int_equal(far_result(&far, PEER_READ_END, ID), ERR_NONE);
	assert_int_equal(far_end(&far), 0);
}

static void sums_must_be_as_many_as_the_old_version_has(void **state)
{
	static const uint64_t sizes[] = { 0, 2 * BLOCK_MIN, 4 * BLOCK_MIN, UINT64_MAX };

	(void)state;
	help_write("t/file", letters("abxd"));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		AUTO_FAR far = far_welcomed(0);

		far_sums(&far, ID, letters("abcd"), 3);
		far_read_changes(&far, "file", BLOCK_MIN, sizes[i]);
		far_refuses(&far, ERR_PROTOCOL);
	}
}

static void sums_of_too_many_files_end_the_session(void **state)
{
	AUTO_FAR far = far_welcomed(0);

	(void)state;
	for (uint64_t id = 0; id < PEER_DIFFERENCES_MAX; id++)
		far_sums(&far, id, letters("abcd"), 3);
	far_empty(&far, PEER_PING);
	far_expect(&far, PEER_PONG);
	far_sums(&far, PEER_DIFFERENCES_MAX, letters("abcd"), 3);
	far_refuses(&far, ERR_PROTOCOL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_put_together_from_its_old_version),
		TEST(what_does_not_fit_is_asked_for_again),
		TEST(the_second_time_there_is_no_version_to_copy_from),
		TEST(a_version_that_was_edited_meanwhile_is_not_asked_for_again),
		TEST(sums_of_what_is_not_there_any_more_fail_alone),
		TEST(a_copy_of_what_is_not_in_it_ends_the_session),
		TEST(without_sums_there_is_nothing_to_copy_from),
		TEST(a_basis_is_asked_for_once_and_in_blocks_that_make_sense),
		TEST(nobody_is_given_more_sums_than_a_file_of_that_size_needs),
		TEST(sums_of_a_large_file_come_in_order),
		TEST(a_large_file_that_cannot_be_read_has_no_sums),
		TEST(the_longest_part_of_a_file_stays),
		TEST(a_part_longer_than_the_file_is_of_no_use),
		TEST(a_part_that_is_no_file_is_not_opened),
		TEST(parts_go_when_a_run_has_come_to_its_end),
		TEST(a_file_is_put_together_from_its_part),
		TEST(only_what_is_new_is_sent),
		TEST(sums_must_be_as_many_as_the_old_version_has),
		TEST(sums_of_too_many_files_end_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
