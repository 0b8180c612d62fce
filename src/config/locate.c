/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/locate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

#define SUFFIX	   ".conf"
#define SYSTEM_DIR "/etc/osync"

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

/* Where the user's profiles are, or NULL. The XDG rules: a relative path does not count. */
static char *user_dir(void)
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
	dir = user_dir();
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
