/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/path.h"
#include "base/sys.h"
#include "base/text.h"
#include "store/atomic.h"
#include "tree/caps.h"
#include "tree/chain.h"
#include "tree/probe.h"
#include "tree/spelling.h"

enum { IDENTITY_FILE_MAX = 256 /* bytes; a UUID and a newline, and some room */ };

struct root {
	int fd;
	int workdir; /* -1: not opened, or not there */
	uint64_t dev;
	struct chain chain;
	struct root_caps caps;
	bool probed;
	int64_t anchor_ns;    /* the file system's clock ... */
	int64_t anchor_at_ns; /* ... when the steady one showed this (clock_steady_ns); 0: not known */
};

/* A folder that may only be searched is enough to work below it. */
static int folder_open(int dirfd, const char *name)
{
	int fd = sys_openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);

	if (fd < 0 && errno == EACCES)
		fd = sys_openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	return fd;
}

/*
 * Where other spellings find the same folder: only under the name that is listed, or what belongs below
 * one folder would be put into another.
 */
static int folder_open_listed(int dirfd, const char *name)
{
	if (!spelling_is_listed(dirfd, name)) {
		errno = ENOENT;
		return -1;
	}
	return folder_open(dirfd, name);
}

/*
 * To be called whenever the capabilities are set. Where names are not listed as they were given, the list
 * of names tells nothing.
 */
static void follow_caps(struct root *root)
{
	bool listed = root->caps.folds && !root->caps.respells;

	chain_forget(&root->chain, "");
	root->chain.open = listed ? folder_open_listed : folder_open;
}

/* mkdir -p. Components that exist are taken as they are, links included: `dir` is the user's. */
static int make_folders(const char *dir, struct err *err)
{
	AUTO_FREE char *path = xstrdup(dir);

	for (size_t at = strspn(path, "/"); path[at] != '\0';) {
		size_t end = at + strcspn(path + at, "/");
		char kept = path[end];

		path[end] = '\0';
		if (sys_mkdirat(AT_FDCWD, path, 0777) < 0 && errno != EEXIST)
			return err_sys(err, errno, "cannot create folder '%s'", path);
		path[end] = kept;
		at = end + strspn(path + end, "/");
	}
	return 0;
}

static int root_open_failed(const char *dir, int errnum, struct err *err)
{
	AUTO_BUF shown = BUF_INIT;
	const char *hint = "";

	text_add_escaped(&shown, dir);
	if (errnum == ENOENT)
		hint = " (is the disk mounted? an empty new folder must be created by hand or with "
		       "CREATE_DIRS=true)";
	else if (errnum == EACCES)
		hint = " (it must be readable and searchable by this user)";
	else if (errnum == ENOTDIR)
		hint = " (it must be a folder)";
	return err_set_at(err, ERR_SYSTEM, errnum, ERR_WHERE, "cannot open folder '%s': %s%s",
			  buf_cstr(&shown), strerrordesc_np(errnum), hint);
}

struct root *root_open(const char *dir, enum root_mode mode, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	struct root *root = NULL;
	struct stat st = { 0 };

	if (mode == ROOT_CREATE && make_folders(dir, err) < 0)
		return NULL;
	fd = sys_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0 || sys_fstat(fd, &st) < 0) {
		root_open_failed(dir, errno, err);
		return NULL;
	}
	root = xcalloc(1, sizeof(*root));
	root->fd = steal_fd(&fd);
	root->workdir = -1;
	root->dev = (uint64_t)st.st_dev;
	root->caps = probe_defaults();
	chain_init(&root->chain, root->fd, folder_open);
	return root;
}

void root_close(struct root *root)
{
	if (!root)
		return;
	chain_release(&root->chain);
	cleanup_close(&root->workdir);
	cleanup_close(&root->fd);
	free(root);
}

int root_fd(const struct root *root)
{
	return root->fd;
}

uint64_t root_dev(const struct root *root)
{
	return root->dev;
}

static bool leads_into_workdir(const char *path)
{
	const size_t len = sizeof(ROOT_WORKDIR) - 1;

	for (const char *name = path; name; name = strchr(name, '/')) {
		name += *name == '/';
		if (strncmp(name, ROOT_WORKDIR, len) == 0 &&
		    (name[len] == '\0' || name[len] == '/'))
			return true;
	}
	return false;
}

static int path_refused(const char *path, struct err *err)
{
	AUTO_BUF shown = BUF_INIT;

	text_add_escaped(&shown, path);
	return err_set(err, ERR_PROTOCOL, "'%.300s' is not a path to work on", buf_cstr(&shown));
}

static int folder_failed(const char *path, size_t len, int errnum, struct err *err)
{
	AUTO_FREE char *folder = xstrndup(path, len);
	AUTO_BUF shown = BUF_INIT;

	text_add_escaped(&shown, folder);
	err_sys(err, errnum, "cannot open folder '%.250s'", buf_cstr(&shown));
	if (err && (errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP))
		err->kind = ERR_CHANGED;
	return -1;
}

static int open_folder(struct root *root, const char *path, size_t len, int *dirfd, struct err *err)
{
	size_t failed = 0;

	*dirfd = chain_folder(&root->chain, path, len, &failed);
	return *dirfd < 0 ? folder_failed(path, failed, errno, err) : 0;
}

