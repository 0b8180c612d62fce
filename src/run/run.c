/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/run.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/sys.h"
#include "config/config.h"
#include "model/change.h"
#include "model/filling.h"
#include "model/guard.h"
#include "model/move.h"
#include "model/plan.h"
#include "model/reuse.h"
#include "model/structure.h"
#include "peer/channel.h"
#include "run/ability.h"
#include "run/again.h"
#include "run/apply.h"
#include "run/collect.h"
#include "run/commands.h"
#include "run/conflict.h"
#include "run/hooks.h"
#include "run/import.h"
#include "run/jitter.h"
#include "run/limits.h"
#include "run/network.h"
#include "run/outcome.h"
#include "run/record.h"
#include "run/report.h"
#include "run/session.h"
#include "run/settle.h"
#include "run/space.h"
#include "run/trash.h"
#include "run/verify.h"
#include "tree/run_name.h"

/* What a run has in hand between looking and acting. */
struct work {
	struct changes changes;
	struct census census;
	struct moves moves;
	struct reuse *reuse;
	struct plan plan;
};

/*
 * Until a run over this saved list has been completed (on a first run, and after one was lost, put
 * back or --adopt), nobody knows which version is the older one, and the list is not there to limit
 * how many lose: a policy that lets one go keeps both.
 */
static enum conflict_rule rule_of(const struct session *session)
{
	enum conflict_policy policy = session->config->conflict_policy;

	if (session->saved.head.complete == 0 && policy != CONFLICT_SKIP)
		return RULE_KEEP_BOTH;
	switch (policy) {
	case CONFLICT_KEEP_BOTH:
		break;
	case CONFLICT_NEWER:
		return RULE_NEWER;
	case CONFLICT_INITIATOR:
		return RULE_INITIATOR;
	case CONFLICT_TARGET:
		return RULE_TARGET;
	case CONFLICT_SKIP:
		return RULE_SKIP;
	}
	return RULE_KEEP_BOTH;
}

static struct policy policy_of(const struct session *session)
{
	const struct config *config = session->config;

	struct policy policy = {
		.rule = rule_of(session),
		.prevalence = (enum side)config->prevalence,
		.direction = (enum direction)config->sync_type,
		.skip_deletion = { config->skip_deletion & SKIP_ON_INITIATOR,
				   config->skip_deletion & SKIP_ON_TARGET },
		.executability_only =
			!config->preserve_permissions && config->preserve_executability,
		.skew_ns = session->skew_ns,
		.owners = session->owners,
	};

	ability_limit(session, &policy);
	return policy;
}

static struct guard_limits limits_of(const struct config *config)
{
	return (struct guard_limits){
		.max_delete_percent = config->max_delete_percent,
		.max_delete_count = config->max_delete_count,
		.max_change_percent = config->max_change_percent,
		.max_change_count = config->max_change_count,
		.allow_deletes = config->allow_deletes,
		.allow_changes = config->allow_changes,
	};
}

/* Decide each path. A deletion needs more than that a listing left the path out. */
static int reach_verdicts(struct session *session, struct changes *changes,
			  const struct policy *policy, struct err *err)
{
	bool contradicted = false;

	structure_block_unknown(changes);
	structure_settle(changes, policy);
	if (settle_deletions(session, changes, &contradicted, err) < 0)
		return -1;
	if (!contradicted)
		return 0;
	structure_block_unknown(changes);
	structure_settle(changes, policy);
	return 0;
}

/* Look at both sides and decide. */
static int decide(struct session *session, struct work *work, const struct policy *policy,
		  struct err *err)
{
	const struct config *config = session->config;
	const struct guard_limits limits = limits_of(config);

