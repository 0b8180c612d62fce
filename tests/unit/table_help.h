/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables written and read in one line of text.  Words of a script:
 *
 *	PATH=VALUE	put		-PATH	remove		^VALUE	set the head
 *	.		flush		!	fold
 *
 * A table's contents are written in the same way: "^HEAD PATH=VALUE PATH=VALUE".
 */
#ifndef TESTS_TABLE_HELP_H
#define TESTS_TABLE_HELP_H

#include "base/cleanup.h"
#include "store/table.h"

struct buf;
struct err;

void help_table_close(struct table **table);
#define AUTO_TABLE AUTO(help_table_close) struct table

/* The table "t" in the box, which must open. */
struct table *help_open(enum table_mode mode);
/* Do what the first word of the script says; *script steps behind it. 0, or -1 with err. */
int help_step(struct table *table, const char **script, struct err *err);
/* Do all of it, up to the first failure. */
int help_script(struct table *table, const char *script, struct err *err);
/* Open "t", do all of it, which must work, and close. */
void help_run(const char *script);
/* Append the contents of "t" to out: 0, or -1 with err. */
int help_dump(struct buf *out, struct err *err);
/* "t" must open and hold this. */
void help_expect(const char *contents);

#endif
