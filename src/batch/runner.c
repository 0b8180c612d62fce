/* SPDX-License-Identifier: BSD-2-Clause */
#include "batch/runner.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/random.h"
#include "base/stop.h"
#include "base/text.h"
#include "batch/attempt.h"
#include "batch/profiles.h"
#include "batch/summary.h"
#include "run/report.h"

/* A profile at work. */
struct work {
	struct attempt *attempt; /* NULL: it does not run */
	int64_t begun_ms;	 /* this try */
	struct summary_row row;
	char message[480];
	bool look; /* one of its tries said something that wants a look */
	const struct runner *runner;
};

struct runner {
	const struct profiles *profiles;
	const struct runner_order *order;
	struct schedule_item *schedule; /* by profile, as all of these */
	struct work *works;
	size_t count;
	int forwarded; /* the signal that the runs have been told, or 0 */
};

/* Saying ------------------------------------------------------------------------- */

/* A line of a run, with whose it is. */
static void relay(void *arg, const char *line, bool error)
{
	const struct work *work = arg;
	FILE *stream = error ? stderr : stdout;
	AUTO_BUF text = BUF_INIT;

	if (work->runner->order->json && !error && line[0] == '{') {
		buf_addstr(&text, "{\"profile\":");
		text_add_json(&text, work->row.name);
		buf_addf(&text, ",%s", line + 1);
	} else {
		text_add_escaped(&text, work->row.name);
		buf_addf(&text, ": %s", line);
	}
	buf_addch(&text, '\n');
	(void)fwrite(text.data, 1, text.len, stream);
	(void)fflush(stream);
}

/* What the batch does: into the log, and for who watches. */
static void say(const struct work *work, enum log_rank rank, const char *what)
{
	const struct runner_order *order = work->runner->order;
	AUTO_BUF text = BUF_INIT;

	text_add_escaped(&text, work->row.name);
	buf_addf(&text, ": %s", what);
	log_event(rank, buf_cstr(&text));
	if (order->quiet || order->json)
		return;
	printf("%s\n", buf_cstr(&text));
	(void)fflush(stdout);
}

/* What no run has said, and cannot: also for who has asked for quiet. */
static void complain(const struct work *work, const char *what)
{
	AUTO_BUF text = BUF_INIT;

	text_add_escaped(&text, work->row.name);
	buf_addf(&text, ": %s", what);
	log_event(RANK_ERROR, buf_cstr(&text));
	fprintf(stderr, "osync: %s\n", buf_cstr(&text));
}

/* One try ------------------------------------------------------------------------ */

/* What the process is to be, for `osync batch --attempt`. */
static const char *kind_of_attempt(const struct runner *runner, const struct schedule_item *item)
{
	const struct schedule_limits *limits = &runner->order->limits;
	int64_t next_ms = clock_monotonic_ms() + limits->wait_ms;
	bool more = schedule_may_repeat(limits, item->tries, next_ms);

	if (runner->order->quiet)
		return more ? ATTEMPT_CRON_MORE : ATTEMPT_CRON;
	return more ? ATTEMPT_HAND_MORE : ATTEMPT_HAND;
}

static struct attempt *start_attempt(const struct runner *runner, size_t i, struct err *err)
{
	const struct runner_order *order = runner->order;
	AUTO_FREE const char **argv = xcalloc((size_t)order->option_count + 8, sizeof(*argv));
	AUTO_FREE char *file = xasprintf("--config=%s", runner->profiles->items[i].config);
	int count = 0;

	argv[count++] = "osync";
	argv[count++] = "batch";
	argv[count++] = ATTEMPT_OPTION;
	argv[count++] = kind_of_attempt(runner, &runner->schedule[i]);
	argv[count++] = file;
	for (int k = 0; k < order->option_count; k++)
		argv[count++] = order->options[k];
	/* The wait between two tries has a part that is random, too. */
	if (runner->schedule[i].tries > 1)
		argv[count++] = "--set=START_JITTER=0";
	return attempt_start(argv, err);
}

/* What its tries so far come to, after one more. */
static int code_of(const struct work *work, int last)
{
	if (last > 128)
		return EXIT_FAILED;
	return last == EXIT_IN_SYNC && work->look ? EXIT_LOOK : last;
}

