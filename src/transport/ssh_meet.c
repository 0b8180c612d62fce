/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/ssh_meet.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/sys.h"
#include "config/config.h"
#include "transport/meet.h"
#include "transport/ssh_connect.h"
#include "transport/ssh_hostkey.h"
#include "transport/ssh_options.h"
#include "transport/ssh_session.h"

/* One write: it is small, and the other end reads until we close. */
static int tell(int fd, const struct meeting *meeting, struct err *err)
{
	AUTO_BUF answer = BUF_INIT;

	meet_encode(&answer, meeting);
	if (write(fd, answer.data, answer.len) != (ssize_t)answer.len)
		return err_sys(err, errno, "cannot tell of the server's key");
	return 0;
}

static int meet(int fd, const struct config *config, struct err *err)
{
	AUTO_SSH_OPTIONS options = SSH_OPTIONS_INIT;
	AUTO_SESSION session = { .link = { .fd = -1, .error_fd = -1 } };
	AUTO_MEETING meeting = MEETING_INIT;
	AUTO_BUF name = BUF_INIT;
	struct ssh_link link = { .fd = -1, .error_fd = -1 };
	int known = 0;

	if (ssh_options_load(config, &options, err) < 0 ||
	    ssh_connect(&options, config, &link, err) < 0 ||
	    ssh_session_open(&session, &link, options.given_host, fd, err) < 0 ||
	    ssh_session_handshake(&session, config, ssh_hostkey_known_types(&options),
				  options.connect_timeout_s, err) < 0)
		return -1;
	known = ssh_hostkey_meet(&session, &options, config, &meeting.key, err);
	if (known < 0)
		return -1;
	ssh_hostkey_name(&name, &options);
	meeting.known = known;
	meeting.name = buf_steal_cstr(&name);
	meeting.file = xstrdup(options.user_known_hosts ? options.user_known_hosts : "");
	return tell(fd, &meeting, err);
}

int ssh_meet_run(int fd, const void *config, struct err *err)
{
	sys_set_role("transport");
	signal(SIGPIPE, SIG_IGN);
	return meet(fd, config, err) < 0;
}
