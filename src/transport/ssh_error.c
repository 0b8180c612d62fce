/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport/ssh_error.h"

#include <libssh2.h>

#include "base/err.h"

static bool is_lost(int code)
{
	return code == LIBSSH2_ERROR_SOCKET_DISCONNECT || code == LIBSSH2_ERROR_SOCKET_RECV ||
	       code == LIBSSH2_ERROR_SOCKET_SEND || code == LIBSSH2_ERROR_CHANNEL_CLOSED;
}

int ssh_error(const struct ssh_failure *failure, struct err *err)
{
	if (*failure->reason)
		return err_set(err, ERR_UNREACHABLE, "'%s' closed the connection: %s",
			       failure->host, failure->reason);
	if (*failure->proxy)
		return err_set(err, ERR_UNREACHABLE, "the proxy to '%s' failed: %s", failure->host,
			       failure->proxy);
	if (failure->timed_out && failure->code == LIBSSH2_ERROR_EAGAIN)
		return err_set(err, ERR_UNREACHABLE, "no answer in time while %s '%s'",
			       failure->doing, failure->host);
	if (failure->code == LIBSSH2_ERROR_BANNER_RECV)
		return err_set(err, ERR_UNREACHABLE, "'%s' does not answer as an SSH server does",
			       failure->host);
	if (is_lost(failure->code))
		return err_set(err, ERR_UNREACHABLE, "the connection was lost while %s '%s'",
			       failure->doing, failure->host);
	return err_set(err, ERR_UNREACHABLE, "%s '%s' failed: %s (libssh2 %d)", failure->doing,
		       failure->host, failure->message, failure->code);
}
