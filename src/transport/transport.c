/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/transport.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/process.h"
#include "base/sys.h"
#include "config/config.h"
#include "peer/agent.h"
#include "transport/account.h"
#include "transport/child.h"
#include "transport/command.h"
#include "transport/ssh.h"
#include "transport/ssh_meet.h"

enum {
	END_WAIT_MS = 5000, /* how long a child may take to end by itself */
};

struct transport {
	struct child child; /* pid 0: reaped */
	int status;	    /* wait status of a reaped child */
	char *label;	    /* "the agent for 'DIR'", a host: who is at the other end */
};

static struct transport *transport_new(int (*body)(int fd, const void *arg, struct err *err),
				       const void *arg, char *label, struct err *err)
{
	struct transport *transport = xcalloc(1, sizeof(*transport));

	transport->label = label;
	transport->child = (struct child){ .pid = 0, .fd = -1, .account = -1 };
	if (child_start(&transport->child, body, arg, err) == 0)
		return transport;
	transport_close(transport);
	return NULL;
}

/* The agent finds its stream where a remote one does: on standard input and output. */
static int local_run(int fd, const void *arg, struct err *err)
{
	const struct agent_options *options = arg;

	if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0) {
		err_sys(err, errno, "cannot hand the stream to the agent");
		return 1;
	}
	close(fd);
	return agent_serve(STDIN_FILENO, STDOUT_FILENO, options);
}

/* The options are copied by the fork. */
static struct transport *open_local(const struct agent_options *options, struct err *err)
{
	return transport_new(local_run, options, xasprintf("the agent for '%s'", options->dir),
			     err);
}

/* A root on this machine is told to the agent of the other one. */
static const char *within_reach(const struct config *config, const char *dir)
{
	return config_is_far(config) ? NULL : dir;
}

struct transport *transport_open_initiator(const struct config *config, const char *list_dir,
					   const char *list_name, struct err *err)
{
	const struct agent_options local = { .dir = config->initiator_dir,
					     .other_dir = within_reach(config, config->target.path),
					     .list_dir = list_dir,
					     .list_name = list_name,
					     .role = "initiator agent",
					     .hooks = config_has_local_hooks(config),
					     .alone = true };

	return open_local(&local, err);
}

struct transport *transport_open_target(const struct config *config, struct err *err)
{
	const struct target *target = &config->target;
	struct agent_options local = { .dir = target->path,
				       .other_dir = within_reach(config, config->initiator_dir),
				       .state_dir = config_target_state_dir(config),
				       .role = "target agent",
				       .hooks = config_has_remote_hooks(config),
				       .alone = true };

	if (config->transport == TRANSPORT_COMMAND && target->remote)
		return transport_new(command_run, config, xstrdup("TRANSPORT_COMMAND"), err);
	if (!target->remote)
		return open_local(&local, err);
	return transport_new(ssh_run, config, xstrdup(target->host), err);
}

struct transport *transport_open_meeting(const struct config *config, struct err *err)
{
	return transport_new(ssh_meet_run, config, xstrdup(config->target.host), err);
}

int transport_fd(const struct transport *transport)
{
	return transport->child.fd;
}

/* Read the account until the child has closed it or the deadline has passed. */
static size_t read_account(int fd, char *out, size_t size, int64_t deadline_ms)
{
	size_t len = 0;

	while (len < size) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		int64_t left_ms = deadline_ms - clock_monotonic_ms();

		if (left_ms <= 0 || poll(&ready, 1, (int)left_ms) == 0)
			break;
		ssize_t got = sys_link_read(fd, out + len, size - len);

		if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
			break;
		if (got > 0)
			len += (size_t)got;
	}
	return len;
}

static bool reap(struct transport *transport, int64_t deadline_ms)
{
	if (transport->child.pid == 0)
		return true;
	int status = process_wait(transport->child.pid, deadline_ms);

	if (status < 0)
		return false;
	transport->child.pid = 0;
	transport->status = status;
	return true;
}

/* For a child that ended, or did not, without an account. */
static int silent_end(const struct transport *transport, bool reaped, struct err *err)
{
	int status = transport->status;

	if (!reaped)
		return err_set(err, ERR_UNREACHABLE, "the connection to %s was lost",
			       transport->label);
	if (WIFSIGNALED(status))
		return err_set(err, ERR_UNREACHABLE, "the connection to %s was ended by signal %d",
			       transport->label, WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return err_set(err, ERR_UNREACHABLE, "the connection to %s ended with status %d",
			       transport->label, WEXITSTATUS(status));
	return err_set(err, ERR_UNREACHABLE, "%s has ended the connection", transport->label);
}

int transport_failure(struct transport *transport, struct err *err)
{
	char account[ACCOUNT_MAX];
	int64_t deadline_ms = clock_monotonic_ms() + END_WAIT_MS;

	/* A child that still runs learns here that nobody listens any more. */
	shutdown(transport->child.fd, SHUT_RDWR);
	size_t len = read_account(transport->child.account, account, sizeof(account), deadline_ms);
	bool reaped = reap(transport, deadline_ms);

	if (len > 0 && account_decode(account, len, err) == 0)
		return -1;
	return silent_end(transport, reaped, err);
}

void transport_close(struct transport *transport)
{
	if (!transport)
		return;
	int saved = errno;

	cleanup_close(&transport->child.fd);
	if (!reap(transport, clock_monotonic_ms() + END_WAIT_MS)) {
		/* The child leads a process group of its own, proxies included. */
		kill(-transport->child.pid, SIGKILL);
		kill(transport->child.pid, SIGKILL);
		waitpid(transport->child.pid, NULL, 0);
	}
	cleanup_close(&transport->child.account);
	free(transport->label);
	free(transport);
	errno = saved;
}
