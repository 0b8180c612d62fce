/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>

#include "base/log.h"
#include "base/sys.h"
#include "peer/agent_internal.h"
#include "peer/frame.h"
#include "peer/hook_runner.h"
#include "peer/protocol.h"
#include "tree/root.h"

void agent_hook_prepare(struct agent *agent, unsigned hello_flags)
{
	struct err why = ERR_INIT;

	if (!(hello_flags & PEER_HELLO_HOOKS) || agent->dry || !agent->options->hooks)
		return;
	agent->runner = hook_runner_start("hook runner", &why);
	if (!agent->runner)
		log_warn("%s: %s", agent->options->role, why.msg);
}

int agent_on_hook(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct msg_hook hook;
	struct err status = ERR_INIT;

	if (msg_get_hook(frame, &agent->arena, &hook, err) < 0)
		return -1;
	if (!agent->lock || agent->dry || agent->hooks_open >= PEER_HOOKS_MAX)
		return msg_malformed(frame, err);
	if (agent_lock_check(agent, err) < 0)
		return -1;
	agent->hook_keeps_root = hook.keeps_root;
	if (!agent->runner)
		err_set(&status, ERR_DENIED, "the agent may not run commands");
	else if (hook_runner_ask(agent->runner, frame, &status) == 0)
		agent->hooks_open++;
	if (err_is_set(&status))
		msg_put_status(&agent->out, PEER_HOOKED, &status);
	return 0;
}

int agent_hook_check(const struct agent *agent, struct err *err)
{
	return agent->hooks_open > 0 ? agent_lock_check(agent, err) : 0;
}

int agent_hook_fd(const struct agent *agent)
{
	return agent->hooks_open > 0 ? hook_runner_fd(agent->runner) : -1;
}

/* Everything is done in the folder that was opened; a hook that mounts over it meant another one. */
static bool is_root_in_place(const struct agent *agent)
{
	struct stat ours;
	struct stat there;

	return sys_fstat(root_fd(agent->root), &ours) == 0 &&
	       sys_fstatat(AT_FDCWD, agent->options->dir, &there, 0) == 0 &&
	       sys_same_file(&ours, &there);
}

static void put_hooked(struct agent *agent, struct err *status)
{
	if (agent->hook_keeps_root && !is_root_in_place(agent)) {
		err_clear(status);
		err_set(status, ERR_GUARD,
			"put another folder in the place of the one that is synced; what is to be "
			"mounted there must be mounted before osync is started");
	}
	msg_put_status(&agent->out, PEER_HOOKED, status);
}

void agent_hook_take(struct agent *agent)
{
	struct err status = ERR_INIT;

	while (agent->hooks_open > 0 && hook_runner_take(agent->runner, &agent->out, &status)) {
		agent->hooks_open--;
		put_hooked(agent, &status);
		err_clear(&status);
	}
}

void agent_hook_close(struct agent *agent)
{
	hook_runner_stop(agent->runner);
	agent->runner = NULL;
}
