/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/cmd.h"
#include "cmd/job.h"

int cmd_sync(int argc, char **argv)
{
	return job_run(argc, argv, JOB_BY_HAND);
}
