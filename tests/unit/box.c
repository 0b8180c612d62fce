/* SPDX-License-Identifier: BSD-2-Clause */
#include "box.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sys.h"

static struct {
	char folder[256];
	int home;
	int dirfd;
} box = { "", -1, -1 };

int box_setup(void **state)
{
	const char *base = getenv("TMPDIR");

	/* In memory, where an fsync costs nothing: no test can pull the plug anyway. */
	if (!base)
		base = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(box.folder, sizeof(box.folder), "%s/osync-box-XXXXXX", base);
	box.home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (box.home < 0 || !mkdtemp(box.folder) || chdir(box.folder) < 0)
		return -1;
	box.dirfd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return box.dirfd < 0 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	return remove(path);
}

int box_teardown(void **state)
{
	box_fault_off();
	cleanup_close(&box.dirfd);
	if (fchdir(box.home) < 0)
		return -1;
	cleanup_close(&box.home);
	return nftw(box.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int box_dirfd(void)
{
	return box.dirfd;
}

void box_write(const char *name, const void *data, size_t len)
{
	AUTO_CLOSE int fd = openat(box.dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
}

bool box_read(const char *name, struct buf *out)
{
	AUTO_CLOSE int fd = openat(box.dirfd, name, O_RDONLY | O_CLOEXEC);
	ssize_t got = 0;

	if (fd < 0)
		return false;
	do {
		buf_reserve(out, 65536);
		got = read(fd, out->data + out->len, 65536);
		assert_true(got >= 0);
		out->len += (size_t)got;
	} while (got > 0);
	return true;
}

bool box_exists(const char *name)
{
	struct stat st;

	return fstatat(box.dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

off_t box_size(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(box.dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_size;
}

size_t box_names(void)
{
	DIR *dir = opendir(".");
	size_t names = 0;

	assert_non_null(dir);
	while (readdir(dir))
		names++;
	closedir(dir);
	return names - 2;
}

void box_calls(struct buf *out)
{
	FILE *lines = fopen("calls", "re");
	char call[32];

	assert_non_null(lines);
	while (fscanf(lines, "%*s %*u %31s", call) == 1)
		buf_addf(out, "%s%s", out->len ? " " : "", call);
	fclose(lines);
	unlink("calls");
}

void box_fault(const char *fault, ...)
{
	char spec[128];
	va_list ap;

	va_start(ap, fault);
	vsnprintf(spec, sizeof(spec), fault, ap);
	va_end(ap);
	setenv("OSYNC_FAULT", spec, 1);
	/* Setting the role begins the count anew. */
	sys_set_role("initiator");
}

void box_fault_off(void)
{
	unsetenv("OSYNC_FAULT");
	sys_set_role("initiator");
}

int box_fork(const char *fault, void (*work)(void *arg), void *arg)
{
	int status = 0;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		box_fault("%s", fault);
		work(arg);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

unsigned box_random(unsigned *seed, unsigned below)
{
	/* Numerical Recipes' linear congruence; the low bits of it are not random. */
	*seed = *seed * 1664525U + 1013904223U;
	return (*seed >> 8) % below;
}
