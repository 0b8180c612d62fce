/* SPDX-License-Identifier: BSD-2-Clause */
/* TIDY: the trash of this root by age, at the end of a run. */
#include "base/codec.h"
#include "base/log.h"
#include "peer/agent_internal.h"
#include "peer/frame.h"
#include "peer/protocol.h"
#include "tree/root.h"
#include "tree/trash_tidy.h"

static void tell(void *arg, enum tidy_deed deed, const char *name, const char *why)
{
	const struct agent *agent = arg;

	if (deed == TIDY_FAILED)
		log_warn("%s: the trash '%s' stays: %s", agent->options->role, name, why);
}

int agent_on_tidy(struct agent *agent, const struct frame *frame, struct err *err)
{
	struct tidy tidy = {
		.lock = agent->lock, .current = "", .boot = agent->boot, .tell = tell, .arg = agent
	};
	struct err status = ERR_INIT;
	size_t start = 0;

	if (frame->len > 0 || agent->dry || !agent->lock)
		return msg_malformed(frame, err);
	tidy.now_ns = root_now_ns(agent->root);
	if (trash_tidy(root_workdir(agent->root), &tidy, &status) < 0 &&
	    agent_lock_check(agent, err) < 0)
		return -1;
	start = frame_begin(&agent->out, PEER_TIDIED);
	msg_enc_status(&agent->out, &status);
	for (int i = 0; i < TIDY_DEEDS; i++)
		enc_uint(&agent->out, tidy.done[i]);
	frame_end(&agent->out, start);
	return 0;
}