static void say_end(const struct work *work, const struct schedule_item *item, int code,
		    int64_t now_ms)
{
	const struct runner_order *order = work->runner->order;
	AUTO_BUF text = BUF_INIT;

	summary_add_words(&text, code, order->dry_run);
	buf_addstr(&text, " after ");
	summary_add_time(&text, now_ms - work->begun_ms);
	if (work->message[0])
		buf_addf(&text, ": %s", work->message);
	if (item->state == SCHEDULE_WAITING) {
		buf_addstr(&text, "; tried again in ");
		summary_add_time(&text, item->due_ms - now_ms);
	}
	say(work, code == EXIT_IN_SYNC ? RANK_INFO : RANK_WARN, buf_cstr(&text));
}

static void take_message(struct work *work, const struct attempt_end *end)
{
	AUTO_BUF text = BUF_INIT;

	if (end->told) {
		buf_addstr(&text, end->message);
	} else {
		buf_addstr(&text, "the run went away without a word: ");
		summary_add_words(&text, end->code, false);
	}
	snprintf(work->message, sizeof(work->message), "%s", buf_cstr(&text));
}

/* The try of a profile is over. */
static void end_try(struct runner *runner, size_t i, const struct attempt_end *end)
{
	struct work *work = &runner->works[i];
	struct schedule_try tried = { .code = end->code, .finished = end->told && end->finished };
	int64_t now_ms = clock_monotonic_ms();

	attempt_free(work->attempt);
	work->attempt = NULL;
	work->look = work->look || end->look;
	work->row.busy_ms += now_ms - work->begun_ms;
	work->row.code = code_of(work, end->code);
	work->row.done = true;
	take_message(work, end);
	schedule_tried(&runner->schedule[i], &runner->order->limits, &tried, now_ms, random_u64());
	if (runner->forwarded)
		runner->schedule[i].state = SCHEDULE_OVER;
	say_end(work, &runner->schedule[i], end->code, now_ms);
	if (!end->told)
		complain(work, work->message);
}

static void begin_try(struct runner *runner, size_t i)
{
	struct work *work = &runner->works[i];
	struct attempt_end failed = { .code = EXIT_FAILED };
	struct err err = ERR_INIT;

	runner->schedule[i].state = SCHEDULE_RUNNING;
	work->row.tries = ++runner->schedule[i].tries;
	work->begun_ms = clock_monotonic_ms();
	say(work, RANK_INFO, work->row.tries > 1 ? "begins again" : "begins");
	work->attempt = start_attempt(runner, i, &err);
	if (work->attempt)
		return;
	complain(work, err.msg);
	snprintf(failed.message, sizeof(failed.message), "%s", err.msg);
	failed.told = true;
	end_try(runner, i, &failed);
}

/* All of them -------------------------------------------------------------------- */

static bool clash(void *arg, size_t one, size_t other)
{
	const struct profiles *profiles = arg;

	return places_clash(&profiles->items[one].places, &profiles->items[other].places);
}

/* Start what may be started. Returns for how long to wait, in ms; -1: until a try ends. */
static int64_t start_due(struct runner *runner)
{
	const struct schedule_limits *limits = &runner->order->limits;
	void *profiles = (void *)(uintptr_t)runner->profiles;
	int64_t now_ms = clock_monotonic_ms();
	size_t next = 0;

	schedule_expire(runner->schedule, runner->count, limits, now_ms);
	while ((next = schedule_next(runner->schedule, runner->count, limits, now_ms, clash,
				     profiles)) < runner->count) {
		begin_try(runner, next);
		now_ms = clock_monotonic_ms();
	}
	return schedule_wait_ms(runner->schedule, runner->count, now_ms);
}

static bool any_runs(const struct runner *runner)
{
	for (size_t i = 0; i < runner->count; i++)
		if (runner->works[i].attempt)
			return true;
	return false;
}

/* The runs are told of the signal, once; no other begins. */
static void forward(struct runner *runner, int signal)
{
	runner->forwarded = signal;
	for (size_t i = 0; i < runner->count; i++) {
		if (runner->works[i].attempt)
			attempt_signal(runner->works[i].attempt, signal);
		else
			runner->schedule[i].state = SCHEDULE_OVER;
	}
}

