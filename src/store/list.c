/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/list.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"

/* The version of what stands in the records; the table has one of its own. */
enum { LIST_VERSION = 2 };

struct list {
	struct table *table;
	struct buf value; /* scratch */
};

struct list_cursor {
	struct table_cursor *table;
	struct arena arena;
};

static int read_head(const struct table *table, struct list_head *head, bool *exists,
		     struct err *err)
{
	size_t len = 0;
	const void *data = table_head(table, &len);
	struct dec dec;

	*head = (struct list_head){ .generation = 0 };
	*exists = data != NULL;
	if (!data)
		return 0;
	dec_init(&dec, data, len);
	if (dec_uint(&dec) != LIST_VERSION)
		return err_set(err, ERR_CORRUPT,
			       "the saved file list was written by another version of osync");
	for (int s = 0; s < SIDES; s++)
		dec_raw(&dec, head->identity[s].bytes, sizeof(head->identity[s].bytes));
	head->generation = dec_le64(&dec);
	head->next = dec_le64(&dec);
	head->seed = dec_le64(&dec);
	head->complete = dec_le64(&dec);
	/* Written only where it is set. */
	head->no_import = dec_left(&dec) > 0;
	if (head->no_import && dec_u8(&dec) != 1)
		dec.bad = true;
	return dec_done(&dec)
		       ? 0
		       : err_set(err, ERR_CORRUPT, "the head of the saved file list is damaged");
}

struct list *list_open(int dirfd, const char *name, enum table_mode mode, struct list_head *head,
		       bool *exists, struct err *err)
{
	struct table *table = table_open(dirfd, name, mode, err);
	struct list *list = NULL;

	if (!table)
		return NULL;
	if (read_head(table, head, exists, err) < 0) {
		table_close(table);
		return NULL;
	}
	list = xcalloc(1, sizeof(*list));
	list->table = table;
	return list;
}

void list_close(struct list *list)
{
	if (!list)
		return;
	table_close(list->table);
	buf_release(&list->value);
	free(list);
}

uint64_t list_count(const struct list *list)
{
	return table_count(list->table);
}

struct list_cursor *list_cursor_new(const struct list *list)
{
	struct list_cursor *cursor = xcalloc(1, sizeof(*cursor));

	cursor->table = table_cursor_new(list->table);
	return cursor;
}

void list_cursor_free(struct list_cursor *cursor)
{
	if (!cursor)
		return;
	table_cursor_free(cursor->table);
	arena_release(&cursor->arena);
	free(cursor);
}

int list_next(struct list_cursor *cursor, const char **path, struct base *base, struct err *err)
{
	const void *value = NULL;
	size_t len = 0;
	struct dec dec;

	if (table_next(cursor->table, path, &value, &len) == 0)
		return 0;
	dec_init(&dec, value, len);
	base_decode(&dec, &cursor->arena, base);
	if (!dec_done(&dec))
		return err_set(err, ERR_CORRUPT,
			       "the record of '%.200s' in the saved file list makes no sense",
			       *path);
	return 1;
}

void list_put(struct list *list, const char *path, const struct base *base)
{
	buf_reset(&list->value);
	base_encode(&list->value, base);
	table_put(list->table, path, list->value.data, list->value.len);
}

void list_forget(struct list *list, const char *path)
{
	table_remove(list->table, path);
}

bool list_is_full(const struct list *list)
{
	return table_is_full(list->table);
}

void list_set_head(struct list *list, const struct list_head *head)
{
	buf_reset(&list->value);
	enc_uint(&list->value, LIST_VERSION);
	for (int s = 0; s < SIDES; s++)
		enc_raw(&list->value, head->identity[s].bytes, sizeof(head->identity[s].bytes));
	enc_le64(&list->value, head->generation);
	enc_le64(&list->value, head->next);
	enc_le64(&list->value, head->seed);
	enc_le64(&list->value, head->complete);
	if (head->no_import)
		enc_u8(&list->value, 1);
	table_set_head(list->table, list->value.data, list->value.len);
}

int list_flush(struct list *list, struct err *err)
{
	return table_flush(list->table, err);
}

int list_tidy(struct list *list, struct err *err)
{
	return table_should_fold(list->table) ? table_fold(list->table, err) : 0;
}