	limits_doing(session->limits, "listing both folders");
	if (collect(session, &work->changes, &work->census, err) < 0)
		return -1;
	import_osync_lists(session, &work->changes, &work->census);
	sys_point("after-scan");
	structure_block_unknown(&work->changes);
	work->reuse = reuse_new(&work->changes);
	limits_doing(session->limits, "comparing");
	if (settle(session, &work->changes, work->reuse, err) < 0)
		return -1;
	if (!config->initialize)
		moves_follow(&work->changes, &work->moves, policy->direction);
	if (reach_verdicts(session, &work->changes, policy, err) < 0)
		return -1;
	if (guard_check(&work->changes, &work->census, &limits, err) < 0)
		return -1;
	if (config->initialize)
		structure_only_record(&work->changes);
	if (conflict_name_copies(session, &work->changes, &work->moves, err) < 0)
		return -1;
	plan_build(&work->plan, &work->changes, &work->moves, policy, config->preserve_hardlinks);
	reuse_in_plan(work->reuse, &work->changes, &work->moves, &work->plan);
	filling_in_plan(&work->plan);
	reuse_free(work->reuse);
	work->reuse = NULL;
	return space_check(session, &work->plan, err);
}

/* Conflicts, and what is left alone: said in a dry run and in a real one. */
static void report_decisions(struct session *session, const struct changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		const struct change *change = &changes->items[i];
		enum reason reason = (enum reason)change->verdict.reason;

		if (change->verdict.kind == VERDICT_CONFLICT)
			report_conflict(session->report, change->path,
					side_other((enum side)change->verdict.from),
					change_copy(change), change->verdict.keep_loser, reason);
		else if (reason == REASON_SPECIAL || reason == REASON_MOUNT)
			report_skipped(session->report, change->path, reason_text(reason));
		else if (reason == REASON_SKIP || reason == REASON_IN_THE_WAY)
			report_unresolved(session->report, change->path, reason_text(reason));
	}
}

static bool is_newly_seen(const struct change *change)
{
	return change->verdict.reason == REASON_SPECIAL || change->verdict.reason == REASON_MOUNT;
}

/* Whether anything is to be written at all: operations, or records. */
static bool has_work(const struct session *session, const struct work *work)
{
	if (work->plan.count > 0 || session->retell)
		return true;
	for (size_t i = 0; i < work->changes.count; i++)
		if (record_is_due(&work->changes.items[i]) ||
		    is_newly_seen(&work->changes.items[i]))
			return true;
	return false;
}

/* The last look before the first change. One way never asks for this. */
static int check_read_only(const struct session *session, const struct plan *plan, struct err *err)
{
	for (size_t i = 0; i < plan->count; i++)
		if (session->sides[plan->ops[i]->side].read_only)
			return err_set(
				err, ERR_DENIED,
				"'%.300s' would have to be changed on the %s, which can only be "
				"read; nothing was changed",
				plan->ops[i]->path, side_name((enum side)plan->ops[i]->side));
	return 0;
}

/* It has been carried out, and what is still to be done needs memory of its own. */
static void forget_plan(struct work *work)
{
	plan_release(&work->plan);
	moves_release(&work->moves);
	changes_release(&work->changes);
	xtrim();
}

static int act(struct session *session, struct work *work, struct err *err)
{
	if (check_read_only(session, &work->plan, err) < 0 || session_prepare(session, err) < 0)
		return -1;
	for (size_t i = 0; i < work->changes.count; i++)
		if (is_newly_seen(&work->changes.items[i]))
			record_seen(session, &work->changes.items[i]);
	session_let_time_pass(session);
	limits_doing(session->limits, "carrying out the plan");
	if (apply(session, &work->changes, &work->plan, err) < 0)
		return -1;
	forget_plan(work);
	return session_commit(session, err);
}

static void print_plan(struct session *session, const struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		report_change(session->report, plan->ops[i]);
}

/* What is done with both locks held. */
static int sync_locked(struct session *session, const struct config *config, struct work *work,
		       struct err *err)
{
	struct policy policy;

