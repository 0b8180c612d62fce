/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/locate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/sys.h"
#include "base/text.h"

#define SUFFIX	   ".conf"
#define SYSTEM_DIR LOCATE_SYSTEM_DIR

/* Anything that can be read: a pipe of the shell's <( ) is a configuration file, too. */
static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

static bool is_profile(const char *name)
{
	size_t len = strlen(name);

	if (strchr(name, '/') || is_file(name))
		return false;
	return len < strlen(SUFFIX) || strcmp(name + len - strlen(SUFFIX), SUFFIX) != 0;
}

/* The XDG rules: a relative path does not count. */
char *locate_user_dir(void)
{
	const char *config = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");

	if (config && config[0] == '/')
		return xasprintf("%s/osync", config);
	if (home && home[0] == '/')
		return xasprintf("%s/.config/osync", home);
	return NULL;
}

char *locate_config(const char *name, struct err *err)
{
	AUTO_FREE char *dir = NULL;
	AUTO_FREE char *user = NULL;
	AUTO_FREE char *system_wide = NULL;

	if (!is_profile(name))
		return xstrdup(name);
	dir = locate_user_dir();
	user = dir ? xasprintf("%s/%s" SUFFIX, dir, name) : NULL;
	if (user && is_file(user))
		return steal_ptr(&user);
	system_wide = xasprintf(SYSTEM_DIR "/%s" SUFFIX, name);
	if (is_file(system_wide))
		return steal_ptr(&system_wide);
	err_set(err, ERR_CONFIG,
		"there is no file '%.100s' and no profile of that name: "
		"neither '%.150s' nor '%.150s'",
		name, user ? user : "(HOME is not set)", system_wide);
	return NULL;
}

static bool is_profile_file(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > strlen(SUFFIX) &&
	       strcmp(name + len - strlen(SUFFIX), SUFFIX) == 0;
}

char *locate_name(const char *file)
{
	return is_profile_file(file) ? xstrndup(file, strlen(file) - strlen(SUFFIX)) : NULL;
}

/* Put the names of a folder's profiles into `names`, and the path of the last into *path. */
static int add_profiles(const char *folder, struct buf *names, char **path)
{
	AUTO_DIR DIR *dir = opendir(folder);
	const struct dirent *item = NULL;
	int count = 0;

	while (dir && (item = readdir(dir))) {
		if (!is_profile_file(item->d_name))
			continue;
		buf_addch(names, ' ');
		buf_add(names, item->d_name, strlen(item->d_name) - strlen(SUFFIX));
		free(*path);
		*path = xasprintf("%s/%s", folder, item->d_name);
		count++;
	}
	return count;
}

char *locate_only(struct err *err)
{
	AUTO_FREE char *user = locate_user_dir();
	AUTO_FREE char *path = NULL;
	AUTO_BUF names = BUF_INIT;
	AUTO_BUF shown = BUF_INIT;
	int count = user ? add_profiles(user, &names, &path) : 0;

	count += add_profiles(SYSTEM_DIR, &names, &path);
	if (count == 1)
		return steal_ptr(&path);
	text_add_escaped(&shown, buf_cstr(&names));
	if (count == 0)
		err_set(err, ERR_USAGE, "which one? there is no profile in '%.200s' or " SYSTEM_DIR,
			user ? user : "(HOME is not set)");
	else
		err_set(err, ERR_USAGE, "which one? there are:%.400s", buf_cstr(&shown));
	return NULL;
}

void locate_paths_release(struct locate_paths *paths)
{
	for (size_t i = 0; i < paths->count; i++)
		free(paths->items[i]);
	free(paths->items);
	*paths = (struct locate_paths)LOCATE_PATHS_INIT;
}

static int compare_paths(const void *one, const void *other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

static int folder_error(const char *folder, struct err *err)
{
	return err_set(err, ERR_CONFIG, "cannot read the folder '%.300s': %s", folder,
		       strerrordesc_np(errno));
}

int locate_folder(const char *folder, struct locate_paths *out, struct err *err)
{
	/* Links to folders are as good. */
	AUTO_DIR DIR *dir = opendir(folder);
	const char *name = NULL;
	size_t first = out->count;
	size_t len = strlen(folder);

	while (len > 1 && folder[len - 1] == '/')
		len--;
	if (!dir)
		return folder_error(folder, err);
	while ((name = sys_next_name(dir))) {
		AUTO_FREE char *path = xasprintf("%.*s/%s", (int)len, folder, name);

		if (!is_profile_file(name) || !is_file(path))
			continue;
		out->items = xrealloc(out->items, (out->count + 1) * sizeof(*out->items));
		out->items[out->count++] = steal_ptr(&path);
	}
	if (errno)
		return folder_error(folder, err);
	if (out->count > first)
		qsort(out->items + first, out->count - first, sizeof(*out->items), compare_paths);
	return 0;
}

int locate_all(struct locate_paths *out, struct err *err)
{
	AUTO_FREE char *user = locate_user_dir();
	const char *folders[] = { user, SYSTEM_DIR };
	size_t before = out->count;

	for (int i = 0; i < 2; i++) {
		/* One that cannot be read is not the same as none. */
		if (!folders[i] || (access(folders[i], F_OK) < 0 && errno == ENOENT))
			continue;
		if (locate_folder(folders[i], out, err) < 0)
			return -1;
		if (out->count > before)
			return 0;
	}
	return err_set(err, ERR_CONFIG,
		       "there are no profiles yet: neither in '%.200s' nor in " SYSTEM_DIR,
		       user ? user : "(HOME is not set)");
}

int locate_read(const char *path, size_t max, struct buf *out, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t start = out->len;

	if (fd < 0)
		return err_set(err, ERR_CONFIG, "cannot read '%.300s': %s", path,
			       strerrordesc_np(errno));
	for (;;) {
		unsigned char chunk[4096];
		ssize_t got = read(fd, chunk, sizeof(chunk));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set(err, ERR_CONFIG, "cannot read '%.300s': %s", path,
				       strerrordesc_np(errno));
		if (got == 0)
			return 0;
		if (out->len - start + (size_t)got > max)
			return err_set(err, ERR_CONFIG, "'%.300s' is longer than %zu bytes", path,
				       max);
		buf_add(out, chunk, (size_t)got);
	}
}
