/* SPDX-License-Identifier: BSD-2-Clause */
#include "table_states.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/err.h"
#include "box.h"
#include "table_help.h"

void states_release(struct states *states)
{
	for (size_t i = 0; i < states->count; i++)
		free(states->dump[i]);
}

void states_add(struct states *states)
{
	AUTO_BUF dump = BUF_INIT;

	assert_true(states->count < STATES);
	assert_int_equal(help_dump(&dump, NULL), 0);
	states->dump[states->count++] = buf_steal_cstr(&dump);
}

static bool states_have(const struct states *states, const char *dump)
{
	for (size_t i = 0; i < states->count; i++)
		if (strcmp(states->dump[i], dump) == 0)
			return true;
	return false;
}

void states_of(const char *script, struct states *states)
{
	AUTO_TABLE *table = help_open(TABLE_WRITE);

	states_add(states);
	while (*script) {
		bool durable = *script == '.' || *script == '!';

		assert_int_equal(help_step(table, &script, NULL), 0);
		if (durable)
			states_add(states);
	}
}

void files_release(struct files *files)
{
	buf_release(&files->base);
	buf_release(&files->journal);
}

void files_save(struct files *files)
{
	buf_reset(&files->base);
	buf_reset(&files->journal);
	files->has_base = box_read("t.base", &files->base);
	files->has_journal = box_read("t.journal", &files->journal);
}

void files_restore(const struct files *files)
{
	unlink("t.base");
	unlink("t.journal");
	unlink("t.base.new");
	unlink("t.journal.new");
	if (files->has_base)
		box_write("t.base", files->base.data, files->base.len);
	if (files->has_journal)
		box_write("t.journal", files->journal.data, files->journal.len);
}

bool states_reads(const struct states *states)
{
	AUTO_BUF dump = BUF_INIT;
	struct err err = ERR_INIT;

	if (help_dump(&dump, &err) < 0) {
		if (err.kind != ERR_CORRUPT)
			fail_msg("not ERR_CORRUPT but %d: %s", (int)err.kind, err.msg);
		return false;
	}
	if (!states_have(states, buf_cstr(&dump)))
		fail_msg("a state that never was: '%s'", buf_cstr(&dump));
	return true;
}

void states_must_read(const struct states *states, const char *when, unsigned n)
{
	if (!states_reads(states))
		fail_msg("%s at %u: the table is unreadable", when, n);
}

void states_must_refuse(void)
{
	AUTO_BUF dump = BUF_INIT;
	struct err err = ERR_INIT;

	if (help_dump(&dump, &err) == 0)
		fail_msg("believed: '%s'", buf_cstr(&dump));
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_true(strlen(err.msg) > 10);
}

void states_must_go_on(void)
{
	AUTO_BUF dump = BUF_INIT;

	assert_int_equal(help_dump(&dump, NULL), 0);
	buf_addstr(&dump, dump.len ? " z=26" : "z=26");
	help_run("z=26 .");
	help_expect(buf_cstr(&dump));
	help_run("!");
	help_expect(buf_cstr(&dump));
}

void states_start_empty(void)
{
}

void states_start_journal(void)
{
	help_run("a=1 ^H . b=2 .");
}

void states_start_base(void)
{
	help_run("a=1 ^H b=2 !");
}

void states_start_both(void)
{
	help_run("a=1 ^H b=2 ! c=3 -b . d=4 .");
}

void states_start_torn(void)
{
	states_start_both();
	assert_int_equal(truncate("t.journal", box_size("t.journal") - 1), 0);
}

void states_start_stale(void)
{
	AUTO_FILES files = FILES_INIT;

	states_start_both();
	files_save(&files);
	help_run("!");
	box_write("t.journal", files.journal.data, files.journal.len);
	help_expect("^H a=1 c=3 d=4");
}
