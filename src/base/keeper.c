/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sys.h"

enum {
	LOOK_MS = 20,	  /* how often what is to end is looked at */
	GROUPS_MAX = 256, /* process groups that are asked before all are killed */
	CANNOT_EXECUTE = 127,
};

static const char shell[] = "/bin/sh";

/* What is being ended. */
struct ending {
	pid_t asked[GROUPS_MAX]; /* groups that have got SIGTERM */
	size_t asked_count;
	pid_t shell;
	int status; /* of the shell, -1 while it runs */
};

/* The parent of a process by /proc, or -1. "PID (NAME) STATE PPID ...", and the name may hold anything. */
static pid_t parent_of(int proc, const char *pid)
{
	static const char state[] = ") S ";
	char path[64];
	char line[512];
	const char *after = NULL;

	snprintf(path, sizeof(path), "%.20s/stat", pid);
	AUTO_CLOSE int fd = sys_openat(proc, path, O_RDONLY | O_CLOEXEC, 0);
	ssize_t got = fd < 0 ? -1 : sys_read(fd, line, sizeof(line) - 1);

	if (got <= 0)
		return -1;
	line[got] = '\0';
	after = strrchr(line, state[0]);
	if (!after || strlen(after) < sizeof(state))
		return -1;
	return (pid_t)strtol(after + sizeof(state) - 1, NULL, 10);
}

/* Ask a group once. */
static bool is_asked(struct ending *ending, pid_t group)
{
	for (size_t i = 0; i < ending->asked_count; i++)
		if (ending->asked[i] == group)
			return true;
	if (ending->asked_count < GROUPS_MAX)
		ending->asked[ending->asked_count++] = group;
	return false;
}

/* A child and its process group, which can hold nothing but descendants. */
static void signal_child(struct ending *ending, pid_t child, int sig)
{
	pid_t group = getpgid(child);

	if (group == getpgrp())
		group = -1;
	if (sig == SIGTERM && is_asked(ending, group > 0 ? group : child))
		return;
	if (group > 0)
		kill(-group, sig);
	kill(child, sig);
	/* What is stopped could not even end. */
	if (sig == SIGTERM)
		kill(group > 0 ? -group : child, SIGCONT);
}

static void signal_children(struct ending *ending, int sig)
{
	AUTO_DIR DIR *proc = sys_list(AT_FDCWD, "/proc");
	const char *name = NULL;

	/* The shell was not waited for yet, so its group is still its own. */
	if (!proc && ending->status == -1 && ending->shell > 0)
		kill(-ending->shell, SIGKILL);
	while (proc && (name = sys_next_name(proc)))
		if (name[0] >= '1' && name[0] <= '9' && parent_of(dirfd(proc), name) == getpid())
			signal_child(ending, (pid_t)strtol(name, NULL, 10), sig);
}

/* Collect what has ended; false when there is no child any more. */
static bool reap(struct ending *ending)
{
	int status = 0;
	pid_t pid = 0;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == ending->shell)
			ending->status = status;
	return pid == 0 || errno != ECHILD;
}

/* Signal all until there are none; false if the time was not enough. */
static bool end_with(struct ending *ending, int sig, int64_t limit_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + limit_ms;

	while (reap(ending)) {
		signal_children(ending, sig);
		if (clock_monotonic_ms() >= deadline_ms)
			return false;
		clock_sleep_ms(LOOK_MS);
	}
	return true;
}

static unsigned count_children(void)
{
	AUTO_DIR DIR *proc = sys_list(AT_FDCWD, "/proc");
	const char *name = NULL;
	unsigned count = 0;

	while (proc && (name = sys_next_name(proc)))
		if (parent_of(dirfd(proc), name) == getpid())
			count++;
	return count > 0 ? count : 1;
}

static unsigned end_all(struct ending *ending)
{
	if (end_with(ending, SIGTERM, KEEPER_TERM_MS) || end_with(ending, SIGKILL, KEEPER_KILL_MS))
		return 0;
	return count_children();
}

static noreturn void become_shell(const struct keeper_job *job, pid_t keeper)
{
	process_default_signals();
	process_die_with(keeper, SIGKILL);
	setsid();
	process_close_all();
	for (const char *const *more = job->environment; more && *more; more++) {
		char *variable = strdup(*more);

		if (!variable || putenv(variable) != 0)
			_exit(CANNOT_EXECUTE);
	}
	execl(shell, "sh", "-c", job->command, (char *)NULL);
	_exit(CANNOT_EXECUTE);
}

/* What makes the keeper look up. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Whether one of the signals that are waiting asks for the end. */
static bool is_asked_to_end(int signals)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			return true;
	return false;
}

/* Until the shell has ended, or it is to. Adopted children that ended meanwhile are forgotten. */
static void watch(struct ending *ending, int signals, int control)
{
	struct pollfd polls[] = { { .fd = signals, .events = POLLIN },
				  { .fd = control, .events = POLLIN } };

	while (ending->status == -1) {
		if (poll(polls, 2, -1) < 0 && errno != EINTR)
			return;
		/* Nothing is ever sent: readable means that the other end is shut. */
		if (is_asked_to_end(signals) || polls[1].revents)
			return;
		reap(ending);
	}
}

static noreturn void keep(const struct keeper_job *job, int control, pid_t guard)
{
	pid_t keeper = getpid();
	struct ending ending = { .status = -1 };
	struct keeper_end end = { .status = -1 };

	/* Who signals the group of its parent must not hit the guard as well. */
	setpgid(0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	process_die_with(guard, SIGTERM);
	int signals = open_signals();

	ending.shell = signals < 0 ? -1 : sys_fork();
	if (ending.shell == 0)
		become_shell(job, keeper);
	if (ending.shell > 0)
		watch(&ending, signals, control);
	end.status = ending.status;
	end.left = end_all(&ending);
	ssize_t ignored = write(control, &end, sizeof(end));

	(void)ignored;
	_exit(0);
}

/* The keeper must neither be killed nor held without everything ending. */
static void guard_keeper(pid_t keeper)
{
	struct ending ending = { .status = -1, .shell = -1 };
	int status = 0;

	while (waitpid(keeper, &status, WUNTRACED) == keeper || errno == EINTR) {
		if (!WIFSTOPPED(status))
			break;
		kill(keeper, SIGKILL);
	}
	end_with(&ending, SIGKILL, KEEPER_KILL_MS);
}

/* Standard streams of the command, and nothing else but the control socket. Returns that. */
static int take_streams(const struct keeper_job *job)
{
	int control = process_above_stdio(job->control);
	int output = process_above_stdio(job->output);
	int input = job->input < 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : job->input;

	input = process_above_stdio(input);
	dup2(input, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	process_close_all_but(&control, 1);
	return control;
}

noreturn void keeper_run(const struct keeper_job *job)
{
	pid_t guard = getpid();
	sigset_t all;

	sys_set_role("keeper");
	log_close();
	process_default_signals();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	int control = take_streams(job);
	pid_t keeper = sys_fork();

	if (keeper == 0)
		keep(job, control, guard);
	close(control);
	if (keeper > 0)
		guard_keeper(keeper);
	_exit(0);
}