/* Wait for output, for the end of a run, for a signal; at most so long (-1: any time). */
static void wait_for_something(const struct runner *runner, int64_t wait_ms)
{
	AUTO_FREE struct pollfd *polls = xcalloc(runner->count * ATTEMPT_POLLS + 1, sizeof(*polls));
	struct timespec time = { .tv_sec = (time_t)(wait_ms / 1000),
				 .tv_nsec = (long)(wait_ms % 1000 * 1000 * 1000) };
	nfds_t count = 0;
	sigset_t none;

	for (size_t i = 0; i < runner->count; i++)
		if (runner->works[i].attempt) {
			attempt_polls(runner->works[i].attempt, &polls[count]);
			count += ATTEMPT_POLLS;
		}
	sigemptyset(&none);
	/* What comes between two of these calls is blocked until then. */
	(void)ppoll(polls, count, wait_ms < 0 ? NULL : &time, &none);
}

static void look_after(struct runner *runner)
{
	for (size_t i = 0; i < runner->count; i++) {
		struct work *work = &runner->works[i];
		struct attempt_end end;

		if (!work->attempt)
			continue;
		attempt_read(work->attempt, relay, work);
		if (attempt_ended(work->attempt, &end, relay, work))
			end_try(runner, i, &end);
	}
}

static void on_end_of_child(int signal)
{
	(void)signal;
}

/* Signals come only while it waits, so that none is missed between a look and a wait. */
static void block_signals(void)
{
	static const int all[] = { SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGCHLD };
	struct sigaction action = { .sa_handler = on_end_of_child, .sa_flags = SA_NOCLDSTOP };
	sigset_t blocked;

	stop_install();
	sigemptyset(&action.sa_mask);
	sigaction(SIGCHLD, &action, NULL);
	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		sigaddset(&blocked, all[i]);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
}

static void loop(struct runner *runner)
{
	int64_t wait_ms = 0;

	while ((wait_ms = runner->forwarded ? -1 : start_due(runner)) >= 0 || any_runs(runner)) {
		wait_for_something(runner, wait_ms);
		if (stop_signal() && !runner->forwarded)
			forward(runner, stop_signal());
		look_after(runner);
	}
}

/* The end ------------------------------------------------------------------------ */

static int judge(const struct runner *runner)
{
	int code = EXIT_IN_SYNC;

	for (size_t i = 0; i < runner->count; i++)
		if (runner->works[i].row.done)
			code = report_worse(code, runner->works[i].row.code);
	return runner->forwarded ? 128 + runner->forwarded : code;
}

/* Lines of text, one by one. */
static void log_text(const char *text)
{
	AUTO_FREE char *copy = xstrdup(text);

	for (char *line = copy, *end = NULL; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		log_event(RANK_INFO, line);
	}
}

static void sum_up(const struct runner *runner, int code, int64_t begun_ms)
{
	const struct runner_order *order = runner->order;
	AUTO_FREE struct summary_row *rows = xcalloc(runner->count + 1, sizeof(*rows));
	AUTO_BUF text = BUF_INIT;
	AUTO_BUF json = BUF_INIT;

	for (size_t i = 0; i < runner->count; i++)
		rows[i] = runner->works[i].row;
	summary_add_text(&text, rows, runner->count, order->dry_run);
	log_text(buf_cstr(&text));
	summary_add_json(&json, rows, runner->count, code, clock_monotonic_ms() - begun_ms);
	if (order->json)
		fputs(buf_cstr(&json), stdout);
	else if (!order->quiet)
		printf("\n%s", buf_cstr(&text));
	(void)fflush(stdout);
}

/* A profile that there is not has ended before it begins. */
static void set_up(struct runner *runner, size_t i)
{
	const struct profile *profile = &runner->profiles->items[i];
	struct work *work = &runner->works[i];

	work->runner = runner;
	work->row.name = profile->name;
	work->row.message = work->message;
	if (profile->config)
		return;
	runner->schedule[i].state = SCHEDULE_OVER;
	work->row.code = EXIT_BAD_CONFIG;
	work->row.done = true;
	snprintf(work->message, sizeof(work->message), "%s", profile->wrong);
	complain(work, profile->wrong);
}

int runner_run(const struct profiles *profiles, const struct runner_order *order)
{
	AUTO_FREE struct schedule_item *schedule = xcalloc(profiles->count + 1, sizeof(*schedule));
	AUTO_FREE struct work *works = xcalloc(profiles->count + 1, sizeof(*works));
	struct runner runner = { .profiles = profiles,
				 .order = order,
				 .schedule = schedule,
				 .works = works,
				 .count = profiles->count };
	int64_t begun_ms = clock_monotonic_ms();
	int code = 0;

	block_signals();
	for (size_t i = 0; i < runner.count; i++)
		set_up(&runner, i);
	loop(&runner);
	code = judge(&runner);
	sum_up(&runner, code, begun_ms);
	return code;
}
