/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/ssh.h"

#include <signal.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/sys.h"
#include "config/config.h"
#include "transport/quote.h"
#include "transport/ssh_connect.h"
#include "transport/ssh_hostkey.h"
#include "transport/ssh_login.h"
#include "transport/ssh_options.h"
#include "transport/ssh_pump.h"
#include "transport/ssh_session.h"

static int pump(struct ssh_session *session, const struct config *config, int fd, struct err *err)
{
	AUTO_BUF command = BUF_INIT;
	AUTO_BUF shown = BUF_INIT;
	struct quote_agent agent = quote_agent_of(config);
	struct quote_agent agent_shown = quote_agent_shown(config);

	quote_remote(&command, &agent);
	quote_remote(&shown, &agent_shown);
	struct ssh_pump_task task = { .command = buf_cstr(&command),
				      .shown = buf_cstr(&shown),
				      .osync = config->remote_osync_path,
				      .parent_fd = fd,
				      .keepalive_s = config->ssh_keepalive_s };

	return ssh_pump(session, &task, err);
}

static int serve(int fd, const struct config *config, struct err *err)
{
	AUTO_SSH_OPTIONS options = SSH_OPTIONS_INIT;
	AUTO_SESSION session = { .link = { .fd = -1, .error_fd = -1 } };
	struct ssh_link link = { .fd = -1, .error_fd = -1 };

	if (ssh_options_load(config, &options, err) < 0 ||
	    ssh_connect(&options, config, &link, err) < 0 ||
	    ssh_session_open(&session, &link, options.given_host, fd, err) < 0)
		return -1;
	if (ssh_session_handshake(&session, config, ssh_hostkey_known_types(&options),
				  options.connect_timeout_s, err) < 0 ||
	    ssh_hostkey_check(&session, &options, config, err) < 0 ||
	    ssh_login(&session, &options, config, err) < 0)
		return -1;
	return pump(&session, config, fd, err);
}

int ssh_run(int fd, const void *config, struct err *err)
{
	sys_set_role("transport");
	signal(SIGPIPE, SIG_IGN);
	return serve(fd, config, err) < 0;
}
