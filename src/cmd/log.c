/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/stop.h"
#include "base/sys.h"
#include "cmd/cmd.h"
#include "cmd/load.h"
#include "config/config.h"
#include "config/here.h"
#include "config/locate.h"
#include "config/log_places.h"
#include "run/report.h"

enum {
	LINES = 100,	     /* shown where nobody says how many */
	LINES_MAX = 1000000, /* a log has fewer */
	FOLLOW_POLL_MS = 200,
};

/* Arguments ------------------------------------------------------------------------ */

struct wish {
	bool follow;
	long lines;
};

/* The number of lines, or -1. */
static long number_of(const char *text)
{
	char *end = NULL;
	long value = text && *text ? strtol(text, &end, 10) : -1;

	return !end || *end || value < 0 || value > LINES_MAX ? -1 : value;
}

/* Take our own options out of the arguments; the rest names a configuration. */
static int take_options(int *argc, char **argv, struct wish *wish)
{
	int kept = 0;

	for (int i = 0; i < *argc; i++) {
		bool lines = strcmp(argv[i], "-n") == 0 || strcmp(argv[i], "--lines") == 0;

		if (strcmp(argv[i], "-f") == 0 || strcmp(argv[i], "--follow") == 0)
			wish->follow = true;
		else if (lines)
			wish->lines = ++i < *argc ? number_of(argv[i]) : -1;
		else if (strncmp(argv[i], "--lines=", 8) == 0)
			wish->lines = number_of(argv[i] + 8);
		else
			argv[kept++] = argv[i];
	}
	*argc = kept;
	return wish->lines < 0 ? -1 : 0;
}

/* Reading -------------------------------------------------------------------------- */

static int open_log(const char *path)
{
	return open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* The first of the places that can be read: its descriptor, and the path. */
static int find_log(const struct log_places *places, const char **path, struct err *err)
{
	for (int i = 0; places->paths[i]; i++) {
		int fd = open_log(places->paths[i]);

		*path = places->paths[i];
		if (fd >= 0)
			return fd;
		if (errno != ENOENT && errno != ENOTDIR && !err_is_set(err))
			err_sys(err, errno, "cannot read the log '%s'", places->paths[i]);
	}
	if (err_is_set(err))
		return -1;
	return err_set(
		err, ERR_SYSTEM,
		"there is no log yet: runs of 'osync cron', with --quiet or with LOGFILE write "
		"one (it would be '%s')",
		places->paths[0]);
}

/* Where the last `lines` lines of fd begin. */
static off_t tail_start(int fd, long lines)
{
	char chunk[4096];
	off_t pos = lseek(fd, 0, SEEK_END);
	long seen = -1; /* the end of the last line begins none */

	while (pos > 0) {
		size_t step = pos < (off_t)sizeof(chunk) ? (size_t)pos : sizeof(chunk);
		ssize_t got = pread(fd, chunk, step, pos - (off_t)step);

		if (got != (ssize_t)step)
			return pos;
		for (; step > 0; step--, pos--)
			if (chunk[step - 1] == '\n' && ++seen == lines)
				return pos;
	}
	return 0;
}

/* Print what there is from *pos on. */
static void print_from(int fd, off_t *pos)
{
	char chunk[4096];
	ssize_t got = 0;

	while ((got = pread(fd, chunk, sizeof(chunk), *pos)) > 0) {
		(void)fwrite(chunk, 1, (size_t)got, stdout);
		*pos += got;
	}
	(void)fflush(stdout);
}

/* Whether the path leads to another file by now, or this one has been emptied. */
static bool is_superseded(int fd, const char *path, off_t pos)
{
	struct stat there;
	struct stat ours;

	if (fstat(fd, &ours) < 0 || ours.st_size < pos)
		return true;
	return stat(path, &there) == 0 && !sys_same_file(&there, &ours);
}

static void follow(int *fd, const char *path, off_t pos)
{
	stop_install();
	while (!stop_signal() && !ferror(stdout)) {
		print_from(*fd, &pos);
		if (is_superseded(*fd, path, pos)) {
			int fresh = open_log(path);

			/* What came to the old one between the two looks. */
			print_from(*fd, &pos);
			if (fresh >= 0) {
				cleanup_close(fd);
				*fd = fresh;
				pos = 0;
				continue;
			}
		}
		clock_sleep_ms(FOLLOW_POLL_MS);
	}
}

static int show(const struct config *config, const struct wish *wish, struct err *err)
{
	AUTO_LOG_PLACES places = log_places(config);
	const char *path = NULL;
	AUTO_CLOSE int fd = find_log(&places, &path, err);
	off_t pos = 0;

	if (fd < 0 || !path)
		return -1;
	pos = tail_start(fd, wish->lines);
	print_from(fd, &pos);
	if (wish->follow)
		follow(&fd, path, pos);
	return 0;
}

/* As the arguments say; without any, that of the working folder, or the only profile there is. */
static int load(int argc, char **argv, struct config **config)
{
	struct err err = ERR_INIT;
	struct err elsewhere = ERR_INIT;
	AUTO_FREE char *only = argc > 0 ? NULL : here_profile(&elsewhere);

	if (argc == 0 && !only)
		only = locate_only(&err);
	if (argc > 0 || only)
		return cmd_load(argc > 0 ? argc : 1, argc > 0 ? argv : &only, config, &err);
	fprintf(stderr, "osync: %s\n", err.msg);
	return report_exit_code(&err);
}

int cmd_log(int argc, char **argv)
{
	struct wish wish = { false, LINES };
	struct config *config = NULL;
	struct err err = ERR_INIT;
	int code = 0;

	if (take_options(&argc, argv, &wish) < 0) {
		fputs("osync: usage: osync log [CONF|PROFILE] [-f] [-n LINES]\n", stderr);
		return EXIT_BAD_USAGE;
	}
	code = load(argc, argv, &config);
	if (!config)
		return code;
	if (show(config, &wish, &err) < 0) {
		fprintf(stderr, "osync: %s\n", err.msg);
		code = report_exit_code(&err);
	}
	config_free(config);
	return code;
}
