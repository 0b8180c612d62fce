/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding and reading the files a configuration is made of.
 */
#ifndef CONFIG_LOCATE_H
#define CONFIG_LOCATE_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

/* Where the profiles of the system are. */
#define LOCATE_SYSTEM_DIR "/etc/osync"

/*
 * The configuration file that the user calls `name`: a path if it has a '/', ends
 * in ".conf" or is a file; otherwise a profile, NAME.conf in $XDG_CONFIG_HOME/osync
 * (~/.config/osync), then in /etc/osync.  A malloc'ed path, or NULL and ERR_CONFIG
 * with the places looked in.  That a path exists is found out by reading it.
 */
char *locate_config(const char *name, struct err *err);

/* Where the user's profiles are: malloc'ed, or NULL where neither variable is set. */
char *locate_user_dir(void);
/* The profile that a file of this name in such a folder is: malloc'ed, or NULL where it is none. */
char *locate_name(const char *file);

/*
 * The only profile there is in these places: its path, malloc'ed.  NULL and ERR_USAGE with the
 * names where there are several, or none.
 */
char *locate_only(struct err *err);

/* Paths, each malloc'ed. */
struct locate_paths {
	char **items;
	size_t count;
};
#define LOCATE_PATHS_INIT \
	{                 \
		NULL, 0   \
	}
#define AUTO_LOCATE_PATHS AUTO(locate_paths_release) struct locate_paths

void locate_paths_release(struct locate_paths *paths);

/*
 * The configuration files of a folder: all NAME.conf in it that are no folders, by name.  0, also where
 * there is none; -1 and ERR_CONFIG where it cannot be read, to its end.
 */
int locate_folder(const char *folder, struct locate_paths *out, struct err *err);
/*
 * The profiles of the user, or where there are none, those of the system; -1 and ERR_CONFIG with the
 * places looked in where there are none, either, or where a folder cannot be read.
 */
int locate_all(struct locate_paths *out, struct err *err);

/*
 * Append the bytes of a file to *out.  ERR_CONFIG with the reason if it cannot be
 * read or holds more than `max` bytes.
 */
int locate_read(const char *path, size_t max, struct buf *out, struct err *err);

#endif