int root_parent(struct root *root, const char *path, int *dirfd, const char **name, struct err *err)
{
	if (!path_valid(path, strlen(path)) || leads_into_workdir(path))
		return path_refused(path, err);
	*name = path_name(path);
	return open_folder(root, path, path_parent_len(path), dirfd, err);
}

int root_folder(struct root *root, const char *path, int *dirfd, struct err *err)
{
	size_t len = strlen(path);

	if (len > 0 && (!path_valid(path, len) || leads_into_workdir(path)))
		return path_refused(path, err);
	return open_folder(root, path, len, dirfd, err);
}

void root_forget(struct root *root, const char *path)
{
	chain_forget(&root->chain, path);
}

int root_workdir(struct root *root)
{
	if (root->workdir < 0)
		root->workdir = sys_openat(root->fd, ROOT_WORKDIR,
					   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	return root->workdir;
}

int root_workdir_create(struct root *root, struct err *err)
{
	if (root->workdir < 0)
		root->workdir = atomic_mkdir_open(root->fd, ROOT_WORKDIR, err);
	return root->workdir < 0 ? -1 : 0;
}

int root_identity(struct root *root, struct uuid *out, struct err *err)
{
	AUTO_BUF text = BUF_INIT;
	int workdir = root_workdir(root);
	int found = 0;

	if (workdir < 0 && errno == ENOENT)
		return 0;
	if (workdir < 0)
		return err_sys(err, errno, "cannot open '%s'", ROOT_WORKDIR);
	found = atomic_read(workdir, "identity", IDENTITY_FILE_MAX, &text, err);
	if (found <= 0)
		return found;
	if (text.len < UUID_TEXT_LEN || uuid_parse(buf_cstr(&text), out) < 0)
		return err_set(err, ERR_CORRUPT, "'%s/identity' does not hold an identity",
			       ROOT_WORKDIR);
	return 1;
}

int root_identity_write(struct root *root, const struct uuid *identity, struct err *err)
{
	char text[UUID_TEXT_LEN + 2];
	int workdir = root_workdir(root);

	if (workdir < 0)
		return err_sys(err, errno, "cannot open '%s'", ROOT_WORKDIR);
	uuid_text(identity, text);
	text[UUID_TEXT_LEN] = '\n';
	return atomic_write(workdir, "identity", text, UUID_TEXT_LEN + 1, err);
}

int root_probe(struct root *root, struct err *err)
{
	AUTO_CLOSE int stage = -1;
	int workdir = root_workdir(root);

	if (root->probed)
		return 0;
	if (workdir < 0)
		return err_sys(err, errno, "cannot open '%s'", ROOT_WORKDIR);
	stage = atomic_mkdir_open(workdir, "stage", err);
	if (stage < 0 || probe_folder(stage, &root->caps, err) < 0)
		return err_wrap(err, "cannot find out what the file system can do");
	root->probed = true;
	follow_caps(root);
	caps_save(workdir, &root->caps);
	return 0;
}

bool root_recall(struct root *root)
{
	int workdir = root_workdir(root);

	if (workdir < 0 || !caps_load(workdir, &root->caps))
		return false;
	follow_caps(root);
	return true;
}

void root_set_caps(struct root *root, const struct root_caps *caps)
{
	root->caps = *caps;
	root->probed = true;
	follow_caps(root);
}

const struct root_caps *root_caps(const struct root *root)
{
	return &root->caps;
}

void root_clock_seen(struct root *root, int64_t before_ns, int64_t ctime_ns)
{
	int64_t now_ns = clock_file_ns();

	root->caps.clock_offset_ns =
		probe_offset_ns(before_ns, ctime_ns, now_ns, root->caps.granularity_ns);
	root->anchor_ns = now_ns + root->caps.clock_offset_ns;
	root->anchor_at_ns = clock_steady_ns();
}

void root_share_clock(struct root *root, const struct root *from)
{
	root->caps.granularity_ns = from->caps.granularity_ns;
	root->caps.clock_offset_ns = from->caps.clock_offset_ns;
	root->anchor_ns = from->anchor_ns;
	root->anchor_at_ns = from->anchor_at_ns;
}

int64_t root_now_ns(const struct root *root)
{
	int64_t wall_ns = clock_file_ns() + root->caps.clock_offset_ns;
	int64_t steady_ns = root->anchor_ns;

	if (root->anchor_at_ns == 0)
		return wall_ns;
	/* A clock that jumps takes one of them along: the earlier one errs on the safe side. */
	steady_ns += clock_steady_ns() - root->anchor_at_ns;
	return steady_ns < wall_ns ? steady_ns : wall_ns;
}

bool root_stamps_young(const struct root *root, const struct stat *st, int64_t now_ns)
{
	int64_t mtime_ns = clock_from_timespec(st->st_mtim);
	int64_t granularity_ns = root->caps.granularity_ns;

	if (clock_from_timespec(st->st_ctim) >= now_ns - granularity_ns)
		return true;
	return mtime_ns >= now_ns - granularity_ns && mtime_ns <= now_ns + granularity_ns;
}
