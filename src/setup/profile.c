/* SPDX-License-Identifier: BSD-2-Clause */
#include "setup/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "config/config.h"
#include "config/keys.h"
#include "config/settings.h"
#include "store/atomic.h"

static const char head[] =
	"# Written by osync init. Every key is explained in osync.conf.example; what does\n"
	"# not stand here has the value that it has there.\n";

static bool is_plain(const char *value)
{
	return strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
			     "/._-+,:@%=") == strlen(value);
}

int profile_add(struct buf *out, const char *key, const char *value, struct err *err)
{
	if (strchr(value, '\n') || strchr(value, '\r'))
		return err_set(err, ERR_CONFIG,
			       "%s holds a line end, which no line of a profile can", key);
	if (is_plain(value)) {
		buf_addf(out, "%s=%s\n", key, value);
		return 0;
	}
	buf_addf(out, "%s='", key);
	for (const char *c = value; *c; c++)
		if (*c == '\'')
			buf_addstr(out, "'\\''");
		else
			buf_addch(out, *c);
	buf_addstr(out, "'\n");
	return 0;
}

/* The value as it has to stand in a file, malloc'ed. */
static char *value_for_file(const struct key *key, const struct setting *setting,
			    const struct config *config)
{
	AUTO_PROBLEMS ignored = PROBLEMS_INIT;
	bool pattern_file = strcmp(key->name, "RSYNC_INCLUDE_FROM") == 0 ||
			    strcmp(key->name, "RSYNC_EXCLUDE_FROM") == 0;
	char *path = NULL;

	if (strcmp(key->name, "INITIATOR_SYNC_DIR") == 0)
		return xstrdup(config->initiator_dir);
	if (strcmp(key->name, "TARGET_SYNC_DIR") == 0 && !config->target.remote)
		return xstrdup(config->target.path);
	if (*setting->value && (key->type == KEY_PATH || pattern_file))
		path = keys_absolute(key, setting->value, &setting->origin, &ignored);
	return path ? path : xstrdup(setting->value);
}

int profile_text(struct buf *out, const struct settings *settings, const struct config *config,
		 struct err *err)
{
	buf_addstr(out, head);
	for (size_t i = 0; i < keys_count; i++) {
		const struct setting *setting = settings_get(settings, keys_table[i].name);
		AUTO_FREE char *value = NULL;

		if (setting->origin.source != SOURCE_OPTION)
			continue;
		value = value_for_file(&keys_table[i], setting, config);
		if (profile_add(out, keys_table[i].name, value, err) < 0)
			return -1;
	}
	return 0;
}

int profile_write(const char *path, const struct buf *text, struct err *err)
{
	AUTO_FREE char *folder = xstrdup(path);
	char *name = strrchr(folder, '/') + 1;
	AUTO_CLOSE int dirfd = -1;
	struct stat st;

	name[-1] = '\0';
	dirfd = atomic_mkdir_path_open(folder, err);
	if (dirfd < 0)
		return -1;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(err, ERR_CONFIG, "there is a '%s' already", path);
	return atomic_write(dirfd, name, text->data, text->len, err);
}
