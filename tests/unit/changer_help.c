/* SPDX-License-Identifier: BSD-2-Clause */
#include "changer_help.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "tree/root.h"
#include "tree_help.h"

struct bench bench_open(enum changer_sync_mode sync)
{
	const struct changer_options options = { .run = "run", .sync = sync, .seed = HELP_SEED };
	struct bench bench = { .root = help_root(), .err = ERR_INIT };

	bench.changer = changer_open(bench.root, &options, &bench.err);
	assert_non_null(bench.changer);
	return bench;
}

void bench_close(struct bench *bench)
{
	changer_close(bench->changer);
	root_close(bench->root);
}

static int place(struct bench *bench, struct staged *staged, const char *path,
		 const struct entry *expect)
{
	const struct meta meta = { .mask = META_MTIME, .mtime_ns = 1000 * NS_PER_SEC };
	struct entry now = { 0 };
	struct entry result = { 0 };
	int done = -1;

	if (!expect) {
		now = help_entry(bench->root, path);
		expect = &now;
	}
	if (staged && staged_finish(staged, &meta, &bench->err) == 0 &&
	    changer_sync_staged(bench->changer, &bench->err) == 0)
		done = changer_place(bench->changer, staged, path, expect, &result, &bench->err);
	staged_free(staged);
	if (done == 0 && result.type == ENTRY_FILE)
		assert_true(result.flags & ENTRY_HAS_DIGEST);
	return done;
}

int bench_put(struct bench *bench, const char *path, const char *content,
	      const struct entry *expect)
{
	struct staged *staged = NULL;

	err_clear(&bench->err);
	staged = staged_file(bench->changer, 0600, &bench->err);
	if (staged && staged_write(staged, content, strlen(content), &bench->err) < 0) {
		staged_free(staged);
		staged = NULL;
	}
	return place(bench, staged, path, expect);
}

int bench_put_link(struct bench *bench, const char *path, const char *target,
		   const struct entry *expect)
{
	err_clear(&bench->err);
	return place(bench, staged_symlink(bench->changer, target, &bench->err), path, expect);
}

int bench_put_folder(struct bench *bench, const char *path, const struct entry *expect)
{
	err_clear(&bench->err);
	return place(bench, staged_folder(bench->changer, &bench->err), path, expect);
}

int bench_delete(struct bench *bench, const char *path, const struct entry *expect)
{
	struct entry now = { 0 };

	err_clear(&bench->err);
	if (!expect)
		now = help_entry(bench->root, path);
	return changer_delete(bench->changer, path, expect ? expect : &now, &bench->err);
}

int bench_move(struct bench *bench, const char *from, const char *to, const struct entry *expect)
{
	struct entry now = { 0 };
	struct entry result = { 0 };

	err_clear(&bench->err);
	if (!expect)
		now = help_entry(bench->root, from);
	return changer_move(bench->changer, from, to, expect ? expect : &now, &result, &bench->err);
}

int bench_chmod(struct bench *bench, const char *path, uint16_t mode, const struct entry *expect)
{
	const struct meta meta = { .mask = META_MODE, .mode = mode };
	struct entry now = { 0 };
	struct entry result = { 0 };

	err_clear(&bench->err);
	if (!expect)
		now = help_entry(bench->root, path);
	return changer_meta(bench->changer, path, expect ? expect : &now, &meta, &result,
			    &bench->err);
}

void bench_at(const char *point, const char *command)
{
	AUTO_FREE char *spec = point ? xasprintf("%s=%s", point, command) : NULL;

	if (spec)
		setenv("OSYNC_POINT", spec, 1);
	else
		unsetenv("OSYNC_POINT");
}

int bench_as_nobody(int (*child)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0) ? 99 : child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}
