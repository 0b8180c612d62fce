/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * osync reap: the clean-up job of a server, for sync roots and folders of them.
 *
 * Each root is cleaned up by a process of its own, which takes the user and group of its work folder
 * where we are root, and is confined to the root where the kernel can do that: what lies in somebody's folder
 * can at most make us do what its owner may do himself.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/confine.h"
#include "base/err.h"
#include "base/stop.h"
#include "base/sys.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "run/report.h"
#include "store/done_log.h"
#include "tree/reap.h"
#include "tree/root.h"

enum {
	TTL_DEFAULT_S = 900, /* as LOCK_TTL */
	TTL_MIN_S = 60,
	TTL_MAX_S = 7 * 24 * 3600,
};

static const char usage[] =
	"usage: osync reap [options] DIR...\n"
	"\n"
	"Clean synced folders up, or all synced folders in DIR: locks and places of runs that are\n"
	"dead, leftovers of killed ones, and old trash. Where a run is at work, nothing is touched.\n"
	"\n"
	"      --trash-days N   remove trash older than N days, whatever the runs asked for\n"
	"      --pack-days N    pack trash older than N days, likewise\n"
	"      --lock-ttl N     seconds of silence after which a lock is taken over (900; 0: never)\n"
	"  -n, --dry-run        only say what would be done\n"
	"  -q, --quiet          say nothing unless it fails\n"
	"      --json           one object a line\n";

struct options {
	struct reap reap;
	bool quiet;
	bool json;
	int64_t ttl_s;
};

/* Who is told of, while a root is cleaned up. */
struct job {
	const struct options *options;
	const char *dir;
};

static const char *const deed_words[REAP_DEEDS] = {
	[REAP_PLACE] = "queue",		[REAP_LOCK] = "lock",	    [REAP_STAGED] = "leftover",
	[REAP_TEMPORARY] = "temporary", [REAP_EXPIRED] = "expired", [REAP_PACKED] = "packed",
	[REAP_FAILED] = "failed",
};

/* Saying ------------------------------------------------------------------------- */

static void add_member(struct buf *line, const char *key, const char *value)
{
	buf_addf(line, ",\"%s\":", key);
	text_add_json(line, value);
}

static void say(const struct job *job, const char *word, const char *what, const char *why)
{
	bool bad = strcmp(word, "failed") == 0;
	AUTO_BUF line = BUF_INIT;

	if (job->options->json) {
		buf_addf(&line, "{\"event\":\"%s\"", word);
		add_member(&line, "root", job->dir);
		add_member(&line, "what", what);
		if (why)
			add_member(&line, "why", why);
		buf_addf(&line, ",\"dry_run\":%s}\n", job->options->reap.dry ? "true" : "false");
	} else if (bad || !job->options->quiet) {
		buf_addf(&line, "%s", bad ? "osync: " : "");
		text_add_escaped(&line, job->dir);
		buf_addf(&line, ": %s%s ", job->options->reap.dry ? "would be " : "", word);
		text_add_escaped(&line, what);
		if (why)
			buf_addf(&line, " (%s)", why);
		buf_addch(&line, '\n');
	}
	fputs(buf_cstr(&line), bad && !job->options->json ? stderr : stdout);
	(void)fflush(stdout);
}

static void tell(void *arg, enum reap_deed deed, const char *what, const char *why)
{
	say(arg, deed_words[deed], what, why);
}

/* One root ----------------------------------------------------------------------- */

/* The user whose folder it is; 0, or -1 with errno. */
static int become(const struct stat *st)
{
	if (geteuid() != 0 || st->st_uid == 0)
		return 0;
	return setgroups(0, NULL) == 0 && setgid(st->st_gid) == 0 && setuid(st->st_uid) == 0 ? 0
											     : -1;
}

static int reap_here(const struct job *job, struct root *root, struct err *err)
{
	struct reap reap = job->options->reap;
	const struct confine_folder folder = { root_fd(root), true };
	struct err ignored = ERR_INIT;
	int status = 0;

	confine_to(&folder, 1, &ignored);
	reap.arg = (void *)(uintptr_t)job;
	reap.tell = tell;
	status = reap_root(root, &reap, err);
	if (status < 0 && err->kind == ERR_LOCKED) {
		say(job, "alive", "left alone", err->msg);
		return 0;
	}
	return status < 0 ? -1 : reap.done[REAP_FAILED] > 0;
}

/* In the child: its exit status. */
static int reap_child(const struct options *options, const char *dir)
{
	struct job job = { options, dir };
	struct err err = ERR_INIT;
	struct root *root = NULL;
	struct stat st;
	int status = -1;

	sys_set_role("reap");
	stop_install();
	if (lstat(dir, &st) < 0 || chdir(dir) < 0 || lstat(ROOT_WORKDIR, &st) < 0 ||
	    !S_ISDIR(st.st_mode) || become(&st) < 0)
		err_sys(&err, errno, "cannot clean it up");
	else
		root = root_open(".", ROOT_MUST_EXIST, &err);
	if (root)
		status = reap_here(&job, root, &err);
	root_close(root);
	if (status < 0)
		say(&job, "failed", "to be cleaned up", err.msg);
	return status == 0 ? EXIT_SUCCESS : EXIT_FAILED;
}

