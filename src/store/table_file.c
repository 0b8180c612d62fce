/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/table_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/sys.h"
#include "store/atomic.h"
#include "store/table.h"

const unsigned char table_file_magic[TABLE_FILE_MAGIC] = {
	0x89, 'o', 's', 'y', 'n', 'c', 'b', '\n'
};
const unsigned char table_file_end_magic[TABLE_FILE_MAGIC] = { 0x89, 'o', 's', 'y',
							       'n',  'c', 'f', '\n' };

/* Longest payload: one byte short of being closed, then the longest record there can be. */
enum {
	RECORD_MAX = PATH_BYTES_MAX + TABLE_VALUE_MAX + 3 * 10,
	PAYLOAD_MAX = TABLE_FILE_TARGET + RECORD_MAX,
	DROP_SIZE = 1024 * 1024, /* bytes, a multiple of any page */
};

uint64_t table_file_chain(uint64_t chain, uint64_t checksum)
{
	unsigned char both[16];

	for (unsigned i = 0; i < 8; i++) {
		both[i] = (unsigned char)(chain >> (8 * i));
		both[8 + i] = (unsigned char)(checksum >> (8 * i));
	}
	return digest_checksum(both, sizeof(both));
}

/* A block's payload and what its header says, once found sound. */
struct block {
	const unsigned char *payload;
	uint32_t len;
	uint32_t records;
	uint64_t checksum;
};

/* Check the block at `at`; NULL, or what is wrong with it. */
static const char *block_read(const struct table_file *file, size_t at, struct block *block)
{
	size_t room = file->size - TABLE_FILE_FOOTER - at;
	struct dec dec;

	if (room < TABLE_FILE_BLOCK)
		return "a block is cut short";
	dec_init(&dec, file->map + at, TABLE_FILE_BLOCK);
	block->checksum = dec_le64(&dec);
	block->len = dec_le32(&dec);
	block->records = dec_le32(&dec);
	block->payload = file->map + at + TABLE_FILE_BLOCK;
	if (block->len > PAYLOAD_MAX || block->len > room - TABLE_FILE_BLOCK)
		return "a block is longer than possible";
	/* Behind the checksum itself: length, records and payload. */
	if (digest_checksum(file->map + at + 8, TABLE_FILE_BLOCK - 8 + block->len) !=
	    block->checksum)
		return "the checksum of a block is wrong";
	return NULL;
}

static const char *header_read(struct table_file *file, uint64_t *checksum)
{
	struct dec dec;

	if (file->size < TABLE_FILE_HEADER + TABLE_FILE_BLOCK + TABLE_FILE_FOOTER)
		return "it is too short";
	if (memcmp(file->map, table_file_magic, TABLE_FILE_MAGIC) != 0)
		return "it is not a file list";
	dec_init(&dec, file->map + TABLE_FILE_MAGIC, TABLE_FILE_HEADER - TABLE_FILE_MAGIC);
	if (dec_le32(&dec) != TABLE_FILE_VERSION)
		return "its version is not known to this program";
	if (dec_le32(&dec) != TABLE_FILE_BYTE_ORDER)
		return "its byte order is wrong";
	dec_raw(&dec, file->id.bytes, sizeof(file->id.bytes));
	dec_raw(&dec, file->folded.bytes, sizeof(file->folded.bytes));
	*checksum = dec_le64(&dec);
	if (digest_checksum(file->map, TABLE_FILE_HEADER - 8) != *checksum)
		return "the checksum of its header is wrong";
	return NULL;
}

static const char *footer_read(struct table_file *file)
{
	const unsigned char *footer = file->map + file->size - TABLE_FILE_FOOTER;
	uint64_t size = 0;
	struct dec dec;

	if (memcmp(footer, table_file_end_magic, TABLE_FILE_MAGIC) != 0)
		return "its end is missing";
	dec_init(&dec, footer + TABLE_FILE_MAGIC, TABLE_FILE_FOOTER - TABLE_FILE_MAGIC);
	size = dec_le64(&dec);
	file->records = dec_le64(&dec);
	file->chain = dec_le64(&dec);
	if (digest_checksum(footer, TABLE_FILE_FOOTER - 8) != dec_le64(&dec))
		return "the checksum of its end is wrong";
	return size == file->size ? NULL : "its length is wrong";
}

/* The first block. */
static const char *head_read(struct table_file *file, uint64_t header_checksum)
{
	struct block block = { NULL, 0, 0, 0 };
	const char *complaint = block_read(file, TABLE_FILE_HEADER, &block);

	if (complaint)
		return complaint;
	if (block.records != 0 || block.len == 0 || block.payload[0] > 1 ||
	    (block.payload[0] == 0 && block.len > 1) || block.len - 1 > TABLE_VALUE_MAX)
		return "its head is malformed";
	file->head = block.payload[0] ? block.payload + 1 : NULL;
	file->head_len = block.len - 1;
	file->first_chain = table_file_chain(header_checksum, block.checksum);
	file->first_block = (size_t)TABLE_FILE_HEADER + TABLE_FILE_BLOCK + block.len;
	return NULL;
}

static const char *verify(struct table_file *file)
{
	uint64_t checksum = 0;
	const char *complaint = header_read(file, &checksum);

	if (!complaint)
		complaint = footer_read(file);
	return complaint ? complaint : head_read(file, checksum);
}

