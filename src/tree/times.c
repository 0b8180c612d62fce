/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/path.h"
#include "base/sys.h"
#include "tree/changer_internal.h"
#include "tree/root.h"

void times_set(struct changer *changer, const char *path, size_t len, uint64_t ino,
	       int64_t mtime_ns)
{
	struct touched_folder *folder = touched_get(&changer->touched, path, len);

	folder->ino = ino;
	folder->mtime_ns = mtime_ns;
	folder->restore = true;
	touched_note_add(&changer->note, path, len, ino, mtime_ns);
}

bool times_remember(struct changer *changer, const char *path, size_t len, const struct stat *st)
{
	if (touched_get(&changer->touched, path, len)->ino == st->st_ino)
		return false;
	times_set(changer, path, len, st->st_ino, clock_from_timespec(st->st_mtim));
	return true;
}

void times_forget(struct changer *changer, const char *path, size_t len)
{
	struct touched_folder *folder = touched_get(&changer->touched, path, len);

	if (folder->ino > 0)
		touched_note_add(&changer->note, path, len, 0, 0);
	folder->ino = 0;
	folder->restore = false;
}

void times_moving(struct changer *changer, const char *from, const char *to)
{
	for (size_t i = 0; i < changer->touched.count; i++) {
		const struct touched_folder *folder = &changer->touched.folders[i];
		AUTO_FREE char *moved = NULL;

		if (!folder->restore || !path_is_within(folder->path, from))
			continue;
		moved = xasprintf("%s%s", to, folder->path + strlen(from));
		touched_note_add(&changer->note, moved, strlen(moved), folder->ino,
				 folder->mtime_ns);
	}
}

/* Of a folder that is not ours, only its owner may set the time. */
static bool is_foreign(int errnum)
{
	return errnum == EPERM || errnum == EACCES;
}

/*
 * 1 where it was set, 0 where there is nothing to do: the folder is gone, another one stands there by
 * now, its time is right or not ours to set. -1 with errno.
 */
static int put_back(struct root *root, const char *path, uint64_t ino, int64_t mtime_ns)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, clock_to_timespec(mtime_ns) };
	struct err why = ERR_INIT;
	struct stat st = { 0 };
	int fd = -1;
	int result = 0;

	if (root_folder(root, path, &fd, &why) < 0) {
		errno = why.sys;
		return why.kind == ERR_CHANGED ? 0 : -1;
	}
	if (sys_fstat(fd, &st) < 0)
		return -1;
	if (st.st_ino != ino || clock_from_timespec(st.st_mtim) == mtime_ns)
		return 0;
	result = sys_futimens(fd, times);
	if (result < 0 && errno == EBADF)
		result = sys_lutimensat(fd, ".", times);
	if (result < 0)
		return is_foreign(errno) ? 0 : -1;
	return 1;
}

static int restore_time(struct changer *changer, struct touched_folder *folder, struct err *err)
{
	struct change change = { .changer = changer,
				 .verb = "set the time of",
				 .path = folder->path };
	int result = 0;

	if (changer_fence(changer, err) < 0)
		return -1;
	result = put_back(changer->root, folder->path, folder->ino, folder->mtime_ns);
	if (result < 0)
		return change_failed(&change, errno, err);
	if (result > 0)
		touched_dirty(&changer->touched, folder->path, strlen(folder->path));
	folder->restore = false;
	folder->ino = 0;
	return 0;
}

int changer_restore_times(struct changer *changer, struct err *err)
{
	struct err first = ERR_INIT;

	for (size_t i = 0; i < changer->touched.count; i++) {
		struct touched_folder *folder = &changer->touched.folders[i];
		struct err why = ERR_INIT;

		if (folder->restore && restore_time(changer, folder, &why) < 0 &&
		    !err_is_set(&first))
			first = why;
	}
	if (!err_is_set(&first)) {
		touched_note_drop(&changer->note);
		return 0;
	}
	if (err)
		*err = first;
	return -1;
}

static void recover_times(struct root *root, int workdir)
{
	AUTO(touched_marks_release) struct touched_marks marks = TOUCHED_MARKS_INIT;

	if (touched_note_read(workdir, TOUCHED_TIMES, &marks) == 0)
		return;
	for (size_t i = marks.count; i > 0; i--) {
		const struct touched_mark *mark = &marks.marks[i - 1];

		put_back(root, mark->path, mark->ino, mark->value);
	}
	touched_note_remove(workdir, TOUCHED_TIMES);
	root_forget(root, "");
}

void changer_recover(struct root *root)
{
	int workdir = root_workdir(root);

	if (workdir < 0)
		return;
	modes_recover(root, workdir);
	recover_times(root, workdir);
}
