/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/load.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "config/config.h"
#include "run/report.h"

int cmd_load_quietly(int argc, char **argv, struct config **config, struct buf *warnings,
		     struct err *err)
{
	if (config_load(argc, argv, config, warnings, err) < 0) {
		/* The messages are the error, one line a problem. */
		if (warnings->len)
			fputs(buf_cstr(warnings), stderr);
		else
			fprintf(stderr, "osync: %s\n", err->msg);
		*config = NULL;
		return report_exit_code(err);
	}
	log_setup((*config)->log_level, "osync");
	return 0;
}

int cmd_load(int argc, char **argv, struct config **config, struct err *err)
{
	AUTO_BUF warnings = BUF_INIT;
	int code = cmd_load_quietly(argc, argv, config, &warnings, err);

	/* Also with --quiet: a misspelt key must not go unseen under cron. */
	if (*config && warnings.len)
		fputs(buf_cstr(&warnings), stderr);
	return code;
}