static int reap_one(const struct options *options, const char *dir)
{
	pid_t pid = -1;
	int status = 0;

	(void)fflush(stdout);
	pid = sys_fork();
	if (pid == 0) {
		status = reap_child(options, dir);
		(void)fflush(stdout);
		_exit(status);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* Folders ------------------------------------------------------------------------ */

/* Whether it is a synced folder: one with a work folder that is no link. */
static bool is_root(const char *dir)
{
	AUTO_FREE char *path = xasprintf("%s/" ROOT_WORKDIR, dir);
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The synced folders in it; how many failed is added to *failed. Returns how many there were. */
static unsigned reap_children(const struct options *options, const char *dir, unsigned *failed)
{
	AUTO_DIR DIR *list = opendir(dir);
	const char *name = NULL;
	unsigned count = 0;

	while (list && !stop_signal() && (name = sys_next_name(list))) {
		AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
		struct stat st;

		if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || !is_root(path))
			continue;
		count++;
		*failed += reap_one(options, path) < 0;
	}
	return count;
}

/* 0, or -1. */
static int reap_dir(const struct options *options, const char *dir)
{
	unsigned failed = 0;

	if (is_root(dir))
		return reap_one(options, dir);
	if (reap_children(options, dir, &failed) == 0) {
		fprintf(stderr, "osync: '%s' is no synced folder, and there is none in it\n", dir);
		return -1;
	}
	return failed ? -1 : 0;
}

/* Arguments ----------------------------------------------------------------------- */

/* The number behind --name=N or --name N; -1 where this is another option, -2 where it is no number. */
static int64_t number(const char *name, int64_t most, int argc, char **argv, int *at)
{
	const char *arg = argv[*at];
	size_t len = strlen(name);
	char *end = NULL;
	long long value = 0;

	if (strncmp(arg, name, len) != 0 || (arg[len] && arg[len] != '='))
		return -1;
	if (!arg[len] && *at + 1 >= argc)
		return -2;
	arg = arg[len] ? arg + len + 1 : argv[++*at];
	errno = 0;
	value = strtoll(arg, &end, 10);
	return *arg < '0' || *arg > '9' || *end || errno || value > most ? -2 : value;
}

/* 1 where it was an option, 0 for a folder, -1 where it is wrong. */
static int option(struct options *options, int argc, char **argv, int *at)
{
	const char *arg = argv[*at];
	int64_t value = 0;

	if (arg[0] != '-' || !arg[1])
		return 0;
	if (strcmp(arg, "-n") == 0 || strcmp(arg, "--dry-run") == 0)
		return options->reap.dry = true;
	if (strcmp(arg, "-q") == 0 || strcmp(arg, "--quiet") == 0)
		return options->quiet = true;
	if (strcmp(arg, "--json") == 0)
		return options->json = true;
	value = number("--lock-ttl", TTL_MAX_S, argc, argv, at);
	if (value != -1) {
		options->ttl_s = value;
		return value < 0 || (value > 0 && value < TTL_MIN_S) ? -1 : 1;
	}
	value = number("--trash-days", KEEP_DAYS_MAX, argc, argv, at);
	if (value > 0)
		options->reap.keep.trash_days = (uint32_t)value;
	if (value == -1) {
		value = number("--pack-days", KEEP_DAYS_MAX, argc, argv, at);
		if (value > 0)
			options->reap.keep.pack_days = (uint32_t)value;
	}
	return value > 0 ? 1 : -1;
}

static int bad_usage(void)
{
	fputs(usage, stderr);
	return EXIT_BAD_USAGE;
}

int cmd_reap(int argc, char **argv)
{
	struct options options = { .ttl_s = TTL_DEFAULT_S };
	AUTO_FREE const char **dirs = xcalloc((size_t)argc + 1, sizeof(*dirs));
	int count = 0;
	int failed = 0;

	for (int i = 0; i < argc; i++) {
		int found = option(&options, argc, argv, &i);

		if (found < 0)
			return bad_usage();
		if (found == 0)
			dirs[count++] = argv[i];
	}
	if (count == 0)
		return bad_usage();
	options.reap.ttl_ms = options.ttl_s * 1000;
	options.reap.boot = done_log_boot();
	stop_install();
	for (int i = 0; i < count && !stop_signal(); i++)
		failed += reap_dir(&options, dirs[i]) < 0;
	if (stop_signal())
		return 128 + stop_signal();
	return failed ? EXIT_FAILED : EXIT_SUCCESS;
}
