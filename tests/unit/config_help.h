/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of src/config share: a folder of their own, files in it, and loading. */
#ifndef TESTS_CONFIG_HELP_H
#define TESTS_CONFIG_HELP_H

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"

/*
 * A new empty folder as working folder, HOME and XDG_CONFIG_HOME/.., with "here" and
 * "there" in it, and no key in the environment; and its removal. cmocka fixtures.
 */
int config_help_setup(void **state);
int config_help_teardown(void **state);
/* The folder's absolute, resolved path. */
const char *config_help_dir(void);

/* Create a file with this text. */
void config_help_write(const char *name, const char *text);

/* What one config_load() gave. Released by load_release(). */
struct load {
	int result;
	struct config *config;
	struct buf messages;
	struct err err;
};

#define AUTO_LOAD AUTO(load_release) struct load

void load_release(struct load *load);
/* Load with these arguments, the last of them NULL. */
struct load load_args(const char *const args[]);
/* Load "t.conf", written with this text. */
struct load load_text(const char *text);
/* As load_text(), with a name and two good folders in front (lines 1 to 3). */
struct load load_keys(const char *text);

/* Fail unless the messages are exactly this. */
void assert_messages(struct load *load, const char *expected);
/* Fail unless one of the messages' lines begins with this. */
void assert_line(struct load *load, const char *start);

#endif
