/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/saved.h"

#include <errno.h>
#include <fcntl.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/sys.h"
#include "config/config.h"
#include "store/atomic.h"
#include "tree/leftover.h"
#include "tree/root.h"

char *saved_folder(const struct config *config)
{
	const char *custom = config->state_dir[SIDE_INITIATOR];

	return custom ? xstrdup(custom)
		      : xasprintf("%s/%s/state", config->initiator_dir, ROOT_WORKDIR);
}

char *saved_name(const struct config *config)
{
	return xasprintf("%s.list", config->instance_id);
}

void saved_close(struct saved *saved)
{
	list_close(saved->list);
	saved->list = NULL;
	cleanup_close(&saved->fd);
}

int saved_open(struct saved *saved, const struct config *config, enum table_mode mode,
	       struct err *err)
{
	AUTO_FREE char *dir = saved_folder(config);
	AUTO_FREE char *name = saved_name(config);
	bool exists = false;

	*saved = (struct saved)SAVED_INIT;
	saved->fd = sys_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (saved->fd < 0 && errno != ENOENT && errno != ENOTDIR)
		return err_sys(err, errno, "cannot open the folder of the saved file list '%s'",
			       dir);
	if (saved->fd < 0)
		return 0;
	/* Elsewhere than in the root, where its agent sees to it. */
	if (mode == TABLE_WRITE && config->state_dir[SIDE_INITIATOR])
		leftover_sweep(saved->fd, ".", clock_realtime_ns(), LEFTOVER_REMOVE, NULL, NULL);
	saved->list = list_open(saved->fd, name, mode, &saved->head, &exists, err);
	if (!saved->list)
		return err_wrap(err, "cannot use the saved file list");
	if (!exists) {
		list_close(saved->list);
		saved->list = NULL;
	}
	return 0;
}

int saved_create(struct saved *saved, const struct config *config, struct err *err)
{
	AUTO_FREE char *dir = saved_folder(config);
	AUTO_FREE char *name = saved_name(config);
	struct list_head head;
	bool exists = false;

	if (saved->fd < 0)
		saved->fd = atomic_mkdir_path_open(dir, err);
	if (saved->fd < 0)
		return err_wrap(err, "cannot create the folder of the saved file list");
	saved->list = list_open(saved->fd, name, TABLE_WRITE, &head, &exists, err);
	return saved->list ? 0 : err_wrap(err, "cannot create the saved file list");
}

int saved_set_aside(struct saved *saved, const struct config *config, struct err *err)
{
	AUTO_FREE char *name = saved_name(config);

	list_close(saved->list);
	saved->list = NULL;
	return saved->fd < 0 ? 0 : table_set_aside(saved->fd, name, err);
}
