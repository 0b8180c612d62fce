/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table's two files with anything in them.
 *
 * The input is one byte of switches, the length of the base file (2, little endian), the
 * base file and the journal.  As nobody guesses a checksum, the switches say which of
 * them to put right first, so that what is behind them is reached.
 *
 * What is promised: the table opens or is ERR_CORRUPT; one that opens is in order, can
 * be changed, folded and read again, and holds the same but for the change.
 */
#include <assert.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/path.h"
#include "store/journal.h"
#include "store/table.h"
#include "store/table_file.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	REPAIR_BASE = 1,
	REPAIR_JOURNAL = 2,
	JOURNAL_CONTINUES = 4, /* the journal names the base */
	JOURNAL_FOLDED = 8,    /* the base names the journal */
};

static char folder[256];
static int dirfd_of_box = -1;

static void box_remove(void)
{
	static const char *const names[] = { "t.base", "t.journal", "t.base.new", "t.journal.new" };

	for (size_t i = 0; i < 4; i++)
		unlinkat(dirfd_of_box, names[i], 0);
	rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	snprintf(folder, sizeof(folder), "%s/osync-fuzz-XXXXXX", base);
	if (!mkdtemp(folder))
		abort();
	dirfd_of_box = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	atexit(box_remove);
	return 0;
}

static void put_le64(unsigned char *at, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_le(const unsigned char *at, size_t bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | at[bytes];
	return value;
}

/* Put all checksums of a base file right, and the length it says it has. */
static void repair_base(unsigned char *file, size_t size)
{
	size_t at = TABLE_FILE_HEADER;
	size_t end = size - TABLE_FILE_FOOTER;
	uint64_t chain = 0;

	if (size < TABLE_FILE_HEADER + TABLE_FILE_FOOTER)
		return;
	chain = digest_checksum(file, TABLE_FILE_HEADER - 8);
	put_le64(file + TABLE_FILE_HEADER - 8, chain);
	while (end - at >= TABLE_FILE_BLOCK) {
		uint64_t len = TABLE_FILE_BLOCK + get_le(file + at + 8, 4);
		uint64_t checksum = 0;

		if (len > end - at)
			break;
		checksum = digest_checksum(file + at + 8, (size_t)len - 8);
		put_le64(file + at, checksum);
		chain = table_file_chain(chain, checksum);
		at += (size_t)len;
	}
	put_le64(file + end + 8, size);
	put_le64(file + end + 24, chain);
	put_le64(file + end + 32, digest_checksum(file + end, TABLE_FILE_FOOTER - 8));
}

/* The checksum of a frame, as store/journal.h has it. */
static uint64_t frame_checksum(const unsigned char *id, uint64_t at, const void *data, uint64_t len)
{
	unsigned char parts[40];

	memcpy(parts, id, 16);
	put_le64(parts + 16, at);
	put_le64(parts + 24, len);
	put_le64(parts + 32, digest_checksum(data, (size_t)len));
	return digest_checksum(parts, sizeof(parts));
}

static void repair_journal(unsigned char *file, size_t size)
{
	size_t at = JOURNAL_HEADER;

	if (size < JOURNAL_HEADER)
		return;
	put_le64(file + JOURNAL_HEADER - 8, digest_checksum(file, JOURNAL_HEADER - 8));
	while (size - at > JOURNAL_FRAME) {
		uint64_t len = get_le(file + at + 4, 8);

		if (len > size - at - JOURNAL_FRAME)
			break;
		memcpy(file + at, file + 16, JOURNAL_MARK);
		put_le64(file + at + 12,
			 frame_checksum(file + 16, at, file + at + JOURNAL_FRAME, len));
		at += (size_t)(JOURNAL_FRAME + len);
	}
}

static void repair(unsigned switches, struct buf *base, struct buf *journal)
{
	bool both = base->len >= TABLE_FILE_HEADER && journal->len >= JOURNAL_HEADER;

	/* Ids: the base's at 16, what it folded at 32; the journal's at 16, its base's at 32. */
	if (both && switches & JOURNAL_FOLDED)
		memcpy(base->data + 32, journal->data + 16, 16);
	if (both && switches & JOURNAL_CONTINUES)
		memcpy(journal->data + 32, base->data + 16, 16);
	if (switches & REPAIR_BASE)
		repair_base(base->data, base->len);
	if (switches & REPAIR_JOURNAL)
		repair_journal(journal->data, journal->len);
}

static void file_write(const char *name, const struct buf *data)
{
	int fd = -1;

	unlinkat(dirfd_of_box, name, 0);
	if (data->len == 0)
		return;
	fd = openat(dirfd_of_box, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data->data, data->len) != (ssize_t)data->len)
		abort();
	close(fd);
}

/* Everything in the table but `without`, checked for order; false where it is damaged. */
static bool dump(struct buf *out, const char *without)
{
	struct err err = ERR_INIT;
	struct table *table = table_open(dirfd_of_box, "t", TABLE_READ, &err);
	struct table_cursor *cursor = NULL;
	AUTO_BUF last = BUF_INIT;
	const char *path = NULL;
	const void *value = NULL;
	size_t len = 0;
	uint64_t seen = 0;

	if (!table) {
		assert(err.kind == ERR_CORRUPT && err.msg[0]);
		return false;
	}
	value = table_head(table, &len);
	enc_u8(out, value != NULL);
	enc_bytes(out, value ? value : "", value ? len : 0);
	cursor = table_cursor_new(table);
	while (table_next(cursor, &path, &value, &len)) {
		assert(path_valid(path, strlen(path)) && len <= TABLE_VALUE_MAX);
		assert(path_cmp(buf_cstr(&last), path) < 0);
		buf_reset(&last);
		buf_addstr(&last, path);
		seen++;
		if (strcmp(path, without) == 0)
			continue;
		enc_str(out, path);
		enc_bytes(out, value, len);
	}
	assert(seen == table_count(table));
	table_cursor_free(cursor);
	table_close(table);
	return true;
}

static void change_and_fold(const char *path)
{
	struct table *table = table_open(dirfd_of_box, "t", TABLE_WRITE, NULL);

	assert(table);
	table_put(table, path, "x", 1);
	assert(table_flush(table, NULL) == 0);
	assert(table_fold(table, NULL) == 0);
	table_close(table);
}

static void check(void)
{
	static const char path[] = "some/path";
	AUTO_BUF before = BUF_INIT;
	AUTO_BUF after = BUF_INIT;

	if (!dump(&before, path))
		return;
	change_and_fold(path);
	if (!dump(&after, path))
		abort();
	assert(before.len == after.len);
	assert(memcmp(before.data, after.data, before.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF base = BUF_INIT;
	AUTO_BUF journal = BUF_INIT;
	size_t base_len = 0;

	if (size < 3)
		return 0;
	base_len = (size_t)get_le(data + 1, 2);
	if (base_len > size - 3)
		base_len = size - 3;
	buf_add(&base, data + 3, base_len);
	buf_add(&journal, data + 3 + base_len, size - 3 - base_len);
	repair(data[0], &base, &journal);
	file_write("t.base", &base);
	file_write("t.journal", &journal);
	check();
	return 0;
}
