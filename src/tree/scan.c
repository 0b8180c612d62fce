/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/path.h"
#include "base/sys.h"
#include "model/filter.h"
#include "tree/look.h"
#include "tree/root.h"

enum {
	SCAN_OPEN_MAX = 64,    /* descriptors kept for the innermost folders */
	SCAN_ROOM = 32 * 1024, /* bytes of names asked from the kernel at once */
};

/* A folder the walk is in. */
struct frame {
	int fd;		 /* -1: closed to keep their number bounded */
	size_t path_len; /* of the folder's own path */
	dev_t dev;
	ino_t ino;
	struct buf names; /* NUL-terminated, one after the other, as they were read */
	char **sorted;	  /* pointers into names */
	size_t count;
	size_t next;
	bool replaced; /* another folder stands at its path by now */
};

struct scan {
	struct look look;
	const struct filter *filter;
	struct frame *frames;
	size_t depth;
	size_t cap;
	struct buf path;
	struct buf link;
	alignas(struct dirent64) char room[SCAN_ROOM]; /* for names as the kernel tells them */
	char problem[sizeof(((struct err *)0)->msg)];
};

static void frame_release(struct frame *frame)
{
	cleanup_close(&frame->fd);
	buf_release(&frame->names);
	cleanup_free(&frame->sorted);
	frame->sorted = NULL;
}

static void scan_pop(struct scan *scan)
{
	frame_release(&scan->frames[--scan->depth]);
}

