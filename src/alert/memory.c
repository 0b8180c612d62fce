/* SPDX-License-Identifier: BSD-2-Clause */
#include "alert/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alert/policy.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sys.h"
#include "config/config.h"
#include "model/entry.h"
#include "store/atomic.h"
#include "tree/leftover.h"

enum {
	FILE_MAX = 8192,
};

static const char first_line[] = "osync alerts 1\n";

/* The format ---------------------------------------------------------------------- */

void memory_encode(const struct policy_memory *memory, struct buf *out)
{
	buf_addstr(out, first_line);
	buf_addf(out, "told %" PRId64 " %" PRIu64 " %" PRId64 "\n", memory->look_told_s,
		 memory->looks, memory->mute_s);
	for (size_t i = 0; i < memory->count; i++) {
		const struct trouble *trouble = &memory->troubles[i];

		buf_addf(out,
			 "trouble %d %" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRIu32
			 " %d %d\n",
			 (int)trouble->kind, trouble->id, trouble->since_s, trouble->seen_s,
			 trouble->told_s, trouble->runs, trouble->lasts, trouble->owed);
	}
}

/* " NUMBER" of at most `max`; moves *text behind it. */
static int take_number(const char **text, uint64_t max, uint64_t *number)
{
	const char *pos = *text;

	*number = 0;
	if (*pos++ != ' ' || *pos < '0' || *pos > '9')
		return -1;
	for (; *pos >= '0' && *pos <= '9'; pos++) {
		uint64_t digit = (uint64_t)(*pos - '0');

		if (digit > max || *number > (max - digit) / 10)
			return -1;
		*number = *number * 10 + digit;
	}
	*text = pos;
	return 0;
}

/* A word, `count` numbers behind it, and the end of the line. */
static int take_line(const char **text, const char *word, const uint64_t *max, uint64_t *numbers,
		     size_t count)
{
	const char *pos = *text;

	if (strncmp(pos, word, strlen(word)) != 0)
		return -1;
	pos += strlen(word);
	for (size_t i = 0; i < count; i++)
		if (take_number(&pos, max[i], &numbers[i]) < 0)
			return -1;
	if (*pos != '\n')
		return -1;
	*text = pos + 1;
	return 0;
}

static int take_trouble(const char **text, struct trouble *trouble)
{
	enum { KIND, ID, SINCE, SEEN, TOLD, RUNS, LASTS, OWED, NUMBERS };
	static const uint64_t max[NUMBERS] = { TROUBLE_KINDS - 1, UINT64_MAX, INT64_MAX, INT64_MAX,
					       INT64_MAX,	  UINT32_MAX, 1,	 1 };
	uint64_t numbers[NUMBERS] = { 0 };

	if (take_line(text, "trouble", max, numbers, NUMBERS) < 0)
		return -1;
	*trouble = (struct trouble){ .kind = (enum trouble_kind)numbers[KIND],
				     .id = numbers[ID],
				     .since_s = (int64_t)numbers[SINCE],
				     .seen_s = (int64_t)numbers[SEEN],
				     .told_s = (int64_t)numbers[TOLD],
				     .runs = (uint32_t)numbers[RUNS],
				     .lasts = numbers[LASTS] == 1,
				     .owed = numbers[OWED] == 1 };
	return 0;
}

static int decode_lines(const char *text, struct policy_memory *memory)
{
	static const uint64_t max[] = { INT64_MAX, UINT64_MAX, INT64_MAX };
	uint64_t numbers[3] = { 0 };

	if (strncmp(text, first_line, strlen(first_line)) != 0)
		return -1;
	text += strlen(first_line);
	if (take_line(&text, "told", max, numbers, 3) < 0)
		return -1;
	memory->look_told_s = (int64_t)numbers[0];
	memory->looks = numbers[1];
	memory->mute_s = (int64_t)numbers[2];
	for (; *text; memory->count++)
		if (memory->count == POLICY_ENTRIES ||
		    take_trouble(&text, &memory->troubles[memory->count]) < 0)
			return -1;
	return 0;
}

int memory_decode(const char *text, struct policy_memory *memory)
{
	*memory = (struct policy_memory){ .count = 0 };
	if (decode_lines(text, memory) == 0)
		return 0;
	*memory = (struct policy_memory){ .count = 0 };
	return -1;
}

/* The place ----------------------------------------------------------------------- */

static char *file_name(const struct config *config)
{
	AUTO_BUF who = BUF_INIT;
	char host[HOST_NAME_MAX + 1] = "";

	/* A home folder may be shared by machines. The initiator's path as it is given: it may be gone. */
	gethostname(host, sizeof(host) - 1);
	buf_addf(&who, "%s\n%s", host, config->initiator_dir);
	return xasprintf("%s-%016" PRIx64 ".alerts", config->instance_id,
			 digest_checksum(who.data, who.len));
}

static char *home_place(void)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	const struct passwd *user = NULL;

	if (state && state[0] == '/')
		return xasprintf("%s/osync", state);
	if (!home || home[0] != '/') {
		user = getpwuid(geteuid());
		home = user ? user->pw_dir : "";
	}
	return home[0] == '/' ? xasprintf("%s/.local/state/osync", home) : NULL;
}

/* Only where it is there: what is missing may be a disk. */
static int open_state_folder(const struct config *config, struct err *err)
{
	const char *custom = config->state_dir[SIDE_INITIATOR];
	AUTO_FREE char *dir = custom ? xstrdup(custom)
				     : xasprintf("%s/.osync_workdir/state", config->initiator_dir);
	int fd = sys_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);

	return fd < 0 ? err_sys(err, errno, "cannot open the folder '%s'", dir) : fd;
}

/* Where it is, or where it is going to be: only what is written makes folders. */
static int open_place(const struct config *config, bool make, struct err *err)
{
	AUTO_FREE char *dir = home_place();
	struct err ignored = ERR_INIT;
	int fd = -1;

	if (dir)
		fd = make ? atomic_mkdir_path_open(dir, &ignored)
			  : sys_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	return fd >= 0 ? fd : open_state_folder(config, err);
}

void memory_load(const struct config *config, struct policy_memory *memory)
{
	struct err err = ERR_INIT;
	AUTO_FREE char *name = file_name(config);
	AUTO_CLOSE int dirfd = open_place(config, false, &err);
	AUTO_BUF text = BUF_INIT;
	int found = 0;

	*memory = (struct policy_memory){ .count = 0 };
	if (dirfd >= 0)
		found = atomic_read(dirfd, name, FILE_MAX, &text, &err);
	else if (err.sys != ENOENT && err.sys != ENOTDIR)
		found = -1;
	if (found < 0)
		log_warn("cannot read what was told before: %s", err.msg);
	else if (found > 0 && memory_decode(buf_cstr(&text), memory) < 0)
		log_warn("'%s' is damaged: what was told before is forgotten", name);
}

int memory_save(const struct config *config, const struct policy_memory *memory, struct err *err)
{
	AUTO_FREE char *name = file_name(config);
	AUTO_CLOSE int dirfd = open_place(config, true, err);
	AUTO_BUF text = BUF_INIT;

	if (dirfd < 0)
		return err_wrap(err, "cannot remember what was told");
	leftover_sweep(dirfd, ".", clock_realtime_ns(), LEFTOVER_REMOVE, NULL, NULL);
	memory_encode(memory, &text);
	if (atomic_write(dirfd, name, text.data, text.len, err) < 0)
		return err_wrap(err, "cannot remember what was told");
	return 0;
}
