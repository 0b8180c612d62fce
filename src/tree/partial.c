/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/sys.h"
#include "store/atomic.h"
#include "tree/changer_internal.h"
#include "tree/reader.h"
#include "tree/root.h"
#include "tree/space.h"

#define PREFIX "l-"
enum {
	PREFIX_LEN = sizeof(PREFIX) - 1,
	NAME_LEN = DIGEST_HEX_LEN,
	OWN_ROOM = 16 * 1024 * 1024, /* bytes that a run takes for its notes, and small files */
};

/* The name in the folder. Seed 0: other runs are to find it. */
static void name_of(const char *path, char out[static NAME_LEN + 1])
{
	const struct digest digest = digest_of(path, strlen(path), 0);

	digest_hex(&digest, out);
}

void partial_stage_name(const char *path, unsigned long serial, char *out, size_t cap)
{
	char name[NAME_LEN + 1];

	name_of(path, name);
	snprintf(out, cap, PREFIX "%s-%lu", name, serial);
}

/* -1 where it is not there. */
static int folder_open(struct root *root)
{
	return sys_openat(root_workdir(root), PARTIAL_FOLDER,
			  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
}

static bool is_large(int dirfd, const char *name, struct stat *st)
{
	return sys_fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st->st_mode) &&
	       st->st_size >= PARTIAL_MIN;
}

int partial_keep(const struct changer *changer, const char *name)
{
	AUTO_CLOSE int folder = -1;
	char kept[NAME_LEN + 1];
	struct stat st = { 0 };
	struct stat old = { 0 };

	if (strncmp(name, PREFIX, PREFIX_LEN) != 0 || strlen(name) <= PREFIX_LEN + NAME_LEN ||
	    !is_large(changer->stage, name, &st))
		return -1;
	snprintf(kept, sizeof(kept), "%s", name + PREFIX_LEN);
	folder = atomic_mkdir_open(root_workdir(changer->root), PARTIAL_FOLDER, NULL);
	if (folder < 0 || (is_large(folder, kept, &old) && old.st_size >= st.st_size))
		return -1;
	return sys_renameat2(changer->stage, name, folder, kept, 0);
}

bool partial_any(const struct changer *changer)
{
	AUTO_CLOSE int folder = folder_open(changer->root);
	AUTO_DIR DIR *dir = folder < 0 ? NULL : sys_list(folder, ".");

	return dir && sys_next_name(dir);
}

/* Whether the file has room beside it. */
static bool is_room(const struct changer *changer, uint64_t size)
{
	struct space space = space_of(changer->stage);

	return space.total == 0 || space.free > size;
}

struct reader *partial_open(const struct changer *changer, const char *path, uint64_t size,
			    struct err *err)
{
	AUTO_CLOSE int folder = folder_open(changer->root);
	struct reader *reader = NULL;
	char name[NAME_LEN + 1];

	if (folder < 0) {
		err_set(err, ERR_CHANGED, "there is nothing of it yet");
		return NULL;
	}
	name_of(path, name);
	reader = reader_open_at(changer->root, folder, name, path, changer->look.seed, err);
	if (!reader || (reader_size(reader) <= size && is_room(changer, size)))
		return reader;
	reader_free(reader);
	sys_unlinkat(folder, name, 0);
	err_set(err, ERR_CHANGED, "what is there of it is of no use");
	return NULL;
}

void partial_remove(const struct changer *changer, const char *path)
{
	AUTO_CLOSE int folder = folder_open(changer->root);
	char name[NAME_LEN + 1];

	name_of(path, name);
	if (folder >= 0)
		sys_unlinkat(folder, name, 0);
}

bool partial_clear(struct root *root)
{
	AUTO_CLOSE int folder = folder_open(root);
	AUTO_DIR DIR *dir = folder < 0 ? NULL : sys_list(folder, ".");
	const char *name = NULL;
	bool any = false;

	while (dir && (name = sys_next_name(dir)))
		any |= sys_unlinkat(folder, name, 0) == 0;
	if (folder >= 0)
		sys_unlinkat(root_workdir(root), PARTIAL_FOLDER, AT_REMOVEDIR);
	return any;
}

void partial_make_room(struct root *root)
{
	AUTO_CLOSE int folder = folder_open(root);
	struct space space = { .block = 1 };

	if (folder < 0)
		return;
	space = space_of(folder);
	if (space.total > 0 && space.free < OWN_ROOM)
		partial_clear(root);
}
