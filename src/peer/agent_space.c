/* SPDX-License-Identifier: BSD-2-Clause */
/* How much room there is, and how much of it a file takes. */
#include <fcntl.h>

#include "base/codec.h"
#include "base/sys.h"
#include "peer/agent_internal.h"
#include "peer/frame.h"
#include "tree/changer.h"
#include "tree/partial.h"
#include "tree/root.h"
#include "tree/space.h"

static uint64_t leftovers_in(const struct agent *agent, const char *name)
{
	int workdir = root_workdir(agent->root);
	AUTO_CLOSE int folder =
		workdir < 0 ? -1
			    : sys_openat(workdir, name,
					 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);

	return folder < 0 ? 0 : space_in_folder(folder, staged_was_never_placed, &agent->boot);
}

/* What dead runs have left there is swept before anything new comes, or used for it, or in its way (tree/partial.h). */
static uint64_t leftovers(const struct agent *agent)
{
	return leftovers_in(agent, "stage") + leftovers_in(agent, PARTIAL_FOLDER);
}

static bool is_elsewhere(const struct agent *agent)
{
	struct stat st;

	return agent->state_fd >= 0 && sys_fstat(agent->state_fd, &st) == 0 &&
	       st.st_dev != root_dev(agent->root);
}

void agent_space(const struct agent *agent, struct msg_listed *listed)
{
	listed->root = listed->state = (struct space){ .block = 1 };
	if (!agent->root)
		return;
	listed->root = space_of(root_fd(agent->root));
	if (listed->root.total > 0 && agent->lock)
		listed->root.free += leftovers(agent);
	if (is_elsewhere(agent))
		listed->state = space_of(agent->state_fd);
}

static uint64_t stored(struct agent *agent, const char *path)
{
	const char *name = NULL;
	struct stat st;
	int dirfd = -1;

	if (!agent->root || root_parent(agent->root, path, &dirfd, &name, NULL) < 0 ||
	    sys_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return UINT64_MAX;
	return space_taken(&st);
}

int agent_on_stored(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct dec dec;
	const char *path = NULL;
	uint64_t id = 0;

	dec_init(&dec, frame->data, frame->len);
	id = dec_uint(&dec);
	path = msg_dec_path(&dec, &agent->arena);
	if (!dec_done(&dec))
		return msg_malformed(frame, err);
	msg_put_stored_is(&agent->out, id, stored(agent, path));
	return 0;
}
