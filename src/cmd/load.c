/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/load.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "config/config.h"
#include "run/report.h"

int cmd_load(int argc, char **argv, struct config **config)
{
	AUTO_BUF messages = BUF_INIT;
	struct err err = ERR_INIT;
	int status = config_load(argc, argv, config, &messages, &err);

	/* Warnings also with --quiet: a misspelt key must not go unseen under cron. */
	if (messages.len)
		fputs(buf_cstr(&messages), stderr);
	if (status < 0) {
		/* The messages are the error, one line a problem. */
		if (!messages.len)
			fprintf(stderr, "osync: %s\n", err.msg);
		*config = NULL;
		return report_exit_code(&err);
	}
	log_setup((*config)->log_level, "osync");
	return 0;
}