int table_file_open(int dirfd, const char *name, struct table_file *file, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	const char *complaint = NULL;
	void *map = MAP_FAILED;
	int found = 0;

	*file = (struct table_file)TABLE_FILE_INIT;
	found = atomic_open(dirfd, name, O_RDONLY, &fd, &file->size, err);
	if (found <= 0)
		return found;
	if (file->size == 0)
		return err_set(err, ERR_CORRUPT, "'%s' is damaged: it is empty", name);
	map = sys_map(fd, file->size);
	if (map == MAP_FAILED)
		return err_sys(err, errno, "cannot map '%s'", name);
	file->map = map;
	complaint = verify(file);
	if (!complaint)
		return 1;
	table_file_close(file);
	return err_set(err, ERR_CORRUPT, "'%s' is damaged: %s", name, complaint);
}

void table_file_close(struct table_file *file)
{
	/* munmap() takes a pointer to what it will not change. */
	if (file->map)
		munmap((void *)(uintptr_t)file->map, file->size);
	*file = (struct table_file)TABLE_FILE_INIT;
}

void table_walk_init(struct table_walk *walk, const struct table_file *file)
{
	walk->file = file;
	walk->at = file->first_block;
	walk->dropped = 0;
	dec_init(&walk->block, "", 0);
	walk->left = 0;
	walk->seen = 0;
	walk->chain = file->first_chain;
	walk->complaint = NULL;
	walk->value = NULL;
	walk->value_len = 0;
	walk->path_len = 0;
	walk->path[0] = '\0';
}

static int damaged(struct table_walk *walk, const char *complaint)
{
	walk->complaint = complaint;
	return -1;
}

/* Behind the last block: whether what was walked is the file the footer describes. */
static int finish(struct table_walk *walk)
{
	if (walk->chain != walk->file->chain)
		return damaged(walk, "the checksum of the whole file is wrong");
	if (walk->seen != walk->file->records)
		return damaged(walk, "the number of records is wrong");
	return 0;
}

/* What lies behind is not needed any more: a walk takes no more memory in a large file than in a small one. */
static void drop_behind(struct table_walk *walk)
{
	size_t len = walk->at - walk->dropped;

	if (len < DROP_SIZE)
		return;
	len -= len % DROP_SIZE;
	sys_drop_pages(walk->file->map + walk->dropped, len);
	walk->dropped += len;
}

static int next_block(struct table_walk *walk)
{
	struct block block = { NULL, 0, 0, 0 };
	const char *complaint = NULL;

	if (!dec_done(&walk->block))
		return damaged(walk, "a block is longer than its records");
	if (walk->at == walk->file->size - TABLE_FILE_FOOTER)
		return finish(walk);
	drop_behind(walk);
	complaint = block_read(walk->file, walk->at, &block);
	if (complaint)
		return damaged(walk, complaint);
	if (block.records == 0)
		return damaged(walk, "a block is empty");
	walk->at += (size_t)TABLE_FILE_BLOCK + block.len;
	walk->chain = table_file_chain(walk->chain, block.checksum);
	walk->left = block.records;
	dec_init(&walk->block, block.payload, block.len);
	return 1;
}

/*
 * Whether the bytes `next` sort behind the path `prev`: decided, as both are the same
 * before it, by the first byte in which they differ.
 */
static bool sorts_after(const char *prev, const char *next, size_t len)
{
	char old_byte[2] = "";
	char new_byte[2] = "";
	size_t i = 0;

	while (i < len && next[i] && next[i] == prev[i])
		i++;
	old_byte[0] = prev[i];
	new_byte[0] = i < len ? next[i] : '\0';
	return path_cmp(old_byte, new_byte) < 0;
}

/* Replace all but the first `shared` bytes of the path; false if that gives no path in order. */
static bool next_path(struct table_walk *walk, size_t shared, const char *rest, size_t len)
{
	const char *slash = NULL;
	size_t start = 0;

	if (shared > walk->path_len || shared + len > PATH_BYTES_MAX ||
	    !sorts_after(walk->path + shared, rest, len))
		return false;
	memcpy(walk->path + shared, rest, len);
	walk->path_len = shared + len;
	walk->path[walk->path_len] = '\0';
	/* The components before the one in which the rest begins were found valid before. */
	slash = memrchr(walk->path, '/', shared);
	start = slash ? (size_t)(slash - walk->path) + 1 : 0;
	return path_valid(walk->path + start, walk->path_len - start);
}

int table_walk_next(struct table_walk *walk)
{
	bool restart = walk->left == 0;
	const unsigned char *rest = NULL;
	uint64_t shared = 0;
	size_t len = 0;

	if (restart) {
		int got = next_block(walk);

		if (got <= 0)
			return got;
	}
	shared = dec_uint(&walk->block);
	rest = dec_bytes(&walk->block, PATH_BYTES_MAX, &len);
	walk->value = dec_bytes(&walk->block, TABLE_VALUE_MAX, &walk->value_len);
	if (walk->block.bad || (restart && shared > 0))
		return damaged(walk, "a record is malformed");
	if (shared > PATH_BYTES_MAX || !next_path(walk, (size_t)shared, (const char *)rest, len))
		return damaged(walk, "the paths are invalid or out of order");
	walk->left--;
	walk->seen++;
	return 1;
}
