/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree_help.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/entry.h"
#include "tree/reader.h"
#include "tree/root.h"
#include "tree/scan.h"

static struct arena texts = ARENA_INIT;
static char folder[256];
static int home = -1;

int help_setup(void **state)
{
	const char *base = getenv("TMPDIR");

	(void)state;
	umask(022);
	home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(folder, sizeof(folder), "%s/osync-unit-XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(folder) || chmod(folder, 0755) < 0 || chdir(folder) < 0)
		return -1;
	return mkdir("t", 0755);
}

int help_teardown(void **state)
{
	AUTO_FREE char *command =
		xasprintf("chmod -R u+rwx '%s' 2>/dev/null; rm -rf '%s'", folder, folder);

	(void)state;
	unsetenv("OSYNC_POINT");
	unsetenv("OSYNC_FAULT");
	arena_release(&texts);
	if (fchdir(home) < 0)
		return -1;
	close(home);
	return system(command);
}

void help_sh(const char *fmt, ...)
{
	char command[4096];
	va_list ap;

	va_start(ap, fmt);
	assert_true(vsnprintf(command, sizeof(command), fmt, ap) < (int)sizeof(command));
	va_end(ap);
	assert_int_equal(system(command), 0);
}

void help_write(const char *path, const char *content)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(content, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static const char *read_at(int dirfd, const char *path)
{
	AUTO_BUF text = BUF_INIT;
	AUTO_CLOSE int fd = openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t len = 1;

	while (fd >= 0 && len > 0) {
		char piece[65536];

		len = read(fd, piece, sizeof(piece));
		if (len > 0)
			buf_add(&text, piece, (size_t)len);
	}
	return fd < 0 || len < 0 ? "(unreadable)" : arena_strdup(&texts, buf_cstr(&text));
}

const char *help_read(const char *path)
{
	return read_at(AT_FDCWD, path);
}

bool help_exists(const char *path)
{
	struct stat st = { 0 };

	return lstat(path, &st) == 0;
}

static bool holds_at(int fd, const char *content)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *item = NULL;
	bool found = false;

	while (dir && !found && (item = readdir(dir))) {
		int below = -1;

		if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0)
			continue;
		below = openat(fd, item->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below >= 0)
			found = holds_at(below, content);
		else
			found = strcmp(read_at(fd, item->d_name), content) == 0;
	}
	if (dir)
		closedir(dir);
	return found;
}

bool help_holds(const char *dir, const char *content)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && holds_at(fd, content);
}

int help_count(const char *dir)
{
	DIR *open = opendir(dir);
	int count = -2; /* "." and ".." */

	if (!open)
		return 0;
	while (readdir(open))
		count++;
	closedir(open);
	return count;
}

struct root *help_root(void)
{
	struct err err = ERR_INIT;
	struct root *root = root_open("t", ROOT_MUST_EXIST, &err);

	assert_non_null(root);
	assert_int_equal(root_workdir_create(root, &err), 0);
	assert_int_equal(root_probe(root, &err), 0);
	return root;
}

struct entry help_stat(const char *path)
{
	struct entry entry = { .type = ENTRY_ABSENT };
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	scan_entry_from_stat(&entry, &st);
	return entry;
}

struct entry help_entry(struct root *root, const char *path)
{
	struct err err = ERR_INIT;
	struct entry entry = { 0 };
	int found = scan_path(root, path, 0, HELP_SEED, &entry, NULL, &err);

	if (found < 0)
		fail_msg("%s", err.msg);
	if (found > 0 && entry.type == ENTRY_FILE &&
	    reader_digest(root, path, NULL, HELP_SEED, &entry, &err) < 0)
		fail_msg("%s", err.msg);
	entry.flags &= (uint8_t)~ENTRY_RACY;
	return entry;
}
