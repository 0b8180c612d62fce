/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/keys.h"
#include "config_help.h"

static char *top;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

int config_help_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	AUTO_FREE char *template = xasprintf("%s/osync-config-XXXXXX", tmp ? tmp : "/tmp");

	assert_non_null(mkdtemp(template));
	top = realpath(template, NULL);
	assert_non_null(top);
	assert_int_equal(chdir(top), 0);
	assert_int_equal(mkdir("here", 0700), 0);
	assert_int_equal(mkdir("there", 0700), 0);
	for (size_t i = 0; i < keys_count; i++)
		unsetenv(keys_table[i].name);
	unsetenv("XDG_CONFIG_HOME");
	return setenv("HOME", top, 1);
}

int config_help_teardown(void **state)
{
	int result = chdir("/");

	result |= nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(top);
	top = NULL;
	return result;
}

const char *config_help_dir(void)
{
	return top;
}

void config_help_write(const char *name, const char *text)
{
	AUTO_CLOSE int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

void load_release(struct load *load)
{
	config_free(load->config);
	buf_release(&load->messages);
}

struct load load_args(const char *const args[])
{
	struct load load = { 0, NULL, BUF_INIT, ERR_INIT };
	char *argv[32] = { NULL };
	int argc = 0;

	for (; args[argc]; argc++)
		argv[argc] = xstrdup(args[argc]);
	load.result = config_load(argc, argv, &load.config, &load.messages, &load.err);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	assert_int_equal(load.result < 0, err_is_set(&load.err));
	assert_int_equal(load.result < 0, load.config == NULL);
	return load;
}

struct load load_text(const char *text)
{
	config_help_write("t.conf", text);
	return load_args((const char *const[]){ "t.conf", NULL });
}

struct load load_keys(const char *text)
{
	AUTO_FREE char *whole = xasprintf(
		"INSTANCE_ID=t\nINITIATOR_SYNC_DIR=here\nTARGET_SYNC_DIR=there\n%s", text);

	return load_text(whole);
}

void assert_messages(struct load *load, const char *expected)
{
	assert_string_equal(buf_cstr(&load->messages), expected);
}

void assert_line(struct load *load, const char *start)
{
	AUTO_FREE char *text = xasprintf("\n%s", buf_cstr(&load->messages));
	AUTO_FREE char *line = xasprintf("\n%s", start);

	if (!strstr(text, line))
		fail_msg("no line begins with '%s' in:%s", start, text);
}
