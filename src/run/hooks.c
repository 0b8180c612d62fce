/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/hooks.h"

#include <assert.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/sys.h"
#include "config/config.h"
#include "config/parse.h"
#include "peer/channel.h"
#include "peer/msg.h"
#include "peer/protocol.h"
#include "run/facts.h"
#include "run/limits.h"
#include "run/report.h"
#include "run/session.h"
#include "transport/lines.h"

struct hook {
	const char *key;
	const char *command;
	enum side side;
	int limit_s;
	bool is_before;
	bool after_error; /* answers to what was asked before may still come; the other side may be gone */
};

static_assert((int)PARSE_VALUE_MAX <= (int)PEER_COMMAND_MAX, "a command must fit into a HOOK");

static const char *const before_keys[SIDES] = { "LOCAL_RUN_BEFORE_CMD", "REMOTE_RUN_BEFORE_CMD" };
static const char *const after_keys[SIDES] = { "LOCAL_RUN_AFTER_CMD", "REMOTE_RUN_AFTER_CMD" };

int hooks_check(const struct session *session, struct err *err)
{
	const struct config *config = session->config;

	if (config_has_local_hooks(config) && !session->sides[SIDE_INITIATOR].hooks)
		return err_set(err, ERR_SYSTEM, "cannot start the process that runs hooks");
	if (!config_has_remote_hooks(config) || session->sides[SIDE_TARGET].hooks)
		return 0;
	return err_set(err, ERR_DENIED,
		       "the target may not run %s: to allow it, let the command in its "
		       "authorized_keys be 'osync agent --allow-hooks --root DIR'",
		       config->before_cmd[SIDE_TARGET] ? before_keys[SIDE_TARGET]
						       : after_keys[SIDE_TARGET]);
}

static void ask(struct session *session, const struct hook *hook, const struct facts *facts)
{
	struct msg_hook msg = { .command = hook->command,
				.limit_ms = hook->limit_s * INT64_C(1000),
				.keeps_root = hook->is_before,
				.environment = (const char *const *)facts->items };

	msg_put_hook(channel_out(session->sides[hook->side].channel), &msg);
	session->sides[hook->side].hooks_open++;
}

static int wait_frame(struct session *session, const struct hook *hook, struct frame *frame,
		      struct err *err)
{
	return hook->after_error ? session_wait_alone(session, hook->side, frame, err)
				 : session_wait(session, hook->side, frame, err);
}

/*
 * Log what it prints until it has ended; how it ended is in *status.  A before-hook in the middle of which
 * the run was stopped ends first, and is of no more interest.
 */
static int follow(struct session *session, const struct hook *hook, struct lines *lines,
		  struct err *status, struct err *err)
{
	int *open = &session->sides[hook->side].hooks_open;
	struct frame frame;

	for (;;) {
		if (wait_frame(session, hook, &frame, err) < 0)
			return -1;
		if (frame.type == PEER_OUTPUT && *open == 1)
			lines_feed(lines, frame.data, frame.len);
		else if (frame.type == PEER_HOOKED && --*open == 0)
			return msg_get_status(&frame, status, err);
		else if (!hook->after_error)
			return msg_malformed(&frame, err);
	}
}

/* -1 with err when the conversation broke; *failure is set when the hook failed. */
static int run_hook(struct session *session, const struct hook *hook, const struct facts *facts,
		    struct err *failure, struct err *err)
{
	AUTO_LINES lines = LINES_INIT(hook->key);
	AUTO_BUF last = BUF_INIT;
	struct err status = ERR_INIT;
	int64_t start_ms = clock_monotonic_ms();
	int followed = 0;

	lines.plain = true;
	limits_doing(session->limits, hook->key);
	log_info("%s: running on the %s", hook->key, side_name(hook->side));
	ask(session, hook, facts);
	followed = follow(session, hook, &lines, &status, err);
	lines_end(&lines);
	if (followed < 0)
		return err_wrap(err, "while %s was running", hook->key);
	lines_last(&lines, &last);
	if (err_is_set(&status))
		err_set(failure, status.kind == ERR_GUARD ? ERR_GUARD : ERR_SYSTEM, "%s %s%s%s%s",
			hook->key, status.msg, last.len ? " (it said: " : "", buf_cstr(&last),
			last.len ? ")" : "");
	else
		log_info("%s: done after %lld ms", hook->key,
			 (long long)(clock_monotonic_ms() - start_ms));
	return 0;
}

/* A hook that failed may be let off; a root that is another one now, or a lost connection, never. */
static int judge(struct session *session, const struct err *failure, struct err *err)
{
	if (!err_is_set(failure))
		return 0;
	if (session->config->stop_on_cmd_error || failure->kind != ERR_SYSTEM) {
		*err = *failure;
		return -1;
	}
	report_look(session->report, failure->msg);
	return 0;
}

int hooks_before(struct session *session, struct err *err)
{
	const struct config *config = session->config;

	for (int side = 0; side < SIDES && !config->dry_run; side++) {
		const struct hook hook = { .key = before_keys[side],
					   .command = config->before_cmd[side],
					   .side = (enum side)side,
					   .limit_s = config->before_limit_s,
					   .is_before = true };
		AUTO_FACTS facts = facts_of_run(config, session->run, hook.key);
		struct err failure = ERR_INIT;

		if (!hook.command)
			continue;
		if (run_hook(session, &hook, &facts, &failure, err) < 0 ||
		    judge(session, &failure, err) < 0)
			return -1;
		session_edited(session);
	}
	return 0;
}

static void run_after(struct session *session, const struct hook *hook, const struct err *outcome,
		      struct err *failure)
{
	AUTO_FACTS facts = facts_of_run(session->config, session->run, hook->key);
	struct err broken = ERR_INIT;

	facts_add_outcome(&facts, session->report, outcome);
	if (run_hook(session, hook, &facts, failure, &broken) < 0)
		*failure = broken;
}

/* Whether they are to run at all, after what has ended like this. */
static bool is_due(const struct session *session, int status)
{
	const struct config *config = session->config;

	return session->locked && !config->dry_run &&
	       (config_has_local_hooks(config) || config_has_remote_hooks(config)) &&
	       (status == 0 || config->run_after_cmd_on_error);
}

int hooks_after(struct session *session, int status, struct err *err)
{
	const struct config *config = session->config;
	struct err outcome = *err;
	int limit_s = config->after_limit_s;

	if (!is_due(session, status))
		return status;
	/* From here on only a second signal stops us. */
	if (status < 0 && stop_forgive() && limit_s == 0)
		limit_s = HOOKS_STOPPED_S;
	for (int side = 0; side < SIDES; side++) {
		const struct hook hook = { .key = after_keys[side],
					   .command = config->after_cmd[side],
					   .side = (enum side)side,
					   .limit_s = limit_s,
					   .after_error = err_is_set(&outcome) };
		struct err failure = ERR_INIT;

		if (hook.command)
			run_after(session, &hook, &outcome, &failure);
		/* The first error is the one that counts. */
		if (status == 0)
			status = judge(session, &failure, err);
		else if (err_is_set(&failure))
			report_look(session->report, failure.msg);
	}
	return status;
}
