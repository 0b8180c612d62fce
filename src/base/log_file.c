/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/process.h"
#include "base/sys.h"

struct log_file {
	char *path;
	int fd;
	size_t max;
	size_t size; /* as far as this process knows; 0 for what is no regular file */
	bool regular;
	bool shared;
	char *failure;
};

static int open_it(struct log_file *file, struct err *err)
{
	struct stat st;

	/* Should it be a pipe that nobody reads: without waiting. */
	const int flags =
		O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

	file->fd = process_lift_above_stdio(open(file->path, flags, 0600));
	if (file->fd < 0)
		return err_sys(err, errno, "cannot write the log '%s'", file->path);
	if (fstat(file->fd, &st) < 0)
		return err_sys(err, errno, "cannot look at the log '%s'", file->path);
	file->regular = S_ISREG(st.st_mode);
	file->size = file->regular ? (size_t)st.st_size : 0;
	return 0;
}

/* Whether the path still leads to the open file: somebody else may have rotated it. */
static bool is_in_place(const struct log_file *file)
{
	struct stat there;
	struct stat ours;

	return lstat(file->path, &there) == 0 && fstat(file->fd, &ours) == 0 &&
	       sys_same_file(&there, &ours);
}

/* Where that is not possible, it goes on as it is. */
static void begin_anew(struct log_file *file)
{
	AUTO_FREE char *old = xasprintf("%s.old", file->path);
	struct log_file fresh = *file;
	struct err ignored = ERR_INIT;

	file->size = 0;
	if (is_in_place(file) && rename(file->path, old) < 0)
		return;
	if (open_it(&fresh, &ignored) < 0) {
		cleanup_close(&fresh.fd);
		return;
	}
	/* The same number, since children are told it. */
	dup3(fresh.fd, file->fd, O_CLOEXEC);
	cleanup_close(&fresh.fd);
	file->size = fresh.size;
}

struct log_file *log_file_open(const char *path, size_t max, struct err *err)
{
	struct log_file *file = xcalloc(1, sizeof(*file));

	*file = (struct log_file){ .path = xstrdup(path), .fd = -1, .max = max };
	if (open_it(file, err) == 0) {
		if (file->size >= max)
			begin_anew(file);
		return file;
	}
	log_file_close(file);
	return NULL;
}

void log_file_append(struct log_file *file, const void *line, size_t len)
{
	ssize_t done = 0;

	if (file->regular && !file->shared && file->size >= file->max)
		begin_anew(file);
	do
		done = write(file->fd, line, len);
	while (done < 0 && errno == EINTR);
	if (done > 0)
		file->size += (size_t)done;
	if (done != (ssize_t)len && !file->failure)
		file->failure = xasprintf("cannot write the log '%s': %s", file->path,
					  done < 0 ? strerrordesc_np(errno) : "the disk is full");
}

const char *log_file_failure(const struct log_file *file)
{
	return file->failure;
}

int log_file_fd(const struct log_file *file)
{
	return file->fd;
}

void log_file_share(struct log_file *file)
{
	file->shared = true;
}

void log_file_close(struct log_file *file)
{
	if (!file)
		return;
	cleanup_close(&file->fd);
	free(file->path);
	free(file->failure);
	free(file);
}
