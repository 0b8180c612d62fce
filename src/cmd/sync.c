/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/cmd.h"
#include "cmd/job.h"
#include "run/outcome.h"

int cmd_sync(int argc, char **argv)
{
	AUTO_OUTCOME outcome = OUTCOME_INIT;

	return job_run(argc, argv, JOB_BY_HAND, &outcome);
}