	if (hooks_before(session, err) < 0)
		return -1;
	policy = policy_of(session);
	if (decide(session, work, &policy, err) < 0)
		return -1;
	report_decisions(session, &work->changes);
	/* Once per run; one that has nothing to do and was asked to be quiet says nothing. */
	if (!config->quiet || work->plan.count > 0)
		ability_report(session, &work->changes);
	if (config->dry_run) {
		print_plan(session, &work->plan);
		return 0;
	}
	if (has_work(session, work) && act(session, work, err) < 0)
		return -1;
	limits_doing(session->limits, "reading files again");
	if (verify(session, &work->census, err) < 0)
		return -1;
	return trash_end_of_run(session, err);
}

/* Asked to stop, the agents may have gone first: that is not a lost connection. */
static int failed(const struct session *session, struct err *err)
{
	limits_blame(session->config, err);
	return -1;
}

/*
 * Connect and lock. Begun again where another first run came between; once, since what made the two
 * go by different names is over then.
 */
static int open_and_lock(struct session *session, const struct config *config,
			 struct report *report, const char *run, struct err *err)
{
	int locked = 1;

	for (int tries = 0; tries < 2 && locked == 1; tries++) {
		if (tries > 0)
			session_close(session);
		limits_doing(session->limits, "connecting");
		if (session_open(session, config, report, run, err) < 0 ||
		    hooks_check(session, err) < 0)
			return -1;
		limits_doing(session->limits, "waiting for the locks");
		locked = session_lock(session, err);
	}
	if (locked == 1)
		return err_set(err, ERR_LOCKED,
			       "the initiator is given another identity again and again");
	return locked;
}

/* The pipeline. */
static int run_session(struct session *session, const struct config *config, struct report *report,
		       const char *run, struct work *work, struct err *err)
{
	int status = 0;

	if (open_and_lock(session, config, report, run, err) < 0)
		return failed(session, err);
	status = sync_locked(session, config, work, err);
	if (status < 0)
		failed(session, err);
	return hooks_after(session, status, err) < 0 ? failed(session, err) : 0;
}

/* What was listed last, and all that was sent. */
static void add_totals(struct report_totals *totals, const struct session *session)
{
	const struct channel *target = session->sides[SIDE_TARGET].channel;

	for (int s = 0; s < SIDES; s++)
		if (session->sides[s].scanned > 0)
			totals->scanned[s] = session->sides[s].scanned;
	if (target) {
		totals->sent_bytes += channel_sent_bytes(target);
		totals->received_bytes += channel_received_bytes(target);
	}
}

static void work_release(struct work *work)
{
	forget_plan(work);
	reuse_free(work->reuse);
	census_release(&work->census);
}

/* The pipeline, from connecting on, until it comes to its end or trying again is of no use. */
static void run_tries(const struct config *config, struct limits *limits, struct report *report,
		      const char *run, struct report_totals *totals, struct err *err)
{
	struct session session = { .limits = limits };
	struct again again;
	int status = 0;

	again_start(&again);
	do {
		struct work work = { CHANGES_INIT, CENSUS_INIT, MOVES_INIT, NULL, PLAN_INIT };

		session.again = again.tries > 0;
		status = run_session(&session, config, report, run, &work, err);
		add_totals(totals, &session);
		session_close(&session);
		work_release(&work);
	} while (status < 0 && again_is_due(&again, &session, err));
}

int run_sync(const struct config *config, struct outcome *outcome)
{
	struct err err = ERR_INIT;
	struct limits limits;
	struct report_totals totals = { .sent_bytes = 0 };
	struct report *report = NULL;
	char run[RUN_NAME_LEN + 1];
	int code = 0;

	sys_set_role("initiator");
	stop_install();
	run_name_make(run);
	log_name_run(run);
	report = report_new(config, run);
	report_into(report, outcome);
	report_begin(report);
	jitter_wait(config);
	limits_start(&limits, config, report, run);
	run_tries(config, &limits, report, run, &totals, &err);
	if (err.kind == ERR_UNREACHABLE)
		outcome->online = network_blame(config, &err);
	limits_end(&limits);
	commands_after_run(config, report, run, &err);
	code = report_end(report, &totals, &err);
	report_free(report);
	return code;
}
