/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/load.h"
#include "config/config.h"
#include "run/run.h"

int cmd_sync(int argc, char **argv)
{
	struct config *config = NULL;
	int code = cmd_load(argc, argv, &config);

	if (config)
		code = run_sync(config);
	config_free(config);
	return code;
}
