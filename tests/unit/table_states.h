/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The states that the table "t" of the box has been in, and its files, kept aside: to
 * do something terrible to a table and see that it reads as one of its states.
 */
#ifndef TESTS_TABLE_STATES_H
#define TESTS_TABLE_STATES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/cleanup.h"

enum { STATES = 8 };

/* The states a table goes through, each as its dump; the first is that before the script. */
struct states {
	char *dump[STATES];
	size_t count;
};

void states_release(struct states *states);
/* Note the state that "t" is in. */
void states_add(struct states *states);
/* Run the script, noting the state before it and after each flush and fold. */
void states_of(const char *script, struct states *states);

/* Fails unless the table reads as one of the states (true), or is refused as damaged. */
bool states_reads(const struct states *states);
/* Fails unless it reads as one of the states. */
void states_must_read(const struct states *states, const char *when, unsigned n);
/* Fails unless it is refused as damaged. */
void states_must_refuse(void);
/* It still works, whatever happened: something is added, folded and found. */
void states_must_go_on(void);

/* Tables to begin with: files of every form. */
void states_start_empty(void);
void states_start_journal(void);
void states_start_base(void);
void states_start_both(void);
void states_start_torn(void);
/* A journal that outlived its folding. */
void states_start_stale(void);

/* Both files, kept aside. */
struct files {
	struct buf base;
	struct buf journal;
	bool has_base;
	bool has_journal;
};

#define FILES_INIT                               \
	{                                        \
		BUF_INIT, BUF_INIT, false, false \
	}
#define AUTO_FILES AUTO(files_release) struct files

void files_release(struct files *files);
void files_save(struct files *files);
/* Put them back, and remove what is half written. */
void files_restore(const struct files *files);

#endif