static void scan_push(struct scan *scan, struct frame *frame)
{
	if (scan->depth == scan->cap) {
		scan->cap = scan->cap ? 2 * scan->cap : 32;
		scan->frames = xrealloc(scan->frames, scan->cap * sizeof(*scan->frames));
	}
	scan->frames[scan->depth++] = *frame;
	*frame = (struct frame){ .fd = -1, .names = BUF_INIT };
	if (scan->depth > SCAN_OPEN_MAX)
		cleanup_close(&scan->frames[scan->depth - 1 - SCAN_OPEN_MAX].fd);
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void frame_sort(struct frame *frame)
{
	char *name = buf_cstr(&frame->names);

	frame->sorted = xmalloc((frame->count + 1) * sizeof(*frame->sorted));
	for (size_t i = 0; i < frame->count; i++) {
		frame->sorted[i] = name;
		name += strlen(name) + 1;
	}
	qsort(frame->sorted, frame->count, sizeof(*frame->sorted), name_cmp);
}

static void frame_add(struct frame *frame, const char *records, size_t len)
{
	for (size_t at = 0; at < len;) {
		const struct dirent64 *record = (const void *)(records + at);

		at += record->d_reclen;
		if (sys_is_dots(record->d_name))
			continue;
		buf_add(&frame->names, record->d_name, strlen(record->d_name) + 1);
		frame->count++;
	}
}

/* Read all names of the open folder. Anything but reading to the very end is an error. */
static int frame_read(struct scan *scan, struct frame *frame, struct err *err)
{
	ssize_t got = 0;

	while ((got = sys_read_folder(frame->fd, scan->room, sizeof(scan->room))) > 0)
		frame_add(frame, scan->room, (size_t)got);
	if (got < 0)
		return err_sys(err, errno, "cannot be read to its end");
	frame_sort(frame);
	return 0;
}

/* Open and read a folder whose path has path_len bytes; what it is like goes into entry. */
static int frame_open(struct scan *scan, int dirfd, const char *name, struct frame *frame,
		      struct err *err)
{
	struct stat st = { 0 };

	frame->path_len = scan->path.len;
	frame->fd = sys_openat(dirfd, name,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	if (frame->fd < 0 || sys_fstat(frame->fd, &st) < 0)
		return err_sys(err, errno, "cannot be opened");
	frame->dev = st.st_dev;
	frame->ino = st.st_ino;
	/* A mount that came between lstat and open, too. */
	if ((uint64_t)st.st_dev != root_dev(scan->look.root))
		return 0;
	return frame_read(scan, frame, err);
}

struct scan *scan_open(struct root *root, const struct filter *filter, unsigned flags,
		       uint64_t seed, struct err *err)
{
	struct scan *scan = xcalloc(1, sizeof(*scan));
	struct frame frame = { .fd = -1, .names = BUF_INIT };

	scan->look = (struct look){ .root = root, .flags = flags, .seed = seed };
	scan->filter = filter;
	if (frame_open(scan, root_fd(root), ".", &frame, err) == 0) {
		scan_push(scan, &frame);
		return scan;
	}
	err_wrap(err, "cannot list the root folder");
	frame_release(&frame);
	scan_free(scan);
	return NULL;
}

void scan_free(struct scan *scan)
{
	if (!scan)
		return;
	while (scan->depth > 0)
		scan_pop(scan);
	free(scan->frames);
	buf_release(&scan->path);
	buf_release(&scan->link);
	free(scan);
}

static void set_problem(struct scan *scan, struct scan_item *item, const char *why)
{
	snprintf(scan->problem, sizeof(scan->problem), "%s", why);
	item->problem = scan->problem;
}

static void set_unknown(struct scan *scan, struct scan_item *item, const char *why)
{
	item->entry = (struct entry){ .type = ENTRY_SPECIAL, .flags = ENTRY_OPAQUE };
	set_problem(scan, item, why);
}

/* Open the innermost folder again after its descriptor was closed; it must still be the same one. */
static void frame_reopen(struct scan *scan, struct frame *frame)
{
	AUTO_FREE char *path = xstrndup((const char *)scan->path.data, frame->path_len);
	struct stat st = { 0 };
	int dirfd = -1;

	root_forget(scan->look.root, path);
	if (root_folder(scan->look.root, path, &dirfd, NULL) < 0 || sys_fstat(dirfd, &st) < 0 ||
	    st.st_dev != frame->dev || st.st_ino != frame->ino) {
		frame->replaced = true;
		return;
	}
	frame->fd = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
	frame->replaced = frame->fd < 0;
}

static bool is_workdir(const char *name)
{
	return strcmp(name, ROOT_WORKDIR) == 0;
}

static bool excluded(const struct scan *scan, const char *path, bool is_dir)
{
	return scan->filter && filter_excludes(scan->filter, path, is_dir);
}

/* The folder item, and the step into it where it can be listed. 0: it vanished. */
static int enter_folder(struct scan *scan, int dirfd, const char *name, struct scan_item *item)
{
	AUTO(frame_release) struct frame frame = { .fd = -1, .names = BUF_INIT };
	struct err err = ERR_INIT;

	if (item->entry.flags & ENTRY_MOUNT) {
		set_problem(scan, item, "another file system is mounted here");
		return 1;
	}
	sys_point("before-enter");
	if (frame_open(scan, dirfd, name, &frame, &err) < 0 ||
	    look_open(&scan->look, frame.fd, &item->entry, &err) < 0) {
		if (err.sys == ENOENT && frame.fd < 0)
			return 0;
		item->entry.flags |= ENTRY_OPAQUE;
		set_problem(scan, item, err.msg);
		return 1;
	}
	if (item->entry.flags & ENTRY_MOUNT)
		set_problem(scan, item, "another file system is mounted here");
	else
		scan_push(scan, &frame);
	return 1;
}

/* 1: an item; 0: there is nothing of this name, or it is excluded. */
static int visit(struct scan *scan, int dirfd, const char *name, struct scan_item *item)
{
	struct err err = ERR_INIT;
	int found = 0;

	*item = (struct scan_item){ .path = buf_cstr(&scan->path) };
	if (strlen(name) > PATH_NAME_MAX || scan->path.len > PATH_BYTES_MAX) {
		set_unknown(scan, item, "the name is too long to be synced");
		return 1;
	}
	found = look_briefly(&scan->look, dirfd, name, &item->entry, &scan->link, &err);
	if (found == 0)
		return 0;
	if (found < 0) {
		if (excluded(scan, item->path, false) && excluded(scan, item->path, true))
			return 0;
		set_unknown(scan, item, err.msg);
		return 1;
	}
	if (excluded(scan, item->path, item->entry.type == ENTRY_DIR))
		return 0;
	return item->entry.type == ENTRY_DIR ? enter_folder(scan, dirfd, name, item) : 1;
}

/* The path of the walk becomes that of this name in the folder. */
static void set_path(struct scan *scan, const struct frame *frame, const char *name)
{
	scan->path.len = frame->path_len;
	if (frame->path_len > 0)
		buf_addch(&scan->path, '/');
	buf_addstr(&scan->path, name);
}

/* 1: an item, 0: look at the next name. */
static int scan_step(struct scan *scan, struct scan_item *item)
{
	struct frame *frame = &scan->frames[scan->depth - 1];
	const char *name = frame->sorted[frame->next++];

	if (is_workdir(name))
		return 0;
	if (frame->fd < 0 && !frame->replaced)
		frame_reopen(scan, frame);
	set_path(scan, frame, name);
	if (!frame->replaced)
		return visit(scan, frame->fd, name, item);
	*item = (struct scan_item){ .path = buf_cstr(&scan->path) };
	set_unknown(scan, item, "its folder was replaced while it was being listed");
	return 1;
}

int scan_next(struct scan *scan, struct scan_item *item, struct err *err)
{
	(void)err;
	while (scan->depth > 0) {
		struct frame *frame = &scan->frames[scan->depth - 1];

		if (frame->next == frame->count)
			scan_pop(scan);
		else if (scan_step(scan, item))
			return 1;
	}
	return 0;
}

static bool is_left_out(struct scan *scan, const struct frame *frame, const char *name)
{
	struct entry entry = { 0 };

	if (is_workdir(name))
		return true;
	set_path(scan, frame, name);
	return look_briefly(&scan->look, frame->fd, name, &entry, &scan->link, NULL) > 0 &&
	       excluded(scan, buf_cstr(&scan->path), entry.type == ENTRY_DIR);
}

bool scan_holds_unsynced(struct root *root, const struct filter *filter, const char *path)
{
	AUTO(frame_release) struct frame frame = { .fd = -1, .names = BUF_INIT };
	struct scan *scan = xcalloc(1, sizeof(*scan));
	struct err err = ERR_INIT;
	bool found = false;
	int dirfd = -1;

	scan->look.root = root;
	scan->filter = filter;
	buf_addstr(&scan->path, path);
	if (root_folder(root, path, &dirfd, NULL) == 0 &&
	    frame_open(scan, dirfd, ".", &frame, &err) == 0)
		for (size_t i = 0; i < frame.count && !found; i++)
			found = is_left_out(scan, &frame, frame.sorted[i]);
	scan_free(scan);
	return found;
}

/* NOLINTNEXTLINE(readability-function-size): one parameter more than is good, but used everywhere. */
int scan_path(struct root *root, const char *path, unsigned flags, uint64_t seed,
	      struct entry *entry, char **link_out, struct err *err)
{
	const struct look look = { .root = root, .flags = flags, .seed = seed };
	AUTO_BUF link = BUF_INIT;
	struct err why = ERR_INIT;
	const char *name = NULL;
	int dirfd = -1;
	int found = 0;

	*entry = (struct entry){ .type = ENTRY_ABSENT };
	if (link_out)
		*link_out = NULL;
	if (root_parent(root, path, &dirfd, &name, &why) < 0) {
		if (why.kind == ERR_CHANGED)
			return 0;
		if (err)
			*err = why;
		return -1;
	}
	found = look_at(&look, dirfd, name, entry, &link, err);
	if (found > 0 && entry->type == ENTRY_SYMLINK && link_out)
		*link_out = buf_steal_cstr(&link);
	entry->link = link_out ? *link_out : NULL;
	return found;
}
