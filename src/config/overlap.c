/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/overlap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sys.h"

/* A place in a file system, whatever it is mounted at. */
struct place {
	char *device; /* "major:minor" as /proc/self/mountinfo has it; NULL: not known */
	char *path;   /* from the file system's own root on */
};

static void place_release(struct place *place)
{
	free(place->device);
	free(place->path);
}
#define AUTO_PLACE AUTO(place_release) struct place

char *overlap_resolved(const char *path)
{
	AUTO_FREE char *head = xstrdup(path);
	AUTO_FREE char *real = realpath(head, NULL);
	size_t len = strlen(head);

	while (!real && len > 1) {
		while (len > 1 && head[len - 1] != '/')
			len--;
		while (len > 1 && head[len - 1] == '/')
			len--;
		head[len] = '\0';
		real = realpath(head, NULL);
	}
	if (!real || !path[len])
		return real ? steal_ptr(&real) : xstrdup(path);
	return xasprintf("%s%s", strcmp(real, "/") == 0 ? "" : real, len > 1 ? path + len : path);
}

/* Whether `path` is `above` or below it, as text. */
static bool text_inside(const char *path, const char *above)
{
	size_t len = strcmp(above, "/") == 0 ? 0 : strlen(above);

	return strncmp(path, above, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static int octal(const char *digits)
{
	int value = 0;

	for (int i = 0; i < 3; i++) {
		if (digits[i] < '0' || digits[i] > '7')
			return -1;
		value = 8 * value + digits[i] - '0';
	}
	return value < 256 ? value : -1;
}

/* Blanks, newlines and backslashes are written as \NNN there. */
static void unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		int value = *in == '\\' ? octal(in + 1) : -1;

		*out++ = value < 0 ? *in : (char)value;
		in += value < 0 ? 0 : 3;
	}
	*out = '\0';
}

/*
 * Take this mount for the one that `path` is on, where it fits better than those before it. A line is
 * "id parent device root point ...".
 */
static void consider(char *line, const char *path, size_t *best, struct place *place)
{
	enum { DEVICE = 2, ROOT, POINT, FIELDS };
	char *fields[FIELDS] = { NULL };

	for (int i = 0; i < FIELDS; i++)
		if (!(fields[i] = strsep(&line, " ")))
			return;
	unescape(fields[ROOT]);
	unescape(fields[POINT]);
	/* Of several at one point the last is on top. */
	if (!text_inside(path, fields[POINT]) || strlen(fields[POINT]) < *best)
		return;
	*best = strlen(fields[POINT]);
	place_release(place);
	place->device = xstrdup(fields[DEVICE]);
	place->path = xasprintf("%s%s", strcmp(fields[ROOT], "/") == 0 ? "" : fields[ROOT],
				strcmp(fields[POINT], "/") == 0 ? path : path + *best);
}

static struct place place_of(const char *path)
{
	struct place place = { NULL, NULL };
	AUTO_FREE char *line = NULL;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	size_t size = 0;
	size_t best = 0;

	if (!file)
		return place;
	while (getline(&line, &size, file) > 0)
		consider(line, path, &best, &place);
	(void)fclose(file);
	return place;
}

static bool mounted_inside(const char *inner, const char *outer)
{
	AUTO_PLACE in = place_of(inner);
	AUTO_PLACE out = place_of(outer);

	return in.device && out.device && strcmp(in.device, out.device) == 0 &&
	       text_inside(in.path, *out.path ? out.path : "/");
}

static bool same_place(const struct stat *st, const char *path)
{
	struct stat other;

	return stat(path, &other) == 0 && sys_same_file(&other, st);
}

/* Whether one of the folders from `inner` upwards is `outer`. */
static bool climbs_to(const char *inner, const char *outer)
{
	AUTO_FREE char *up = xstrdup(inner);
	struct stat st;
	bool exists = stat(outer, &st) == 0;

	for (;;) {
		char *slash = strrchr(up, '/');

		if (strcmp(up, outer) == 0 || (exists && same_place(&st, up)))
			return true;
		if (!slash || strcmp(up, "/") == 0)
			return false;
		slash[slash == up] = '\0';
	}
}

bool overlap_inside(const char *inner, const char *outer)
{
	return climbs_to(inner, outer) || mounted_inside(inner, outer);
}
