/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/table_writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/codec.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/path.h"
#include "base/sys.h"
#include "store/table_file.h"

struct table_writer {
	int dirfd;
	const char *name;
	char temporary[NAME_MAX + 1];
	int fd;
	struct uuid id;
	struct buf block; /* TABLE_FILE_BLOCK bytes for its header, then the payload */
	uint32_t in_block;
	struct buf last; /* the path added last, as a string */
	uint64_t size;	 /* bytes written */
	uint64_t records;
	uint64_t chain;
};

static void release(struct table_writer **writer)
{
	table_writer_free(*writer);
}

static int write_out(struct table_writer *writer, const struct buf *data, struct err *err)
{
	if (sys_write_all(writer->fd, data->data, data->len) < 0)
		return err_sys(err, errno, "cannot write '%s'", writer->temporary);
	writer->size += data->len;
	return 0;
}

static void block_reset(struct table_writer *writer)
{
	buf_reset(&writer->block);
	memset(buf_extend(&writer->block, TABLE_FILE_BLOCK), 0, TABLE_FILE_BLOCK);
	writer->in_block = 0;
}

/* Fill in the block's header and write it. */
static int block_write(struct table_writer *writer, struct err *err)
{
	struct buf *block = &writer->block;
	AUTO_BUF header = BUF_INIT;
	uint64_t checksum = 0;

	enc_le64(&header, 0);
	enc_le32(&header, (uint32_t)(block->len - TABLE_FILE_BLOCK));
	enc_le32(&header, writer->in_block);
	memcpy(block->data, header.data, TABLE_FILE_BLOCK);
	checksum = digest_checksum(block->data + 8, block->len - 8);
	buf_reset(&header);
	enc_le64(&header, checksum);
	memcpy(block->data, header.data, 8);
	if (write_out(writer, block, err) < 0)
		return -1;
	writer->chain = table_file_chain(writer->chain, checksum);
	block_reset(writer);
	return 0;
}

static int header_write(struct table_writer *writer, const struct uuid *folded, struct err *err)
{
	AUTO_BUF header = BUF_INIT;

	enc_raw(&header, table_file_magic, TABLE_FILE_MAGIC);
	enc_le32(&header, TABLE_FILE_VERSION);
	enc_le32(&header, TABLE_FILE_BYTE_ORDER);
	enc_raw(&header, writer->id.bytes, sizeof(writer->id.bytes));
	enc_raw(&header, folded->bytes, sizeof(folded->bytes));
	writer->chain = digest_checksum(header.data, header.len);
	enc_le64(&header, writer->chain);
	return write_out(writer, &header, err);
}

static int head_write(struct table_writer *writer, const void *head, size_t len, struct err *err)
{
	block_reset(writer);
	enc_u8(&writer->block, head ? 1 : 0);
	if (head)
		enc_raw(&writer->block, head, len);
	return block_write(writer, err);
}

struct table_writer *table_writer_new(int dirfd, const char *name, const struct uuid *folded,
				      const void *head, size_t head_len, struct err *err)
{
	AUTO(release) struct table_writer *writer = xcalloc(1, sizeof(*writer));

	writer->dirfd = dirfd;
	writer->name = name;
	writer->id = uuid_new();
	snprintf(writer->temporary, sizeof(writer->temporary), "%s.new", name);
	writer->fd = sys_openat(dirfd, writer->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW,
				0600);
	if (writer->fd < 0) {
		err_sys(err, errno, "cannot create '%s'", writer->temporary);
		return NULL;
	}
	if (header_write(writer, folded, err) < 0 || head_write(writer, head, head_len, err) < 0)
		return NULL;
	return steal_ptr(&writer);
}

void table_writer_free(struct table_writer *writer)
{
	if (!writer)
		return;
	cleanup_close(&writer->fd);
	if (writer->temporary[0])
		sys_unlinkat(writer->dirfd, writer->temporary, 0);
	buf_release(&writer->block);
	buf_release(&writer->last);
	free(writer);
}

static size_t common_prefix(const char *a, const char *b)
{
	size_t len = 0;

	while (a[len] && a[len] == b[len])
		len++;
	return len;
}

int table_writer_add(struct table_writer *writer, const char *path, const void *value, size_t len,
		     struct err *err)
{
	const char *last = buf_cstr(&writer->last);
	size_t shared = writer->in_block == 0 ? 0 : common_prefix(path, last);

	assert(path_cmp(last, path) < 0);
	enc_uint(&writer->block, shared);
	enc_str(&writer->block, path + shared);
	enc_bytes(&writer->block, value, len);
	buf_reset(&writer->last);
	buf_addstr(&writer->last, path);
	writer->in_block++;
	writer->records++;
	if (writer->block.len - TABLE_FILE_BLOCK < TABLE_FILE_TARGET)
		return 0;
	return block_write(writer, err);
}

static int footer_write(struct table_writer *writer, struct err *err)
{
	AUTO_BUF footer = BUF_INIT;

	enc_raw(&footer, table_file_end_magic, TABLE_FILE_MAGIC);
	enc_le64(&footer, writer->size + TABLE_FILE_FOOTER);
	enc_le64(&footer, writer->records);
	enc_le64(&footer, writer->chain);
	enc_le64(&footer, digest_checksum(footer.data, footer.len));
	return write_out(writer, &footer, err);
}

int table_writer_commit(struct table_writer *writer, struct err *err)
{
	if (writer->in_block > 0 && block_write(writer, err) < 0)
		return -1;
	if (footer_write(writer, err) < 0)
		return -1;
	if (sys_fsync(writer->fd) < 0)
		return err_sys(err, errno, "cannot make '%s' durable", writer->temporary);
	if (sys_close(steal_fd(&writer->fd)) < 0)
		return err_sys(err, errno, "cannot close '%s'", writer->temporary);
	if (sys_renameat2(writer->dirfd, writer->temporary, writer->dirfd, writer->name, 0) < 0)
		return err_sys(err, errno, "cannot replace '%s'", writer->name);
	writer->temporary[0] = '\0';
	return 0;
}

struct uuid table_writer_id(const struct table_writer *writer)
{
	return writer->id;
}

uint64_t table_writer_size(const struct table_writer *writer)
{
	return writer->size;
}
