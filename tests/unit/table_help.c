/* SPDX-License-Identifier: BSD-2-Clause */
#include "table_help.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "box.h"

void help_table_close(struct table **table)
{
	table_close(*table);
}

struct table *help_open(enum table_mode mode)
{
	struct err err = ERR_INIT;
	struct table *table = table_open(box_dirfd(), "t", mode, &err);

	if (!table)
		fail_msg("the table does not open: %s", err.msg);
	return table;
}

static int change(struct table *table, const char *word)
{
	const char *equals = strchr(word, '=');

	if (*word == '^') {
		table_set_head(table, word + 1, strlen(word + 1));
	} else if (*word == '-') {
		table_remove(table, word + 1);
	} else {
		AUTO_FREE char *path = xstrndup(word, (size_t)(equals - word));

		table_put(table, path, equals + 1, strlen(equals + 1));
	}
	return 0;
}

int help_step(struct table *table, const char **script, struct err *err)
{
	size_t len = strcspn(*script, " ");
	AUTO_FREE char *word = xstrndup(*script, len);

	*script += len;
	*script += strspn(*script, " ");
	if (strcmp(word, ".") == 0)
		return table_flush(table, err);
	if (strcmp(word, "!") == 0)
		return table_fold(table, err);
	return change(table, word);
}

int help_script(struct table *table, const char *script, struct err *err)
{
	while (*script)
		if (help_step(table, &script, err) < 0)
			return -1;
	return 0;
}

void help_run(const char *script)
{
	AUTO_TABLE *table = help_open(TABLE_WRITE);
	struct err err = ERR_INIT;

	if (help_script(table, script, &err) < 0)
		fail_msg("'%s' fails: %s", script, err.msg);
}

int help_dump(struct buf *out, struct err *err)
{
	AUTO_TABLE *table = table_open(box_dirfd(), "t", TABLE_READ, err);
	struct table_cursor *cursor = NULL;
	const char *path = NULL;
	const void *value = NULL;
	const char *head = NULL;
	const char *space = "";
	size_t len = 0;

	if (!table)
		return -1;
	head = table_head(table, &len);
	if (head) {
		buf_addf(out, "^%.*s", (int)len, head);
		space = " ";
	}
	cursor = table_cursor_new(table);
	while (table_next(cursor, &path, &value, &len)) {
		buf_addf(out, "%s%s=%.*s", space, path, (int)len, (const char *)value);
		space = " ";
	}
	table_cursor_free(cursor);
	return 0;
}

void help_expect(const char *contents)
{
	AUTO_BUF dump = BUF_INIT;
	struct err err = ERR_INIT;

	if (help_dump(&dump, &err) < 0)
		fail_msg("the table does not open: %s", err.msg);
	assert_string_equal(buf_cstr(&dump), contents);
}
